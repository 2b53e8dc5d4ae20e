"""Several results on the tape, and derivatives written by the user: fastnn.autograd.Function."""

import numpy as np
import pytest
from test_tape_numpy import check

import fastnn
from fastnn import nn, tensor
from fastnn.autograd import Function, make


class Largest(Function):
    """The largest of each row and where it stands, as torch.max(x, 1) gives."""

    @staticmethod
    def forward(ctx, x):
        index = x.argmax(1)
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return x[np.arange(len(x)), index], index

    @staticmethod
    def backward(ctx, dvalue, dindex):
        (index,) = ctx.saved_tensors
        dx = np.zeros(ctx.shape)
        dx[np.arange(len(dx)), index] = dvalue
        return dx


class Polar(Function):
    """Length and angle of points, with an option that is no array."""

    @staticmethod
    def forward(ctx, x, y, scale):
        r = np.hypot(x, y)
        ctx.save_for_backward(x, y, r)
        ctx.scale = scale
        return r * scale, np.arctan2(y, x)

    @staticmethod
    def backward(ctx, dr, dangle):
        x, y, r = ctx.saved_tensors
        dr = dr * ctx.scale
        return dr * x / r - dangle * y / r**2, dr * y / r + dangle * x / r**2, None


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_a_maximum_with_its_places():
    torch = pytest.importorskip("torch")
    a = random(5, 3)
    x, other = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    (value, index), (torch_value, torch_index) = Largest.apply(x), torch.max(other, 1)
    assert isinstance(index, np.ndarray)
    np.testing.assert_array_equal(index, torch_index.numpy())
    np.testing.assert_array_equal(value.numpy(), torch_value.detach().numpy())
    (value * value).sum().backward()
    (torch_value * torch_value).sum().backward()
    np.testing.assert_array_equal(x.grad, other.grad.numpy())


def test_two_results_as_pytorch_has_them():
    torch = pytest.importorskip("torch")

    class TorchPolar(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y, scale):
            r = torch.hypot(x, y)
            ctx.save_for_backward(x, y, r)
            ctx.scale = scale
            return r * scale, torch.arctan2(y, x)

        backward = Polar.backward

    a, b = random(4), random(4, seed=1)
    for use in (lambda r, _: r.sum(), lambda _, t: (t * t).sum(), lambda r, t: (r * t).sum() + r[0]):
        mine = [tensor(each, requires_grad=True) for each in (a, b)]
        theirs = [torch.tensor(each, requires_grad=True) for each in (a, b)]
        use(*Polar.apply(*mine, 3.0)).backward()
        use(*TorchPolar.apply(*theirs, 3.0)).backward()
        for t, u in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(t.grad, u.grad.numpy(), rtol=1e-14)


def test_the_derivative_is_the_users():
    check(lambda x, y: Polar.apply(x, y, 2.0), random(4), random(4, seed=1))
    x = tensor(random(4), requires_grad=True)
    Polar.apply(x, y=random(4, seed=1), scale=2.0)[0].sum().backward()
    assert x.grad.shape == (4,)
    r, _ = Polar.apply(random(4), random(4), 1.0)
    assert isinstance(r, np.ndarray)
    with fastnn.no_grad():
        assert isinstance(Polar.apply(x, x, 1.0)[0], np.ndarray)


def test_what_a_context_knows():
    seen = []

    class Recorder(Function):
        @staticmethod
        def forward(ctx, x, option, y, materialize=True):
            assert type(x) is np.ndarray
            assert not fastnn.is_grad_enabled()
            seen.append(ctx.needs_input_grad)
            ctx.set_materialize_grads(materialize)
            marked = x * 3
            ctx.mark_non_differentiable(marked)
            return x * 2, marked, np.arange(3), 1.5, "text", None

        @staticmethod
        def backward(ctx, *dys):
            assert not fastnn.is_grad_enabled()
            seen.append(dys)
            return dys[0] if dys[0] is not None else np.zeros(2), None, None, None

    x = tensor([1.0, 2.0], requires_grad=True)
    first, marked, integers, number, text, nothing = Recorder.apply(x, "option", np.ones(2))
    assert seen.pop() == (True, False, False, False)[:3]
    assert type(marked) is np.ndarray
    assert type(integers) is np.ndarray
    assert (text, nothing) == ("text", None)
    (first.sum() + number).backward()
    dys = seen.pop()
    np.testing.assert_array_equal(dys[0], [1, 1])
    np.testing.assert_array_equal(dys[1], [0, 0])
    np.testing.assert_array_equal(dys[2], [0, 0, 0])
    assert dys[2].dtype == integers.dtype
    assert dys[3] == 1
    assert dys[4:] == (None, None)
    np.testing.assert_array_equal(x.grad, [1, 1])
    number = Recorder.apply(x, "option", np.ones(2), False)[3]
    number.backward()
    assert seen.pop() == (None, None, None, 1.0, None, None)


