#!/usr/bin/env bash
# battery.sh [TEST...]: dieharder (Debian's) on the bits that dropout draws; all of its tests, or those of these numbers.
# One test in a hundred of a perfect generator is WEAK; FAILED is a fault.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gcc -std=gnu11 -O2 -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd -Wno-unused-function -I"$root/src_c" \
    "$root/tests/native/battery.c" -o "$work/battery" -lm
for order in along across; do
    echo "$order"
    if [ $# -eq 0 ]; then
        "$work/battery" $order 1 | dieharder -a -g 200 2> /dev/null | tee -a "$work/log" | grep -E "PASSED|WEAK|FAILED"
    else
        for test in "$@"; do
            "$work/battery" $order 1 | dieharder -d "$test" -g 200 2> /dev/null | tee -a "$work/log" | grep -E "PASSED|WEAK|FAILED"
        done
    fi
done
! grep -q FAILED "$work/log"
