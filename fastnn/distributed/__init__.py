"""Training on several workers, processes or machines, with the same bits for any number of them.

`group = local()` or `mpi()`; `group.step(model, loss_function, batch, optimizer)`, or `Trainer(..., group=group)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._check import Array
from .._dispatch import derivative, differentiable
from .._extras import extra
from .._shard import sample_axis
from ..functional._reduction import reduced, shared_out
from ._engine import Alone, Engine, MPIEngine
from ._group import Group
from ._join import WorkerError

__all__ = ["Engine", "Group", "MPIEngine", "WorkerError", "local", "mean", "mpi", "sample_axis"]


def local(shards: int = 8) -> Group:
    """Make a group of this process alone, which gives the bits of `mpi` with as many shards.

    Parameters
    ----------
    shards : int
        A power of two.

    Returns
    -------
    Group

    Examples
    --------
    >>> local(4)
    Group(rank=0, size=1, shards=4)
    """
    return Group(Alone(), shards)


def mpi(shards: int = 8, comm: Any = None) -> Group:
    """Make a group of the processes that `mpiexec` has started; needs mpi4py.

    An error that ends one of them ends all.

    Parameters
    ----------
    shards : int
        A power of two, which the number of processes divides.  It decides the bits; so choose it once, for the largest
        number of workers that you will use.
    comm : mpi4py.MPI.Comm, optional
        `MPI.COMM_WORLD` if not given.

    Returns
    -------
    Group
    """
    world: Any = extra("fastnn.distributed.mpi", "mpi4py.MPI")
    engine = MPIEngine(world.COMM_WORLD if comm is None else comm)
    engine.end_together()
    return Group(engine, shards)


@differentiable
def mean(input: Any) -> Array:
    """Mean of all values, over all shards of the batch; outside of a group's step that of the array.

    Parameters
    ----------
    input : array_like
        Such as a loss of each sample.

    Returns
    -------
    ndarray
        A scalar.

    Examples
    --------
    >>> mean([1.0, 2.0, 6.0])
    np.float64(3.0)
    """
    x, dtype = _check.as_compute("mean", input)
    return reduced(_check.contiguous(x).reshape(-1), x.shape, dtype, "mean", x.size)


@derivative(mean, "input")
def _mean(wanted: tuple[bool], input: Any) -> Any:
    def backward(dy: Array) -> tuple[Array]:
        return (shared_out("mean", dy, np.shape(input), input.dtype, "mean", np.size(input)).reshape(np.shape(input)),)

    return mean(input), backward
