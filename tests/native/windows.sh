#!/usr/bin/env bash
# windows.sh: Windows' threads and calling convention give Linux's bits.  Needs clang, gcc-mingw-w64-x86-64 and wine64.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/build.sh" "$work/linux"
"$here/build.sh" "$work/windows.exe" clang --target=x86_64-w64-mingw32 -Wno-pass-failed \
    -L"$(dirname "$(x86_64-w64-mingw32-gcc -print-libgcc-file-name)")"
"$work/linux" avx2 > "$work/linux.txt"
WINEDEBUG=-all WINEPREFIX=$work/wine timeout 300 wine "$work/windows.exe" avx2 | tr -d '\r' > "$work/windows.txt"
diff "$work/linux.txt" "$work/windows.txt"
echo "Windows and Linux: the same bits in $(wc -l < "$work/windows.txt") families"
