"""Pooling: PyTorch's values, gradients and refusals over all arguments, both memory orders, exact edge values."""

import itertools
import warnings

import numpy as np
import pytest

import fastnn
from fastnn import functional, nn

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def of(name, n):
    return getattr(functional, f"{name}{n}d"), getattr(functional, f"{name}{n}d_backward")


def sines(shape, a=1.0, b=0.0):
    return np.sin(a * np.arange(np.prod(shape)) + b).reshape(shape)


def checksum(t):
    return (np.ravel(t) * np.cos(0.37 * np.arange(np.size(t)))).sum()


def channels_last(x):
    order = (0, *range(2, x.ndim), 1) if x.ndim > 3 else (0, 2, 1)
    back = np.argsort(order)
    return np.ascontiguousarray(x.transpose(order)).transpose(back)


@pytest.mark.parametrize(
    ("function", "shape", "arguments", "options", "y", "dx"),
    [
        ("max_pool2d", (2, 3, 6, 5), (3, 2, 1), {"ceil_mode": True}, 3.492218076794, -2.294389499666),
        ("max_pool2d", (2, 3, 8, 5), ((3, 2), (2, 1), 1, (2, 1)), {}, 3.340452923978, 0.681624544864),
        ("max_pool3d", (1, 2, 3, 3, 4), (2, 1), {}, 2.488839569195, -2.969319878612),
        ("avg_pool2d", (2, 3, 6, 5), (3, 2, 1, True), {}, 0.645236318799, -0.251857634149),
        ("avg_pool2d", (2, 3, 6, 5), (3, 2, 1, True, False), {}, 0.383643592381, -0.531074653183),
        ("adaptive_avg_pool2d", (2, 3, 7, 5), ((3, 4),), {}, 0.251843736553, 0.055269354839),
        ("adaptive_max_pool2d", (2, 3, 7, 5), ((3, 4),), {}, 2.873398412292, -11.265443139329),
        ("lp_pool2d", (2, 3, 7, 5), (2, 3, 2), {}, 4.164174064896, 2.678308624741),
    ],
)
@pytest.mark.parametrize("arranged", [np.asarray, channels_last])
def test_golden_values(function, shape, arguments, options, y, dx, arranged):
    x = fastnn.tensor(arranged(sines(shape)), requires_grad=True)
    got = getattr(functional, function)(x, *arguments, **options)
    got.backward(sines(got.shape, 0.3, 0.5))
    assert abs(checksum(got.numpy()) - y) < 1e-9
    assert abs(checksum(x.grad) - dx) < 1e-9