def test_results_share_one_node():
    calls = []
    x = tensor([1.0, 2.0], requires_grad=True)

    def backward(*dys):
        calls.append(dys)
        return (sum(dy * k for k, dy in enumerate(dys, 1) if dy is not None),)

    a, b, c = make((x.data * 1, x.data * 2, x.data * 3), (x,), backward)
    assert a._result.node is b._result.node is c._result.node
    assert (a._result.place, b._result.place, c._result.place, a._result.node.count) == (0, 1, 2, 3)
    (a + (c * c).sum() + a).sum().backward(retain_graph=True)
    ((first, second, third),) = calls
    np.testing.assert_array_equal(first, [2, 2])
    assert second is None
    np.testing.assert_array_equal(third, 2 * 2 * c.numpy())
    b.backward([1.0, 1.0])
    assert calls[1][0] is None
    assert calls[1][2] is None
    np.testing.assert_array_equal(calls[1][1], [1, 1])


def wrong(gradients, forward=lambda ctx, x, n: x * n):
    return type("Wrong", (Function,), {"forward": staticmethod(forward), "backward": staticmethod(gradients)})


@pytest.mark.parametrize(
    ("gradients", "error", "text"),
    [
        (lambda ctx, dy: dy, RuntimeError, r"Wrong\.backward: expected 2 gradients, one for each argument, got 1"),
        (lambda ctx, dy: (dy, None, dy), RuntimeError, r"Wrong\.backward: expected 2 gradients, .* got 3"),
        (
            lambda ctx, dy: (dy, 1.0),
            RuntimeError,
            r"Wrong\.backward: expected None as gradient 2, since argument 2 is no",
        ),
        (
            lambda ctx, dy: (dy[:1], None),
            ValueError,
            r"expected gradient 1 of shape \(3,\), its argument's, got \(1,\)",
        ),
        (lambda ctx, dy: (dy * 1j, None), TypeError, r"expected real numbers as gradient 1, got dtype complex128"),
    ],
)
def test_wrong_gradients(gradients, error, text):
    x = tensor(np.ones(3), requires_grad=True)
    y = wrong(gradients).apply(x, 2)
    with pytest.raises(error, match=text):
        y.sum().backward()
    assert x.grad is None


def test_gradients_that_nobody_wants():
    x = tensor(np.ones(3), requires_grad=True)
    wrong(lambda ctx, dy: (dy, None, None)).apply(x, 2).sum().backward()  # None more than there are arguments
    np.testing.assert_array_equal(x.grad, [1, 1, 1])
    wrong(lambda ctx, dy: (None, dy.sum())).apply(x, np.array(2.0)).sum().backward()  # an array that tracks nothing
    np.testing.assert_array_equal(x.grad, [1, 1, 1])


def test_wrong_forwards():
    x = tensor(np.ones(3), requires_grad=True)
    for forward, text in (
        (lambda ctx, x: x * 1j, r"Wrong\.forward: expected real results, got dtype complex128"),
        (lambda ctx, x: [x, x], r"Wrong\.forward: expected an array or a tuple of arrays, got a list"),
        (
            lambda ctx, x: ctx.save_for_backward("x"),
            r"save_for_backward: expected arrays or None, got str as argument 1",
        ),
    ):
        with pytest.raises(TypeError, match=text):
            wrong(None, forward).apply(x)
    with pytest.raises(TypeError, match=r"Largest\.apply: a list would lose its gradient"):
        Largest.apply([x, x])
    for missing in (
        lambda: Function.apply(x),
        lambda: wrong(Function.backward, lambda ctx, x: x * 1).apply(x).sum().backward(),
    ):
        with pytest.raises(NotImplementedError, match="a subclass needs a static method"):
            missing()


def test_a_function_is_watched_and_frozen():
    class Root(Function):
        @staticmethod
        def forward(ctx, x):
            return np.sqrt(x), np.arange(len(x))

        @staticmethod
        def backward(ctx, dy, _):
            return dy * np.inf

    x = tensor(np.array([4.0, -1.0]), requires_grad=True)
    with pytest.raises(fastnn.AnomalyError, match=r"forward of Root gave nan at index \(1,\)"), fastnn.detect_anomaly():
        Root.apply(x)
    x.data = np.abs(x.data)
    with fastnn.detect_anomaly():
        y = Root.apply(x)[0].sum()
        with pytest.raises(fastnn.AnomalyError, match="backward of Root gave inf at index"):
            y.backward()
    with fastnn.detect_anomaly():
        parts = np.split(tensor([1.0, 2.0], requires_grad=True), 2)
    y = make(parts[1].data, (parts[1],), lambda dy: (dy * np.nan,))  # outside: nobody looks at this one
    text = "passed on: the gradient of its result 2 held nan"
    with pytest.raises(fastnn.AnomalyError, match=text), fastnn.detect_anomaly():
        y.backward()

    class Module(nn.Module):
        def forward(self, input):
            return Polar.apply(input, input + 1, 2.0)[1] * 2

    frozen = fastnn.freeze(Module())
    for n in (3, 8):
        np.testing.assert_array_equal(frozen(random(n, 2)), Module()(random(n, 2)))
    assert frozen.unplanned == ()
