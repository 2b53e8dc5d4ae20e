#!/usr/bin/env bash
# build.sh OUTPUT [COMPILER [FLAGS...]]: the C sources and selftest.c as one program.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
output=$1 cc=${2:-gcc}
shift $(($# < 2 ? $# : 2))
"$cc" -std=gnu11 -O2 -fno-math-errno -fno-trapping-math -ffp-contract=off -fopenmp-simd -DFNN_HAVE_OMP_SIMD=1 \
    -I"$root/src_c" "$@" "$root"/src_c/*/*.c "$root/tests/native/selftest.c" -o "$output" -lm
