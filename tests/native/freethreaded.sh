#!/usr/bin/env bash
# freethreaded.sh [PYTHON]: a Python without the interpreter's lock runs a fast part of the tests, threads that train, predict,
# freeze, save and load at once, the same watched by ThreadSanitizer, and says what two threads compute beside one.
# Without PYTHON, CPython is built from Debian's source package into FASTNN_FREETHREADED (~/.cache/fastnn-freethreaded), and
# safetensors, which has no wheel for it, from its source archive and Debian's packages of Rust's libraries.
# Needs gcc; for the builds Debian's apt, the headers of OpenSSL, zlib and libffi, and cargo.
set -euo pipefail
kept=${FASTNN_FREETHREADED:-$HOME/.cache/fastnn-freethreaded}
source "$(dirname "$0")/systems.sh"
cpython=trixie # the suite whose python3.13 is built
crates=sid     # the suite whose pyo3 knows this Python
libraries="pyo3 pyo3-ffi pyo3-macros pyo3-macros-backend pyo3-build-config libc once-cell portable-atomic heck proc-macro2 quote
    syn syn-2 unicode-ident serde serde-core serde-derive serde-json itoa memchr zmij memmap2 hashbrown allocator-api2 equivalent
    foldhash tempfile fastrand rustix linux-raw-sys bitflags getrandom cfg-if errno unindent indoc memoffset autocfg rustversion
    target-lexicon ryu"

# Its source archive as pip unpacks it: without what other systems and its own tests need, which Debian need not have.
build_safetensors() {
    mkdir -p "$work/crates" "$work/archive" && cd "$work/crates"
    $apt download $(printf 'librust-%s-dev ' $libraries)
    for each in ./*.deb; do dpkg -x "$each" .; done
    "$python" -m pip install -q maturin
    TMPDIR=$work/archive PATH="$(dirname "$python"):$PATH" "$python" -m pip install --no-clean --no-deps --no-binary :all: \
        --no-build-isolation safetensors > "$work/log" 2>&1 || true # it cannot reach Rust's own registry
    cd "$work"/archive/pip-install-*/safetensors_*
    sed -i "/^\[target\./,\$d" bindings/python/Cargo.toml
    sed -i "/^\[target\./,/^\[features\]/{/^\[features\]/!d}; /^\[\[bench/,\$d" safetensors/Cargo.toml
    rm -f Cargo.lock bindings/python/Cargo.lock # which asks for the versions of another day
    mkdir .cargo
    printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "%s"\n' \
        "$work/crates/usr/share/cargo/registry" > .cargo/config.toml
    PATH="$(dirname "$python"):$PATH" maturin build -q --release --offline -i "$python" -o "$kept/wheels"
}

if [ $# -gt 0 ]; then
    python=$(realpath -s "$1")
else
    python=$kept/bin/python3.13t
    if [ ! -x "$python" ]; then
        debian amd64 $cpython $crates
        prefix=$kept from_source "python3.13/$cpython" \
            ./configure -q --disable-gil --without-doc-strings --disable-test-modules --with-ensurepip=install
    fi
    if ! compgen -G "$kept/wheels/*.whl" > /dev/null; then
        [ -n "${apt:-}" ] || debian amd64 $cpython $crates
        build_safetensors
    fi
fi
export PYTHON_GIL=0 # an extension that asks for the lock does not get it
cd "$work"
"$python" -m venv user
user/bin/pip install -q --find-links "$kept/wheels" --only-binary :all: numpy safetensors cython "setuptools>=77" pytest pytest-xdist hypothesis
python=$work/user/bin/python

# build NAME FLAGS: a copy of the tree, compiled with them
build() {
    mkdir "$work/$1"
    (cd "$root" && tar -c --exclude=./.git --exclude=./build --exclude='*.so' --exclude=./.venv .) | tar -x -C "$work/$1"
    cd "$work/$1"
    FASTNN_CFLAGS=$2 LDFLAGS=$2 "$python" setup.py -q build_ext --inplace > build.log 2>&1 || { tail -20 build.log; exit 1; }
    export PYTHONPATH=$PWD
}

build plain ""
"$python" -c "import sys, safetensors.numpy, fastnn.onnx; assert not sys._is_gil_enabled()"
"$python" -m pytest -q -n 2 -p no:cacheprovider $fast
FASTNN_ROUNDS=20 "$python" -X faulthandler -m pytest -q -p no:cacheprovider tests/test_many_threads.py
"$python" -m bench.throughput

# The interpreter itself is not instrumented: that it hands an object from thread to thread is not seen, and the first time
# that its memory is written, always in these functions, looks like a race with whoever is handed it; so does a Program, which is
# written by its constructor alone. With a short history the writer's name would be lost.
build thread "-fsanitize=thread -O1 -g1"
printf 'race:%s\n' _PyType_AllocNoTrack _mi_heap_realloc_zero list_resize list_ass_slice_lock_held dictresize new_keys_object \
    _PyObjectStack PyTuple_New Program___cinit__ > "$work/known"
fixed=$(setarch -R true 2> /dev/null && echo "setarch -R" || true) # the library wants its own part of the address space
TSAN_OPTIONS="exitcode=0 log_path=$work/races suppressions=$work/known history_size=7" OPENBLAS_NUM_THREADS=1 FASTNN_ROUNDS=1 \
    LD_PRELOAD="$(gcc -print-file-name=libtsan.so)" $fixed \
    "$python" -m pytest -q -p no:cacheprovider tests/test_many_threads.py
if compgen -G "$work/races*" > /dev/null; then
    cat "$work"/races*
    exit 1
fi
echo "threads without the interpreter's lock: nothing reported"
