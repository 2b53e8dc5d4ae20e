"""NumPy's functions on the tape: every option they take, every layout, shapes that broadcast, counts beyond float16."""

import warnings

import numpy as np
import pytest

import fastnn
from fastnn import Tensor, tensor

SHAPE = (2, 3, 4)


def layouts(a):
    """The array in different memory: C, Fortran, with gaps, backwards, permuted."""
    a = np.asarray(a)
    yield a
    if a.ndim == 0:
        return
    yield np.asfortranarray(a)
    gaps = np.zeros([2 * size for size in a.shape])[(slice(None, None, 2),) * a.ndim]
    gaps[...] = a
    yield gaps
    yield a[::-1].copy()[::-1]
    if a.ndim == 3:
        yield np.ascontiguousarray(a.transpose(1, 2, 0)).transpose(2, 0, 1)


def weighted(results):
    """One number of a result or of several, each element with a weight of its own."""
    rng, total = np.random.default_rng(3), 0.0
    for each in results if isinstance(results, (list, tuple)) else [results]:
        total = total + (each * rng.normal(size=each.shape)).sum()
    return total


def check(f, *arrays, h=1e-4):
    """Gradients of a weighted sum of f's results against fourth-order differences, of arrays in any memory."""
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    weighted(f(*tensors)).backward()
    for i, t in enumerate(tensors):
        numeric = np.zeros(t.shape)
        for index in np.ndindex(t.shape):

            def at(step, i=i, index=index):
                before = arrays[i][index]
                arrays[i][index] += step
                try:
                    return weighted(f(*arrays))
                finally:
                    arrays[i][index] = before

            numeric[index] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        assert t.grad.shape == t.shape
        np.testing.assert_allclose(t.grad, numeric, rtol=1e-5, atol=1e-7)


def check_layouts(f, *shapes, low=-2.0):
    rng = np.random.default_rng(5)
    several = [list(layouts(rng.uniform(low, 2, shape))) for shape in shapes]
    for k in range(max(map(len, several))):
        check(f, *(each[k % len(each)] for each in several))


AXES = [None, 0, -1, (0, 2), (-1, 0), (0, 1, 2), ()]


@pytest.mark.parametrize("function", [np.sum, np.mean, np.max, np.min, np.amax, np.amin], ids=lambda f: f.__name__)
def test_reductions(function):
    for i, axis in enumerate(AXES):
        check_layouts(lambda x: function(x, axis=axis, keepdims=i % 2 == 0), SHAPE)  # noqa: B023
    for axis in (None,) if function is np.mean else (None, 0, -1):  # np.mean has no axis 0 where there is none
        check(lambda x: function(x, axis=axis), np.array(1.5))  # noqa: B023


@pytest.mark.parametrize("function", [np.var, np.std], ids=lambda f: f.__name__)
def test_statistics(function):
    for axis in AXES[:-1]:
        for ddof in (0, 1, 0.5):
            check_layouts(lambda x: function(x, axis=axis, ddof=ddof, keepdims=True), SHAPE)  # noqa: B023


