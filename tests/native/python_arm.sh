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
# The emulator's own processor has vectors for which OpenBLAS picks kernels that are wrong there: with NumPy alone, a product
# of positive matrices has negative elements and NaNs. This one has none of them, and is faster.
wrapper 3.13 "$(command -v qemu-aarch64)" -cpu neoverse-n1 -L "$system" -0 '"$0"'
# It also ends a child that was forked beside a thread and starts several of its own.
forks='
import os, threading, time
def sleepers(number, seconds):
    threads = [threading.Thread(target=time.sleep, args=(seconds,), daemon=True) for _ in range(number)]
    [each.start() for each in threads]
    return threads
sleepers(1, 60)
if (child := os.fork()) == 0:
    [each.join() for each in sleepers(3, 0.3)]
    os._exit(0)
os._exit(os.waitpid(child, 0)[1] != 0)'
if ! timeout 60 "$python" -W ignore -c "$forks" > "$work/log" 2>&1; then
    echo "without test_forked_children_compute: such a child, which has no fastnn, ended: $(grep -m 1 ERROR "$work/log")"
    fast+="--deselect tests/test_threads.py::test_forked_children_compute"
fi
export CC="aarch64-linux-gnu-gcc --sysroot=$system -I$system/usr/include/python3.13"
try_python manylinux_2_28_aarch64 manylinux_2_27_aarch64 manylinux_2_17_aarch64 manylinux2014_aarch64 linux_aarch64
