"""Convolutions: golden values, PyTorch's over a sweep of arguments, layers, memory, bits."""

import itertools

import numpy as np
import pytest
from scripts import python

import fastnn
from fastnn import nn
from fastnn.functional import _conv_run

DIMS = (1, 2, 3)


def sines(shape, a, b):
    return np.sin(a * np.arange(np.prod(shape, dtype=int)) + b).reshape(shape)


def checksum(t):
    flat = np.asarray(t).ravel()
    return float((flat * np.cos(0.37 * np.arange(flat.size))).sum())


def channels_last(x):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def is_channels_last(x):
    return np.moveaxis(x, 1, -1).flags.c_contiguous


# name, input, weight, other arguments, and the checksums of y, dx, dw, db in float64 (PyTorch 2.13)
GOLDEN = [
    (
        "conv2d",
        (2, 4, 5, 6),
        (6, 2, 3, 2),
        {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2},
        (1.857689785925, 13.351776479608, 17.355288198541, 11.305794208542),
    ),
    (
        "conv1d",
        (1, 2, 5),
        (2, 2, 4),
        {"padding": "same"},
        (5.278175092717, 22.537502776869, -1.230470192699, 6.257358654895),
    ),
    (
        "conv2d",
        (1, 3, 4, 4),
        (6, 1, 3, 3),
        {"padding": 1, "groups": 3},
        (2.835431465247, 19.272839053819, 22.546170598239, 1.808733983448),
    ),
    (
        "conv3d",
        (1, 2, 3, 4, 3),
        (2, 2, 2, 3, 2),
        {"stride": (1, 2, 1), "padding": (1, 1, 0)},
        (-6.918686722223, 2.719784047806, -3.936572410300, 5.746043457123),
    ),
    (
        "conv_transpose1d",
        (2, 2, 4),
        (2, 3, 3),
        {"stride": 2, "padding": 1, "output_padding": 1},
        (-11.161437983381, -4.860654043026, 18.078914826963, 4.322933533259),
    ),
    (
        "conv_transpose2d",
        (2, 4, 3, 4),
        (4, 3, 3, 2),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2), "dilation": (2, 1), "groups": 2},
        (13.764927515988, 1.826200424188, 10.355162597786, 1.937578424595),
    ),
    (
        "conv_transpose3d",
        (1, 2, 2, 2, 3),
        (2, 1, 2, 3, 2),
        {"stride": (1, 2, 2), "padding": (0, 1, 0), "groups": 2},
        (-4.204827929011, 7.906836967615, -1.937786956853, 2.562235188934),
    ),
]


@pytest.mark.parametrize(("name", "size", "kernel", "options", "expected"), GOLDEN)
def test_golden_values(name, size, kernel, options, expected):
    x, w = sines(size, 1, 0), sines(kernel, 0.7, 1)
    outputs = kernel[1] * options.get("groups", 1) if "transpose" in name else kernel[0]
    y = getattr(fastnn, name)(x, w, sines((outputs,), 0.5, 2), **options)
    gradients = getattr(fastnn, f"{name}_backward")(sines(y.shape, 0.3, 0.5), x, w, **options)
    assert [checksum(each) for each in (y, *gradients)] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("reflect", (-2.115807111125, 11.160214591838, 0.937547107961)),
        ("replicate", (-0.176952979703, 3.663363156000, 1.622059417976)),
        ("circular", (-0.019104518558, 0.036954685858, -4.808670592797)),
    ],
)
def test_golden_values_of_padding_modes(mode, expected):
    layer = nn.Conv2d(2, 3, (3, 2), padding=(1, 2), padding_mode=mode, dtype=np.float64)
    for k, parameter in enumerate(layer.parameters()):
        parameter.data[...] = 0.5 * sines(parameter.shape, 0.7, k)
    x = fastnn.tensor(sines((1, 2, 4, 5), 1, 0), requires_grad=True)
    y = layer(x)
    y.backward(sines(y.shape, 0.3, 0.5))
    found = [checksum(each) for each in (y.numpy(), x.grad, layer.weight.grad)]
    assert found == pytest.approx(expected, abs=1e-9)


