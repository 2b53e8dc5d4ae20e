"""Builds the one extension that holds all C.  Metadata stands in pyproject.toml."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = [
    "-O2",
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fvisibility=hidden",
    "-fno-asynchronous-unwind-tables",
]

# What not every compiler knows, each asked for by itself.  OpenMP gives loop hints alone; no runtime of it is linked.  The
# rest is gcc's: what of -O3 makes these kernels faster (loops without hints vectorised, short loops unrolled whole, options
# tested outside the loop), without what only makes them larger (copies of each loop for what its vectors leave over, gaps
# before loops and functions): a third less code, as fast.
OPTIONAL = [
    "-fopenmp-simd",
    "-ftree-vectorize",
    "-fpeel-loops",
    "-funswitch-loops",
    "-fvect-cost-model=dynamic",
    "--param=vect-epilogues-nomask=0",
    "-fno-align-functions",
    "-fno-align-jumps",
    "-fno-align-loops",
    "--param=max-completely-peeled-insns=120",
]


class BuildExt(build_ext):
    """Asks the compiler what it can do, then builds."""

    def run(self):
        self.names = self.inplace or self.editable_mode  # while setuptools builds, inplace is 0
        super().run()

    def build_extension(self, ext):
        windows = self.compiler.compiler_type == "msvc"
        if windows:  # Microsoft's own compiler has no vector extensions and no attributes of functions
            self.compiler.initialize()
            self.compiler.cc = shutil.which("clang-cl") or sys.exit(
                "fastnn is built by clang-cl on Windows; install LLVM"
            )
            self.compiler.compile_options.remove("/GL")  # clang-cl warns of it
        flags, prefix = list(FLAGS), "/clang:" if windows else ""
        flags += [flag for flag in OPTIONAL if self.accepts(prefix + flag)]
        if "-fopenmp-simd" in flags:
            ext.define_macros.append(("FNN_HAVE_OMP_SIMD", "1"))
        else:
            flags.append("-Wno-unknown-pragmas")
        compiler = self.compiler.cc if windows else self.compiler.compiler_so[0]
        version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
        ext.define_macros += [
            ("FNN_COMPILER", '"%s"' % version.split("\n")[0].strip().replace('"', "")),
            ("FNN_FLAGS", '"%s"' % " ".join(flags)),
        ]
        ext.extra_compile_args = [prefix + flag for flag in flags] + ext.extra_compile_args
        if sys.platform.startswith("linux") and not self.names:
            ext.extra_link_args.append("-Wl,-s")  # names of static functions serve profilers and sanitizers alone
        super().build_extension(ext)

    def accepts(self, flag):
        """Whether the compiler takes this flag without a word."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "try.c")
            file.write_text("int main(void) { return 0; }")
            try:
                self.compiler.compile([str(file)], output_dir=folder, extra_postargs=["-Werror", flag])
            except Exception:  # the compilers' own error classes have no common base
                return False
        return True


sources = [
    "fastnn/_core.pyx",
    *map(str, sorted(Path("src_c").glob("*/*.c"))),
]
headers = [str(path) for path in Path("src_c").rglob("*") if path.suffix in {".h", ".inc", ".def"}]
core = Extension(
    "fastnn._core",
    sources,
    include_dirs=["src_c", numpy.get_include()],
    depends=[*headers, *map(str, Path("fastnn").glob("*.pxi"))],
    libraries=["dl"] if sys.platform.startswith("linux") else [],
    # The oldest NumPy that the extension may run with, as pyproject.toml says; headers before 2.3 would choose 1.21, whose
    # table has no PyDataMem_SetHandler.
    define_macros=[(name, "NPY_2_0_API_VERSION") for name in ("NPY_TARGET_VERSION", "NPY_NO_DEPRECATED_API")],
    extra_compile_args=os.environ.get("FASTNN_CFLAGS", "").split(),
    extra_link_args=os.environ.get("FASTNN_LDFLAGS", "").split(),
)
setup(ext_modules=cythonize([core]), cmdclass={"build_ext": BuildExt})
