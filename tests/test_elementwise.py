"""Every element-wise function, by its record: values, gradients, layouts, dtypes, `out`, edges and errors."""

import math

import mpmath as mp
import numpy as np
import pytest
from ops import CASE_IDS, CASES, OPS, exact

import fastnn
from fastnn import _core

F32, F64 = np.float32, np.float64
both = pytest.mark.parametrize("dtype", [F32, F64], ids=["f32", "f64"])
every_case = pytest.mark.parametrize(("op", "case"), CASES, ids=CASE_IDS)
every_op = pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])


def with_required(op, f):
    return lambda *args, **options: f(*args, **(op.given | options))


def function(op):
    return with_required(op, getattr(fastnn, op.name))


def twin(op):
    return with_required(op, getattr(fastnn, op.name + "_backward"))


def saves_y(op):
    return _core.SAVES_Y[_core.ACTS[op.name]]


def gradient(op, case, dy, x, **options):
    saved = function(op)(x, **case) if saves_y(op) else x
    return twin(op)(dy, saved, **case, **options)


def points(op, dtype, n=1500):
    """The domain evenly, its middle more densely, the tails by powers of two, and both sides of each kink."""
    low, high = op.domain
    wide = 1.0 if dtype == F32 else 6.0
    rng = np.random.default_rng(1)
    powers = np.array([s * 2.0**k for k in range(-140, 7) for s in (-1, 1)])
    x = np.concatenate(
        [
            rng.uniform(low * wide, high * wide, n),
            rng.uniform(-8, 8, n),
            powers,
            *[[k, np.nextafter(F32(k), F32(99)), np.nextafter(F32(k), F32(-99))] for k in op.kinks],
        ]
    )
    return x.astype(dtype)


def exact_values(f, x):
    with mp.workdps(60):
        return [f(mp.mpf(float(v))) for v in x]


def ulps(got, exact, dtype):
    """Distance in units of the last place of the exact value; subnormal results count in the smallest unit."""
    info = np.finfo(dtype)
    worst = 0.0, None
    for g, e in zip(got, exact, strict=True):
        with mp.workdps(60):
            size = abs(e)
            exponent = mp.floor(mp.log(size, 2)) if size >= float(info.smallest_normal) else mp.mpf(info.minexp)
            unit = mp.mpf(2) ** (exponent - info.nmant)
            error = float(abs(mp.mpf(float(g)) - e) / unit)
        if error > worst[0]:
            worst = error, (g, e)
    return worst


@both
@every_case
def test_value_within_bound(op, case, dtype):
    parameters = {k: float(dtype(v)) if isinstance(v, float) else v for k, v in case.items()}
    x = points(op, dtype, 1500 if dtype == F32 else 300)
    defaults = {"negative_slope": float(dtype(0.01))} if op.name == "leaky_relu" and not case else {}
    values = exact_values(lambda v: exact(op, v, **(parameters or defaults)), x)
    error, where = ulps(function(op)(x, **case), values, dtype)
    assert error <= (2 if dtype == F32 else 4), where


@both
@every_case
def test_gradient_within_bound(op, case, dtype):
    x = points(op, dtype, 250 if dtype == F32 else 120)
    x = x[[all(abs(v - k) > 1e-6 for k in op.kinks) and abs(v) > 1e-30 for v in x]]
    parameters = {k: float(dtype(v)) if isinstance(v, float) else v for k, v in case.items()}
    with mp.workdps(60):
        slopes = [mp.diff(lambda v: exact(op, v, **parameters), mp.mpf(float(v)), h=mp.mpf("1e-20")) for v in x]
    got = gradient(op, case, np.ones_like(x), x)
    eps = 2.0 ** -(23 if dtype == F32 else 52)
    bound = 4 if dtype == F32 else 8
    for v, g, e in zip(x, got, slopes, strict=True):
        near = abs(float(mp.mpf(float(g)) - e)) <= eps * (1 if dtype == F32 else 4)
        assert near or (not saves_y(op) and ulps([g], [e], dtype)[0] <= bound), (v, g, e)