# -- against PyTorch ----------------------------------------------------------------------------------------------------


def drawn(rng, dims, transposed):
    """Arguments of a call: shapes, and a list of the options."""
    groups, channels, outputs = (
        int(rng.choice(each)) for each in ((1, 1, 2, 3, 5), (1, 2, 3, 8, 40), (1, 2, 3, 8, 33))
    )
    if rng.random() < 0.25:
        groups, channels, outputs = int(rng.choice([3, 32, 37])), 1, 1
    kernel, stride, padding, dilation = (
        rng.integers(*each, dims).tolist() for each in ((1, 5), (1, 4), (0, 4), (1, 4))
    )
    space = rng.integers(1, {1: 60, 2: 20, 3: 9}[dims], dims).tolist()
    x = (int(rng.integers(1, 4)), groups * channels, *space)
    if transposed:
        extra = [int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True)]
        return x, (groups * channels, outputs, *kernel), [stride, padding, extra, groups, dilation]
    return x, (groups * outputs, channels, *kernel), [stride, padding, dilation, groups]


@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last, np.asfortranarray])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "transposed"])
@pytest.mark.parametrize("dims", DIMS)
def test_a_sweep_of_arguments(dims, transposed, dtype, layout):
    """Values, gradients and refusals are PyTorch's."""
    torch = pytest.importorskip("torch")
    name = f"conv_transpose{dims}d" if transposed else f"conv{dims}d"
    own, twin = getattr(fastnn, name), getattr(fastnn, f"{name}_backward")
    theirs = getattr(torch.nn.functional, name)
    rng = np.random.default_rng([dims, transposed])
    tolerance = 3e-5 if dtype == np.float32 else 1e-12
    compared = 0
    for _ in range(40):
        size, kernel, options = drawn(rng, dims, transposed)
        x, w = (rng.normal(size=each).astype(dtype) for each in (size, kernel))
        b = rng.normal(size=kernel[1] * options[3] if transposed else kernel[0]).astype(dtype)
        tensors = [torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in (x, w, b)]
        try:
            expected = theirs(*tensors, *options)
        except RuntimeError:
            with pytest.raises(ValueError, match=f"^{name}: "):
                own(layout(x), w, b, *options)
            continue
        got = own(layout(x), w, b, *options)
        dy = rng.normal(size=got.shape).astype(dtype)
        expected.backward(torch.tensor(dy, dtype=torch.float64))
        assert got.dtype == dtype
        gradients = twin(layout(dy), layout(x), w, *options)
        for a, e in zip((got, *gradients), (expected, *(each.grad for each in tensors)), strict=True):
            e = e.detach().numpy()
            assert a.shape == e.shape
            np.testing.assert_allclose(
                a, e, rtol=0, atol=tolerance * max(1, abs(e).max()), err_msg=f"{size} {kernel} {options}"
            )
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("dims", DIMS)
def test_layers_are_pytorch_s(dims, mode):
    """Keys, values and gradients of the layers, padded in every way."""
    torch = pytest.importorskip("torch")
    for stride, padding, groups in itertools.product((1, 2), (2, "same"), (1, 2)):
        if stride == 2 and padding == "same":
            continue
        options = {"stride": stride, "padding": padding, "groups": groups, "padding_mode": mode}
        theirs = getattr(torch.nn, f"Conv{dims}d")(4, 6, 4, **options)
        own = getattr(nn, f"Conv{dims}d")(4, 6, 4, **options)
        own.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
        assert repr(own) == repr(theirs)
        x = np.random.default_rng(0).normal(size=(2, 4, *(7, 6, 5)[:dims])).astype(np.float32)
        a, b = fastnn.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got, expected = own(a), theirs(b)
        expected.backward(torch.ones_like(expected))
        got.backward(np.ones(got.shape, np.float32))
        pairs = [(got.numpy(), expected), (a.grad, b.grad)]
        pairs += [(p.grad, q.grad) for p, q in zip(own.parameters(), theirs.parameters(), strict=True)]
        for p, q in pairs:
            np.testing.assert_allclose(p, q.detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dims", DIMS)
def test_output_size(dims):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, f"ConvTranspose{dims}d")(3, 4, 3, stride=3, padding=1)
    own = getattr(nn, f"ConvTranspose{dims}d")(3, 4, 3, stride=3, padding=1)
    own.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    assert repr(own) == repr(theirs)
    x = np.random.default_rng(0).normal(size=(2, 3, *(5,) * dims)).astype(np.float32)
    for size in (13, 14, 15):
        for wanted in ([size] * dims, [2, 4, *[size] * dims]):
            expected = theirs(torch.tensor(x), output_size=wanted).detach().numpy()
            np.testing.assert_allclose(own(x, wanted), expected, atol=1e-5)
    assert own(x[0], [15] * dims).shape == (4, *(15,) * dims)
    for size in (12, 16):
        with pytest.raises(ValueError, match=rf"ConvTranspose{dims}d: expected output_size from \(13,.* to \(15,"):
            own(x, [size] * dims)
    with pytest.raises(ValueError, match="expected output_size of"):
        own(x, [13] * (dims + 1))