def calls():
    """Every combination of kernel, stride, padding, dilation and ceil_mode in one dimension, some of them in more."""
    for size, k, s, d, ceil in itertools.product(
        (1, 2, 5, 8, 40), (1, 2, 3, 5), (1, 2, 3, 7), (1, 2, 3), (False, True)
    ):
        for p in range(k // 2 + 1):
            yield (2, size), (k, s, p, d, ceil)
    rng = np.random.default_rng(0)
    for n in (2, 3):
        for _ in range(60):
            k = rng.integers(1, 5, n)
            p = tuple(int(rng.integers(0, each // 2 + 1)) for each in k)
            s, d = (tuple(map(int, rng.integers(1, 4, n))) for _ in range(2))
            shape = (2, 3, *map(int, rng.integers(3, 10, n)))
            yield shape, (tuple(map(int, k)), s, p, d, bool(rng.integers(2)))


def outcome(function, *args, **kwargs):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except (RuntimeError, ValueError, MemoryError):
        return None


def compare(name, shape, arguments, dtype, last, **options):
    """Our values, places and gradient, and PyTorch's; both refuse or neither."""
    torch = pytest.importorskip("torch")
    n = len(shape) - (2 if len(shape) > 3 else 1)
    x = np.random.default_rng(1).integers(-3, 4, shape).astype(dtype)  # with many equal values
    ours = channels_last(x) if last and len(shape) > 3 else x
    function, backward = of(name, n)
    a = torch.tensor(x, requires_grad=True)
    with_places = {"return_indices": True} if "max" in name else {}
    theirs = outcome(getattr(torch.nn.functional, function.__name__), a, *arguments, **options, **with_places)
    got = outcome(function, ours, *arguments, **options, **with_places)
    reaches_over = n == 3 and any(np.array(arguments[0]) > shape[-3:]) if name == "avg_pool" else False
    if got is None or reaches_over:  # PyTorch computes a window larger than the input but for avg_pool3d
        assert theirs is None
        return False
    assert theirs is not None, (name, shape, arguments, options)
    if with_places:
        places, (got, theirs) = (got[1], theirs[1].numpy()), (got[0], theirs[0])
        inside = (places[1] >= 0) & (places[1] < np.prod(shape[-n:]))
        np.testing.assert_array_equal(places[0], np.where(np.isinf(got) | ~inside, -1, places[1]))
        if (places[0] < 0).any():  # a window of nothing, where PyTorch's gradient goes outside
            return True
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(got, theirs.detach().numpy(), rtol=tolerance, atol=tolerance)
    dy = np.random.default_rng(2).integers(-3, 4, got.shape).astype(dtype)
    theirs.backward(torch.tensor(dy))
    dx = backward(channels_last(dy) if last and len(shape) > 3 else dy, ours, *arguments, **options)
    np.testing.assert_allclose(dx, a.grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance)
    return True


@both
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_max_pool_is_pytorchs(dtype, last):
    assert sum(compare("max_pool", shape, arguments, dtype, last) for shape, arguments in calls()) > 400


@both
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_avg_pool_is_pytorchs(dtype, last):
    done = 0
    for shape, (k, s, p, d, ceil) in calls():
        if d not in (1, (1, 1), (2, 1), (1, 1, 1), (2, 1, 1)):
            continue
        for counted in (False, True):
            options = {"count_include_pad": counted}
            done += compare("avg_pool", shape, (k, s, p, ceil), dtype, last, **options)
        if len(shape) > 3:
            done += compare("avg_pool", shape, (k, s, p, ceil), dtype, last, divisor_override=-5)
    assert done > 300


@both
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", ["adaptive_avg_pool", "adaptive_max_pool"])
def test_adaptive_pools_are_pytorchs(name, dtype, last):
    for size, output in itertools.product(range(1, 12), range(1, 15)):
        assert compare(name, (3, size), (output,), dtype, last)
    for sizes in ((1, 1), (2, None), (5, 3), (None, 9)):
        assert compare(name, (2, 70, 7, 6), (sizes,), dtype, last)
    for sizes in ((1, 1, 1), (2, None, 3), (7, 2, 1)):
        assert compare(name, (2, 3, 5, 4, 6), (sizes,), dtype, last)


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, -2, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_lp_pool_is_pytorchs(p, n):
    torch = pytest.importorskip("torch")
    shape = (2, 3, 7, 6, 5)[: n + 2]
    for k, s, signed in ((2, None, False), (3, 1, False), (2, 3, True)):
        x = np.random.default_rng(0).uniform(0.5, 2, shape) * (
            np.random.default_rng(1).choice([-1, 1], shape) if signed else 1
        )
        if abs(p) == np.inf:  # PyTorch's function has no gradient of it in one call: the largest absolute value
            largest = torch.nn.functional.__dict__[f"max_pool{n}d"]
            a = torch.tensor(x, requires_grad=True)
            expected = largest(a.abs(), k, s) if p > 0 else -largest(-a.abs(), k, s)
        else:
            a = torch.tensor(x, requires_grad=True)
            expected = torch.nn.functional.__dict__[f"lp_pool{n}d"](a, p, k, s)
            with np.errstate(invalid="ignore"):
                if signed:  # NaN of a fraction of a negative number, the signed sum of p = 1: PyTorch cuts at 0
                    windows = functional.__dict__[f"avg_pool{n}d"](x**p, k, s) * k**n
                    np.testing.assert_allclose(of("lp_pool", n)[0](x, p, k, s), windows ** (1 / p), rtol=1e-12)
                    continue
        got = of("lp_pool", n)[0](x, p, k, s)
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-12)
        dy = np.random.default_rng(2).normal(size=got.shape)
        expected.backward(torch.tensor(dy))
        np.testing.assert_allclose(of("lp_pool", n)[1](dy, x, p, k, s), a.grad.numpy(), rtol=1e-11, atol=1e-13)


def test_lp_pool_at_the_edge_is_the_sum_of_what_is_there():
    """PyTorch scales the last window as if the rest of it were like what is there."""
    got = functional.lp_pool1d([[3.0, 4.0, 6.0]], 2, 2, ceil_mode=True)
    np.testing.assert_array_equal(got, [[5, 6]])
    np.testing.assert_array_equal(
        functional.lp_pool1d_backward([[1.0, 1.0]], [[0.0, 0.0, 6.0]], 2, 2, ceil_mode=True), [[0, 0, 1]]
    )


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_max_unpool_is_pytorchs(n, last):
    torch = pytest.importorskip("torch")
    function, backward = of("max_unpool", n)
    for shape, k, s, p in (((2, 3, 8, 6, 4), 2, 2, 0), ((2, 3, 9, 8, 7), 3, 2, 1), ((2, 3, 7, 8, 9), 2, 3, 0)):
        shape = shape[: n + 2]
        x = np.random.default_rng(0).permutation(int(np.prod(shape))).astype(float).reshape(shape)
        y, places = of("max_pool", n)[0](channels_last(x) if last else x, k, s, p, return_indices=True)
        a, i = torch.tensor(y.copy(), requires_grad=True), torch.tensor(places.copy())
        expected = getattr(torch.nn.functional, function.__name__)(a, i, k, s, p, output_size=shape[2:])
        got = function(y, places, k, s, p, output_size=shape[2:])
        np.testing.assert_array_equal(got, expected.detach().numpy())
        assert got.strides == x.strides or last
        dy = np.random.default_rng(1).normal(size=got.shape)
        expected.backward(torch.tensor(dy))
        np.testing.assert_array_equal(backward(dy, y, places, k, s, p, output_size=shape), a.grad.numpy())


def test_unpooled_duplicates_keep_the_last_and_nowhere_is_skipped():
    y = functional.max_unpool1d([[1.0, 2.0, 3.0]], [[1, 1, -1]], 2)
    np.testing.assert_array_equal(y, [[0, 2, 0, 0, 0, 0]])
    dx = functional.max_unpool1d_backward([[5.0, 7.0, 9.0, 0, 0, 0]], [[1.0, 2.0, 3.0]], [[1, 1, -1]], 2)
    np.testing.assert_array_equal(dx, [[7, 7, 0]])


@both
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_a_maximum_keeps_nan_and_the_first_of_equals(dtype, last):
    nan, inf = np.nan, np.inf
    x = np.zeros((1, 2, 1, 40), dtype)
    x[0, :, 0, :8] = [nan, 3, 1, nan, nan, -inf, -0.0, 0.0]
    x[0, :, 0, 8:12] = [-inf, -inf, 5, 5]
    x = channels_last(x) if last else x
    y, places = functional.max_pool2d(x, (1, 2), return_indices=True)
    np.testing.assert_array_equal(y[0, 1, 0, :6], [nan, nan, nan, 0, -inf, 5])
    assert np.signbit(y[0, 1, 0, 3])
    np.testing.assert_array_equal(places[0, 1, 0, :6], [0, 3, 4, 6, 8, 10])
    np.testing.assert_array_equal(
        functional.max_pool2d(np.full((1, 1, 2, 2), nan), 2, return_indices=True)[1], [[[[3]]]]
    )
    dy = np.full(y.shape, nan, dtype)
    dx = functional.max_pool2d_backward(dy, x, (1, 2))
    assert np.isnan(dx).sum() == dy.size
    assert np.isnan(dx[0, 0, 0, places[0, 0, 0]]).all()


def test_a_window_of_nothing_is_minus_infinity_and_has_no_place():
    y, places = functional.max_pool1d([[1.0, 2.0]], 2, 1, 1, 3, return_indices=True)
    np.testing.assert_array_equal(y, [[-np.inf]])
    np.testing.assert_array_equal(places, [[-1]])
    np.testing.assert_array_equal(functional.max_pool1d_backward([[1.0]], [[1.0, 2.0]], 2, 1, 1, 3), [[0, 0]])


def test_average_divisors():
    four, five = [[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0, 3.0, 4.0, 5.0]]
    np.testing.assert_array_equal(functional.avg_pool1d(four, 3, 3, 1, True), [[1, 7 / 3]])
    np.testing.assert_array_equal(functional.avg_pool1d(four, 3, 3, 1, True, False), [[1.5, 3.5]])
    np.testing.assert_array_equal(functional.avg_pool1d(five, 4, 4, 1, True), [[1.5, 3]])


def test_means_keep_their_digits():
    """A million values near 1e6: the sum is kept in double."""
    x = (1e6 + np.arange(2**20) % 7).astype(np.float32).reshape(1, 1, 1024, 1024)
    expected = np.float32(x.astype(np.float64).mean())
    assert functional.adaptive_avg_pool2d(x, 1)[0, 0, 0, 0] == expected
    assert functional.avg_pool2d(x, 1024)[0, 0, 0, 0] == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_of_whole_planes_have_the_same_bits_in_both_layouts(dtype):
    rng = np.random.default_rng(0)
    for space in ((7, 7), (1, 1), (3, 8), (5, 17), (2, 33), (40, 3)):
        x = (rng.normal(size=(3, 20, *space)) * 10.0 ** rng.integers(-3, 4, space)).astype(dtype)
        y = functional.adaptive_avg_pool2d(x, 1)
        np.testing.assert_array_equal(y, functional.adaptive_avg_pool2d(channels_last(x), 1))
        np.testing.assert_array_equal(y, functional.avg_pool2d(x, space))
        total = functional.avg_pool2d(x, space, divisor_override=1)
        np.testing.assert_array_equal(total, functional.avg_pool2d(channels_last(x), space, divisor_override=1))
        np.testing.assert_allclose(
            y, x.mean((2, 3), dtype=np.float64, keepdims=True), rtol=0, atol=1000 * np.finfo(dtype).eps
        )


@both
@pytest.mark.parametrize("shape", [(2, 131, 37), (2, 131, 37, 6), (2, 131, 37, 6, 5), (2, 21, 55, 50)])
@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "lp_pool", "adaptive_avg_pool", "adaptive_max_pool"])
def test_memory_orders_give_the_same_bits_and_keep_them(name, shape, dtype):
    n = len(shape) - 2
    function, backward = of(name, n)
    arguments = {"lp_pool": (2.0, 3, 2), "max_pool": (3, 2, 1), "avg_pool": (3, 2, 1)}.get(name, (4,))
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    first, last = function(x, *arguments), function(channels_last(x), *arguments)
    np.testing.assert_array_equal(first, last)
    assert first.flags.c_contiguous
    assert channels_last(last).strides == last.strides
    dy = np.random.default_rng(1).normal(size=first.shape).astype(dtype)
    expected, got = backward(dy, x, *arguments), backward(channels_last(dy), channels_last(x), *arguments)
    np.testing.assert_array_equal(got, expected)
    assert got.strides == channels_last(x).strides
    for sample in range(2):
        np.testing.assert_array_equal(function(x[sample], *arguments), first[sample])
        np.testing.assert_array_equal(backward(dy[sample], x[sample], *arguments), expected[sample])


def test_integers_become_float64_and_half_is_rounded_once():
    x = np.arange(8).reshape(1, 8)
    for function in (functional.max_pool1d, functional.avg_pool1d):
        assert function(x, 2).dtype == np.float64
        half = function((x * 1001).astype(np.float16), 2)
        assert half.dtype == np.float16
        np.testing.assert_array_equal(
            half, function((x * 1001).astype(np.float16).astype(np.float64), 2).astype(np.float16)
        )


def test_no_samples_and_no_outputs():
    for shape in ((0, 3, 4, 4), (0, 3, 5, 7)):
        assert functional.max_pool2d(np.zeros(shape), 2).shape == (0, 3, shape[2] // 2, shape[3] // 2)
    assert functional.adaptive_avg_pool2d(np.ones((2, 3, 4, 4)), (0, 2)).shape == (2, 3, 0, 2)
    assert functional.adaptive_avg_pool2d(np.ones((2, 0, 4, 4)), 2).shape == (2, 0, 2, 2)
    dx = functional.adaptive_max_pool2d_backward(np.ones((2, 3, 0, 2)), np.ones((2, 3, 4, 4)), (0, 2))
    np.testing.assert_array_equal(dx, np.zeros((2, 3, 4, 4)))
    for shape in ((1, 0, 4), (1, 3, 0)):
        with pytest.raises(ValueError, match=r"max_pool1d: expected sizes of at least 1 but the batch's"):
            functional.max_pool1d(np.zeros(shape), 1)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", ["max_pool", "adaptive_max_pool"])
def test_places_are_returned_beside_a_tensor(name, n):
    function, backward = of(name, n)
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 4, 4)[: n + 2])
    tracked = fastnn.tensor(x, requires_grad=True)
    y, places = function(tracked, 2, return_indices=True)
    assert isinstance(y, fastnn.Tensor)
    assert isinstance(places, np.ndarray)
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(tracked.grad, backward(np.ones(y.shape), x, 2))
    np.testing.assert_array_equal(
        np.take_along_axis(x.reshape(2, 3, -1), places.reshape(2, 3, -1), 2), y.numpy().reshape(2, 3, -1)
    )