@every_case
def test_gradient_is_the_slope(op, case):
    """Against a fourth-order difference, in float64."""
    x = np.random.default_rng(2).uniform(-6, 6, 400)
    x = x[np.all([abs(x - k) > 0.01 for k in op.kinks], axis=0)] if op.kinks else x
    dy, h = np.random.default_rng(3).uniform(-2, 2, x.shape), 1e-3
    f = lambda v: function(op)(v, **case)  # noqa: E731
    slope = (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
    np.testing.assert_allclose(gradient(op, case, dy, x), dy * slope, rtol=1e-8, atol=1e-9)


@both
@every_op
def test_limits(op, dtype):
    at = np.array([math.inf, -math.inf, -0.0], dtype)
    y = function(op)(at)
    expected = np.array(op.limits[:3], dtype)
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert (np.signbit(y) == np.signbit(expected)).all()
    np.testing.assert_allclose(gradient(op, {}, np.ones(2, dtype), at[:2]), np.array(op.limits[3:], dtype), atol=1e-30)


@both
@every_op
def test_nan(op, dtype):
    x = np.array([math.nan] * 70 + [1.0], dtype)
    assert np.isnan(function(op)(x)[:70]).all()
    assert np.isfinite(function(op)(x)[70])
    np.testing.assert_allclose(gradient(op, {}, np.ones_like(x), x)[:70], op.nan_slope, rtol=1e-6)


@both
@every_op
def test_slope_at_kinks(op, dtype):
    for x, slope in op.at_kinks:
        np.testing.assert_allclose(gradient(op, {}, np.ones(1, dtype), np.array([x], dtype)), slope, rtol=1e-6)


def layouts(shape, dtype, seed=0):
    """The same values in every memory layout."""
    base = np.random.default_rng(seed).uniform(-4, 4, shape).astype(dtype)
    gaps = np.zeros([2 * n for n in shape], dtype)[tuple(slice(None, None, 2) for _ in shape)]
    gaps[...] = base
    half = np.zeros((*shape[:-1], shape[-1] + 3), dtype)[..., : shape[-1]]
    half[...] = base
    odd = np.zeros(base.nbytes + 1, np.uint8)[1:].view(dtype).reshape(shape)
    odd[...] = base
    return {
        "C": base,
        "F": np.asfortranarray(base),
        "transposed": np.ascontiguousarray(np.moveaxis(base, 0, -1)).transpose(len(shape) - 1, *range(len(shape) - 1)),
        "gaps": gaps,
        "rows": half,
        "reversed": np.ascontiguousarray(base[..., ::-1])[..., ::-1],
        "misaligned": odd,
        "foreign": base.astype(base.dtype.newbyteorder()),
    }


@both
@every_op
@pytest.mark.parametrize("shape", [(7,), (5, 33), (3, 4, 700)], ids=str)
def test_layouts_agree(op, dtype, shape):
    variants = layouts(shape, dtype)
    reference = function(op)(variants["C"])
    dys = layouts(shape, dtype, seed=5)
    slope = gradient(op, {}, dys["C"], variants["C"])
    for layout, x in variants.items():
        y = function(op)(x)
        np.testing.assert_array_equal(y, reference, err_msg=layout)
        assert y.dtype == dtype
        assert y.dtype.isnative
        if layout in ("C", "F", "transposed"):
            assert y.strides == x.strides, layout
        for other in ("C", layout):
            np.testing.assert_array_equal(gradient(op, {}, dys[other], x), slope, err_msg=layout)


@both
@every_op
def test_out(op, dtype):
    variants = layouts((6, 50), dtype)
    x = variants["C"].copy()
    dy = layouts((6, 50), dtype, seed=5)["C"]
    reference, slope = function(op)(x), gradient(op, {}, dy, x)
    saved = reference if saves_y(op) else x
    for layout, like in variants.items():
        if layout == "foreign":
            continue
        out = np.empty_like(like) if layout != "gaps" else np.zeros((12, 100), dtype)[::2, ::2]
        assert function(op)(x, out=out) is out
        np.testing.assert_array_equal(out, reference)
        assert twin(op)(dy, saved, out=out) is out
        np.testing.assert_array_equal(out, slope)
    for target in ("dy", "saved"):
        pair = {"dy": dy.copy(), "saved": saved.copy()}
        assert twin(op)(pair["dy"], pair["saved"], out=pair[target]) is pair[target]
        np.testing.assert_array_equal(pair[target], slope)
    assert function(op)(x, out=x) is x
    np.testing.assert_array_equal(x, reference)


@every_op
def test_overlapping_out_is_buffered(op):
    memory = np.random.default_rng(0).uniform(-4, 4, 10_000)
    expected = function(op)(memory[:-1].copy())
    function(op)(memory[:-1], out=memory[1:])
    np.testing.assert_array_equal(memory[1:], expected)


@every_op
def test_inplace_and_refusals_change_nothing(op):
    x = np.linspace(-2, 2, 9, dtype=F32)
    y = function(op)(x)
    if "inplace" in fastnn.functional.__dict__[op.name].__code__.co_varnames:
        z = x.copy()
        assert function(op)(z, inplace=True) is z
        np.testing.assert_array_equal(z, y)
        with pytest.raises(TypeError, match=op.name):
            function(op)([1.0], inplace=True)
    for wrong, error in (
        (np.empty(8, F32), ValueError),
        (np.empty(9, F64), TypeError),
        ([0.0] * 9, TypeError),
        (np.empty((9, 1), F32), ValueError),
    ):
        with pytest.raises(error, match=f"{op.name}: expected out"):
            function(op)(x, out=wrong)
    frozen = np.zeros(9, F32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match=f"{op.name}: out is read-only"):
        function(op)(x, out=frozen)
    assert not frozen.any()
    x.flags.writeable = False
    np.testing.assert_array_equal(function(op)(x), y)


@every_op
def test_kinds_of_input(op):
    f = function(op)
    assert f([-1, 0, 2]).dtype == F64
    assert f(np.array([True, False])).dtype == F64
    assert f(3).shape == f(np.float32(3)).shape == f(np.array(3.0)).shape == ()
    assert f(np.float32(3)).dtype == F32
    np.testing.assert_array_equal(f(np.arange(-3, 4)), f(np.arange(-3.0, 4.0)))
    np.testing.assert_array_equal(f(memoryview(np.ones(3, F32))), f(np.ones(3, F32)))
    half = np.linspace(-5, 5, 300).astype(np.float16)
    assert f(half).dtype == np.float16
    np.testing.assert_array_equal(f(half), f(half.astype(F32)).astype(np.float16))
    half_gradient = gradient(op, {}, half, half)
    assert half_gradient.dtype == np.float16
    broadcast = np.broadcast_to(np.float32(1.5), (4, 5))
    np.testing.assert_array_equal(f(broadcast), np.full((4, 5), f(np.float32(1.5))))


@both
@every_op
@pytest.mark.parametrize("shape", [(0,), (3, 0, 2), ()], ids=str)
def test_empty_and_scalar_shapes(op, dtype, shape):
    x = np.zeros(shape, dtype)
    assert function(op)(x).shape == shape
    assert function(op)(x).dtype == dtype
    assert gradient(op, {}, x, x).shape == shape


@every_op
def test_errors_name_the_function(op):
    f = function(op)
    for wrong in ("text", [1, "a"], object(), None, [1j], np.array(["2020-01-01"], "M8[D]")):
        with pytest.raises(TypeError, match=f"{op.name}: expected input of real numbers"):
            f(wrong)
    if np.finfo(np.longdouble).bits > 64:
        with pytest.raises(TypeError, match=f"{op.name}: expected input of real numbers up to float64"):
            f(np.zeros(2, np.longdouble))
    name = f"{op.name}_backward"
    with pytest.raises(ValueError, match=rf"{name}: expected dy of [xy]'s shape \(3,\), got \(2,\)"):
        twin(op)(np.zeros(2), np.zeros(3))
    for parameter in {k for case in op.variants for k in case} - {"approximate"}:
        with pytest.raises(TypeError, match=r"expected .* to be a real number, got str"):
            f([1.0], **{parameter: "1"})


def test_option_errors():
    with pytest.raises(ValueError, match="gelu: expected approximate to be one of 'none', 'tanh', got 'erf'"):
        fastnn.gelu([1.0], approximate="erf")
    with pytest.raises(ValueError, match="hardtanh: expected min_val of at most max_val, got 2 and 1"):
        fastnn.hardtanh([1.0], 2, 1)


def test_parameter_errors_use_its_name():
    for call, text in (
        (lambda: fastnn.leaky_relu([1.0], "a"), "leaky_relu: expected negative_slope"),
        (lambda: fastnn.softplus([1.0], threshold="a"), "softplus: expected threshold"),
        (lambda: fastnn.softplus_backward([1.0], [1.0], beta=1j), "softplus_backward: expected beta"),
        (lambda: fastnn.elu([1.0], np.ma.masked), "elu: expected alpha"),
        (lambda: fastnn.gelu("a", "tanh"), "gelu: expected input"),
    ):
        with pytest.raises(TypeError, match=text):
            call()
    with pytest.raises(ValueError, match="leaky_relu: expected negative_slope in the range of float64"):
        fastnn.leaky_relu([1.0], 10**400)
    with pytest.raises(ValueError, match="relu: expected input to have one shape"):
        fastnn.relu([[1.0], [1.0, 2.0]])
    with pytest.raises(TypeError, match="without a mask"):
        fastnn.relu(np.ma.masked_array([1.0], [True]))
    assert fastnn.leaky_relu([-1.0], np.float32(0.5)) == [-0.5]
    assert fastnn.leaky_relu([-1.0], np.array(0.5)) == [-0.5]


def test_subclasses_as_out(tmp_path):
    x = np.linspace(-2, 2, 12, dtype=F32).reshape(3, 4)
    mapped = np.memmap(tmp_path / "out", F32, "w+", shape=(3, 4))
    for out in (mapped, np.empty((3, 4), F32).view(np.recarray)):
        assert fastnn.relu(x, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), fastnn.relu(x))
        assert fastnn.relu_backward(x, x, out=out) is out
    assert type(fastnn.relu(mapped)) is np.ndarray


def test_softplus_gradient_with_a_slope():
    """The rounding of beta x counts beta x times."""
    x = np.linspace(-85, 5, 4000, dtype=F32)
    for beta in (1.1, 0.3):
        b = float(F32(beta))
        exact = exact_values(lambda v, b=b: 1 / (1 + mp.exp(-b * v)), x)
        assert ulps(fastnn.softplus_backward(np.ones_like(x), x, beta), exact, F32)[0] <= 4


def test_dead_units_ignore_infinite_gradients():
    dy = np.array([np.inf, np.nan], F32)
    assert not fastnn.relu_backward(dy, np.zeros(2, F32)).any()
    assert not fastnn.hardtanh_backward(dy, np.full(2, 5, F32)).any()


def test_gelu_tail_keeps_its_digits():
    """The usual form is 57 % wrong at -5.5."""
    with mp.workdps(40):
        exact = float(mp.mpf(-5.5) * mp.erfc(mp.mpf(5.5) / mp.sqrt(2)) / 2)
    assert float(fastnn.gelu(F32(-5.5))) == pytest.approx(exact, rel=2e-7)
