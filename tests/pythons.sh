#!/usr/bin/env bash
# pythons.sh PYTHON: for every other Python at hand that the package supports, its wheel is built and passes a fast part of
# the tests; the oldest one has the oldest NumPy and safetensors that pyproject.toml allows.  PYTHON has been tested whole,
# and is among them only where it is the oldest.
set -euo pipefail
python=$(realpath -s "$1")
source "$(dirname "$0")/native/systems.sh"
name='import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2] + sys.abiflags)'

# One Python of each version: of the PATH, of pyenv, of uv.
declare -A found
for each in $(compgen -c python3. | sort -u) "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/*/bin/python3; do
    version=$("$each" -c "$name" 2> /dev/null) || continue
    "$each" -c 'import sys; sys.exit(sys.version_info < (3, 10))' && found[$version]=$each
done
own=$("$python" -c "$name")
found[$own]=$python
first=$(printf '%s\n' "${!found[@]}" | sort -V | head -n 1)
if [ "$own" != "$first" ]; then
    unset "found[$own]"
elif [ ${#found[@]} -eq 1 ]; then
    echo "no other Python at hand"
fi

# The versions that pyproject.toml names, as pip's exact requirements.
oldest=$(sed -n 's/^dependencies = \[\(.*\)\]$/\1/p' "$root/pyproject.toml" | tr -d '",' | sed 's/>=/==/g')

for version in $(printf '%s\n' "${!found[@]}" | sort -V); do
    mkdir "$work/$version" && cd "$work/$version"
    "${found[$version]}" -m venv user
    user/bin/pip wheel -q --no-deps -w . "$root"
    if [ "$version" = "$first" ] && ! user/bin/pip install -q --only-binary :all: $oldest; then
        echo "Python $version has no $oldest: the newest in their place"
    fi
    user/bin/pip install -q ./*.whl pytest pytest-xdist
    echo "Python $version with $(user/bin/pip list --format=freeze 2> /dev/null | grep -E '^(numpy|safetensors)==' | tr '\n' ' ')"
    pass_fast user/bin/python
done
