#!/usr/bin/env bash
# The NEON tier gives the bits of the AVX2 tier.  Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/build.sh" "$work/x86"
"$here/build.sh" "$work/arm" aarch64-linux-gnu-gcc -static
"$work/x86" avx2 > "$work/avx2.txt"
qemu-aarch64 "$work/arm" neon > "$work/neon.txt"
diff "$work/avx2.txt" "$work/neon.txt"
echo "neon and avx2: the same bits in $(wc -l < "$work/neon.txt") families"