def test_a_network_trains_as_pytorch_s():
    torch = pytest.importorskip("torch")

    def network(m):
        return m.Sequential(
            m.Conv2d(3, 16, 3, padding=1),
            m.BatchNorm2d(16),
            m.ReLU(),
            m.Conv2d(16, 16, 3, stride=2, padding=1, groups=16),
            m.ReLU(),
            m.ConvTranspose2d(16, 8, 4, stride=2, padding=1),
            m.Conv2d(8, 4, 1),
            m.Flatten(),
            m.Linear(4 * 64, 5),
        )

    theirs, own = network(torch.nn), network(nn)
    own.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    steps = torch.optim.SGD(theirs.parameters(), 0.1, 0.9), fastnn.optim.SGD(own.parameters(), 0.1, 0.9)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(16, 3, 8, 8)).astype(np.float32), rng.integers(0, 5, 16)
    for _ in range(8):
        expected = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(t))
        got = fastnn.cross_entropy(own(channels_last(x)), t)
        assert got.item() == pytest.approx(expected.item(), abs=2e-4)
        for optimizer, loss in zip(steps, (expected, got), strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    own.eval()
    with fastnn.no_grad():
        np.testing.assert_allclose(fastnn.freeze(own)(x), own(x), atol=1e-5)


# -- edges ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
def test_results_lie_as_the_input_does(transposed):
    rng = np.random.default_rng(0)
    name = "conv_transpose2d" if transposed else "conv2d"
    x, w = rng.normal(size=(2, 4, 7, 6)), rng.normal(size=(4, 4, 3, 3))
    y = getattr(fastnn, name)(x, w)
    assert y.flags.c_contiguous
    last = getattr(fastnn, name)(channels_last(x), w)
    assert is_channels_last(last)
    np.testing.assert_array_equal(last, y)
    dx, dw, _ = getattr(fastnn, f"{name}_backward")(y, channels_last(x), np.asfortranarray(w))
    assert is_channels_last(dx)
    assert dw.flags.f_contiguous


def test_gradients_that_nobody_wants_are_not_computed(monkeypatch):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 3, 6, 6)), rng.normal(size=(4, 3, 3, 3)), np.zeros(4)
    calls = []
    for part in ("spread", "weight_gradient", "channel_sums"):
        original = getattr(_conv_run, part)
        monkeypatch.setattr(_conv_run, part, lambda *a, f=original, part=part: calls.append(part) or f(*a))
    for i, expected in enumerate(("spread", "weight_gradient", "channel_sums")):
        arrays = [fastnn.tensor(each, requires_grad=j == i) for j, each in enumerate((x, w, b))]
        calls.clear()
        fastnn.conv2d(*arrays).sum().backward()
        assert calls == [expected]


