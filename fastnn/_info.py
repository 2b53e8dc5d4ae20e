"""What this installation is and what it found on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from . import _core, _threads
from ._version import __version__


def _openmp_runtimes() -> list[str]:
    """Names of the OpenMP runtimes in this process, ours or others'."""
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    files = {line.split(None, 5)[5] for line in maps if len(line.split(None, 5)) == 6}
    return sorted({Path(f).name for f in files if Path(f).name.startswith(("libgomp", "libomp", "libiomp"))})


def isa() -> str:
    """Return the name of the instruction-set tier in use: "avx512", "avx2", "neon" or "base"."""
    return _core.isa()


def config() -> dict[str, Any]:
    """Return the build and the choices made at import, by name."""
    build = _core.BUILD
    quota = _threads.cpu_quota()
    return {
        "version": __version__,
        "python": sys.version.split()[0],
        "instruction set": _core.isa(),
        "instruction sets here": ", ".join(name for name, runs in _core.ISA_TIERS if runs),
        "threads": _threads.get_num_threads(),
        "threads because of": _threads.reason(),
        "thread team": _core.team(),
        "CPU quota": "none" if quota is None else f"{quota:g}",
        "compiler": build["compiler"],
        "flags": build["flags"],
        "OpenMP's loop hints": "yes" if build["omp_simd"] else "no: the compiler does not know them",
        "OpenMP runtimes loaded": ", ".join(_openmp_runtimes()) or "none",
    }


def show_config() -> str:
    """Return the version, kernels, threads and compiler as text.

    Examples
    --------
    >>> import fastnn
    >>> fastnn.show_config().startswith("version")
    True
    """
    lines = config()
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())
