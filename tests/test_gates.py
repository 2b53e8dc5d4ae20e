"""Options of recurrent layers: other functions, learned ones, peepholes, layer norm: values, gradients, bits, refusals."""

import itertools

import numpy as np
import pytest
import scripts
from numeric import slope
from recurrence import first_states, flat, normal

import fastnn
from fastnn import functional, nn
from fastnn.functional._gated import gated
from fastnn.functional._recurrent import recurrent

PARAMETRIC = "parametric_sigmoid"
LAYERS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
NORM, PEEPHOLE = {"layer_norm": True}, {"peephole": True}
OPTIONS = [
    ("RNN", {"activation": "gelu"}),
    ("RNN", {"activation": PARAMETRIC}),
    ("RNN", {"activation": PARAMETRIC, **NORM}),
    ("RNN", {**NORM, "bias": False}),
    ("LSTM", {"gates": "hardsigmoid", "activation": "hardtanh"}),
    ("LSTM", {"activation": "softsign"}),
    ("LSTM", {"gates": PARAMETRIC}),
    ("LSTM", {"activation": PARAMETRIC}),
    ("LSTM", {"gates": PARAMETRIC, "activation": "mish", **PEEPHOLE, "bias": False}),
    ("LSTM", PEEPHOLE),
    ("LSTM", NORM),
    ("LSTM", {**NORM, "bias": False, "proj_size": 2}),
    ("LSTM", {"gates": PARAMETRIC, "activation": PARAMETRIC, **PEEPHOLE, **NORM, "proj_size": 3}),
    ("GRU", {"gates": "hardsigmoid", "activation": "silu"}),
    ("GRU", {"gates": PARAMETRIC}),
    ("GRU", {"gates": PARAMETRIC, "activation": PARAMETRIC, "bias": False}),
    ("GRU", NORM),
    ("GRU", {"gates": PARAMETRIC, "activation": PARAMETRIC, **NORM}),
]
every = pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=str)


def made(kind, options, classes=LAYERS, dtype=np.float64, sizes=(3, 4), **more):
    """A layer with parameters of all kinds away from where they begin."""
    fastnn.manual_seed(0)
    layer = classes[kind](*sizes, dtype=dtype, **options, **more)
    rng = np.random.default_rng(3)
    for name, each in layer.named_parameters():
        if name.startswith(("gate_", "activation_", "norm_")):
            each.data[...] = rng.uniform(0.6, 1.6, each.shape)
        else:
            each.data[...] = rng.uniform(-0.7, 0.7, each.shape)
    return layer


# -- the formulas, step by step, for NumPy and for PyTorch ---------------------------------------------------------------


def function_of(m, name, a, b):
    if name == PARAMETRIC:
        return lambda x: a * m.sigmoid(b * x)
    return getattr(m, name)


def norm(m, x, gain, shift):
    return m.normalized(x) * gain + (0 if shift is None else shift)