REARRANGING = {
    "reshape C": lambda x: np.reshape(x, (4, 6)), "reshape F": lambda x: np.reshape(x, (4, 6), order="F"),
    "reshape A": lambda x: np.reshape(x, (-1, 6), order="A"), "reshape copy": lambda x: np.reshape(x, 24, order="F", copy=True),
    "ravel": np.ravel, "ravel F": lambda x: np.ravel(x, "F"), "ravel A": lambda x: np.ravel(x, order="A"),
    "transpose": np.transpose, "transpose axes": lambda x: np.transpose(x, (2, 0, -2)),
    "moveaxis": lambda x: np.moveaxis(x, [0, -1], [-1, 0]), "swapaxes": lambda x: np.swapaxes(x, -1, 0),
    "flip": np.flip, "flip axes": lambda x: np.flip(x, (0, -1)), "roll": lambda x: np.roll(x, 5),
    "roll axes": lambda x: np.roll(x, (1, -2), (0, -1)), "roll twice": lambda x: np.roll(x, (1, 2), 1),
    "squeeze": lambda x: np.squeeze(x[:1], 0), "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "concatenate": lambda x: np.concatenate([x, x[:, ::-1]], axis=-2), "concatenate flat": lambda x: np.concatenate([x, x], None),
    "concatenate rows": lambda x: np.concatenate(x), "stack": lambda x: np.stack([x, x * x], axis=-2), "stack rows": np.stack,
    "full_like": lambda x: np.full_like(x, x[0, 0, 0], shape=(3,)) * x[0, :, 0],
    "split": lambda x: np.split(x, 2, axis=-1), "split at": lambda x: np.split(x, [3, 1], axis=2),
    "array_split": lambda x: np.array_split(x, 2, axis=1), "hsplit": lambda x: np.hsplit(x, 3),
    "vsplit": lambda x: np.vsplit(x, 2), "dsplit": lambda x: np.dsplit(x, [1, 1]),
}  # fmt: skip


@pytest.mark.parametrize("f", REARRANGING.values(), ids=REARRANGING)
def test_values_that_move(f):
    check_layouts(f, SHAPE)


CHOOSING = {
    "repeat": lambda x: np.repeat(x, 2), "repeat counts": lambda x: np.repeat(x, [2, 0, 3], axis=1),
    "tile": lambda x: np.tile(x, (2, 1, 1, 3)), "take": lambda x: np.take(x, [3, -1, 3]),
    "take axis": lambda x: np.take(x, [[0, 1], [1, 2]], axis=1), "take wrap": lambda x: np.take(x, [7], 0, mode="wrap"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[[0, 3]], [[1, 1]]]), axis=-1),
    "diagonal": lambda x: np.diagonal(x, 1, 1, 2), "rot90": np.rot90, "fliplr": np.fliplr, "flipud": np.flipud,
    "sort": np.sort, "sort axis": lambda x: np.sort(x, axis=0), "sort flat": lambda x: np.sort(x, None),
    "tril": np.tril, "triu": lambda x: np.triu(x, 1), "cumsum": np.cumsum, "cumsum axis": lambda x: np.cumsum(x, axis=-2),
    "hstack": lambda x: np.hstack([x, x[:, :1]]), "vstack": lambda x: np.vstack([x, x * x]),
    "dstack": lambda x: np.dstack([x[0], x[1]]), "column_stack": lambda x: np.column_stack([x[0], x[0, :, 0]]),
    "hstack rows": lambda x: np.hstack([x[0, 0], x[1, 1]]), "vstack rows": lambda x: np.vstack([x[0, 0], x[1, 1]]),
    "prod": np.prod, "prod axis": lambda x: np.prod(x, axis=1), "prod axes": lambda x: np.prod(x, axis=(2, -3), keepdims=True),
    "norm": np.linalg.norm, "norm rows": lambda x: np.linalg.norm(x, axis=-1), "norm 1": lambda x: np.linalg.norm(x, 1, 0),
    "norm matrices": lambda x: np.linalg.norm(x, "fro", (0, 2), keepdims=True), "norm kept": lambda x: np.linalg.norm(x, keepdims=True),
    "norm 2": lambda x: np.linalg.norm(x[0, 0], 2),
}  # fmt: skip


@pytest.mark.parametrize("f", CHOOSING.values(), ids=CHOOSING)
def test_values_that_are_chosen_or_accumulated(f):
    check_layouts(f, SHAPE)


