"""How many threads: the caller's word, the environment, or what the machine and its container grant."""

from __future__ import annotations

import os

from . import _check, _core, _threadpoolctl
from ._scope import Scope

MOST = 256


def _read(*path: str) -> str:
    with open(os.path.join(*path)) as file:
        return file.read()


def _cgroup_paths(root: str) -> dict[str, str]:
    """The process's control groups: {"cpu": path} for version 1, {"": path} for version 2."""
    groups = {}
    try:
        for line in _read(root, "proc/self/cgroup").splitlines():
            _, controllers, path = line.split(":", 2)
            groups.update(dict.fromkeys(controllers.split(","), path))
    except (OSError, ValueError):
        pass
    return groups


def _quota_of(folder: str) -> float | None:
    """CPUs granted by one control group, None where it sets no limit."""
    try:
        if os.path.exists(os.path.join(folder, "cpu.max")):
            quota, period = _read(folder, "cpu.max").split()[:2]
        else:
            quota, period = _read(folder, "cpu.cfs_quota_us"), _read(folder, "cpu.cfs_period_us")
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, "max", or something unreadable
        return None


def cpu_quota(root: str | os.PathLike[str] = "/") -> float | None:
    """CPUs that the container's quota grants this process, None without one: the least along the control group's path.

    Inside a container the path may name a place outside of what is mounted; the mount's own root is looked at as well.
    """
    top = os.fspath(root)
    groups = _cgroup_paths(top)
    quotas = []
    for controller, mounts in (
        ("", ("sys/fs/cgroup", "sys/fs/cgroup/unified")),
        ("cpu", ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct")),
    ):
        if controller not in groups:
            continue
        for mount in mounts:
            steps = groups[controller].strip("/").split("/")
            for depth in range(len(steps), -1, -1):  # the group's own folder and those above it, up to the mount
                quotas.append(_quota_of(os.path.join(top, mount, *steps[:depth])))
    return min((quota for quota in quotas if quota is not None), default=None)


def default_num_threads(root: str | os.PathLike[str] = "/") -> tuple[int, str]:
    """The number of threads to start with, and why that number."""
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST:
            return int(text), variable
        if text and variable == "FASTNN_NUM_THREADS":
            raise ImportError(f"FASTNN_NUM_THREADS: expected an integer from 1 to {MOST}, got {text!r}")
    try:
        number, reason = len(os.sched_getaffinity(0)), "CPU affinity"
    except AttributeError:  # no such call on this system
        number, reason = os.cpu_count() or 1, "cores"
    quota = cpu_quota(root)
    if quota is not None and int(quota) < number:
        number, reason = max(1, int(quota)), f"CPU quota of {quota:g}"
    return min(number, MOST), reason


def _checked(name: str, n: int) -> int:
    n = _check.count(name, "n", n, low=1)
    if n > MOST:
        raise ValueError(f"{name}: expected n of at most {MOST}, got {n}")
    return n


_chosen = (0, "not set yet")


def reason() -> str:
    """Why the process has its number of threads."""
    return _chosen[1] if _core.get_num_threads() == _chosen[0] else "threads() or threadpoolctl"


def set_num_threads(n: int) -> None:
    """Set the number of threads that calls from this process use.

    Small arrays are worked on by the calling thread alone, whatever the number.  Results never depend on it.

    Parameters
    ----------
    n : int
        From 1 to 256; it may exceed the number of cores.

    Examples
    --------
    >>> import fastnn
    >>> before = fastnn.get_num_threads()
    >>> fastnn.set_num_threads(2)
    >>> fastnn.get_num_threads()
    2
    >>> fastnn.set_num_threads(before)
    """
    _choose(_checked("set_num_threads", n), "set_num_threads")


def _choose(n: int, reason: str) -> None:
    global _chosen
    _core.set_num_threads(n)
    _chosen = n, reason


def get_num_threads() -> int:
    """Return the number of threads that the next call from this thread may use.

    Returns
    -------
    int
        The limit of an enclosing `threads`, else the number last set, else FASTNN_NUM_THREADS, else OMP_NUM_THREADS,
        else the least of CPU affinity, cores and the container's CPU quota.
    """
    return _core.get_num_threads()


def threads(n: int) -> Scope[int]:
    """Limit the calls that this thread makes inside a `with` block, or a function so decorated, to `n` threads.

    Parameters
    ----------
    n : int
        From 1 to 256.

    Examples
    --------
    >>> import fastnn
    >>> with fastnn.threads(1):
    ...     fastnn.get_num_threads()
    1
    """
    return Scope("threads", _core.set_thread_limit, _checked("threads", n))


def isa() -> str:
    """Return the instruction set whose kernels run, the widest that this machine has, or that of FASTNN_ISA.

    Returns
    -------
    str
        "base", "avx2", "avx512" or "neon".

    Examples
    --------
    >>> import fastnn
    >>> fastnn.isa() in ("base", "avx2", "avx512", "neon")
    True
    """
    return _core.isa()


def start() -> None:
    """Choose kernels, thread team and thread number from the environment."""
    tier = os.environ.get("FASTNN_ISA", "")
    if not _core.select_isa(tier):
        names = ", ".join(name for name, runs in _core.ISA_TIERS if runs)
        raise ImportError(f"FASTNN_ISA: expected one of this machine's tiers ({names}), got {tier!r}")
    team = os.environ.get("FASTNN_THREADING", "")
    if not _core.select_team(team):
        if team == "openmp":
            raise ImportError("FASTNN_THREADING: found no OpenMP runtime, such as libgomp.so.1; expected own or serial")
        raise ImportError(f"FASTNN_THREADING: expected a thread team (own, openmp, serial), got {team!r}")
    _choose(*default_num_threads())
    _threadpoolctl.register(MOST)
