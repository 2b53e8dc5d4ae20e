"""Bad inputs: the right answer or a clear error, never a crash, and after an error nothing has changed.

`FASTNN_EXAMPLES=20000 python -m pytest tests/test_bad_input.py` tries that many calls of each kind.
"""

import inspect
import math
import os

import numpy as np
import pytest
from ops import CASES, LEARNED, layer_of
from records import RECORDS

import fastnn
from fastnn import data, functional, metrics, nn, optim

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings, strategies as st  # noqa: E402

EXAMPLES = int(os.environ.get("FASTNN_EXAMPLES", 300))
many = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 300, suppress_health_check=list(HealthCheck)
)
CLEAR = (TypeError, ValueError, RuntimeError, IndexError, FloatingPointError)
pytestmark = pytest.mark.filterwarnings("ignore")  # matrices are deprecated, overflowing casts warn

FLOATS = [np.dtype(code) for code in ("<f4", "<f8", "<f2", ">f4", ">f8", ">f2")]
OTHERS = [np.dtype(code) for code in ("i1", "u1", "i4", ">i8", "u8", "?", "c8", "S3", "U2", "O", "M8[s]", "m8[s]", "g")]
SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-310, 1e-42, 3e38, -1e300, 88.8, -104.0]


def filled(rng, shape, dtype):
    """An array of this dtype with some special values."""
    n = math.prod(shape)
    values = np.where(rng.random(n) < 0.2, rng.choice(SPECIAL, n), rng.normal(0, 3, n)).reshape(shape)
    with np.errstate(all="ignore"):
        if dtype.kind in "fgc":
            return values.astype(dtype)
        if dtype.kind == "O":
            return values.astype(object)
        if dtype.kind in "SU":
            return np.full(shape, "x", dtype)
        if dtype.kind in "mM":
            return np.zeros(shape, dtype)
        return rng.integers(0, 2 if dtype.kind == "?" else 5, shape).astype(dtype)


def misaligned(array):
    """The same values one byte off."""
    if array.dtype == object:
        return array
    buffer = np.zeros(array.nbytes + 1, np.uint8)
    view = buffer[1:].view(array.dtype).reshape(array.shape) if array.nbytes else array.copy()
    view[...] = array
    return view


def with_gaps(array):
    wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
    view = wide[(..., *(slice(None, None, 2) for _ in array.shape))]
    view[...] = array
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


class Like:
    """Something with __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


LAYOUTS = {
    "plain": lambda a: a,
    "fortran": lambda a: np.array(a, order="F"),
    "gaps": with_gaps,
    "backwards": lambda a: np.flip(np.flip(a).copy()) if a.ndim else a,
    "misaligned": misaligned,
    "read-only": read_only,
    "broadcast": lambda a: np.broadcast_to(a.reshape(-1)[:1].reshape((1,) * a.ndim), a.shape) if a.size else a,
    "transposed": lambda a: np.array(a.T, order="C").T,
}  # fmt: skip
WRAPPERS = {
    "list": lambda a: a.tolist(),
    "memoryview": lambda a: memoryview(a) if a.dtype.kind in "fiu" and a.dtype.isnative and a.dtype.char != "g" else a,
    "array-like": Like,
    "masked": np.ma.masked_array,
    "tensor": lambda a: fastnn.tensor(a, requires_grad=True) if a.dtype in (np.float32, np.float64) else a,
    "matrix": lambda a: np.asmatrix(a) if a.ndim == 2 else a,
}
shapes = st.lists(st.sampled_from([0, 1, 2, 3, 5, 33]), max_size=4).map(tuple)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def arrays(draw, dtypes=FLOATS, shape=shapes):
    array = filled(np.random.default_rng(draw(seeds)), draw(shape), draw(st.sampled_from(dtypes)))
    return LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](array)


@st.composite
def things(draw):
    """An argument of any kind."""
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return draw(arrays())
    if kind < 7:
        return draw(arrays(OTHERS))
    if kind < 8:
        return WRAPPERS[draw(st.sampled_from(list(WRAPPERS)))](draw(arrays()))
    return draw(
        st.sampled_from(
            [None, 0, 1, -1, 2, 3, -7, 2**70, 0.5, -0.5, 1e308, math.nan, math.inf, True, "mean", "none", "sum", "x", b"y", (), [], (1,),
             (2, 3), [[1], [2, 3]], {}, object(), 1j, ..., slice(2), np.float16(2), np.int64(1), np.array(2.0), range(3)]
        )
    )  # fmt: skip


def snapshot(value):
    """What must not change."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return np.asarray(value).tobytes()
    return value.data.tobytes() if isinstance(value, fastnn.Tensor) else None