def test_unpooling_keeps_its_places_for_the_way_back():
    x = fastnn.tensor([[[3.0, 2.0]]], requires_grad=True)
    places = np.array([[[1, 2]]])
    y = functional.max_unpool1d(x, places, 2)
    places[:] = -1
    y.backward(np.array([[[0.5, 1.0, 2.0, 4.0]]]))
    np.testing.assert_array_equal(x.grad, [[[1, 2]]])


REFUSED = [
    ("MaxPool2d", (0,), r"expected kernel_size of at least 1, got 0"),
    ("MaxPool2d", (2, 0), r"expected stride of at least 1, got 0"),
    ("MaxPool2d", (3, 1, 2), r"expected padding of at most half of kernel_size \(3, 3\), got \(2, 2\)"),
    ("MaxPool3d", ((1, 2),), r"expected kernel_size of 1 or 3 numbers, got 2"),
    ("MaxPool1d", (2, 1, 0, 0), r"expected dilation of at least 1, got 0"),
    ("AvgPool2d", (2, 1, 0, False, True, 0), r"expected divisor_override other than 0"),
    ("LPPool1d", (0, 2), r"expected norm_type other than 0 and NaN, got 0"),
    ("AdaptiveAvgPool2d", ((1, 2, 3),), r"expected output_size of 2 numbers, got 3"),
    ("AdaptiveMaxPool1d", (-1,), r"expected output_size of at least 0, got -1"),
    ("MaxUnpool2d", (2, -1), r"expected stride of at least 1, got -1"),
]


