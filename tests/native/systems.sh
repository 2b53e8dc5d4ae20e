# systems.sh, sourced: Pythons of other systems, out of Debian's packages of any suite and processor, and what they have to pass.
# It makes a folder $work, which goes when the script ends.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The fast part of the tests.
fast=$(printf 'tests/test_%s.py ' autograd data files freeze import io linear memory norm optim threads training)

# pass_fast PYTHON: in the folder at hand, with the wheel that PYTHON has installed, a user's program and that part.
pass_fast() {
    cp -r "$root/tests" "$root/pyproject.toml" .
    "$1" tests/user_program.py
    "$1" -m pytest -q -n 2 -p no:cacheprovider $fast
}

# needs COMMAND PACKAGE: ends the script where a command of one of Debian's packages is missing.
needs() {
    command -v "$1" > /dev/null || {
        echo "$(basename "$0"): $1 is missing; apt-get install $2"
        exit 1
    }
}

# debian PROCESSOR SUITE...: $apt knows these suites alone, with lists, a state and a cache of its own.
debian() {
    local uri suite key=/usr/share/keyrings/debian-archive-keyring.gpg own=$work/apt
    needs apt-get apt
    uri=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN)' | awk '$2 == "Debian" { print $1; exit }')
    mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
    : > "$own/status"
    for suite in "${@:2}"; do
        printf 'deb [signed-by=%s] %s %s main\ndeb-src [signed-by=%s] %s %s main\n' "$key" "$uri" "$suite" "$key" "$uri" "$suite"
    done > "$own/sources.list"
    apt="apt-get -qq -o Dir::Etc::sourcelist=$own/sources.list -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$own/lists
        -o Dir::State::status=$own/status -o Dir::Cache=$own/cache -o APT::Sandbox::User=root
        -o APT::Architecture=$1 -o APT::Architectures=$1"
    $apt update
}

# unpack PACKAGE...: they and all that they depend on, unpacked into $system and not set up.
unpack() {
    local each
    system=$work/system
    mkdir "$system"
    $apt -y --download-only --no-install-recommends install base-files "$@" > "$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    for each in "$work"/apt/cache/archives/*.deb; do dpkg -x "$each" "$system"; done
}

# from_source PACKAGE CONFIGURE...: Debian's source package, configured by this command, built and installed into $prefix.
from_source() {
    mkdir -p "$work/$1"
    (
        cd "$work/$1"
        $apt source --download-only "$1" > log 2>&1
        tar -x --strip-components=1 -f ./*.orig.tar.[gx]z
        "${@:2}" --prefix="$prefix" >> log 2>&1 && make -s -j"$(nproc)" >> log 2>&1 && make -s install >> log 2>&1
    ) || { tail -n 20 "$work/$1/log"; exit 1; }
}

# wrapper VERSION COMMAND...: $python, which has this command run the Python that was unpacked.
wrapper() {
    python=$system/usr/bin/python
    printf '#!/bin/sh\nexec %s "%s/usr/bin/python%s" "$@"\n' "${*:2}" "$system" "$1" > "$python"
    chmod +x "$python"
}

# pip_for COMMAND ARGUMENTS...: pip of this machine for $python and $platforms; its own may have no network, or an emulator.
pip_for() {
    tools/bin/python -m pip "$1" -q --only-binary :all: --python-version "$version" $(printf -- '--platform %s ' $platforms) "${@:2}"
}

# environment FOLDER ARGUMENTS...: a virtual environment of $python, into which pip installs.
environment() {
    "$python" -m venv --without-pip "$1"
    pip_for install --no-compile --target "$1/lib/python$version/site-packages" "${@:2}"
}

# try_python PLATFORM...: $python, to which pip hands wheels of these platforms, builds the project's wheel with the compiler
# $CC; Cython of this machine has written the C before.  Then a user's environment is made from a folder of wheels, without
# an index or a compiler in reach, and runs a user's program, the demo and the fast part of the tests.
try_python() {
    platforms=$*
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    cd "$work"
    mkdir wheels nothing tree
    "${PYTHON:-python3}" -m venv tools
    tools/bin/python -m pip install -q --upgrade pip cython numpy

    (cd "$root" && tar -c --exclude=./.git --exclude=./build --exclude='*.so' --exclude=_core.c --exclude=./.venv .) | tar -x -C tree
    environment builder cython "setuptools>=77" numpy
    tools/bin/cython tree/fastnn/_core.pyx # after the other Cython's files, or that one would write it again
    (cd tree && ../builder/bin/python setup.py -q bdist_wheel -d ../wheels > ../log 2>&1) || { tail log; exit 1; }

    pip_for download -d wheels numpy safetensors pytest pytest-xdist
    pip_for download -d wheels scikit-learn matplotlib tqdm 2> log || echo "no wheels of scikit-learn for $1: without the demo"
    PATH=$work/nothing environment user --no-index --find-links wheels wheels/*.whl
    echo "$("$python" -c 'import platform, sysconfig; print(sysconfig.get_config_var("MULTIARCH"), *platform.libc_ver(), "Python", platform.python_version())'), $(cd wheels && echo fastnn*.whl numpy*.whl)"
    if [ -d "user/lib/python$version/site-packages/sklearn" ]; then
        user/bin/python -m fastnn demo --epochs 3 --quiet --out demo
    fi
    pass_fast user/bin/python
}
