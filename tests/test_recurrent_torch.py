"""Recurrent layers and cells beside PyTorch's."""

import itertools

import numpy as np
import pytest
from recurrence import CELLS, KINDS, every_kind, first_states, flat, normal

import fastnn
from fastnn.nn.utils import rnn


def beside(torch, kind, dtype, **options):
    """A layer here and PyTorch's with the same parameters."""
    torch.manual_seed(
        0
    )  # in float32 a unit of relu whose input is nearly 0 may be on in one library and off in the other
    layer_class, given = KINDS[kind]
    ours = layer_class(4, 5, dtype=dtype, **(given | options))
    theirs = getattr(torch.nn, layer_class.__name__)(4, 5, **(given | options)).to(getattr(torch, np.dtype(dtype).name))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    return ours, theirs


def compare(torch, ours, theirs, got, expected, leaves, their_leaves, bound):
    """Results, and gradients of everything."""
    dys = [normal(*each.shape, seed=3 + i, dtype=each.dtype) for i, each in enumerate(got)]
    sum((each * dy).sum() for each, dy in zip(got, dys, strict=True)).backward()
    sum((each * torch.tensor(dy)).sum() for each, dy in zip(expected, dys, strict=True)).backward()
    named = dict(theirs.named_parameters())
    pairs = [(a.data, b.detach().numpy()) for a, b in zip(got, expected, strict=True)]
    pairs += [(a.grad, b.grad.numpy()) for a, b in zip(leaves, their_leaves, strict=True)]
    pairs += [(each.grad, named[name].grad.numpy()) for name, each in ours.named_parameters()]
    for a, b in pairs:
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=bound * max(1, abs(b).max(initial=0)))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@every_kind
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("packed", [False, True])
def test_beside_pytorch(kind, dtype, bound, packed):
    torch = pytest.importorskip("torch")
    for layers, both, bias, batch_first, (steps, n) in itertools.product(
        (1, 3), (False, True), (True, False), (False, True), ((1, 1), (6, 3))
    ):
        options = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": batch_first}
        ours, theirs = beside(torch, kind, dtype, **options)
        x = normal(*((n, steps) if batch_first else (steps, n)), 4, dtype=dtype)
        states = first_states(ours, n)
        arrays = [x, *(each.astype(dtype) for each in (states if isinstance(states, tuple) else (states,)))]
        leaves = [fastnn.tensor(each, requires_grad=True) for each in arrays]
        their_leaves = [torch.tensor(each, requires_grad=True) for each in arrays]
        results = []
        for model, (data, *first), utils in ((ours, leaves, rnn), (theirs, their_leaves, torch.nn.utils.rnn)):
            hx = tuple(first) if len(first) == 2 else first[0]
            if packed:
                lengths = [2, 6, 3] if n == 3 else [1]
                given = utils.pack_padded_sequence(data, lengths, batch_first=batch_first, enforce_sorted=False)
                out, last = model(given, hx)
                results.append(flat((utils.pad_packed_sequence(out, batch_first, 0.5, 8)[0], last)))
            else:
                results.append(flat(model(data, hx)))
        compare(torch, ours, theirs, *results, leaves, their_leaves, bound)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (4,), (0, 4)])
def test_cells_beside_pytorch(kind, bias, shape):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    cell_class, options = CELLS[kind]
    ours = cell_class(4, 5, bias=bias, dtype=np.float64, **options)
    theirs = getattr(torch.nn, cell_class.__name__)(4, 5, bias=bias, **options).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    count = 2 if kind == "LSTM" else 1
    arrays = [normal(*shape), *(normal(*shape[:-1], 5, seed=i) for i in range(count))]
    leaves = [fastnn.tensor(each, requires_grad=True) for each in arrays]
    their_leaves = [torch.tensor(each, requires_grad=True) for each in arrays]
    results = []
    for cell, (x, *states) in ((ours, leaves), (theirs, their_leaves)):
        found = cell(x, tuple(states) if count == 2 else states[0])
        results.append(list(found) if isinstance(found, tuple) else [found])
    compare(torch, ours, theirs, *results, leaves, their_leaves, 1e-13)
