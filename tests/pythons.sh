#!/usr/bin/env bash
# pythons.sh PYTHON: for every other Python at hand that the package supports, its wheel is built and passes a fast part of
# the tests; the oldest one has the oldest NumPy and safetensors that pyproject.toml allows.  PYTHON has been tested whole.
set -euo pipefail
python=$(realpath -s "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
parts="autograd data files freeze import io linear memory norm optim threads training"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One Python of each version: of the PATH, of pyenv, of uv.
declare -A found
for each in $(compgen -c python3. | sort -u) "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/*/bin/python3; do
    version=$("$each" -c 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2] + sys.abiflags)' 2> /dev/null) || continue
    "$each" -c 'import sys; sys.exit(sys.version_info < (3, 10))' && found[$version]=$each
done
unset "found[$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags)')]"
if [ ${#found[@]} -eq 0 ]; then
    echo "no other Python at hand"
fi

# The versions that pyproject.toml names, as pip's exact requirements.
oldest=$(sed -n 's/^dependencies = \[\(.*\)\]$/\1/p' "$root/pyproject.toml" | tr -d '",' | sed 's/>=/==/g')

for version in $(printf '%s\n' "${!found[@]}" | sort -V); do
    mkdir "$work/$version" && cd "$work/$version"
    "${found[$version]}" -m venv user
    user/bin/pip wheel -q --no-deps -w . "$root"
    user/bin/pip install -q ./*.whl $oldest pytest pytest-xdist
    oldest=""
    cp -r "$root/tests" "$root/pyproject.toml" .
    user/bin/python tests/user_program.py
    echo "Python $version with $(user/bin/pip list --format=freeze 2> /dev/null | grep -E '^(numpy|safetensors)==' | tr '\n' ' ')"
    user/bin/python -m pytest -q -n 2 $(printf 'tests/test_%s.py ' $parts)
done
