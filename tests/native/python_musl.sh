#!/usr/bin/env bash
# python_musl.sh: CPython built with musl runs a wheel that was built with musl, beside NumPy's wheel for musl: a user's
# program and the fast part of the tests.  Needs Debian's apt, gcc and make.
set -euo pipefail
source "$(dirname "$0")/systems.sh"
needs gcc "gcc"
needs make "make"
debian amd64 trixie
unpack musl-dev
library=$system/usr/lib/x86_64-linux-musl
sed -i "s#/usr/lib/x86_64-linux-musl#$library#g; s# /usr/include# $system/usr/include#g; s# /lib/ld-musl# $system/lib/ld-musl#g" "$library/musl-gcc.specs"
cat > "$work/cc" << END
#!/bin/sh
[ "\$1" = --print-multiarch ] && exec echo x86_64-linux-musl
exec gcc -specs=$library/musl-gcc.specs "\$@"
END
chmod +x "$work/cc"
export CC=$work/cc

export PKG_CONFIG_LIBDIR=$work # this machine's libraries are glibc's
prefix=$work/zlib-built
CFLAGS="-O2 -fPIC" from_source zlib ./configure --static
zlib=$prefix prefix=$work/python
from_source python3.13 ./configure -q OPT="-DNDEBUG -O1" --without-doc-strings --disable-test-modules --with-ensurepip=no \
    ZLIB_CFLAGS="-I$zlib/include" ZLIB_LIBS="-L$zlib/lib -lz"
python=$prefix/bin/python3.13
"$python" -c "import zlib"
try_python musllinux_1_2_x86_64 linux_x86_64
