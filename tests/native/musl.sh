#!/usr/bin/env bash
# musl.sh: threads and memory of musl's C library give glibc's bits.  Needs Debian's musl-tools.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/build.sh" "$work/glibc"
"$here/build.sh" "$work/musl" musl-gcc -static
"$work/glibc" avx2 > "$work/glibc.txt"
"$work/musl" avx2 > "$work/musl.txt"
diff "$work/glibc.txt" "$work/musl.txt"
echo "musl and glibc: the same bits in $(wc -l < "$work/musl.txt") families"
