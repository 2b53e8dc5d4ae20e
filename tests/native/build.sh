#!/usr/bin/env bash
# build.sh OUTPUT [COMPILER [FLAGS...]]: the C sources and selftest.c as one program.  The C calls are those of the records,
# which ${PYTHON:-python3} reads; it has fastnn.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
output=$1 cc=${2:-gcc}
shift $(($# < 2 ? $# : 2))
calls=$(mktemp -d)
trap 'rm -rf "$calls"' EXIT
PYTHONPATH=${PYTHONPATH-$root} "${PYTHON:-python3}" "$root/tests/native/calls.py" > "$calls/calls.inc"
"$cc" -std=gnu11 -O2 -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd -DFNN_HAVE_OMP_SIMD=1 \
    -I"$root/src_c" -I"$calls" "$@" "$root"/src_c/*/*.c "$root/tests/native/selftest.c" -o "$output" -lm
