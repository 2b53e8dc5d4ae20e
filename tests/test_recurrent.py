"""RNN, LSTM, GRU, their cells and packed sequences: values, gradients, bits, refusals."""

import itertools
import math

import numpy as np
import pytest
import scripts
from numeric import slope

import fastnn
from fastnn import _core, nn
from fastnn.functional._recurrent import recurrent
from fastnn.nn.utils import rnn

KINDS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "GRU": (nn.GRU, {}),
    "projected": (nn.LSTM, {"proj_size": 2}),
}
CELLS = {
    "tanh": (nn.RNNCell, {}),
    "relu": (nn.RNNCell, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTMCell, {}),
    "GRU": (nn.GRUCell, {}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind, *sizes, dtype=np.float64, seed=0, **options):
    fastnn.manual_seed(seed)
    layer, given = KINDS[kind]
    return layer(*(sizes or (3, 4)), dtype=dtype, **given, **options)


def normal(*shape, seed=1, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def flat(result):
    """(y, h) or (y, (h, c)) as a list."""
    y, states = result
    return [y, *(states if isinstance(states, tuple) else [states])]


def first_states(layer, n, seed=5):
    """Drawn, as `hx` takes them."""
    count, width = layer.num_layers * (1 + layer.bidirectional), layer.proj_size or layer.hidden_size
    h = normal(count, n, width, seed=seed)
    return (h, normal(count, n, layer.hidden_size, seed=seed + 1)) if isinstance(layer, nn.LSTM) else h


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


# -- golden values, made with PyTorch in float64 -----------------------------------------------------------------------


def wave(shape, a, b):
    return np.sin(a * np.arange(math.prod(shape)) + b).reshape(shape)


def checksum(values):
    flat = np.ravel(values)
    return float((flat * np.cos(0.37 * np.arange(flat.size))).sum())


def filled(layer):
    for k, parameter in enumerate(layer.parameters()):
        parameter.data[...] = 0.5 * wave(parameter.shape, 0.7, k)
    return layer


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


def test_golden_values_of_packed_sequences():
    layer = filled(nn.GRU(3, 2, bidirectional=True, dtype=np.float64))
    x = fastnn.tensor(wave((4, 3, 3), 1, 0), requires_grad=True)
    packed = rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
    out, h = layer(packed)
    y, lengths = rnn.pad_packed_sequence(out)
    ((y * wave(y.shape, 0.3, 0.5)).sum() + (h * wave(h.shape, 0.3, 1.5)).sum()).backward()
    assert lengths.tolist() == [2, 4, 1]
    got = [checksum(each) for each in (y.data, h.data, x.grad, *(p.grad for p in list(layer.parameters())[:6]))]
    expected = (
        0.232564646217, -0.813563139433, 0.167701832740, -1.771705861478, 0.540258831707, -0.272966069014,
        -0.104171260166, -0.160231020201, 0.045540400505,
    )  # fmt: skip
    np.testing.assert_allclose(got, expected, atol=1e-9)


# -- gradients ---------------------------------------------------------------------------------------------------------


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
    y.sum().backward()
    once = [np.copy(each.grad) for each in layer.parameters()]
    y.sum().backward()
    for first, each in zip(once, layer.parameters(), strict=True):
        np.testing.assert_array_equal(each.grad, 2 * first)
    layer.zero_grad()
    outputs = flat(layer(x))
    (outputs[0].sum() + sum((each * 0).sum() for each in outputs[1:])).backward()
    for first, each in zip(once, layer.parameters(), strict=True):
        np.testing.assert_array_equal(each.grad, first)


# -- the same bits -----------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streaming_has_the_bits_of_the_whole(kind, dtype):
    """However the steps are cut into calls that hand the state on, products of several blocks of depth included."""
    layer = made(kind, 300, 270, num_layers=2, dtype=dtype)
    x = normal(12, 3, 300)
    with fastnn.no_grad():
        whole = flat(layer(x))
        for cuts in ((1,) * 12, (5, 7), (1, 11)):
            state, parts, at = None, [], 0
            for count in cuts:
                y, state = layer(x[at : at + count], state)
                parts.append(y)
                at += count
            got = flat((np.concatenate(parts), state))
            for a, b in zip(whole, got, strict=True):
                np.testing.assert_array_equal(a, b)


@every_kind
@pytest.mark.parametrize("n", [1, 5, 33])
def test_each_sequence_has_the_bits_it_has_alone(kind, n):
    """In a batch, and in a batch of other lengths whose padding is NaN; gradients of the input and the states too."""
    layer = made(kind, 5, 19, num_layers=2, bidirectional=True, dtype=np.float32)
    lengths = np.random.default_rng(2).integers(1, 12, n)
    x = normal(12, n, 5, dtype=np.float32)
    padded = np.where(np.arange(12)[:, None, None] < lengths[:, None], x, np.nan).astype(np.float32)
    tracked = fastnn.tensor(padded, requires_grad=True)
    outputs = flat(layer(tracked, lengths=lengths))
    dys = [normal(*each.shape, seed=7, dtype=np.float32) for each in outputs]
    sum((each * dy).sum() for each, dy in zip(outputs, dys, strict=True)).backward()
    for i, length in enumerate(lengths):
        one = fastnn.tensor(x[:length, i : i + 1], requires_grad=True)
        alone = flat(layer(one))
        sum((each * dy[: len(each), i : i + 1]).sum() for each, dy in zip(alone, dys, strict=True)).backward()
        assert (outputs[0].data[length:, i] == 0).all()
        np.testing.assert_array_equal(outputs[0].data[:length, i], alone[0].data[:, 0])
        for a, b in zip(outputs[1:], alone[1:], strict=True):
            np.testing.assert_array_equal(a.data[:, i], b.data[:, 0])
        np.testing.assert_array_equal(tracked.grad[:length, i], one.grad[:, 0])
        assert (tracked.grad[length:, i] == 0).all()


BITS = """
import hashlib, numpy as np, fastnn
from fastnn import nn
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for layer in (nn.RNN, nn.LSTM, nn.GRU):
    for dtype in (np.float32, np.float64):
        for options in ({"bidirectional": True}, {"num_layers": 2}, {"proj_size": 40} if layer is nn.LSTM else {}):
            fastnn.manual_seed(3)
            model = layer(40, 70, dtype=dtype, **options)
            for n, lengths in ((1, None), (37, None), (37, rng.integers(1, 30, 37))):
                x = fastnn.tensor(rng.normal(size=(29, n, 40)).astype(dtype), requires_grad=True)
                y, states = model(x, lengths=lengths)
                states = states if isinstance(states, tuple) else (states,)
                model.zero_grad()
                (y * y).sum().backward()
                for array in (y.data, *(each.data for each in states), x.grad, *(p.grad for p in model.parameters())):
                    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def test_threads_and_tiers_have_the_same_bits():
    expected = scripts.python("-c", BITS, FASTNN_NUM_THREADS="1")
    for environment in ({"FASTNN_NUM_THREADS": "2"}, {"FASTNN_NUM_THREADS": "7"}, {"FASTNN_THREADING": "serial"}):
        assert scripts.python("-c", BITS, **environment) == expected
    for tier, runs in _core.isa_tiers():
        if runs and tier != "base":  # base has no fused multiply-add and rounds twice
            assert scripts.python("-c", BITS, FASTNN_ISA=tier) == expected


@pytest.mark.parametrize("tier", [name for name, runs in _core.isa_tiers()[1:] if runs])
def test_other_tiers_are_right(tier):
    chosen = ["test_values", "test_gradients_are_the_slopes", "test_golden_values"]
    tests = [f"{__file__}::{name}" for name in chosen]
    scripts.python("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests, FASTNN_ISA=tier)


# -- ways to call ------------------------------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layouts(kind, bidirectional):
    """batch_first and unbatched inputs have the same values; plain arrays those of Tensors; states keep their shape."""
    layer = made(kind, num_layers=2, bidirectional=bidirectional)
    turned = made(kind, num_layers=2, bidirectional=bidirectional, batch_first=True)
    x, hx = normal(5, 2, 3), first_states(layer, 2)
    expected = [each.data for each in flat(layer(x, hx))]
    got = flat(turned(np.swapaxes(x, 0, 1), hx))
    np.testing.assert_array_equal(np.swapaxes(got[0].data, 0, 1), expected[0])
    for a, b in zip(got[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(a.data, b)
    one = tuple(each[:, 1] for each in hx) if isinstance(hx, tuple) else hx[:, 1]
    for model in (layer, turned):
        for a, b in zip(flat(model(x[:, 1], one)), expected, strict=True):
            np.testing.assert_array_equal(a.data, b[:, 1])
    with fastnn.no_grad():
        plain = flat(layer(x.tolist(), hx))
    for a, b in zip(plain, expected, strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, b)
    frozen = fastnn.freeze(layer)(x)
    for a, b in zip(flat(frozen), flat(layer(x)), strict=True):
        np.testing.assert_array_equal(a, b.data)


@every_kind
def test_lengths_are_packed_sequences(kind):
    """Given states are in the original order in both; dropout's masks are the same."""
    layer = made(kind, num_layers=2, bidirectional=True, dropout=0.4)
    x, lengths, hx = normal(6, 4, 3), [2, 6, 1, 4], first_states(layer, 4)
    fastnn.manual_seed(4)
    expected = flat(layer(x, hx, lengths))
    fastnn.manual_seed(4)
    out, states = layer(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
    assert isinstance(out, rnn.PackedSequence)
    y, known = rnn.pad_packed_sequence(out)
    assert known.tolist() == lengths
    for a, b in zip(flat((y, states)), expected, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@every_kind
def test_dropout_stands_between_layers(kind):
    layer = made(kind, num_layers=2, dropout=0.5)
    x = normal(5, 2, 3)
    results = []
    for seed in (1, 1, 2):
        fastnn.manual_seed(seed)
        results.append(layer(x)[0].data)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    without = made(kind, num_layers=2)
    np.testing.assert_array_equal(layer.eval()(x)[0].data, without(x)[0].data)
    silent = made(kind, num_layers=2, dropout=1.0)
    h = flat(silent(x))[1].data
    np.testing.assert_array_equal(h[0], flat(without(x))[1].data[0])
    np.testing.assert_array_equal(silent(x)[0].data, silent(2 * x)[0].data)  # the second layer sees zeros alone
    with pytest.warns(UserWarning, match="dropout=0.5 drops nothing with num_layers=1"):
        made(kind, dropout=0.5)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_are_one_step_of_the_layer(kind, bias):
    layer, (cell_class, options) = made(kind, bias=bias), CELLS[kind]
    cell = cell_class(3, 4, bias=bias, dtype=np.float64, **options)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, hx = normal(5, 2, 3), first_states(layer, 2)
    state = tuple(each[0] for each in hx) if isinstance(hx, tuple) else hx[0]
    expected = flat(layer(x, hx))
    for i, step in enumerate(x):
        state = cell(step, state)
        h = state[0] if isinstance(state, tuple) else state
        np.testing.assert_array_equal(h.data, expected[0].data[i])
    if isinstance(state, tuple):
        np.testing.assert_array_equal(state[1].data, expected[2].data[0])
    alone, batch = (cell(each) for each in (x[0, 1], x[0]))
    for a, b in zip(*((each if isinstance(each, tuple) else (each,)) for each in (alone, batch)), strict=True):
        assert a.shape == (4,)
        np.testing.assert_array_equal(a.data, b.data[1])
    h.sum().backward()
    layer.zero_grad()
    flat(layer(x, hx))[1].sum().backward()
    for a, b in zip(cell.parameters(), layer.parameters(), strict=True):
        np.testing.assert_allclose(a.grad, b.grad, rtol=1e-12, atol=1e-14)


@every_kind
def test_an_empty_batch(kind):
    layer = made(kind, num_layers=2, bidirectional=True)
    x = fastnn.tensor(np.ones((5, 0, 3)), requires_grad=True)
    outputs = flat(layer(x))
    assert outputs[0].shape[:2] == (5, 0)
    assert all(each.shape[:2] == (4, 0) for each in outputs[1:])
    outputs[0].sum().backward()
    assert x.grad.shape == (5, 0, 3)
    assert all((each.grad == 0).all() for each in layer.parameters())


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


# -- refusals ----------------------------------------------------------------------------------------------------------

x3 = np.ones((5, 2, 3))
REFUSED = [
    (lambda: nn.LSTM(3, 4)(np.ones((5, 2, 7))), ValueError, r"LSTM: expected an input of 3 features .* \(5, 2, 7\)"),
    (lambda: nn.GRU(3, 4)(np.ones(3)), ValueError, r"GRU: expected an input of 2-D or 3-D, got shape \(3,\)"),
    (lambda: nn.RNN(3, 4)(np.ones((0, 2, 3))), ValueError, r"RNN: expected a sequence of at least one step"),
    (
        lambda: nn.LSTM(3, 4)(x3, np.ones((1, 2, 4))),
        TypeError,
        r"LSTM: expected hx to be a tuple \(h, c\), got ndarray",
    ),
    (lambda: nn.GRU(3, 4)(x3, (np.ones((1, 2, 4)),)), TypeError, "GRU: expected hx to be one array, got a tuple"),
    (lambda: nn.GRU(3, 4)(x3, np.ones((1, 3, 4))), ValueError, r"h of hx of shape \(1, 2, 4\), got \(1, 3, 4\)"),
    (lambda: nn.GRU(3, 4)(x3, np.ones((1, 4))), ValueError, r"h of hx of shape \(1, 2, 4\), got \(1, 4\)"),
    (lambda: nn.GRU(3, 4)(x3[:, 0], np.ones((1, 2, 4))), ValueError, r"h of hx of shape \(1, 4\), got \(1, 2, 4\)"),
    (
        lambda: nn.LSTM(3, 4, proj_size=2)(x3, (np.ones((1, 2, 2)), np.ones((1, 2, 2)))),
        ValueError,
        r"c of hx of shape \(1, 2, 4\), got \(1, 2, 2\)",
    ),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5, 0]), ValueError, r"GRU: expected lengths from 1 to 5, .* got \[5, 0\]"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5, 6]), ValueError, r"GRU: expected lengths from 1 to 5"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5]), ValueError, "GRU: expected 2 lengths, one for each sequence, got 1"),
    (lambda: nn.GRU(3, 4)(x3, lengths=[5.0, 2.0]), TypeError, "expected lengths to be integers, got dtype float64"),
    (
        lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones((2, 3))]), lengths=[2]),
        ValueError,
        "no lengths beside a PackedSequence",
    ),
    (lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones((2, 5))])), ValueError, "expected an input of 3 features"),
    (lambda: nn.GRU(3, 4)(rnn.pack_sequence([np.ones(2)])), ValueError, "expected packed data of 2-D"),
    (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size below hidden_size, which is 4, got 4"),
    (lambda: nn.LSTM(3, 4, proj_size=-1), ValueError, "proj_size of at least 0, got -1"),
    (lambda: nn.LSTM(0, 4), ValueError, "LSTM: expected input_size of at least 1, got 0"),
    (lambda: nn.LSTM(3, 4.0), TypeError, "LSTM: expected hidden_size to be an integer, got float"),
    (lambda: nn.GRU(3, 4, num_layers=0), ValueError, "GRU: expected num_layers of at least 1, got 0"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=1.5), ValueError, r"dropout in \[0, 1\], got 1.5"),
    (lambda: nn.GRU(3, 4, num_layers=2, dropout=True), TypeError, "dropout to be a real number"),
    (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "RNN: expected nonlinearity to be one of 'tanh', 'relu'"),
    (lambda: nn.RNNCell(3, 4, nonlinearity="gelu"), ValueError, "RNNCell: expected nonlinearity to be one of"),
    (lambda: nn.GRU(3, 4, proj_size=2), TypeError, "proj_size"),
    (lambda: nn.GRUCell(3, 4)(np.ones((2, 5))), ValueError, r"GRUCell: expected an input \(N, 3\) or \(3,\)"),
    (
        lambda: nn.GRUCell(3, 4)(np.ones((2, 3)), np.ones((1, 4))),
        ValueError,
        r"h of hx of shape \(2, 4\), got \(1, 4\)",
    ),
    (lambda: nn.LSTMCell(3, 4)(np.ones((2, 3)), np.ones((2, 4))), TypeError, "LSTMCell: expected hx to be a tuple"),
    (lambda: rnn.pack_padded_sequence(x3, [2, 5]), ValueError, r"longest to the shortest, got \[2, 5\]; give enforce"),
    (lambda: rnn.pack_padded_sequence(np.ones((5, 0)), []), ValueError, "expected at least one sequence, got none"),
    (lambda: rnn.pack_padded_sequence(np.ones(5), [1]), ValueError, "2 or more dimensions"),
    (
        lambda: rnn.pad_packed_sequence(rnn.pack_sequence([[1, 2]]), total_length=1),
        ValueError,
        "total_length of at least 2",
    ),
    (lambda: rnn.pad_packed_sequence([1]), TypeError, "expected a PackedSequence, got list"),
    (lambda: rnn.pad_sequence([]), ValueError, "pad_sequence: expected at least one sequence, got none"),
    (lambda: rnn.pad_sequence([[1]], padding_side="up"), ValueError, "padding_side"),
    (lambda: rnn.pack_sequence([]), ValueError, "pack_sequence: expected at least one sequence"),
    (lambda: rnn.pad_sequence([np.ones(2), np.ones((2, 2))]), ValueError, r"shapes \(2,\) and, as number 1, \(2, 2\)"),
    (lambda: rnn.PackedSequence(np.ones(3), [1, 2]), ValueError, "batch_sizes from 1 on that never grow"),
    (lambda: rnn.PackedSequence(np.ones(3), [2, 2]), ValueError, r"data of 4 rows, the sum of batch_sizes, got \(3,\)"),
    (lambda: rnn.PackedSequence(np.ones(3), [2, 1], [0, 0]), ValueError, "sorted_indices to be a permutation of 2"),
    (lambda: rnn.PackedSequence(np.ones(4), [3, 1], [1, 2, 0], [1, 2, 0]), ValueError, "unsorted_indices to undo"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch_sizes": [1, 2]}, r"batch_sizes that never grow, from 2 down, got \[1, 2\]"),
        ({"batch_sizes": [2, 2]}, r"input of shape \(4, 3\), got \(3, 3\)"),
        ({"b_hh": None}, "both biases or neither"),
        ({"c0": np.ones((2, 4))}, "c0 and w_hr belong to an LSTM"),
        ({"w_ih": np.ones((12, 5))}, r"w_ih of shape \(12, 3\), got \(12, 5\)"),
        ({"h0": np.ones((2, 5))}, "h0 of shape"),
        ({"kind": "lstm"}, "expected kind to be one of"),
    ],
)
def test_one_direction_refuses_what_does_not_fit(change, text):
    given = {
        "input": np.ones((3, 3)), "h0": np.ones((2, 4)), "c0": None, "w_ih": np.ones((12, 3)), "w_hh": np.ones((12, 4)),
        "b_ih": np.ones(12), "b_hh": np.ones(12), "batch_sizes": [2, 1], "kind": "GRU",
    }  # fmt: skip
    with pytest.raises(ValueError, match=text):
        recurrent(**(given | change))


