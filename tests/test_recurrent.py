"""RNN, LSTM, GRU: values, golden values, gradients."""

import numpy as np
import pytest
import scripts
from numeric import slope
from recurrence import KINDS, checksum, every_kind, filled, first_states, flat, made, normal, wave

import fastnn
from fastnn import _core, nn
from fastnn.functional._recurrent import recurrent


def reference(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr=None):
    """The formulas, one direction, step by step."""

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    outputs = []
    for step in x:
        left, right = step @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if kind in ("tanh", "relu"):
            h = np.tanh(left + right) if kind == "tanh" else np.maximum(left + right, 0)
        elif kind == "GRU":
            (r, z, n), (ur, uz, un) = np.split(left, 3, 1), np.split(right, 3, 1)
            r, z = sigmoid(r + ur), sigmoid(z + uz)
            n = np.tanh(n + r * un)
            h = (1 - z) * n + z * h
        else:
            i, f, g, o = np.split(left + right, 4, 1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            h = h if w_hr is None else h @ w_hr.T
        outputs.append(h)
    return np.array(outputs), h, c


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(kind, dtype):
    layer = made(kind, 5, 37, dtype=dtype)
    x, states = normal(9, 6, 5), first_states(layer, 6)
    h, c = states if isinstance(states, tuple) else (states, None)
    y, h_n, c_n = reference(
        kind, x, h[0], None if c is None else c[0], *(each.data.astype(np.float64) for each in layer.parameters())
    )
    got = layer(x, states)
    bound = 2e-6 if dtype == np.float32 else 1e-14
    for found, expected in zip(map(fastnn.autograd.value_of, flat(got)), (y, h_n[None], c_n), strict=False):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=0, atol=bound * 10)


GOLDEN = {  # y, h_n[, c_n]; dx, dh0[, dc0]; the parameters' gradients
    "tanh": (
        {},
        (0.185213055182, 1.215184471404),
        (-0.463767842131, 1.012192803718),
        (-1.311972413942, 3.777633726516, 2.868544995138, 2.868544995138),
    ),
    "relu": (
        {},
        (-0.842372246001, 2.921400214469),
        (-0.164331050250, 2.511542347981),
        (1.062103287139, 10.152897034620, 6.379493670625, 6.379493670625),
    ),
    "LSTM": (
        {},
        (0.578931836668, -0.871253909781, -1.483551147048),
        (0.388640102491, 0.410162527319, 0.464339656362),
        (1.571415973005, -0.876309941183, -0.445109978059, -0.445109978059),
    ),
    "GRU": (
        {},
        (1.091056876191, -1.494589205884),
        (0.722035585306, 1.300038050363),
        (0.185219305320, -2.130423725981, 0.754182826891, 0.811902326160),
    ),
    "projected": (
        {"proj_size": 1},
        (0.097171829483, 0.396796061239, -1.539118112088),
        (0.148899664126, 0.205817541986, -0.312145765706),
        (0.818387350244, 0.003823267545, 0.262110815191, 0.262110815191, -3.073360932372),
    ),
    "deep LSTM": (
        {"num_layers": 2, "bidirectional": True},
        (0.177781627672, -1.562926201810, -2.318155846897),
        (-0.600076804151, 0.022849892387, 0.022762512506),
        {"weight_ih_l1_reverse": 0.177111671970},
    ),
    "deep GRU": (
        {"num_layers": 2, "bidirectional": True},
        (0.511533389396, -3.108430099518),
        (-0.258973309795, -0.581902202122),
        {"weight_ih_l1_reverse": 0.031989215234},
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_golden_values(case):
    options, values, back, grads = GOLDEN[case]
    kind = case.split()[-1]
    layer_class, given = KINDS[kind]
    layer = filled(layer_class(3, 2, dtype=np.float64, **(given | options)))
    count, width = layer.num_layers * (1 + layer.bidirectional), layer.proj_size or 2
    first = [fastnn.tensor(wave((count, 2, width), 0.3, 0.5), requires_grad=True)]
    if isinstance(layer, nn.LSTM):
        first.append(fastnn.tensor(wave((count, 2, 2), 0.4, 0.1), requires_grad=True))
    x = fastnn.tensor(wave((4, 2, 3), 1, 0), requires_grad=True)
    outputs = flat(layer(x, tuple(first) if len(first) == 2 else first[0]))
    loss = sum((each * wave(each.shape, 0.3, 0.5 + k)).sum() for k, each in enumerate(outputs))
    loss.backward()
    np.testing.assert_allclose([checksum(each.data) for each in outputs], values, atol=1e-9)
    np.testing.assert_allclose([checksum(each.grad) for each in (x, *first)], back, atol=1e-9)
    named = dict(layer.named_parameters())
    expected = grads if isinstance(grads, dict) else dict(zip(named, grads, strict=True))
    for name, value in expected.items():
        np.testing.assert_allclose(checksum(named[name].grad), value, atol=1e-9)


@every_kind
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(3, 3, 3), (3, 2, 2, 1), (1,)])
def test_gradients_are_the_slopes(kind, reverse, sizes):
    """Against differences, of every argument, for sequences of several lengths too."""
    layer = made(kind, 3, 4)
    n, rows = sizes[0], sum(sizes)
    states = first_states(layer, n)
    h0, c0 = (each[0] for each in states) if isinstance(states, tuple) else (states[0], None)
    arguments = [normal(rows, 3), h0, c0, *(each.data for each in layer.parameters())]

    def call(values):
        return recurrent(*values, batch_sizes=sizes, kind=layer.mode, reverse=reverse)

    dys = [normal(*each.shape, seed=9 + i) for i, each in enumerate(call(arguments))]
    tracked = [None if each is None else fastnn.tensor(each, requires_grad=True) for each in arguments]
    sum((each * dy).sum() for each, dy in zip(call(tracked), dys, strict=True)).backward()
    for i, each in enumerate(arguments):
        if each is None:
            continue
        numeric = sum(
            slope(lambda v, i=i, k=k: call([*arguments[:i], v, *arguments[i + 1 :]])[k], each, dy)
            for k, dy in enumerate(dys)
        )
        np.testing.assert_allclose(tracked[i].grad, numeric, rtol=1e-6, atol=1e-7, err_msg=f"argument {i}")


