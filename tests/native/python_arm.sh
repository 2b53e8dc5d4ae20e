#!/usr/bin/env bash
# python_arm.sh: the wheel for aarch64, cross-compiled, in Debian's Python of that processor under an emulator: a user's
# program, the demo and the fast part of the tests, half an hour on two idle cores.  Needs Debian's apt,
# gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
set -euo pipefail
source "$(dirname "$0")/systems.sh"
needs aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
needs qemu-aarch64 qemu-user
debian arm64 trixie
unpack python3.13 libpython3.13-dev libstdc++6
wrapper 3.13 "$(command -v qemu-aarch64)" -L "$system" -0 '"$0"'
export CC="aarch64-linux-gnu-gcc --sysroot=$system -I$system/usr/include/python3.13"
try_python manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64 linux_aarch64
