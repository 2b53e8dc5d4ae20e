#!/usr/bin/env bash
# python_debian.sh [VERSION [SUITE]]: the wheel in the Python of another suite of Debian (3.14 of sid), unpacked beside that
# suite's C library: a user's program, the demo and the fast part of the tests.  Needs Debian's apt and gcc.
set -euo pipefail
source "$(dirname "$0")/systems.sh"
python_version=${1:-3.14}
needs gcc "gcc libc6-dev"
debian amd64 "${2:-sid}"
unpack "python$python_version" "libpython$python_version-dev" libstdc++6
wrapper "$python_version" "$system/lib64/ld-linux-x86-64.so.2" --library-path "$system/usr/lib/x86_64-linux-gnu" --argv0 '"$0"'
export CC="gcc --sysroot=$system"
try_python manylinux_2_28_x86_64 manylinux_2_27_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64 linux_x86_64
