"""What the tape keeps and lets go: a graph's life, and whose memory gradients are in."""

import weakref

import numpy as np
import pytest

import fastnn
from fastnn import tensor


def test_a_leaf_owns_its_gradient():
    """A view of memory that others hold, or one that repeats values, is copied; a step's own result is not."""
    held = []

    def gradient(make):
        x = fastnn.tensor(np.ones((4, 6)), requires_grad=True)
        fastnn.autograd.make(np.ones((4, 6)), (x,), lambda dy: (make(),)).backward(np.ones((4, 6)))
        return x.grad

    def shared():
        held.append(np.ones(24))
        return held[-1].reshape(4, 6)

    def repeated():
        return np.broadcast_to(np.ones(()), (4, 6))

    def part():
        return np.ones((8, 6))[::2]

    def own():
        result = np.ones(24)
        held.append(result.ctypes.data)
        return result.reshape(4, 6)

    assert not np.shares_memory(gradient(shared), held[0])
    for make in (repeated, part):
        kept = gradient(make)
        assert kept.flags.writeable
        assert kept.flags.c_contiguous
    assert gradient(own).ctypes.data == held[-1]


def test_backward_lets_the_graph_go():
    x = fastnn.tensor(np.ones((64, 1000), np.float32), requires_grad=True)
    h = fastnn.gelu(x)
    kept = weakref.ref(h.data)
    loss = fastnn.gelu(h).sum()
    del h
    assert kept() is not None
    loss.backward()
    assert kept() is None
    assert loss.data > 0
    assert not loss.is_leaf
    before = x.grad.copy()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        (loss * 2 + x.sum()).backward()  # a new call on what was walked
    np.testing.assert_array_equal(x.grad, before)


def test_values_that_no_gradient_reads_are_let_go():
    x = tensor(np.ones((64, 1000), np.float32), requires_grad=True)
    scaled = x * np.float32(2)
    h = scaled + scaled
    y = fastnn.relu(h)
    read = weakref.ref(y.data)
    unread = weakref.ref(scaled.data), weakref.ref(h.data)
    loss = y.sum()
    del scaled, h, y
    assert [each() for each in unread] == [None, None]
    assert read() is not None
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.full((64, 1000), 4, np.float32))


def test_a_retained_graph_is_walked_again():
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    trunk = x * x
    first, second = trunk.sum(), (trunk * 3).sum()
    first.backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad, [2, 4])
    second.backward()
    np.testing.assert_array_equal(x.grad, [8, 16])
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        first.backward()


def test_several_results_are_walked_one_by_one():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    first, second = np.split(x * x, [1])
    first.backward([1.0])
    second.backward([1.0, 1.0], retain_graph=False)
    np.testing.assert_array_equal(x.grad, [2, 4, 6])
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        first.backward([1.0])


def test_a_failed_backward_keeps_the_graph():
    class Fragile(fastnn.autograd.Function):
        broken = True

        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, dy):
            if Fragile.broken:
                raise ArithmeticError("not now")
            return dy

    x = tensor([1.0, 2.0], requires_grad=True)
    loss = (Fragile.apply(x * x) * x).sum()
    with pytest.raises(ArithmeticError):
        loss.backward()
    assert x.grad is None
    Fragile.broken = False
    loss.backward()
    np.testing.assert_allclose(x.grad, [3, 12])
