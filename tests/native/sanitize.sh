#!/usr/bin/env bash
# sanitize.sh PYTHON: the test suite on builds that watch memory, undefined behaviour and data races.  PYTHON has what the
# tests need.  Nothing may be reported: the first report ends the run.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(realpath -s "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build NAME FLAGS: a copy of the tree, compiled with them
build() {
    mkdir "$work/$1"
    (cd "$root" && tar -c --exclude=./.git --exclude=./build --exclude='*.so' --exclude=./.venv .) | tar -x -C "$work/$1"
    cd "$work/$1"
    FASTNN_CFLAGS="$2 -g1" LDFLAGS="$2" "$python" setup.py -q build_ext --inplace > build.log 2>&1 || { tail -20 build.log; exit 1; }
    nm -D fastnn/_core*.so | grep "$3" > /dev/null || { echo "$1: the build is not instrumented"; exit 1; }
}

# library NAME: where the compiler has it
library() { gcc -print-file-name="$1.so"; }

# What starts processes of its own (they would run without the library), measures time, or needs another library is left out.
apart="not bits and not demo and not build and not readme and not torch and not spawn and not command and not fork"

build address "-fsanitize=address,undefined -fno-sanitize-recover=undefined" __asan
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONPATH=$PWD \
    LD_PRELOAD="$(library libasan) $(library libubsan) $(library libstdc++)" \
    "$python" -m pytest -q -p no:cacheprovider tests -k "$apart and not sklearn"
echo "address, undefined: nothing reported"

build thread "-fsanitize=thread" __tsan
fixed=$(setarch -R true 2> /dev/null && echo "setarch -R" || true) # the library wants its own part of the address space
TSAN_OPTIONS="exitcode=66 log_path=$work/races" FASTNN_NUM_THREADS=4 OPENBLAS_NUM_THREADS=1 PYTHONPATH=$PWD \
    LD_PRELOAD="$(library libtsan)" $fixed \
    "$python" -m pytest -q -p no:cacheprovider tests -k "(threads or memory or linear or softmax or norm or dropout or optim or freeze or loss) and $apart and not children and not idle and not few and not no_more_threads"
if compgen -G "$work/races*" > /dev/null; then
    cat "$work"/races*
    exit 1
fi
echo "thread: nothing reported"