def program(m, layer, p, x, h, c):
    """One direction's outputs and last states, of PyTorch's or NumPy's arrays: p has the parameters by name."""
    family, lstm = type(layer).__name__, isinstance(layer, nn.LSTM)
    gates, activation, n = layer._gates.gates, layer._gates.activation, layer.hidden_size
    parts = lambda v: [v[..., i * n : (i + 1) * n] for i in range(v.shape[-1] // n)]  # noqa: E731
    learned = lambda name, i: None if name not in p else parts(p[name])[i]  # noqa: E731
    gate = lambda i: function_of(m, gates, learned("gate_a_l0", i), learned("gate_b_l0", i))  # noqa: E731
    act = lambda i: function_of(m, activation, learned("activation_a_l0", i), learned("activation_b_l0", i))  # noqa: E731
    outputs = []
    for step in x:
        left, right = step @ p["weight_ih_l0"].T, h @ p["weight_hh_l0"].T
        b_ih, b_hh = p.get("bias_ih_l0"), p.get("bias_hh_l0")
        if "norm_ih_l0" in p:
            left, right = norm(m, left, p["norm_ih_l0"], b_ih), norm(m, right, p["norm_hh_l0"], b_hh)
        elif b_ih is not None:
            left, right = left + b_ih, right + b_hh
        if family == "RNN":
            h = act(0)(left + right)
        elif family == "GRU":
            (r, z, new), (ur, uz, un) = parts(left), parts(right)
            r, z = gate(0)(r + ur), gate(1)(z + uz)
            new = act(0)(new + r * un)
            h = (1 - z) * new + z * h
        elif lstm:
            i, f, g, o = parts(left + right)
            see = parts(p["peephole_l0"]) if "peephole_l0" in p else [0, 0, 0]
            i, f = gate(0)(i + see[0] * c), gate(1)(f + see[1] * c)
            c = f * c + i * act(0)(g)
            o = gate(2)(o + see[2] * c)
            seen = norm(m, c, p["norm_c_l0"], p.get("norm_c_bias_l0")) if "norm_c_l0" in p else c
            h = o * act(1)(seen)
            h = h @ p["weight_hr_l0"].T if "weight_hr_l0" in p else h
        outputs.append(h)
    return (m.stack(outputs), h, c) if lstm else (m.stack(outputs), h)


class Arrays:
    """NumPy and the functions of arrays."""

    stack = staticmethod(np.stack)

    def __getattr__(self, name):
        return getattr(functional, name)

    def normalized(self, x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(kind, options, dtype):
    layer = made(kind, options, dtype=dtype, sizes=(5, 19))
    x, states = normal(9, 6, 5), first_states(layer, 6)
    h, c = (each[0] for each in states) if isinstance(states, tuple) else (states[0], None)
    wide = {name: each.data.astype(np.float64) for name, each in layer.named_parameters()}
    expected = program(Arrays(), layer, wide, x, h, c)
    for got, value in zip(map(fastnn.autograd.value_of, flat(layer(x, states))), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, value.reshape(got.shape), rtol=0, atol=2e-5 if dtype == np.float32 else 1e-12)


@every
def test_gradients_beside_a_program_of_pytorch(kind, options):
    """Of every parameter, of the input and of the first states, the program being written step by step."""
    torch = pytest.importorskip("torch")

    class Tensors:
        stack = staticmethod(torch.stack)
        sigmoid, tanh = staticmethod(torch.sigmoid), staticmethod(torch.tanh)

        def __getattr__(self, name):
            return getattr(torch.nn.functional, name)

        def hardsigmoid(self, x):  # PyTorch's 1/6 is a float32
            return (x / 6 + 0.5).clamp(0, 1)

        def normalized(self, x):
            return torch.nn.functional.layer_norm(x, x.shape[-1:])

    layer = made(kind, options)
    x, states = normal(7, 3, 3), first_states(layer, 3)
    arrays = [x, *(states if isinstance(states, tuple) else (states,))]
    leaves = [fastnn.tensor(each, requires_grad=True) for each in arrays]
    others = [torch.tensor(each, requires_grad=True) for each in arrays]
    p = {name: torch.tensor(each.data, requires_grad=True) for name, each in layer.named_parameters()}
    got = flat(layer(leaves[0], tuple(leaves[1:]) if len(leaves) == 3 else leaves[1]))
    expected = program(Tensors(), layer, p, others[0], *(each[0] for each in others[1:]), *[None][len(others) - 2 :])
    dys = [normal(*each.shape, seed=9 + i) for i, each in enumerate(got)]
    sum((each * dy).sum() for each, dy in zip(got, dys, strict=True)).backward()
    sum((each * torch.tensor(dy.reshape(each.shape))).sum() for each, dy in zip(expected, dys, strict=True)).backward()
    for a, b in zip(leaves, others, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-9, atol=1e-11)
    for name, each in layer.named_parameters():
        np.testing.assert_allclose(each.grad, p[name].grad.numpy(), rtol=1e-9, atol=1e-11, err_msg=name)


@every
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_are_the_slopes(kind, options, reverse):
    """Against differences, of every argument, for sequences of several lengths."""
    layer = made(kind, options)
    sizes, states = (3, 2, 2, 1), first_states(layer, 3)
    h0, c0 = (each[0] for each in states) if isinstance(states, tuple) else (states[0], None)
    own = [None if each is None else np.asarray(fastnn.autograd.value_of(each)) for each in layer._weights("_l0")]
    arguments = [normal(sum(sizes), 3), h0, c0, *own]
    keywords = {"gates": layer._gates.gates, "activation": layer._gates.activation, "kind": layer.mode}

    def call(values):
        return gated(*values, batch_sizes=sizes, reverse=reverse, **keywords)

    dys = [normal(*each.shape, seed=9 + i) for i, each in enumerate(call(arguments))]
    tracked = [None if each is None else fastnn.tensor(each, requires_grad=True) for each in arguments]
    sum((each * dy).sum() for each, dy in zip(call(tracked), dys, strict=True)).backward()
    kinks = {"hardsigmoid", "hardtanh"} & set(keywords.values())
    for i, each in enumerate(arguments):
        if each is not None:
            numeric = sum(
                slope(lambda v, i=i, k=k: call([*arguments[:i], v, *arguments[i + 1 :]])[k], each, dy)
                for k, dy in enumerate(dys)
            )
            np.testing.assert_allclose(
                tracked[i].grad, numeric, rtol=1e-5, atol=1e-2 if kinks else 1e-6, err_msg=f"argument {i}"
            )


# -- the defaults ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_named_defaults_have_the_bits_of_the_fused_steps(kind, dtype):
    layer = made(kind, {}, dtype=dtype, sizes=(30, 40))
    states = first_states(layer, 5)
    h0, c0 = (each[0] for each in states) if isinstance(states, tuple) else (states[0], None)
    arguments = [normal(12, 30), h0, c0, *(each.data for each in layer.parameters())]
    arguments = [None if each is None else each.astype(dtype) for each in arguments]
    options = {"batch_sizes": [5, 4, 2, 1], "kind": layer.mode}
    for a, b in zip(recurrent(*arguments, **options), gated(*arguments, **options), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", LAYERS)
def test_options_leave_the_defaults_alone(kind):
    """Keys, first values, text; and learned gates begin as plain ones."""
    fastnn.manual_seed(1)
    plain = LAYERS[kind](3, 4)
    fastnn.manual_seed(1)
    named = {"activation": "tanh", "layer_norm": False} | ({} if kind == "RNN" else {"gates": "sigmoid"})
    same = LAYERS[kind](3, 4, **named)
    assert list(plain.state_dict()) == list(same.state_dict()) == [
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    ]  # fmt: skip
    assert repr(plain) == repr(same) == f"{kind}(3, 4)"
    x = normal(5, 2, 3, dtype=np.float32)
    np.testing.assert_array_equal(plain(x)[0].data, same(x)[0].data)
    if kind != "RNN":
        learned = LAYERS[kind](3, 4, gates=PARAMETRIC)
        assert repr(learned) == f"{kind}(3, 4, gates=parametric_sigmoid)"
        assert set(learned.state_dict()) - set(plain.state_dict()) == {"gate_a_l0", "gate_b_l0"}
        learned.load_state_dict(plain.state_dict(), strict=False)
        np.testing.assert_array_equal(plain(x)[0].data, learned(x)[0].data)


def test_the_learned_gate_is_the_parametric_sigmoid():
    layer = made("RNN", {"activation": PARAMETRIC}, sizes=(1, 1))
    layer.weight_hh_l0.data[...] = 0
    x = np.linspace(-9, 9, 37).reshape(1, 37, 1)
    z = x[0, :, 0] * layer.weight_ih_l0.data[0, 0] + layer.bias_ih_l0.data[0] + layer.bias_hh_l0.data[0]
    expected = fastnn.parametric_sigmoid(z, layer.activation_a_l0.data, layer.activation_b_l0.data)
    np.testing.assert_allclose(layer(x)[0].data.ravel(), expected, rtol=1e-13)


# -- bits and ways to call -----------------------------------------------------------------------------------------------


@every
def test_bits_depend_on_no_cut(kind, options):
    """Streaming has the bits of the whole, each sequence those it has alone; padding of NaN is not read."""
    layer = made(kind, options, dtype=np.float32, sizes=(5, 19), num_layers=2)
    x, lengths = normal(8, 4, 5, dtype=np.float32), np.array([8, 3, 1, 5])
    padded = np.where(np.arange(8)[:, None, None] < lengths[:, None], x, np.nan).astype(np.float32)
    with fastnn.no_grad():
        whole, ragged, state, parts = flat(layer(x)), flat(layer(padded, lengths=lengths)), None, []
        for step in x:
            y, state = layer(step[None], state)
            parts.append(y)
        for a, b in zip(whole, flat((np.concatenate(parts), state)), strict=True):
            np.testing.assert_array_equal(a, b)
        for i, length in enumerate(lengths):
            alone = flat(layer(x[:length, i : i + 1]))
            np.testing.assert_array_equal(ragged[0][:length, i], alone[0][:, 0])
            for a, b in zip(ragged[1:], alone[1:], strict=True):
                np.testing.assert_array_equal(a[:, i], b[:, 0])


@every
def test_cells_are_one_step_of_the_layer(kind, options):
    options = {key: value for key, value in options.items() if key != "proj_size"}
    layer = made(kind, options)
    cell = CELLS[kind](3, 4, dtype=np.float64, **options)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    assert repr(cell) == repr(layer).replace("(", "Cell(", 1)
    x, hx = normal(5, 2, 3), first_states(layer, 2)
    state = tuple(each[0] for each in hx) if isinstance(hx, tuple) else hx[0]
    expected = flat(layer(x, hx))
    for i, step in enumerate(x):
        state = cell(step, state)
        np.testing.assert_array_equal((state[0] if isinstance(state, tuple) else state).data, expected[0].data[i])


BITS = """
import hashlib, sys, numpy as np, fastnn
sys.path.insert(0, {tests!r})
from test_gates import OPTIONS, made
digest = hashlib.sha256()
rng = np.random.default_rng(0)
for (kind, options), dtype in [(each, dtype) for each in OPTIONS for dtype in (np.float32, np.float64)]:
    model = made(kind, options, dtype=dtype, sizes=(20, 35), bidirectional=True)
    for n in (1, 23):
        x = fastnn.tensor(rng.normal(size=(17, n, 20)).astype(dtype), requires_grad=True)
        y, _ = model(x)
        model.zero_grad()
        (y * y).sum().backward()
        for array in (y.data, x.grad, *(p.grad for p in model.parameters())):
            digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def test_threads_and_tiers_have_the_same_bits():
    from pathlib import Path

    from fastnn import _core

    code = BITS.format(tests=str(Path(__file__).parent))
    expected = scripts.python("-c", code, FASTNN_NUM_THREADS="1")
    for environment in ({"FASTNN_NUM_THREADS": "2"}, {"FASTNN_NUM_THREADS": "7"}):
        assert scripts.python("-c", code, **environment) == expected
    for tier, runs in _core.ISA_TIERS:
        if runs and tier != "base":  # base has no fused multiply-add and rounds twice
            assert scripts.python("-c", code, FASTNN_ISA=tier) == expected


def test_every_function_of_the_table_can_stand_in_a_gate():
    """Those whose parameters have defaults; the others are refused by name."""
    from fastnn import _core

    x, refused = normal(4, 2, 3), []
    for row in _core.ACTS:
        for kind, argument in itertools.product(("LSTM", "GRU"), ("gates", "activation")):
            try:
                layer = made(kind, {argument: row})
            except ValueError as error:
                assert "has no default" in str(error)  # noqa: PT017
                refused.append(row)
                continue
            layer(x)[0].sum().backward()
            assert all(np.isfinite(each.grad).all() for each in layer.parameters())
    assert set(refused) == {"threshold", "scaled_relu"}


def test_an_empty_batch():
    for kind, options in OPTIONS:
        layer = made(kind, options)
        x = fastnn.tensor(np.ones((5, 0, 3)), requires_grad=True)
        layer(x)[0].sum().backward()
        assert x.grad.shape == (5, 0, 3)
        assert all((each.grad == 0).all() for each in layer.parameters())


REFUSED = [
    (
        lambda: nn.LSTM(3, 4, gates="sigmod"),
        ValueError,
        "LSTM: expected gates to name an element-wise function, got 'sig",
    ),
    (
        lambda: nn.GRU(3, 4, activation=np.tanh),
        TypeError,
        "GRU: expected activation to be a function's name, got ufunc",
    ),
    (lambda: nn.LSTM(3, 4, gates="threshold"), ValueError, "gates='threshold' needs a threshold, which has no default"),
    (lambda: nn.LSTM(3, 4, peephole=1), TypeError, "LSTM: expected peephole to be True or False, got 1"),
    (
        lambda: nn.GRUCell(3, 4, layer_norm="no"),
        TypeError,
        "GRUCell: expected layer_norm to be True or False, got 'no'",
    ),
    (lambda: nn.GRU(3, 4, peephole=True), TypeError, "peephole"),
    (lambda: nn.RNN(3, 4, gates="sigmoid"), TypeError, "gates"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=[text for *_, text in REFUSED])
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"gate_scale": np.ones(4)}, r"gate_scale of shape \(8,\), got \(4,\)"),
        ({"peephole": np.ones(12)}, "peephole, gain_c and shift_c belong to an LSTM"),
        ({"gain_hh": np.ones(12)}, "both gain_ih and gain_hh or neither"),
    ],
)
def test_one_direction_refuses_what_does_not_fit(change, text):
    given = {
        "input": np.ones((3, 3)), "h0": np.ones((2, 4)), "c0": None, "w_ih": np.ones((12, 3)), "w_hh": np.ones((12, 4)),
        "batch_sizes": [2, 1], "kind": "GRU",
    }  # fmt: skip
    with pytest.raises(ValueError, match=text):
        gated(**(given | change))