@pytest.mark.parametrize(("name", "arguments", "text"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_layers_are_refused_when_made(name, arguments, text):
    with pytest.raises(ValueError, match=f"^{name}: {text}"):
        getattr(nn, name)(*arguments)


def test_layers_call_their_functions_and_unpool():
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 6))
    y, places = nn.MaxPool2d(2, return_indices=True)(x)
    np.testing.assert_array_equal(y, functional.max_pool2d(x, 2))
    back = nn.MaxUnpool2d(2)(y, places)
    np.testing.assert_array_equal(np.sort(back[back != 0]), np.sort(y[y != 0]))
    assert nn.MaxUnpool2d(2)(y, places, output_size=(9, 7)).shape == (2, 3, 9, 7)
    assert repr(nn.MaxUnpool2d(2)) == "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    assert repr(nn.AvgPool1d(2)) == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    np.testing.assert_array_equal(nn.AvgPool1d(2)(x[0]), functional.avg_pool1d(x[0], 2))


HUGE = [2**30, 2**31, 2**40, 2**70]


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_sizes_that_no_machine_has_are_refused_at_once(n, size):
    """Before any work: a result of 2^30 places in each of 4096 planes is 17 TB, one beyond 2^31 has no size."""
    x = np.ones((64, 64, 5, 5, 5)[: n + 2], np.float32)
    places = np.zeros(x.shape, np.int64)
    none = np.ones((0, 64, 5, 5, 5)[: n + 2], np.float32)
    for name in ("adaptive_avg_pool", "adaptive_max_pool"):
        function, backward = of(name, n)
        with pytest.raises((ValueError, MemoryError), match=f"^{function.__name__}: (expected|no memory)"):
            function(x, size)
        with pytest.raises(ValueError, match=f"^{backward.__name__}: expected"):
            backward(np.ones(x.shape, np.float32), x, size)
        if size < 2**31 and n == 1:  # NumPy refuses the shape in two dimensions, though it holds nothing
            assert function(none, size).shape == (0, 64, size)
    unpool, unpool_backward = of("max_unpool", n)
    with pytest.raises((ValueError, MemoryError), match=r"^max_unpool.*: (expected|no memory)"):
        unpool(x, places, 2, size)
    with pytest.raises(ValueError, match=f"^{unpool_backward.__name__}: expected"):
        unpool_backward(np.ones(x.shape), x, places, 2, size)
    for name in ("max_pool", "avg_pool"):
        function, _ = of(name, n)
        assert outcome(function, x, size) is None
        if size < 2**31:  # one window of a padding that no memory would hold
            np.testing.assert_array_equal(function(x, size, size, size // 2).shape[2:], (1,) * n)
            np.testing.assert_array_equal(function(x, 2, size, 1).shape[2:], (1,) * n)
    assert outcome(functional.__dict__[f"max_pool{n}d"], x, 3, 1, 1, size) is None
    if size < 2**31:
        np.testing.assert_array_equal(functional.__dict__[f"max_pool{n}d"](x, 1, 1, 0, size), x)