def test_padding_at_the_ends_of_the_last_dimension_is_an_operand():
    """0 times an infinite weight is NaN, as in PyTorch."""
    y = fastnn.conv1d(np.ones((1, 1, 4)), np.array([[[np.inf, 1.0, 1.0]]]), padding=1)
    np.testing.assert_array_equal(y[0, 0], [np.nan, np.inf, np.inf, np.inf])


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("groups", "inputs", "outputs", "size", "kernel", "stride", "padding", "dilation"),
    [
        (1, 5, 40, (6, 9), 3, 1, 1, 1),
        (1, 300, 8, (4, 4), 3, 1, 1, 1),  # sums that are flushed
        (1, 4, 20, (2, 3), 5, 1, 4, 1),  # some windows see the padding alone
        (1, 1, 3, (7, 7), 2, 2, 3, 3),
        (2, 8, 6, (5, 6), (3, 1), 1, (1, 0), 1),
        (32, 32, 32, (6, 30), 3, 1, 1, 1),
        (40, 40, 40, (7, 7), 3, 2, 1, 1),
        (16, 16, 16, (4, 4), 17, 1, 8, 1),  # more products than one accumulator takes
        (1, 3, 4, (4, 3, 5), 3, 1, 1, 1),
        (16, 16, 16, (3, 4, 5), 3, 2, 2, 2),
    ],
)
def test_rows_of_a_kernel_that_meet_only_zeros_are_left_out(
    groups, inputs, outputs, size, kernel, stride, padding, dilation, dtype, value
):
    """In every layout and for one sample as for many, weights there may be anything; all others count as ever."""
    n = len(size)
    rng = np.random.default_rng(0)
    x = rng.integers(1, 5, (2, inputs, *size)).astype(dtype)
    w = rng.integers(1, 5, (outputs, inputs // groups, *np.broadcast_to(kernel, n))).astype(dtype)
    row = (slice(None), slice(None), *(0,) * (n - 1))  # the first in depth and height
    w[row] = value
    function = getattr(fastnn, f"conv{n}d")
    y = function(x, w, None, stride, padding, dilation, groups)
    meets = np.ones(y.shape[2:-1], bool)
    for axis, out in enumerate(meets.shape):
        begin = np.arange(out) * np.broadcast_to(stride, n)[axis] - np.broadcast_to(padding, n)[axis]
        inside = (begin >= 0) & (begin < size[axis])
        meets &= inside.reshape([-1 if each == axis else 1 for each in range(n - 1)])
    assert not meets.all()
    np.testing.assert_array_equal(~np.isfinite(y).any(-1), np.broadcast_to(meets, y.shape[:-1]))
    w[row] = 1
    left_out = ~np.broadcast_to(meets[..., np.newaxis], y.shape)
    np.testing.assert_array_equal(y[left_out], function(x, w, None, stride, padding, dilation, groups)[left_out])
    w[row] = value
    for layout in (channels_last, np.ascontiguousarray):
        np.testing.assert_array_equal(function(layout(x), w, None, stride, padding, dilation, groups), y)
        np.testing.assert_array_equal(function(layout(x[:1]), w, None, stride, padding, dilation, groups), y[:1])


def test_nothing_in_nothing_out():
    w = np.ones((4, 3, 2, 2), np.float32)
    x = np.ones((0, 3, 5, 5), np.float32)
    y = fastnn.conv2d(x, w)
    assert y.shape == (0, 4, 4, 4)
    dx, dw, db = fastnn.conv2d_backward(y, x, w)
    assert dx.shape == x.shape
    assert not dw.any()
    assert not db.any()
    np.testing.assert_array_equal(fastnn.conv2d(np.ones((2, 0, 3, 3)), np.ones((2, 0, 2, 2)), [1.0, 2.0])[1, 1], 2.0)
    np.testing.assert_array_equal(
        fastnn.conv2d_backward(np.ones((2, 2, 2, 2)), np.ones((2, 0, 3, 3)), np.ones((2, 0, 2, 2)))[2], 8.0
    )


@pytest.mark.parametrize("dtype", [np.float16, np.int32, bool, ">f4"])
def test_other_types(dtype):
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 2, (2, 3, 5, 5)).astype(dtype), rng.integers(0, 2, (4, 3, 3, 3)).astype(dtype)
    y = fastnn.conv2d(x, w)
    assert y.dtype == {"f2": "f2", "i4": "f8", "b1": "f8", "f4": "f4"}[np.dtype(dtype).str[1:]]
    np.testing.assert_array_equal(y, fastnn.conv2d(x.astype(float), w.astype(float)))


def test_layers_draw_and_convert():
    fastnn.manual_seed(0)
    for layer, fan in ((nn.Conv2d(8, 30, (3, 2), groups=2), 24), (nn.ConvTranspose2d(30, 8, (3, 2), groups=2), 24)):
        for parameter in layer.parameters():
            assert 0.8 / fan**0.5 < abs(parameter.data).max() <= 1 / fan**0.5
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer(np.ones((1, 30, 4, 4))).dtype == np.float32
    assert nn.Conv1d(2, 3, 2, bias=False).bias is None
    assert nn.Conv1d(2, 3, 2, dtype=np.float64)([[1.0, 2.0], [3.0, 4.0]]).dtype == np.float64


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Conv2d(3, 4, 0), "Conv2d: expected kernel_size of at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "Conv2d: expected kernel_size of 1 or 2 values, got 3"),
        (lambda: nn.Conv2d(3, 4, 2, stride=0), "Conv2d: expected stride of at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 2, padding=-1), "Conv2d: expected padding of at least 0, got -1"),
        (lambda: nn.Conv2d(3, 4, 2, dilation=0), "Conv2d: expected dilation of at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, 2, groups=2), "Conv2d: expected groups to divide in_channels 3, got 2"),
        (lambda: nn.Conv2d(4, 3, 2, groups=2), "Conv2d: expected groups to divide out_channels 3, got 2"),
        (
            lambda: nn.Conv1d(3, 4, 2, padding="full"),
            "Conv1d: expected padding to be one of 'same', 'valid', got 'full'",
        ),
        (lambda: nn.Conv1d(3, 4, 2, 2, "same"), "Conv1d: expected a stride of 1 with padding='same'"),
        (lambda: nn.Conv3d(3, 4, 2, padding_mode="zero"), "Conv3d: expected padding_mode to be one of 'zeros'"),
        (lambda: nn.ConvTranspose2d(3, 4, 2, padding_mode="reflect"), "ConvTranspose2d: expected padding_mode 'zeros'"),
        (
            lambda: nn.ConvTranspose2d(3, 4, 2, 2, output_padding=2),
            "expected output_padding below stride or dilation, 2",
        ),
    ],
)
def test_layers_refuse_at_once(make, text):
    with pytest.raises(ValueError, match=text):
        make()


# -- memory and bits -----------------------------------------------------------------------------------------------------

GROWTH = """if True:
    import resource, sys
    import numpy as np, fastnn
    fastnn.set_num_threads(2)
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform != "darwin" else 1024)
    w = np.ones((8, 8, 5, 5), np.float32)
    fastnn.conv2d_backward(fastnn.conv2d(np.ones((1, 8, 9, 9), np.float32), w), np.ones((1, 8, 9, 9), np.float32), w)
    x = np.ones((2, 8, 1024, 512), np.float32)
    before = peak()
    y = fastnn.conv2d(x, w, padding=2)
    forward = peak()
    fastnn.conv2d_backward(y, x, w, padding=2)
    print(forward - before, peak() - forward)"""


def test_extra_memory_does_not_grow_with_the_input():
    """Beside a result of 32 MB: 256 KB of input and a few rows for each thread; 25 times the input it would be unfolded."""
    pytest.importorskip("resource")
    forward, backward = map(int, python("-c", GROWTH).split())
    assert forward < 32 * 1024 + 6 * 1024
    assert backward < 32 * 1024 + 6 * 1024


CASES = [  # input, weight, options
    ((5, 33, 19, 17), (40, 33, 3, 3), {"padding": 1}),
    ((5, 16, 19, 17), (16, 16, 3, 3), {"padding": 1, "stride": 2}),
    ((3, 70, 30, 31), (70, 1, 3, 3), {"padding": 1, "groups": 70}),
    ((3, 12, 30, 31), (12, 3, 5, 2), {"padding": 2, "groups": 4, "dilation": 2}),
    ((3, 40, 70, 50), (24, 40, 1, 1), {}),
    ((2, 3, 64, 64), (16, 3, 7, 7), {"padding": 3, "stride": 2, "padding_mode": "reflect"}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_bits(case, dtype):
    """The same for any number of threads, layout and split of the batch."""
    size, kernel, options = case
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=each).astype(dtype) for each in (size, kernel, kernel[:1]))
    with fastnn.threads(1):
        y = fastnn.conv2d(x, w, b, **options)
        dy = rng.normal(size=y.shape).astype(dtype)
        expected = (y, *fastnn.conv2d_backward(dy, x, w, **options))
    laid = np.moveaxis(np.ascontiguousarray(np.moveaxis(w, (0, 1), (3, 2))), (3, 2), (0, 1))
    for threads, layout, weight in itertools.product((1, 2, 3, 7), (np.ascontiguousarray, channels_last), (w, laid)):
        with fastnn.threads(threads):
            got = fastnn.conv2d(layout(x), weight, b, **options)
            gradients = fastnn.conv2d_backward(layout(dy), layout(x), weight, **options)
            for a, e in zip((got, *gradients), expected, strict=True):
                np.testing.assert_array_equal(a, e)
            np.testing.assert_array_equal(fastnn.conv2d(layout(x[1:2]), weight, b, **options), y[1:2])
            np.testing.assert_array_equal(
                fastnn.conv2d_backward(layout(dy[1:2]), layout(x[1:2]), weight, **options)[0], expected[1][1:2]
            )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_widely_dilated_convolution_is_one_of_every_so_many_places(axis, threads):
    """Also where it is cut into boxes of which each has more places that the kernel skips than others."""
    rng = np.random.default_rng(0)
    x = np.moveaxis(rng.normal(size=(1, 12, 250, 63)).astype(np.float32), 2, 2 + axis)
    weight = np.moveaxis(rng.normal(size=(12, 12, 7, 1)).astype(np.float32), 2, 2 + axis)
    dilation, padding = (17, 1)[:: -1 if axis else 1], (51, 0)[:: -1 if axis else 1]
    with fastnn.threads(threads):
        y = fastnn.conv2d(x, weight, None, 1, padding, dilation)
    for i in range(17):
        every = (slice(None),) * (2 + axis) + (slice(i, None, 17),)
        expected = fastnn.conv2d(x[every], weight, None, 1, (3, 0)[:: -1 if axis else 1])
        np.testing.assert_allclose(y[every], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [8, 16, 32, 40, 144])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation"),
    [
        ((9, 23), 3, 1, 1, 1),
        ((9, 23), 3, 2, 1, 1),
        ((8, 22), 3, 2, 0, 1),
        ((9, 9), 5, 1, 2, 1),
        ((9, 13), 3, 1, 2, 2),
        ((2, 2), 5, 1, 4, 1),  # places that see the padding alone
        ((4, 40), (1, 3), (3, 1), (0, 1), 1),
        ((20, 20), 17, 1, 8, 1),  # more products than one accumulator takes
        ((7, 5), 1, 2, 0, 1),
    ],
)
def test_a_depthwise_convolution_has_the_same_bits_in_both_layouts(
    dtype, channels, size, kernel, stride, padding, dilation
):
    """Channels last are read where they lie but for what sees the padding; channels first are gathered with it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, *size)).astype(dtype)
    weight = rng.normal(size=(channels, 1, *np.broadcast_to(kernel, 2))).astype(dtype)
    bias = rng.normal(size=channels).astype(dtype)
    given = (weight, bias, stride, padding, dilation, channels)
    y = fastnn.conv2d(x, *given)
    last = fastnn.conv2d(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), *given)
    assert last.strides[1] == x.itemsize
    np.testing.assert_array_equal(last, y)
    ones = np.ones((1, 1, *weight.shape[2:]))
    for c in (0, channels - 1):  # one channel alone, by what is no depthwise convolution
        alone = fastnn.conv2d(x[:, c : c + 1], weight[c : c + 1] * ones.astype(dtype), bias[c : c + 1], *given[2:5])
        np.testing.assert_allclose(y[:, c : c + 1], alone, rtol=0, atol=np.finfo(dtype).eps * 200)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "circular"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_padding_of_a_depthwise_convolution(mode, value):
    """In both layouts: 0 times what is not finite is NaN beside the input, and left out above it."""
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(1, 32, 6, 30)), rng.normal(size=(32, 1, 3, 3))
    weight[:16, 0, 0, 2], weight[16:, 0, 1, 0] = value, -value
    given = (weight, None, 1, 1, 1, 32)
    y = fastnn.conv2d(x, *given, padding_mode=mode)
    last = fastnn.conv2d(channels_last(x), *given, padding_mode=mode)
    np.testing.assert_array_equal(last, y)
    above, beside = np.isnan(y[0, :16, 0]), np.isnan(y[0, 16:, :, 0])
    assert [above.all(), beside.all()] == [mode != "zeros" and np.isnan(value), mode == "zeros" or np.isnan(value)]
    assert mode != "zeros" or not above.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("channels", "outputs", "size", "kernel", "padding", "groups"),
    [(300, 33, (7, 7), 3, 1, 1), (257, 16, (1, 2), 1, 0, 1), (96, 96, (4, 40), 3, 1, 3), (64, 40, (9, 9), 5, 2, 2)],
)
def test_weights_packed_for_one_image_give_the_bits_of_weights_packed_for_many(
    dtype, channels, outputs, size, kernel, padding, groups
):
    """One image's are packed between two flushes of the sums, a batch's before."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, *size)).astype(dtype)
    weight = rng.normal(size=(outputs, channels // groups, kernel, kernel)).astype(dtype)
    laid = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    bias = rng.normal(size=outputs).astype(dtype)
    y = fastnn.conv2d(x, weight, bias, padding=padding, groups=groups)
    for threads, layout, w in itertools.product((1, 2), (np.ascontiguousarray, channels_last), (weight, laid)):
        with fastnn.threads(threads):
            one = fastnn.conv2d(layout(x[:1]), w, bias, padding=padding, groups=groups)
            np.testing.assert_array_equal(one, y[:1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, channels_last])
def test_many_weights_give_each_channel_the_bits_of_few(layout, dtype):
    """Where there are many weights, all places of a channel are summed together, 256 products at a time."""
    rng = np.random.default_rng(5)
    x, kernel = (rng.normal(size=shape).astype(dtype) for shape in ((2, 256, 5, 7), (80, 256, 3, 3)))
    bias, short = rng.normal(size=80).astype(dtype), rng.normal(size=(80, 256, 1, 1)).astype(dtype)
    y = fastnn.conv2d(layout(x), kernel, bias, padding=1)
    few = [fastnn.conv2d(layout(x), kernel[i : i + 20], bias[i : i + 20], padding=1) for i in range(0, 80, 20)]
    np.testing.assert_array_equal(y, np.concatenate(few, 1))
    block = Residual(dtype)
    block.load_state_dict({"long.weight": kernel, "long.bias": bias, "short.weight": short})
    frozen, expected = fastnn.freeze(block), np.maximum(y + fastnn.conv2d(x, short), 0)
    for n in (1, 2):
        np.testing.assert_array_equal(frozen(layout(x[:n])), expected[:n])


class Residual(nn.Module):
    """The end of a residual block: two convolutions, their sum, relu."""

    def __init__(self, dtype):
        super().__init__()
        self.long = nn.Conv2d(256, 80, 3, padding=1, dtype=dtype)
        self.short = nn.Conv2d(256, 80, 1, bias=False, dtype=dtype)

    def forward(self, input):
        return fastnn.relu(self.long(input) + self.short(input))