def call(function, args, kwargs):
    """The result, or None after a clear error that has changed nothing."""
    everything = [*args, *kwargs.values()]
    before = [snapshot(each) for each in everything]
    try:
        with np.errstate(all="ignore"):
            result = function(*args, **kwargs)
    except CLEAR as error:
        assert str(error), type(error)  # noqa: PT017
        assert [snapshot(each) for each in everything] == before
        return None
    return result


@pytest.mark.parametrize(("op", "case"), CASES, ids=lambda value: getattr(value, "name", None) or str(value))
@settings(many, max_examples=max(20, EXAMPLES // 6))
@given(data=st.data())
def test_element_wise_functions_of_any_float_array(op, case, data):
    """Equal to the same function of a plain copy, to the bit."""
    x = data.draw(arrays())
    function = getattr(fastnn, op.name)
    plain = function(np.array(x, x.dtype.newbyteorder("="), order="C", copy=True), **case)
    before = x.tobytes()
    y = function(x, **case)
    assert x.tobytes() == before
    assert y.dtype == x.dtype.newbyteorder("=")
    np.testing.assert_array_equal(np.signbit(y[~np.isnan(y)]), np.signbit(plain[~np.isnan(plain)]))
    np.testing.assert_array_equal(y, plain)
    out = LAYOUTS[data.draw(st.sampled_from(["plain", "fortran", "gaps", "misaligned"]))](np.zeros(x.shape, y.dtype))
    assert function(x, **case, out=out) is out
    np.testing.assert_array_equal(out, plain)


WITH_OUT = [record for record in RECORDS if "out" in record.parameters]


@pytest.mark.parametrize("record", WITH_OUT, ids=lambda record: record.name)
@settings(many, max_examples=max(100, EXAMPLES // 3))
@given(data=st.data())
def test_out_of_any_kind(record, data):
    """Written as asked or refused; where it overlaps the input the result is that of a copy."""
    x, function = data.draw(arrays(FLOATS[:3])), record.function
    options = record.any_call(x.shape)
    expected = call(function, (x.copy(),), options)
    if data.draw(st.booleans()) and x.ndim and x.flags.c_contiguous:
        room = np.zeros(x.size + 3, x.dtype)
        room[: x.size] = x.reshape(-1)
        x, out = room[: x.size].reshape(x.shape), room[data.draw(st.integers(0, 3)) :][: x.size].reshape(x.shape)
    else:
        out = data.draw(things())
    before = snapshot(out)
    try:
        with np.errstate(all="ignore"):
            result = function(x, **options, out=out)
    except CLEAR as error:
        assert str(error)  # noqa: PT017
        assert snapshot(out) == before
    else:
        assert out is None or result is out
        if expected is not None:
            np.testing.assert_array_equal(np.asarray(result), expected)


NAMES = sorted(set(functional.__all__))


@pytest.mark.parametrize("name", NAMES)
@settings(many, max_examples=max(40, EXAMPLES // 4))
@given(data=st.data())
def test_any_function_of_anything(name, data):
    function = getattr(functional, name)
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = sum(p.default is p.empty for p in positional)
    count = data.draw(st.integers(needed, len(positional)))
    args = [data.draw(things()) for _ in range(count)]
    if len(args) > 1 and isinstance(args[0], np.ndarray) and data.draw(st.booleans()):
        args[1] = filled(np.random.default_rng(data.draw(seeds)), args[0].shape, data.draw(st.sampled_from(FLOATS[:2])))
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "out"]
    kwargs = {key: data.draw(things()) for key in keywords if data.draw(st.booleans())}
    call(function, args, kwargs)


LAYERS = sorted(
    {layer.name for record in RECORDS for layer in record.layers}
    | {layer_of(op).__name__ for op in LEARNED}
    | {"Flatten"}
)


@pytest.mark.parametrize("name", LAYERS)
@settings(many, max_examples=max(40, EXAMPLES // 4))
@given(data=st.data())
def test_layers_made_and_called_with_anything(name, data):
    """A size is drawn small: a layer of 2^70 features is refused for want of memory, which is no error of arguments."""
    sizes = st.one_of(st.integers(-1, 5), st.sampled_from([0.5, None, "x", (2, 3), True, math.nan, [], np.int64(3)]))
    args = data.draw(st.lists(sizes, max_size=4))
    made = call(getattr(nn, name), args, {})
    if made is None:
        return
    state = {key: value.tobytes() for key, value in made.state_dict().items()}
    inputs = [data.draw(things()) for _ in range(2 if "Loss" in name or name == "Bilinear" else 1)]
    if call(made, inputs, {}) is None:
        assert {key: value.tobytes() for key, value in made.state_dict().items()} == state


OPTIMIZERS = [each for each in vars(optim).values() if isinstance(each, type) and each is not optim.Optimizer]


@pytest.mark.parametrize("rule", OPTIMIZERS, ids=lambda each: each.__name__)
@settings(many, max_examples=max(40, EXAMPLES // 4))
@given(data=st.data())
def test_optimizers_of_anything(rule, data):
    keywords = [p.name for p in inspect.signature(rule).parameters.values() if p.name != "params"]
    weight = nn.Parameter(np.ones((3, 2), np.float32))
    options = {key: data.draw(things()) for key in keywords if data.draw(st.integers(0, 3)) == 0}
    made = call(rule, ([weight],), options)
    if made is None:
        return
    gradient = data.draw(things())
    try:
        weight.grad = gradient
    except CLEAR:
        return
    before = weight.data.tobytes()
    try:
        with np.errstate(all="ignore"):
            made.step()
    except CLEAR:
        assert weight.data.tobytes() == before


def test_subnormal_numbers_are_not_slow():
    """1 % of them: at most twice the time.  The least of many, for the machine is shared; no test fails by it alone."""
    import time

    rng = np.random.default_rng(0)
    plain = rng.normal(size=200_000).astype(np.float32)
    tiny = plain.copy()
    tiny[rng.random(tiny.size) < 0.01] = 1e-41
    ratios = {}
    for name in ("relu", "gelu", "sigmoid", "tanh", "silu", "mish"):
        function, least = getattr(fastnn, name), {}
        for _ in range(40):
            for key, x in (("plain", plain), ("tiny", tiny)):
                start = time.perf_counter()
                function(x)
                least[key] = min(least.get(key, math.inf), time.perf_counter() - start)
        ratios[name] = least["tiny"] / least["plain"]
    assert max(ratios.values()) < 20, ratios  # a machine that traps to microcode for each takes a hundred times as long


MASKED = np.ma.masked_array(np.ones((2, 3), np.float32), [[0, 1, 0], [0, 0, 0]])
CLASSES = np.ma.masked_array([0, 1], [True, False])
PLAIN = np.ones((2, 3), np.float32)


def plain_and_tracked():
    return fastnn.tensor(PLAIN.copy(), requires_grad=True)


WITH_MASKS = {
    "tensor": lambda: fastnn.tensor(MASKED),
    "Tensor": lambda: fastnn.Tensor(MASKED),
    "Parameter": lambda: nn.Parameter(MASKED),
    "Tensor.data": lambda: setattr(plain_and_tracked(), "data", MASKED),
    "Tensor.grad": lambda: setattr(plain_and_tracked(), "grad", MASKED),
    "Tensor[...]": lambda: fastnn.tensor(PLAIN.copy()).__setitem__(0, MASKED[0]),
    "np.add": lambda: plain_and_tracked() + MASKED,
    "backward": lambda: fastnn.relu(plain_and_tracked()).backward(MASKED),
    "load_state_dict": lambda: nn.Linear(3, 2).load_state_dict({"weight": MASKED, "bias": np.ones(2)}),
    "register_buffer": lambda: nn.Module().register_buffer("b", MASKED),
    "BatchNorm1d": lambda: setattr(nn.BatchNorm1d(2), "running_mean", CLASSES),
    "batch_norm": lambda: fastnn.batch_norm(PLAIN, MASKED[0], np.ones(3, np.float32)),
    "cross_entropy": lambda: fastnn.cross_entropy(PLAIN, CLASSES),
    "nll_loss": lambda: fastnn.nll_loss(PLAIN, CLASSES),
    "mse_loss": lambda: fastnn.mse_loss(PLAIN, MASKED),
    "embedding": lambda: fastnn.embedding(CLASSES, PLAIN),
    "embedding_backward": lambda: fastnn.embedding_backward(PLAIN, CLASSES, 3),
    "one_hot": lambda: fastnn.one_hot(CLASSES),
    "linear": lambda: fastnn.linear(PLAIN, MASKED),
    "relu": lambda: fastnn.relu(PLAIN, out=MASKED.copy()),
    "freeze": lambda: fastnn.freeze(nn.Sequential(nn.Linear(3, 2)))(MASKED),
    "Accuracy": lambda: metrics.Accuracy().update(PLAIN, CLASSES),
    "MeanAbsoluteError": lambda: metrics.MeanAbsoluteError().update(PLAIN, MASKED),
    "TensorDataset": lambda: data.TensorDataset(PLAIN, CLASSES),
    "default_collate": lambda: next(iter(data.DataLoader(list(MASKED), 2))),
    "ToTensor": lambda: data.transforms.ToTensor()(MASKED),
    "Normalize": lambda: data.transforms.Normalize(0.5, 0.5)(MASKED),
}  # fmt: skip
NAMED_AS = {"Parameter": "Tensor", "Tensor[...]": "Tensor"}


@pytest.mark.parametrize("name", WITH_MASKS)
def test_a_mask_is_never_dropped(name):
    with pytest.raises(
        TypeError, match=rf"^{NAMED_AS.get(name, name)}: expected .* without a mask, got a masked array"
    ):
        WITH_MASKS[name]()
