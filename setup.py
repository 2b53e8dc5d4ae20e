"""Builds the one extension that holds all C.  Metadata stands in pyproject.toml."""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FLAGS = [
    "-O3",
    "-g0",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
    "-fvisibility=hidden",
]

# What OpenMP gives, best first: loop hints and a second thread team; loop hints alone; nothing (our own team still works).
OPENMP = [
    (
        ["-fopenmp"],
        ["FNN_HAVE_OPENMP", "FNN_HAVE_OMP_SIMD"],
        "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }",
    ),
    (["-fopenmp-simd"], ["FNN_HAVE_OMP_SIMD"], "int main(void) { return 0; }"),
    (["-Wno-unknown-pragmas"], [], ""),
]


class BuildExt(build_ext):
    """Asks the compiler what it can do, then builds."""

    def build_extension(self, ext):
        flags, defines, _ = next(way for way in OPENMP if not way[2] or self.links(way[2], way[0]))
        version = subprocess.run([*self.compiler.compiler_so[:1], "--version"], capture_output=True, text=True).stdout
        ext.extra_compile_args += flags
        ext.extra_link_args += [flag for flag in flags if flag == "-fopenmp"]
        ext.define_macros += [(name, "1") for name in defines]
        ext.define_macros += [
            ("FNN_COMPILER", '"%s"' % version.split("\n")[0].replace('"', "")),
            ("FNN_FLAGS", '"%s"' % " ".join(FLAGS + flags)),
        ]
        super().build_extension(ext)

    def links(self, source, flags):
        """Whether a program compiles and links with these flags."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "try.c")
            file.write_text(source)
            try:
                objects = self.compiler.compile([str(file)], output_dir=folder, extra_postargs=["-Werror", *flags])
                self.compiler.link_executable(objects, str(Path(folder, "try")), extra_postargs=flags)
            except Exception:  # the compilers' own error classes have no common base
                return False
        return True


sources = [
    "fastnn/_core.pyx",
    *map(str, sorted(Path("src_c").glob("*.c"))),
    *map(str, sorted(Path("src_c/isa").glob("*.c"))),
]
headers = [str(path) for path in Path("src_c").rglob("*") if path.suffix in {".h", ".inc", ".def"}]
core = Extension(
    "fastnn._core",
    sources,
    include_dirs=["src_c", numpy.get_include()],
    depends=[*headers, *map(str, Path("fastnn").glob("*.pxi"))],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=FLAGS + os.environ.get("FASTNN_CFLAGS", "").split(),
    extra_link_args=os.environ.get("FASTNN_LDFLAGS", "").split(),
)
setup(ext_modules=cythonize([core]), cmdclass={"build_ext": BuildExt})