def test_products_with_zeros_norms_of_nothing_and_equal_values():
    x = tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]], True)
    np.prod(x, axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 6, 0], [0, 0, 0]])
    x = tensor([[0.0, 0.0], [3.0, 4.0]], True)
    np.linalg.norm(x, axis=1).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 0], [0.6, 0.8]])
    x = tensor([1.0, 0.0, 1.0], True)
    (np.sort(x) * [1.0, 2.0, 3.0]).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 1, 3])
    for ord in (2, np.inf, "nuc"):
        with pytest.raises(TypeError, match=r"np\.linalg\.norm with ord=.* has no derivative here"):
            np.linalg.norm(tensor([[1.0, 2.0], [3.0, 4.0]], True), ord)
    with pytest.raises(TypeError, match=r"np\.take with out= has no derivative here"):
        np.take(x, [0], out=np.empty(1))
    empty = tensor(np.zeros((0, 3)), True)
    (np.prod(empty, 0).sum() + np.repeat(empty, 2, 1).sum() + np.vstack([empty, empty]).sum()).backward()
    assert empty.grad.shape == (0, 3)


def test_float16_is_accumulated_in_float32():
    x = Tensor(np.ones(4096, np.float16), requires_grad=True)
    y = np.cumsum(x)
    assert y[-1].item() == 4096
    y[-3:].sum().backward()
    assert x.grad.dtype == np.float16
    assert x.grad[0] == 3
    x.grad = None
    np.repeat(x[:1], 4000).sum().backward()
    assert x.grad[0] == 4000
    x = Tensor(np.full(4, 300, np.float16), requires_grad=True)
    y = np.linalg.norm(x)
    assert y.dtype == np.float16
    assert y.item() == 600
    y.backward()
    np.testing.assert_array_equal(x.grad, np.full(4, 0.5, np.float16))


METHODS = {
    "ravel": lambda x: x.ravel(), "squeeze": lambda x: x[:, :1].squeeze(1), "swapaxes": lambda x: x.swapaxes(0, 2),
    "repeat": lambda x: x.repeat(2, 1), "clip": lambda x: x.clip(-1, 1), "clip below": lambda x: x.clip(min=0.0),
    "prod": lambda x: x.prod(1), "cumsum": lambda x: x.cumsum(1), "var": lambda x: x.var(0, ddof=1),
    "std": lambda x: x.std((0, 1), keepdims=True), "argmin": lambda x: x.argmin(1), "argmax": lambda x: x.argmax(),
}  # fmt: skip


@pytest.mark.parametrize("f", METHODS.values(), ids=METHODS)
def test_methods_of_arrays(f):
    """So that one model's code takes both: Tensors in training, arrays without gradients."""
    x = np.random.default_rng(0).normal(size=SHAPE)
    y = f(Tensor(x, requires_grad=True))
    np.testing.assert_array_equal(getattr(y, "data", y), f(x))


def test_methods_of_pytorch_that_arrays_do_not_have_are_answered():
    x = tensor([[1.0, 2.0]], True)
    for name, here in (
        ("permute", r"np\.transpose"),
        ("gather", r"np\.take_along_axis"),
        ("moveaxis", r"np\.moveaxis\(x\)"),
        ("sin", r"np\.sin"),
    ):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'; here: {here}"):
            getattr(x, name)
    with pytest.raises(AttributeError, match=r"no attribute 'unheard'$"):
        x.unheard  # noqa: B018
    assert not hasattr(x, "permute")
    with pytest.raises(TypeError, match="did you mean axis="):
        x.squeeze(dim=0)


@pytest.mark.skipif(not hasattr(np, "unstack"), reason="needs NumPy 2.1")
def test_unstack():
    for axis in (0, 1, -1):
        check_layouts(lambda x: np.unstack(x, axis=axis), SHAPE)  # noqa: B023
    check_layouts(np.unstack, (3,))
    assert isinstance(np.unstack(tensor([1.0], True)), tuple)


