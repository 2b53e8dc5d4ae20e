"""`fastnn train` in the processes that mpiexec has started."""

from __future__ import annotations

import io
import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from typing import Any

STARTED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")  # set by mpiexec of Open MPI and of MPICH


def make_group(options: Namespace) -> Any:
    """The group of workers that this process belongs to; None for a training without shards."""
    sizes = [os.environ[name] for name in STARTED if name in os.environ]
    if not sizes and options.shards is None:
        return None
    from .. import distributed

    if options.shards is None:
        options.shards = 8
    try:
        group = distributed.mpi(options.shards) if sizes else distributed.local(options.shards)
    except ValueError as error:
        raise ArgumentTypeError(f"--shards: {error}") from error
    if sizes and group.size != int(sizes[0]):
        raise ValueError(
            f"fastnn train: mpiexec has started {sizes[0]} processes, of which mpi4py sees {group.size}: expected the "
            "mpiexec of the MPI that mpi4py uses"
        )
    return group


def leads(group: Any) -> bool:
    """Whether this worker writes and reports."""
    return group is None or group.rank == 0


@contextmanager
def first_alone(group: Any) -> Iterator[None]:
    """A block that the first worker runs before the others, whose messages are dropped."""
    if not leads(group):
        group.share(None)
    with nullcontext() if leads(group) else redirect_stderr(io.StringIO()):
        yield
    if group is not None and leads(group):
        group.share(None)
