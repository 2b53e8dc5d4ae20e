"""A control group of Linux with a quota of processor time, as a container has it."""

import contextlib
import os
import time
from pathlib import Path


class NoControlGroups(Exception):
    """They are not mounted, or cannot be made here."""


@contextlib.contextmanager
def control_group(processors):
    """The folder of a new group with this quota, of either version; it goes when no process is left in it."""
    mounts = [line.split()[1:4] for line in Path("/proc/mounts").read_text().splitlines()]
    version1 = [place for place, kind, options in mounts if kind == "cgroup" and "cpu" in options.split(",")]
    version2 = [place for place, kind, _ in mounts if kind == "cgroup2"]
    quota = round(processors * 100_000)
    if version1:
        files = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": str(quota)}
    elif version2:
        files = {"cpu.max": f"{quota} 100000"}
    else:
        raise NoControlGroups("no control groups are mounted")
    folder = Path((version1 or version2)[0], f"fastnn-{os.getpid()}")
    try:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        raise NoControlGroups(f"control groups cannot be made here: {error}") from None
    yield folder
    end = time.monotonic() + 60
    while (folder / "cgroup.procs").read_text() and time.monotonic() < end:  # joblib's workers end after their parent
        time.sleep(0.05)
    folder.rmdir()


def entering(folder):
    """What a child calls before it becomes another program, to belong to the group with all its children."""
    return lambda: (folder / "cgroup.procs").write_text(str(os.getpid()))
