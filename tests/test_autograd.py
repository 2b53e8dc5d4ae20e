"""The tape: every recorded function against differences, accumulation, modes, refusals."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastnn
from fastnn import Tensor, nn, tensor
from fastnn._dispatch import DERIVATIVES


def check_gradient(f, *arrays, h=1e-4):
    """Gradients of sum(dy f(arrays)) with respect to each array, against a fourth-order difference."""
    inputs = [tensor(a, requires_grad=True) for a in arrays]
    y = f(*inputs)
    dy = np.random.default_rng(9).normal(size=y.shape)
    y.backward(dy)
    for i, (a, t) in enumerate(zip(arrays, inputs, strict=True)):
        numeric = np.zeros_like(a)
        for index in np.ndindex(a.shape):

            def at(step, i=i, index=index):
                moved = [b.copy() for b in arrays]
                moved[i][index] += step
                with fastnn.no_grad():
                    return (dy * np.asarray(f(*moved))).sum()

            numeric[index] = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        np.testing.assert_allclose(t.grad, numeric, rtol=1e-6, atol=1e-8)


def values(*shape, seed=0, low=-2.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, shape)


UNARY = {
    "neg": lambda x: -x, "pos": lambda x: +x, "abs": abs, "exp": np.exp, "expm1": np.expm1, "exp2": np.exp2,
    "square": np.square, "sin": np.sin, "cos": np.cos, "arcsin": lambda x: np.arcsin(x / 3), "arccos": lambda x: np.arccos(x / 3),
    "arcsinh": np.arcsinh, "arccosh": lambda x: np.arccosh(x * x + 2), "arctanh": lambda x: np.arctanh(x / 3),
    "arctan2": lambda x: np.arctan2(x, x * x + 1), "hypot": lambda x: np.hypot(x, x + 2), "logaddexp": lambda x: np.logaddexp(x, 2 * x),
    "tan": lambda x: np.tan(x / 3), "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "reciprocal": lambda x: np.reciprocal(x + 5),
    "power 3": lambda x: x**3, "power -2": lambda x: (x + 5) ** -2, "2 to the": lambda x: 2.0**x,
    "sum": lambda x: x.sum(), "sum axis": lambda x: x.sum(1), "sum axes": lambda x: np.sum(x, (0, -1), keepdims=True),
    "mean": lambda x: x.mean(), "mean axis": lambda x: x.mean(0, keepdims=True), "var": lambda x: np.var(x, axis=1, ddof=1),
    "max": lambda x: x.max(), "max axis": lambda x: x.max(1), "min axis": lambda x: np.min(x, axis=0, keepdims=True),
    "reshape": lambda x: x.reshape(4, 3) * np.arange(3), "flatten": lambda x: x.flatten() ** 2,
    "T": lambda x: x.T * np.arange(3), "transpose": lambda x: np.transpose(x.reshape(3, 2, 2), (2, 0, 1)) * np.arange(2),
    "ravel": lambda x: np.ravel(x) * np.arange(12), "squeeze": lambda x: np.squeeze(x[:1]), "expand": lambda x: np.expand_dims(x, 1),
    "moveaxis": lambda x: np.moveaxis(x, 0, 1) * np.arange(3), "flip": lambda x: np.flip(x, 0) * np.arange(4),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)) * np.arange(4),
    "clip": lambda x: np.clip(x, -1.05, 1.05), "maximum": lambda x: np.maximum(x, 0.33), "minimum": lambda x: np.minimum(0.33, x),
    "where": lambda x: np.where(np.arange(4) > 1, x, x * 2),
    "slice": lambda x: x[1:, ::2], "integer": lambda x: x[1], "newaxis": lambda x: x[..., None, 0], "fancy": lambda x: x[[0, 0, 2], [1, 1, 3]],
    "mask": lambda x: x[np.asarray(x) > 0], "iteration": lambda x: sum(row * i for i, row in enumerate(x)),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1), "stack": lambda x: np.stack([x, x * x], axis=1),
    "in place": lambda x: _in_place(x), "reflected": lambda x: 1 - 2 / (3 + x),
}  # fmt: skip


def _in_place(x):
    y = x * 2
    y += x
    y *= x
    y -= 1
    y /= 3
    return y


@pytest.mark.parametrize("f", UNARY.values(), ids=UNARY)
def test_functions_of_one_tensor(f):
    check_gradient(f, values(3, 4))


@pytest.mark.parametrize("f", [np.log, np.log2, np.log10, np.log1p, np.sqrt], ids=lambda f: f.__name__)
def test_functions_of_positive_numbers(f):
    check_gradient(f, values(3, 4, low=0.5))


BINARY = {"add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b, "divide": lambda a, b: a / (b + 5),
          "power": lambda a, b: (a + 3) ** b, "maximum": np.maximum, "minimum": np.minimum,
          "where": lambda a, b: np.where(np.arange(4) > 1, a, b)}  # fmt: skip


@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
@pytest.mark.parametrize(
    "shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 1)), ((), (2, 4)), ((2, 1, 4), (3, 4))], ids=str
)
def test_broadcasting(f, shapes):
    check_gradient(f, values(*shapes[0]), values(*shapes[1], seed=1))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (5, 3, 4)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
    ],
    ids=str,
)
def test_matmul(shapes):
    check_gradient(lambda a, b: a @ b, values(*shapes[0]), values(*shapes[1], seed=1))


def test_a_network_and_its_shared_parts():
    fastnn.manual_seed(0)
    shared = nn.Linear(3, 3, dtype=np.float64)

    def f(x):
        h = fastnn.tanh(shared(x))
        return (shared(h) * h).sum() + h.mean()

    check_gradient(f, values(4, 3))


def test_gradients_accumulate_and_are_the_leafs_own():
    a, b = tensor([1.0, 2.0], requires_grad=True), tensor([3.0, 4.0], requires_grad=True)
    for times in (1, 2):
        (a + b).sum().backward()
        np.testing.assert_array_equal(a.grad, [times] * 2)
    a.grad[0] = 99
    assert b.grad[0] == 2
    c = tensor([1.0], requires_grad=True)
    dy = np.array([5.0])
    (+c).backward(dy)
    c.grad[0] = 0
    assert dy[0] == 5
    (c.reshape(1, 1) * 1).backward(np.ones((1, 1)))
    c.grad += 1
    c.grad = None
    assert c.grad is None
    c.grad = [7.0]
    assert c.grad[0] == 7
    with pytest.raises(ValueError, match=r"Tensor.grad: expected shape \(1,\), got \(2,\)"):
        c.grad = [1.0, 2.0]


def test_arrays_in_arrays_out():
    x = tensor([1.0, -1.0], requires_grad=True)
    with fastnn.no_grad():
        for y in (fastnn.relu(x), x * 2, x[0:1], x.sum(), np.exp(x), fastnn.softmax(x), x.reshape(1, 2)):
            assert isinstance(y, (np.ndarray, np.generic))
        with fastnn.enable_grad():
            assert isinstance(x * 2, Tensor)
    plain = tensor([1.0])
    assert isinstance(plain * 2, np.ndarray)
    assert isinstance(fastnn.relu(plain), np.ndarray)
    assert isinstance(x > 0, np.ndarray)
    assert (x == x).all()
    assert np.argmax(x) == 0
    assert len({x, plain}) == 2

    @fastnn.no_grad()
    def f():
        return fastnn.is_grad_enabled()

    assert not f()
    assert fastnn.is_grad_enabled()


def test_mode_belongs_to_the_thread():
    seen = []
    with fastnn.no_grad():
        thread = threading.Thread(target=lambda: seen.append(fastnn.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_looking_at_a_tensor():
    x = tensor(np.float32([1.5, 2.0]), requires_grad=True)
    y = x * 2
    assert y.numpy() is y.data
    np.testing.assert_array_equal(np.asarray(y), [3, 4])
    assert (y.shape, y.ndim, y.size, len(y), y.dtype) == ((2,), 1, 2, 2, np.float32)
    assert y[0].item() == 3.0
    assert float(y[1]) == 4.0
    assert y.tolist() == [3.0, 4.0]
    assert repr(x) == "tensor([1.5, 2. ], dtype=float32, requires_grad=True)"
    assert not y.detach().requires_grad
    assert y.detach().numpy() is y.data
    assert x.is_leaf
    assert not y.is_leaf
    data = np.ones(2)
    assert tensor(data).data is not data
    assert Tensor(data).data is data


def test_types_mix():
    a, b = tensor(np.float32([1, 2]), requires_grad=True), tensor([3.0, 4.0], requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == np.float32
    assert b.grad.dtype == np.float64
    a.astype(np.float64).sum().backward()
    np.testing.assert_array_equal(a.grad, [4, 5])


def test_in_place():
    w = tensor([1.0, 2.0], requires_grad=True)
    with fastnn.no_grad():
        before = w
        w -= 0.5
        w[0] = 9
    assert w is before
    np.testing.assert_array_equal(w.data, [9, 1.5])
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        w += 1
    with pytest.raises(RuntimeError, match="cannot be assigned to"):
        w[0] = 1


def test_nothing_drops_a_gradient_silently():
    x = tensor([1.0, 2.0], requires_grad=True)
    for f in (np.sign, np.floor, lambda t: np.cumprod(t), lambda t: np.add.reduce(t), lambda t: np.median(t), lambda t: np.exp(t, where=[True, False]),
              lambda t: np.multiply(t, 2, out=np.empty(2)), lambda t: fastnn.relu(t, out=np.empty(2)), lambda t: fastnn.softmax(t, out=np.empty(2))):  # fmt: skip
        with pytest.raises(TypeError, match=r"has no derivative here|writes no out="):
            f(x)
    plain, wrong = np.ones((2, 2)), r"no derivative with respect to|would lose its gradient here"
    for call in (
        lambda: fastnn.cross_entropy(x, 0, x),
        lambda: fastnn.cross_entropy(x, 0, label_smoothing=x[0]),
        lambda: fastnn.mse_loss(x, x, reduction=x),
        lambda: fastnn.relu([x, x]),
        lambda: fastnn.softmax([x, x], 1),
        lambda: fastnn.linear(plain, [x, x]),
        lambda: nn.Linear(2, 2)([x, x]),
        lambda: fastnn.leaky_relu(plain, x[0]),
        lambda: fastnn.dropout(plain, x[0]),
        lambda: fastnn.sigmoid_backward(x, x),
        lambda: fastnn.batch_norm_stats(tensor(plain, True)),
        lambda: fastnn.batch_norm(tensor(plain, True), tensor(np.zeros(2), True), np.ones(2), training=True),
        lambda: fastnn.softmax(plain, x[0]),
        lambda: np.clip(x, x, 4.0),
        lambda: np.clip(plain, x, 4.0),
    ):
        with pytest.raises(TypeError, match=wrong):
            call()
    for call in (lambda: np.sum(x, where=[True, False]), lambda: np.mean(x, dtype=np.float32)):
        with pytest.raises(TypeError, match=r"np\.(sum|mean) with (where|dtype)= has no derivative here"):
            call()
    p = nn.Parameter(np.ones(2))
    for call in (
        lambda: fastnn.relu(tensor([-1.0, 5.0]), out=p),
        lambda: fastnn.relu(np.ones(2), out=p),
        lambda: fastnn.softmax(np.ones(2), 0, out=p),
    ):
        with pytest.raises(TypeError, match="out"):
            call()
    assert p.data.all()


def test_backward_makes_only_what_is_wanted():
    """Of each declared derivative that can leave a gradient out, none but the wanted one is made."""
    x, y, w = np.ones((3, 4)), np.ones((3, 2)), np.ones((5, 4, 2))
    calls = [
        (fastnn.linear, (x, np.ones((5, 4)), np.ones(5))),
        (fastnn.bilinear, (x, y, w, np.ones(5))),
        (fastnn.mse_loss, (x, x + 1)),
        (fastnn.cross_entropy, (x, np.full((3, 4), 0.25))),
        (np.where, (x > 0, x, x)),
    ]
    for function, arguments in calls:
        declared = DERIVATIVES[function]
        count = len(declared.names)
        result, backward = declared.run((True,) * count, *arguments)
        whole = backward(np.ones_like(result))
        for i in range(count):
            found = declared.run(tuple(j == i for j in range(count)), *arguments)[1](np.ones_like(result))
            assert [each is not None for each in found] == [j == i for j in range(count)], function
            assert (np.asarray(found[i]) == whole[i]).all()


def test_arguments_may_be_named():
    """A recorded call takes its arguments by name as by position, those with a derivative too."""
    x, w, b = (tensor(np.full(shape, 0.5), True) for shape in ((3, 4), (2, 4), (2,)))
    for call in (lambda: fastnn.linear(x, w, b), lambda: fastnn.linear(bias=b, weight=w, input=x)):
        call().sum().backward()
    assert (x.grad == 2.0).all()
    assert (w.grad == 3.0).all()
    assert (b.grad == 6.0).all()
    swish = fastnn.swish(beta=tensor(np.ones(1), True), input=x)
    assert swish.requires_grad
    np.where(np.ones((3, 4), bool), x, 0.0).sum().backward()
    assert (x.grad == 3.0).all()
    with pytest.raises(TypeError, match="linear: got an unexpected argument 'weights'"):
        fastnn.linear(x, weights=w)
    with pytest.raises(TypeError, match=r"cross_entropy: expected at most 3 positional arguments, got 4"):
        fastnn.cross_entropy(x, [0, 1, 2], None, 0.1)


def test_arrays_joined_flat():
    x, y = tensor([[1.0, 2.0]], True), tensor([3.0], True)
    z = np.concatenate([x, y, [4.0]], axis=None)
    (z * np.arange(1.0, 5.0)).sum().backward()
    assert x.grad.tolist() == [[1.0, 2.0]]
    assert y.grad.tolist() == [3.0]


def test_scalars_keep_arrays():
    p = nn.Parameter(np.array(2.0))
    for _ in range(2):
        (p * p).backward()
        assert isinstance(p.grad, np.ndarray)
    assert p.grad == 8
    fastnn.optim.SGD([p], lr=0.1).step()
    assert p.data == pytest.approx(1.2)


def test_in_place_keeps_shape_and_type():
    y = tensor(np.ones(3, np.float32), True) * 1
    with pytest.raises(ValueError, match=r"expected a result of shape \(3,\) in place, got \(2, 3\)"):
        y += np.ones((2, 3))
    y += np.ones(3)
    assert y.dtype == np.float32


def test_an_index_may_change_after_it_was_used():
    x, i = tensor([1.0, 2.0, 3.0], True), np.array([0, 1])
    y = x[i]
    i[:] = 2
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 0])


def test_nan_takes_the_gradient_of_a_maximum():
    x = tensor([1.0, np.nan, 3.0], True)
    x.max().backward()
    np.testing.assert_array_equal(x.grad, [0, 1, 0])
    x.grad = None
    np.maximum(x, 2.0).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 1, 1])
    z = tensor([1.0, 2.0], True)
    np.concatenate([z, z], axis=None).sum().backward()
    np.testing.assert_array_equal(z.grad, [2, 2])


def test_data_and_grad_are_checked():
    p = nn.Parameter(np.ones(2))
    p.data = [3.0, 4.0]
    assert isinstance(p.data, np.ndarray)
    with pytest.raises(TypeError, match="expected a float array, got dtype int64"):
        p.data = [1, 2]
    p.grad = [1, 2]
    assert p.grad.dtype == np.float64
    for wrong in (np.array([1j, 1]), np.array(["a", "b"]), np.array([None, None])):
        with pytest.raises(TypeError, match=r"Tensor\.grad: expected real numbers"):
            p.grad = wrong


def test_refusals():
    x = tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"expected a grad for a Tensor of shape \(2,\)"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"expected grad of shape \(2,\), got \(3,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="does not require gradients"):
        tensor([1.0]).backward()
    with pytest.raises(TypeError, match="expected a float array for requires_grad=True, got dtype int64"):
        tensor([1, 2], requires_grad=True)
    with pytest.raises(RuntimeError, match="deep-copied"):
        copy.deepcopy(x * 2)
    with pytest.raises(RuntimeError, match="pickled"):
        pickle.dumps(x * 2)
    with pytest.raises(ValueError, match="detach"):
        (x * 2).requires_grad = False


def test_copies():
    x = tensor(np.asfortranarray(np.ones((2, 3))), requires_grad=True)
    x.grad = np.ones((2, 3))
    for y in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y.requires_grad
        assert y.data.strides == x.data.strides
        assert not np.shares_memory(y.data, x.data)
    assert copy.deepcopy(x).grad is not x.grad


def test_deep_graphs_do_not_recurse():
    x = tensor([1.0], requires_grad=True)
    y = x
    for _ in range(5000):
        y = y + 0.001
    y.backward()
    assert x.grad[0] == 1
    del y


def test_user_written_activation():
    class Swish(nn.Module):
        def __init__(self):
            super().__init__()
            self.beta = nn.Parameter(np.ones(1))

        def forward(self, input):
            return input * fastnn.sigmoid(self.beta * input)

    swish = Swish()
    x = values(10)
    swish(x).sum().backward()
    s = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(swish.beta.grad, [(x * x * s * (1 - s)).sum()])


def test_classes_and_masks_may_change_after_they_were_used():
    x = fastnn.tensor(np.zeros((2, 3)), requires_grad=True)
    for call in (fastnn.cross_entropy, fastnn.nll_loss):
        target = np.array([0, 1])
        loss = call(x, target)
        expected = {fastnn.cross_entropy: -1 / 3, fastnn.nll_loss: -0.5}[call]
        target[...] = 2
        x.grad = None
        loss.backward()
        assert x.grad[0, 0] == pytest.approx(expected)
    mask = np.ones((2, 3), bool)
    y = np.where(mask, x, 0.0)
    mask[...] = False
    x.grad = None
    y.sum().backward()
    assert (x.grad == 1).all()


def test_unknown_arguments_are_called_so():
    x = fastnn.tensor(np.ones((2, 3)), requires_grad=True)
    for call, text in (
        (lambda: fastnn.layer_norm(x, 3, bogus=1), "layer_norm: got an unexpected argument 'bogus'"),
        (lambda: fastnn.mse_loss(x, x, bogus=1), "mse_loss: got an unexpected argument 'bogus'"),
        (lambda: fastnn.cross_entropy(x, [0, 1], bogus=1), "cross_entropy: got an unexpected argument 'bogus'"),
        (lambda: fastnn.layer_norm(x, 3, out=np.ones((2, 3))), "layer_norm: a recorded call writes no out="),
        (lambda: fastnn.cross_entropy(x, [0, 1], None, None, "sum"), "cross_entropy: expected at most 3 positional"),
        (lambda: fastnn.mse_loss(x, x, None, None, "sum"), "mse_loss: expected at most 2 positional arguments, got 5"),
        (lambda: np.sum(x, where=True), r"np.sum with where= has no derivative|unexpected argument"),
    ):
        with pytest.raises(TypeError, match=text):
            call()


def test_out_may_be_an_untracked_tensor_and_no_other():
    x = np.arange(6.0).reshape(2, 3)
    for call in (
        lambda out: fastnn.softmax(x, 1, out=out),
        lambda out: fastnn.layer_norm(x, (3,), out=out),
        lambda out: fastnn.linear(x, np.eye(3), out=out),
    ):
        out = fastnn.tensor(np.zeros((2, 3)))
        call(out)
        np.testing.assert_array_equal(out.numpy(), call(None))
        tracked = fastnn.tensor(np.zeros((2, 3)), requires_grad=True)
        with pytest.raises(TypeError, match="out="):
            call(tracked)
        assert not tracked.numpy().any()


def test_a_tensor_reads_like_a_number():
    loss = fastnn.tensor(2.5, requires_grad=True)
    assert f"{loss:.2f}" == "2.50"
    assert f"{loss}" == "tensor(2.5, requires_grad=True)"
    assert int(loss) == 2
    assert not loss.requires_grad_(False).requires_grad
    with pytest.raises(TypeError, match="tensor: data would lose its gradient"):
        fastnn.tensor([fastnn.tensor(1.0, requires_grad=True)])


def test_powers_of_zero_and_deviations():
    b = fastnn.tensor([2.0, 0.0, -1.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        y = np.power(np.zeros(3), b)
    y.backward(np.ones(3))
    np.testing.assert_array_equal(b.grad, [0, 0, -np.inf])
    x = fastnn.tensor([1.0, 2.0, 4.0], requires_grad=True)
    np.std(x, ddof=1).backward()
    centred = x.numpy() - x.numpy().mean()
    np.testing.assert_allclose(x.grad, centred / 2 / x.numpy().std(ddof=1))


def test_sums_have_numpys_bits_in_any_layout():
    """Arrays that lie alike are added in C, others by NumPy; the sums and their layouts are NumPy's."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4, 6, 5, 3)).astype(np.float32)
    base[0, 0, 0, :3] = np.nan, np.inf, -0.0
    layouts = [
        lambda x: x, lambda x: np.asfortranarray(x), lambda x: x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
        lambda x: x[:, ::-1], lambda x: x.astype(np.float64), lambda x: x.astype(">f4"), lambda x: x.astype(np.float16),
        lambda x: x[:1], lambda x: x[:0], lambda x: x[:, :, :1],
    ]  # fmt: skip
    for first in layouts:
        for second in layouts:
            a, b = first(base), second(base)
            try:
                expected = a + b
            except ValueError:
                with pytest.raises(ValueError, match="broadcast"):
                    fastnn.tensor(a, requires_grad=True) + b
                continue
            with np.errstate(all="ignore"):
                y = (Tensor(a, requires_grad=True) + b).data
            assert (y.dtype, y.strides) == (expected.dtype, expected.strides)
            np.testing.assert_array_equal(y, expected)
            assert (np.signbit(y) == np.signbit(expected)).all()