def test_order_in_memory_is_resolved_or_refused():
    for a in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))):
        t = Tensor(a, requires_grad=True)
        y = np.ravel(t, order="K")
        np.testing.assert_array_equal(y.numpy(), np.arange(6) if a.flags.c_contiguous else [0, 3, 1, 4, 2, 5])
        y.backward(y.numpy())
        np.testing.assert_array_equal(t.grad, a)
    permuted = Tensor(np.zeros((2, 3, 4)).transpose(0, 2, 1), requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.ravel with order='K' has no derivative here"):
        np.ravel(permuted, order="K")


@pytest.mark.parametrize("shapes", [((3, 1), (3, 2)), ((3, 2), (2,)), ((2,), (3, 2)), ((), (2,))], ids=str)
def test_arguments_that_broadcast(shapes):
    rng = np.random.default_rng(1)
    low, high = rng.uniform(-1, 0, shapes[1]), rng.uniform(0, 1, shapes[1])
    mask = rng.random((4, 3, 2)) > 0.5
    for f in (
        lambda x: np.clip(x, low, high),
        lambda x: np.clip(x, None, high),
        lambda x: np.clip(x, low, None),
    ):
        check_layouts(f, shapes[0])
    check_layouts(lambda x, y: np.where(mask, x, y), *shapes)
    check_layouts(lambda x: np.broadcast_to(x, (5, *np.broadcast_shapes(*shapes))), shapes[0])


def test_clip_by_any_spelling():
    t = tensor([-2.0, 0.5, 1.0, np.nan, 9.0], requires_grad=True)
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        np.clip(t, min=-1, max=1).sum().backward()
        np.testing.assert_array_equal(t.grad, [0, 1, 1, 0, 0])
    with pytest.raises(ValueError, match="expected min and max, or a_min and a_max, got some of both"):
        np.clip(t, 0, max=1)
    t.grad = None
    np.clip(t, 3.0, 1.0).sum().backward()  # the limits cross: the value is the upper one, whatever t is
    np.testing.assert_array_equal(t.grad, [0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    "shapes",
    [((2, 0), (0,)), ((0,), (0, 2)), ((0,), (3, 0, 2)), ((3, 2, 0), (0,)), ((0, 2), (2, 3)), ((4, 1, 2, 3), (5, 3, 2))],
    ids=str,
)
def test_products_of_empty_and_stacked_matrices(shapes):
    check_layouts(lambda a, b: a @ b, *shapes)


def test_powers():
    check_layouts(lambda x: np.power(x, [1, 2, 3, 4]), SHAPE, low=0.5)
    t = tensor([np.inf, np.nan, 0.0, 3.0], requires_grad=True)
    (t**0).sum().backward()
    np.testing.assert_array_equal(t.grad, [0, 0, 0, 0])


INDICES = [
    1, -1, None, True, slice(None, None, -1), (Ellipsis, None, 1), (slice(None), 0), (slice(0, 0),), np.int64(1), np.array(1),
    [True, False], np.array([True, False]), (slice(None), np.array([True, False, True])), np.arange(24).reshape(SHAPE) % 3 > 0,
    [0, 0, 1], [-1, 1, 1], [], np.array([], int), np.array([1, 1], np.uint8), np.array([[0, 1], [1, 1]]), (np.array([1, -1]),),
    (0, [1, 1, 2]), ([1, 1, -1], [[0], [-1]], -2), (1, np.array([2, 2, 0], np.uint64), 3), ([0, 1, 1], slice(None), [3, 3, 0]), (slice(None), [1, 1], None), (np.array(0), [0, 0]),
    (slice(None), np.array([True, False, True]), [0, 0]),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indices(index):
    check_layouts(lambda x: x[index], SHAPE)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.dtype(np.float64).newbyteorder()])
def test_an_element_named_often_gets_the_sum_in_order(dtype):
    rng = np.random.default_rng(0)
    for shape, index in (((50,), rng.integers(-50, 50, 4000)), ((9, 7), (slice(None), rng.integers(0, 7, 4000)))):
        t = tensor(np.zeros(shape, dtype), requires_grad=True)
        y = t[index]
        dy = rng.normal(size=y.shape).astype(dtype)
        y.backward(dy)
        expected = np.zeros(shape, np.float32 if dtype == np.float16 else dtype)
        np.add.at(expected, index, dy)
        np.testing.assert_array_equal(t.grad, expected.astype(dtype))
        assert t.grad.dtype == dtype


def test_only_integer_arrays_are_added_up(monkeypatch):
    """Other indices name no element twice: a plain assignment, a hundred times faster."""
    from fastnn.autograd import _indexing

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(_indexing, "_scatter", never)
    t = tensor(np.ones(SHAPE), requires_grad=True)
    for index in INDICES[:14]:
        weighted(t[index]).backward()
    with pytest.raises(AssertionError):
        t[[0, 0]].sum().backward()


def test_many_float16_values():
    """70000 does not exist in float16, one 70000th does."""
    a = (np.arange(70_000) % 7).astype(np.float16)
    wide = a.astype(np.float64)
    centred = wide - wide.mean()
    for function, expected in (
        (np.mean, np.full(a.shape, 1 / a.size)),
        (np.var, 2 / a.size * centred),
        (np.std, centred / a.size / wide.std()),
        (np.max, (a == 6) / (a == 6).sum()),
    ):
        t = tensor(a, requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            y = function(t)
            y.backward()
        assert t.grad.dtype == y.dtype == np.float16
        np.testing.assert_allclose(float(y), function(wide), rtol=1e-3)
        np.testing.assert_allclose(t.grad, expected, rtol=2e-3, atol=6e-8)


def test_sums_of_float16():
    """A running sum in float16 would stay at 2048."""
    x = np.ones((5000, 3), np.float16)
    np.testing.assert_array_equal(np.sum(tensor(x, requires_grad=True), axis=0).numpy(), [5000] * 3)
    for f in (lambda t: x + t, lambda t: np.where(x > 0, t, 0), lambda t: np.broadcast_to(t, x.shape),
              lambda t: (t * x[:, None]) @ np.eye(3, dtype=np.float16), lambda t: t[None][np.zeros(5000, int)],
              lambda t: t[None][np.zeros(5000, int), :], lambda t: t @ np.broadcast_to(np.eye(3, dtype=np.float16), (5000, 3, 3))):  # fmt: skip
        t = tensor(np.ones(3, np.float16), requires_grad=True)
        y = f(t)
        y.backward(np.ones(y.shape))
        np.testing.assert_array_equal(t.grad, [5000] * 3)
        assert t.grad.dtype == np.float16


CONSTANTS = [([5.0, 5.0, 5.0], 0), ([5.0, 5.0], 1), ([1.0], 0), ([1.0], 1), ([1.0, 1.0], 2), ([np.nan, 1.0], 0)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("data", "ddof"), CONSTANTS, ids=str)
def test_statistics_of_constants_and_of_too_few_are_pytorchs(data, ddof):
    torch = pytest.importorskip("torch")
    for function, peer in ((np.var, torch.var), (np.std, torch.std)):
        t, other = tensor(data, requires_grad=True), torch.tensor(data, dtype=torch.float64, requires_grad=True)
        function(t, ddof=ddof).backward()
        peer(other, correction=ddof).backward()
        np.testing.assert_array_equal(t.grad, other.grad.numpy())


def test_the_deviation_of_equal_values_has_no_slope():
    t = tensor(np.full(3, 0.1), requires_grad=True)  # whose rounded mean is not 0.1
    np.std(t).backward()
    np.testing.assert_array_equal(t.grad, [0, 0, 0])


def test_a_maximum_shares_nothing_with_the_others():
    t = tensor([1.0, 3.0, 3.0], requires_grad=True)
    t.max().backward(np.inf)
    np.testing.assert_array_equal(t.grad, [0, np.inf, np.inf])


def test_what_is_not_real_is_refused():
    t = tensor([2.0], requires_grad=True)
    for call in (
        lambda: np.abs(t * 1j), lambda: t + np.ones(1, complex), lambda: np.where([True], t, 1j), lambda: t.astype(complex),
        lambda: np.concatenate([t, [1j]]), lambda: np.stack([t, np.array([1j])]), lambda: np.clip(t, 0, 1j),
        lambda: t * np.array([None]), lambda: t.astype(object), lambda: np.full_like(t, t, dtype=complex),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            call()
    for call in (lambda: t * 1j, lambda: np.where([True], t, 1j), lambda: t.astype(complex)):
        with pytest.raises(TypeError, match="a result of dtype complex128 has no derivative here"):
            call()
    with pytest.raises(TypeError, match="backward: expected a grad of real numbers, got dtype complex128"):
        (t * 2).backward(np.array([1j]))
    y = fastnn.autograd.make(np.ones(1), (t,), lambda dy: (dy * 1j,))
    with pytest.raises(TypeError, match="expected a real gradient, got dtype complex128"):
        y.backward()
    assert t.grad is None


def test_integers_carry_no_gradient():
    t = tensor([1.5, -2.5], requires_grad=True)
    for dtype in (int, np.uint8, bool):
        cast = t.astype(dtype)
        assert isinstance(cast, np.ndarray)
        np.testing.assert_array_equal(cast, t.numpy().astype(dtype))
    (t.astype(int) * 3 + t).sum().backward()
    np.testing.assert_array_equal(t.grad, [1, 1])
    assert isinstance(np.full_like(t, t[0], dtype=int), np.ndarray)


def test_a_gradient_of_another_shape_is_impossible():
    t = tensor(np.ones((3, 1)), requires_grad=True)
    for wrong in (np.ones((3, 2)), np.ones(3), np.ones(()), 1.0):
        y = fastnn.autograd.make(np.ones((3, 1)), (None, t), lambda dy, wrong=wrong: (None, wrong))
        with pytest.raises(ValueError, match=r"expected a gradient of shape \(3, 1\) for argument 2, got \("):
            (y * 2).backward(np.ones((3, 1)))
    assert t.grad is None
    u = tensor(np.ones(2), requires_grad=True)
    (u * 2).sum().backward()
    y = (u * 2).sum() + t.sum()
    u.data = np.ones(3)
    for z, text in (
        (y, r"backward of .*: expected a gradient of shape \(3,\) for argument 1, got \(2,\)"),
        ((u * 2).sum() + t.sum(), r"backward: expected a grad of shape \(3,\) to add to, got one of shape \(2,\)"),
    ):
        with pytest.raises(ValueError, match=text):
            z.backward()
        assert t.grad is None
        np.testing.assert_array_equal(u.grad, [2, 2])
    u.grad = None
    (u * 2).sum().backward()
    np.testing.assert_array_equal(u.grad, [2, 2, 2])


def test_lists_of_tensors_keep_their_gradients_or_are_refused():
    t = tensor([1.0, 2.0], requires_grad=True)
    for call in (lambda: t * [t[0], 3.0], lambda: np.add(tensor([1.0, 2.0]), [t[0], t[1]]), lambda: np.concatenate([t, [t[0], t[1]]]),
                 lambda: np.where([True, False], [t[0], t[1]], t)):  # fmt: skip
        with pytest.raises(TypeError, match="got a list of Tensors, which would lose its gradient"):
            call()
    np.stack([t[0], t[1] * 2]).sum().backward()
    np.testing.assert_array_equal(t.grad, [1, 2])
    np.testing.assert_array_equal((t * [3.0, 4.0]).numpy(), [3, 8])


def test_numpys_own_code_does_not_take_a_tensor_for_an_array():
    t = tensor([1.0, 2.0], requires_grad=True)
    for call in (
        lambda: np.sum([t, t]), lambda: np.mean([t[0], 3.0]), lambda: np.max((t[0], t[1])), lambda: np.median([t]),
        lambda: np.sort([t]), lambda: np.linalg.norm([t, t]), lambda: np.linalg.inv([[t[0], 0], [0, 1]]), lambda: np.r_[t, t],
        lambda: np.c_[t, t], lambda: np.polyval([t, t], 2.0), lambda: np.vectorize(abs)(t), lambda: np.fft.fft([t]),
        lambda: np.lib.stride_tricks.as_strided(t), lambda: np.ma.masked_array(t), lambda: np.ma.concatenate([t, t]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="expected arrays, got a Tensor that would lose its gradient"):
            call()
    for convert in (np.asarray, np.array, np.require, np.asarray_chkfinite, np.ascontiguousarray):
        np.testing.assert_array_equal(convert(t), [1, 2])
    np.testing.assert_allclose(t, [1, 2])
    assert np.argmax([t[0], t[1]]) == 1
    assert np.allclose([t, t], [1, 2])
    assert np.sum([tensor([1.0]), tensor([2.0])]) == 3
    with fastnn.no_grad():
        assert np.sum([t, t]) == 6


def test_masks_are_refused_beside_a_tensor():
    t, masked = tensor([1.0, 2.0], requires_grad=True), np.ma.masked_array([1.0, 2.0], [True, False])
    for call in (lambda: masked + t, lambda: masked * t, lambda: masked - t, lambda: masked / t, lambda: masked**t,
                 lambda: np.ma.add(masked, t), lambda: np.ma.concatenate([masked, t])):  # fmt: skip
        with pytest.raises(TypeError, match="got a Tensor that would lose its gradient"):
            call()
    for call in (lambda: t + masked, lambda: np.concatenate([t, masked]), lambda: np.stack([masked, t]), lambda: t @ masked,
                 lambda: np.where(masked > 1, t, 0), lambda: np.where([True, False], t, masked), lambda: np.clip(t, masked, None),
                 lambda: np.clip(t, None, max=masked)):  # fmt: skip
        with pytest.raises(TypeError, match="without a mask, got a masked array"):
            call()


def test_a_filled_array_takes_gradients_from_its_value_alone():
    t = tensor([[1.0, 2.0]], requires_grad=True)
    for value in (3.0, [4.0, 5.0]):
        filled = np.full_like(t, value)
        assert type(filled) is np.ndarray
        np.testing.assert_array_equal(filled, np.broadcast_to(value, (1, 2)))


PRODUCTS = {
    "dot": (np.dot, [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((3,), (2, 3, 4)), ((2, 1, 3), (2, 3, 4)),
                     ((), (2, 3)), ((2,), ())]),
    "inner": (np.inner, [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (4, 3)), ((), (2, 3)), ((), ())]),
    "vdot": (np.vdot, [((3,), (3,)), ((2, 3), (3, 2)), ((), ())]),
    "outer": (np.outer, [((3,), (2,)), ((2, 3), (4,)), ((), (2,))]),
    "tensordot": (np.tensordot, [((2, 3, 4), (3, 4, 2)), ((3, 4), (3, 4))]),
    "tensordot 0": (lambda a, b: np.tensordot(a, b, 0), [((2, 3), (4,))]),
    "tensordot 1": (lambda a, b: np.tensordot(a, b, axes=1), [((2, 3), (3, 4)), ((3,), (3, 1, 2))]),
    "tensordot axes": (lambda a, b: np.tensordot(a, b, ([0, -1], [2, 1])), [((2, 3, 4), (3, 4, 2))]),
    "tensordot axis": (lambda a, b: np.tensordot(a, b, (-1, 0)), [((2, 3), (3, 4))]),
    "einsum product": (lambda a, b: np.einsum("ij,jk->ik", a, b), [((2, 3), (3, 4)), ((2, 1), (3, 4)), ((2, 3), (1, 4))]),
    "einsum implicit": (lambda a, b: np.einsum("kj, ji", a, b), [((2, 3), (3, 4))]),
    "einsum batches": (lambda a, b: np.einsum("bij,bkj->bki", a, b, optimize=True), [((2, 3, 2), (2, 4, 2))]),
    "einsum sums": (lambda a, b: np.einsum("ai,bi->i", a, b), [((2, 3), (4, 3))]),
    "einsum all": (lambda a, b: np.einsum("ab,cd->", a, b), [((2, 3), (4, 3))]),
    "einsum scalar": (lambda a, b: np.einsum(",i->i", a, b), [((), (3,))]),
    "einsum same": (lambda a, b: np.einsum("i,i", a, b), [((3,), (3,))]),
}  # fmt: skip


@pytest.mark.parametrize(("f", "shapes"), PRODUCTS.values(), ids=PRODUCTS)
def test_products(f, shapes):
    for each in shapes:
        check_layouts(f, *each)


def test_einsum_of_one_array():
    for subscripts in ("ijk->kij", "ijk->j", "ijk->", "kji"):
        check_layouts(lambda x: np.einsum(subscripts, x), SHAPE)  # noqa: B023


def test_products_without_a_derivative_are_refused():
    t = tensor(np.ones((2, 2)), requires_grad=True)
    for call, text in (
        (lambda: np.einsum("ii->i", t), "no letter twice"),
        (lambda: np.einsum("...i,i", t, np.ones(2)), r"no '\.\.\.'"),
        (lambda: np.einsum("ij,jk,kl", t, t, t), "at most 3 positional arguments, got 4"),
        (lambda: np.einsum(t, [0, 1], [1, 0]), "no derivative with respect to subscripts"),
        (lambda: np.einsum("ij", t, out=np.ones((2, 2))), "with out= has no derivative"),
        (lambda: np.outer(t, t, out=np.ones((4, 4))), "with out= has no derivative"),
        (lambda: np.dot(t, np.ones((2, 2)) * 1j), "dtype complex128 has no derivative"),
    ):
        with pytest.raises(TypeError, match=text):
            call()
    with pytest.raises(ValueError, match=r"np\.tensordot: expected axes of equal sizes, got \[2\] and \[3\]"):
        np.tensordot(t, np.ones((3, 2)), 1)
    assert t.grad is None


def test_no_option_is_dropped():
    t, out = tensor([1.0, 2.0], requires_grad=True), np.zeros(2)
    for call in (
        lambda: np.sum(t, initial=3), lambda: np.max(t, where=[True, False], initial=0), lambda: np.var(t, dtype=np.float64),
        lambda: np.std(t, mean=[1.5]), lambda: np.clip(t, 0, 1, out), lambda: np.clip(t, 0, 1, out=out),
        lambda: np.clip(t, 0, 1, where=[True, False]), lambda: np.concatenate([t, t], dtype=np.float32),
        lambda: np.concatenate([t], 0, out), lambda: np.stack([t], 0, out), lambda: np.sum(t, 0, np.float32),
        lambda: np.add(t, 1, out=out), lambda: np.add(t, 1, where=[True, False]), lambda: np.add(t, 1, dtype=np.float32),
        lambda: np.broadcast_to(t, (2, 2), subok=True), lambda: np.multiply.outer(t, t),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            call()
    assert not out.any()
    y = t * 2
    with pytest.raises(TypeError, match=r"np\.add: a recorded call writes no out="):
        np.add(y, 1, out=y)
    with pytest.raises(TypeError, match=r"np\.any: out would lose its gradient"):
        np.any(t, axis=0, out=tensor(0.0, requires_grad=True))


def test_comparisons_write_where_they_are_told():
    t, out = tensor([1.0, -1.0], requires_grad=True), np.zeros(2, bool)
    assert np.greater(t, 0, out=out) is out
    np.testing.assert_array_equal(out, [True, False])
    np.testing.assert_array_equal(np.greater(t, -5, out=out, where=[False, True]), [True, True])
    with pytest.raises(TypeError, match=r"np\.greater: a recorded call writes no out="):
        np.greater(out, 0, out=t)


def test_in_place_operators_keep_the_kind():
    y = tensor([1.0, 2.0], requires_grad=True) * 1
    with pytest.raises(TypeError, match="complex128"):
        y += 1j
    counts = tensor(np.ones(2, int))
    with pytest.raises(TypeError, match=r"np\.add: expected a result of dtype int64 in place, got float64"):
        counts += y
    np.testing.assert_array_equal(counts.numpy(), [1, 1])
    y **= 2
    np.testing.assert_array_equal(y.numpy(), [1, 4])
