"""What carries messages between workers: a small protocol, and its adapters for one process and for MPI."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .._check import Array
from .._extras import extra


class Engine(Protocol):
    """Messages between `size` workers, of which this is number `rank`.

    An engine may have a method `apart()`, which returns another engine of the same workers, or None.  Another
    thread sends gradients over it while this one computes, and its messages do not wait for this engine's.
    """

    rank: int
    size: int

    def exchange(self, buffer: Array, peer: int) -> Array:
        """Send a contiguous vector to a worker, and return the one that it sends: of this dtype, of any length."""
        ...

    def broadcast(self, buffer: Array) -> Array:
        """Return worker 0's vector; all workers call this, with vectors of one dtype."""
        ...


def _wait(done: Callable[[], bool]) -> None:
    """Wait for a message; MPI itself would poll on and on, and take a core from kernels and neighbours."""
    polls = 0
    while not done():
        polls += 1
        time.sleep(0 if polls < 50 else 1e-5)


class Alone:
    """One worker without others."""

    rank, size = 0, 1

    def exchange(self, buffer: Array, peer: int) -> Array:
        """Never called: there is no peer."""
        raise ValueError(f"exchange: expected a worker below 1, got {peer}")

    def broadcast(self, buffer: Array) -> Array:
        """Return the vector itself."""
        return buffer


class MPIEngine:
    """The workers of an MPI communicator of `mpi4py`, copied, so that its messages mix with no others.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm: Any):
        self._mpi: Any = extra("fastnn.distributed.mpi", "mpi4py.MPI")
        self._comm = comm.Dup()
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()

    def exchange(self, buffer: Array, peer: int) -> Array:
        """Send a vector to a worker and return the one that it sends."""
        sending = self._comm.Isend([buffer, self._mpi.BYTE], peer)
        status = self._mpi.Status()
        _wait(lambda: self._comm.Iprobe(peer, status=status))
        found = np.empty(status.Get_count(self._mpi.BYTE) // buffer.itemsize, buffer.dtype)
        self._comm.Recv([found, self._mpi.BYTE], peer)
        _wait(sending.Test)
        return found

    def broadcast(self, buffer: Array) -> Array:
        """Return worker 0's vector."""
        length = np.array([buffer.nbytes])
        self._comm.Bcast(length)
        found = buffer if self.rank == 0 else np.empty(int(length[0]) // buffer.itemsize, buffer.dtype)
        self._comm.Bcast([found, self._mpi.BYTE])
        return found

    def apart(self) -> MPIEngine | None:
        """Return an engine whose messages travel beside this one's, where this MPI takes calls of several threads."""
        several = self._mpi.Query_thread() >= self._mpi.THREAD_MULTIPLE
        return MPIEngine(self._comm) if several else None

    def end_together(self) -> None:
        """End all workers when an error ends this one, for which the others would wait without end."""
        before = sys.excepthook

        def end(kind: type[BaseException], error: BaseException, where: Any) -> None:
            before(kind, error, where)
            self.abort()

        if self.size > 1:
            sys.excepthook = end

    def abort(self, code: int = 1) -> None:
        """End all workers after a second, in which others that fail too can report it."""
        time.sleep(1)
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(code)