# -- beside PyTorch ----------------------------------------------------------------------------------------------------


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


def test_packing_beside_pytorch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.utils.rnn
    rng = np.random.default_rng(0)
    for n, rest, batch_first in itertools.product((1, 4), ((), (3,), (2, 3)), (False, True)):
        lengths = rng.integers(1, 8, n)
        sequences = [rng.normal(size=(length, *rest)) for length in lengths]
        tensors = [torch.tensor(each) for each in sequences]
        for side in ("left", "right"):
            padded = rnn.pad_sequence(sequences, batch_first, -1.5, side)
            np.testing.assert_array_equal(padded, theirs.pad_sequence(tensors, batch_first, -1.5, side).numpy())
        for a, b in zip(rnn.unpad_sequence(padded, lengths, batch_first), sequences, strict=True):
            np.testing.assert_array_equal(a, b)
        for got, expected in (
            (
                rnn.pack_padded_sequence(padded, lengths, batch_first, False),
                theirs.pack_padded_sequence(torch.tensor(padded), torch.tensor(lengths), batch_first, False),
            ),
            (rnn.pack_sequence(sequences, False), theirs.pack_sequence(tensors, False)),
        ):
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b.numpy())
        back, known = rnn.pad_packed_sequence(got, batch_first, 2.5, 9)
        expected, their_lengths = theirs.pad_packed_sequence(expected, batch_first, 2.5, 9)
        np.testing.assert_array_equal(back, expected.numpy())
        np.testing.assert_array_equal(known, their_lengths.numpy())
        for a, b in zip(rnn.unpack_sequence(got), sequences, strict=True):
            np.testing.assert_array_equal(a, b)
    ordered = sorted(sequences, key=len, reverse=True)
    assert rnn.pack_sequence(ordered).sorted_indices is None
    np.testing.assert_array_equal(rnn.invert_permutation([2, 0, 1]), [1, 2, 0])
    assert rnn.invert_permutation(None) is None


def test_gradients_go_through_padding():
    """Of pad_sequence, packing and padding again: each value's own weight."""
    sequences = [fastnn.tensor(normal(length, 2, seed=length), requires_grad=True) for length in (3, 1, 2)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    y, _ = rnn.pad_packed_sequence(packed, total_length=5)
    weights = normal(*y.shape, seed=8)
    (y * weights).sum().backward()
    for i, each in enumerate(sequences):
        np.testing.assert_array_equal(each.grad, weights[: len(each), i])