@every_kind
def test_results_nobody_used_have_no_gradient_of_their_own(kind):
    """The same as zeros; and a second backward pass adds the same again."""
    layer = made(kind)
    x = normal(5, 2, 3)
    y, _ = layer(x)
    y.sum().backward(retain_graph=True)
    once = [np.copy(each.grad) for each in layer.parameters()]
    y.sum().backward()
    for first, each in zip(once, layer.parameters(), strict=True):
        np.testing.assert_array_equal(each.grad, 2 * first)
    layer.zero_grad()
    outputs = flat(layer(x))
    (outputs[0].sum() + sum((each * 0).sum() for each in outputs[1:])).backward()
    for first, each in zip(once, layer.parameters(), strict=True):
        np.testing.assert_array_equal(each.grad, first)


def test_half_precision_is_computed_in_single():
    layer = made("LSTM", dtype=np.float32)
    arguments = [normal(6, 3), normal(2, 4), normal(2, 4), *(each.data for each in layer.parameters())]
    half = [each.astype(np.float16) for each in arguments]
    options = {"batch_sizes": [2, 2, 2], "kind": "LSTM"}
    for got, single in zip(
        recurrent(*half, **options), recurrent(*(each.astype(np.float32) for each in half), **options), strict=True
    ):
        assert got.dtype == np.float16
        np.testing.assert_array_equal(got, single.astype(np.float16))


def test_initial_parameters():
    layer = nn.LSTM(10, 16, num_layers=2, bidirectional=True, proj_size=5)
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"]
    assert list(layer.state_dict()) == [
        name + suffix for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse") for name in names
    ]
    assert layer.weight_ih_l1.shape == (64, 10)
    assert layer.weight_hh_l0.shape == (64, 5)
    for each in layer.parameters():
        assert 0.2 < abs(each.data).max() <= 0.25
    layer.flatten_parameters()


@pytest.mark.parametrize("tier", [name for name, runs in _core.ISA_TIERS[1:] if runs])
def test_other_tiers_are_right(tier):
    chosen = ["test_values", "test_gradients_are_the_slopes", "test_golden_values"]
    tests = [f"{__file__}::{name}" for name in chosen]
    scripts.python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests, FASTNN_ISA=tier)
