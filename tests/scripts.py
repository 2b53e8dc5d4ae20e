"""Python in a process of its own, whose environment has only those of our variables that a test sets."""

import functools
import os
import subprocess
import sys


def python(*arguments, **environment):
    """The standard output of a run that must succeed."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("FASTNN_", "OMP_"))}
    done = subprocess.run(
        [sys.executable, *arguments], env=keep | environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def has_openmp():
    """Whether this machine has an OpenMP runtime for FASTNN_THREADING=openmp."""
    environment = os.environ | {"FASTNN_THREADING": "openmp"}
    return not subprocess.run([sys.executable, "-c", "import fastnn"], env=environment, capture_output=True).returncode
