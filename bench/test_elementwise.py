"""Every element-wise function, forward and backward, at three sizes."""

import numpy as np
import pytest
from ops import CASE_IDS, CASES, LEARNED, OPS
from peers import LIBRARIES, torch_tensor

import fastnn
from fastnn import _core

SIZES = [100, 10_000, 1_000_000]
every = pytest.mark.parametrize(("op", "case"), CASES, ids=CASE_IDS)
sizes = pytest.mark.parametrize("n", SIZES)


def values(n, seed=0):
    return np.random.default_rng(seed).normal(0, 2, n).astype(np.float32)


@every
@sizes
@pytest.mark.parametrize("library", LIBRARIES)
def test_forward(race, op, case, n, library):
    x = values(n)
    if library == "fastnn":
        function = getattr(fastnn, op.name)
        call = lambda: function(x, **case)  # noqa: E731
    elif library == "numpy":
        call = lambda: op.numpy(x, **case)  # noqa: E731
    else:
        import torch

        function, t = getattr(torch.nn.functional, op.name), torch_tensor(x)
        call = lambda: function(t, **case)  # noqa: E731
    race(f"{op.name} {case or ''} forward {n}", library, call)


@every
@sizes
@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "numpy"])
def test_backward(race, op, case, n, library):
    x, dy = values(n), values(n, 1)
    if library == "fastnn":
        saved = getattr(fastnn, op.name)(x, **case) if _core.SAVES_Y[_core.ACTS[op.name]] else x
        function = getattr(fastnn, op.name + "_backward")
        call = lambda: function(dy, saved, **case)  # noqa: E731
    else:
        import torch

        t = torch_tensor(x, requires_grad=True)
        y, d = getattr(torch.nn.functional, op.name)(t, **case), torch_tensor(dy)
        call = lambda: torch.autograd.grad(y, t, d, retain_graph=True)  # noqa: E731
    race(f"{op.name} {case or ''} backward {n}", library, call)


def test_every_row_is_benched():
    """A row of the table without a record would go unmeasured."""
    from ops import ROWS_BY_OPTION

    assert {ROWS_BY_OPTION.get(row, (row,))[0] for row in _core.ACTS} == {op.name for op in OPS} | {
        act.row for act in LEARNED
    }
