"""Hooks of modules: forward and backward, their order, the changes that they may make, and their removal."""

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest

import fastnn
from fastnn import nn


def model():
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_forward_hooks_see_and_change():
    net, seen = model(), []
    plain = net(np.ones((2, 3))).numpy()
    handle = net[1].register_forward_hook(
        lambda module, args, output: seen.append((type(module), args[0].shape, output.shape))
    )
    np.testing.assert_array_equal(net(np.ones((2, 3))).numpy(), plain)
    assert seen == [(nn.Tanh, (2, 4), (2, 4))]
    handle.remove()
    handle.remove()
    net(np.ones((2, 3)))
    assert len(seen) == 1
    with net.register_forward_hook(lambda module, args, output: output * 2):
        np.testing.assert_array_equal(net(np.ones((2, 3))).numpy(), plain * 2)
    with net.register_forward_pre_hook(lambda module, args: args[0] * 0):
        assert not np.array_equal(net(np.ones((2, 3))).numpy(), plain)
    np.testing.assert_array_equal(net(np.ones((2, 3))).numpy(), plain)


def test_order_and_keywords():
    class Named(nn.Module):
        def forward(self, input, scale=1):
            return input * scale

    module, seen = Named(), []
    for i in range(2):
        module.register_forward_hook(lambda *_, i=i: seen.append(i))
    module.register_forward_hook(lambda *_: seen.append("first"), prepend=True)
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, kwargs | {"scale": 3}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    assert module(2, scale=1) == 6
    assert seen == ["first", 0, 1, {"scale": 3}]
    with pytest.raises(TypeError, match="register_forward_hook: expected a function, got int"):
        module.register_forward_hook(3)


def test_always_call():
    class Fails(nn.Module):
        def forward(self, input):
            raise RuntimeError("no")

    module, seen = Fails(), []
    module.register_forward_hook(lambda *_: seen.append("never"))
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(RuntimeError, match="no"):
        module(1)
    assert seen == [None]


def test_backward_hooks_see_both_sides():
    net, seen = model(), []
    x = fastnn.tensor(np.random.default_rng(0).normal(size=(5, 3)), requires_grad=True)
    net(x).sum().backward()
    plain = x.grad, [p.grad for p in net.parameters()]
    x.grad = None
    net.zero_grad()
    for name, module in net.named_children():
        module.register_full_backward_hook(lambda m, gi, go, name=name: seen.append((name, gi[0].shape, go[0].shape)))
        module.register_full_backward_pre_hook(lambda m, go, name=name: seen.append(name))
    net(x).sum().backward()
    assert seen == ["2", ("2", (5, 4), (5, 2)), "1", ("1", (5, 4), (5, 4)), "0", ("0", (5, 3), (5, 4))]
    np.testing.assert_array_equal(x.grad, plain[0])
    for p, grad in zip(net.parameters(), plain[1], strict=True):
        np.testing.assert_array_equal(p.grad, grad)


def test_backward_hooks_change_gradients():
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    layer = nn.Identity()
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 10,))
    layer.register_full_backward_pre_hook(lambda m, grad_output: grad_output[0] + 1)
    (layer(x) * 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [40, 40])
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (1, 2))
    with pytest.raises(ValueError, match="Identity: expected a backward hook to return 1 gradients, got 2"):
        layer(x).sum().backward()


def test_hooks_keep_the_shape():
    for register in ("register_full_backward_hook", "register_full_backward_pre_hook"):
        x, layer = fastnn.tensor(np.ones((2, 3)), requires_grad=True), nn.Identity()
        getattr(layer, register)(lambda m, grads, *_: (grads[0].sum(),))
        with pytest.raises(
            ValueError, match=r"Identity: expected a backward hook to return gradient 1 of shape \(2, 3\)"
        ):
            layer(x).sum().backward()
        assert x.grad is None


def test_several_inputs_and_outputs():
    class Both(nn.Module):
        def forward(self, a, b, c):
            return a * b, b + 1, 7

    module, seen = Both(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    a, b = (fastnn.tensor([v], requires_grad=True) for v in (2.0, 3.0))
    product, more, seven = module(a, b, np.ones(1))
    assert seven == 7
    (product + 5 * more).sum().backward()
    ((grad_input, grad_output),) = seen
    assert grad_input[0] == [3]
    assert grad_input[1] == [7]
    assert grad_input[2] is None
    assert grad_output[0] == [1]
    assert grad_output[1] == [5]
    assert grad_output[2] is None
    assert a.grad == [3]
    assert b.grad == [7]
    module(a, b, 1)[1].sum().backward()
    assert seen[1][1][0] == [0]  # nothing came back through the other output


def test_inputs_without_gradients_and_no_grad():
    net, seen = model(), []
    net.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append(grad_input))
    net(np.ones((2, 3))).sum().backward()
    assert seen == [(None,)]
    with fastnn.no_grad():
        assert isinstance(net(np.ones((2, 3))), np.ndarray)


def test_a_graph_runs_twice():
    x = fastnn.tensor([1.0], requires_grad=True)
    layer, seen = nn.Identity(), []
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append(grad_input[0][0]))
    y = layer(x)
    y.backward([1.0])
    y.backward([2.0])
    assert seen == [1, 2]
    assert x.grad == [3]


def hook(module, args, output):
    return output + 1


def test_copies_keep_hooks():
    net = model()
    net.register_forward_hook(hook)
    x = np.ones((2, 3))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other(x).numpy(), net(x).numpy())


class Pair(NamedTuple):
    a: object
    b: object


def test_named_tuples_come_through():
    class Split(nn.Module):
        def forward(self, input):
            return Pair(input * 2, input * 3)

    module, seen = Split(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append(grad_output))
    x = fastnn.tensor([1.0], requires_grad=True)
    y = module(x)
    assert isinstance(y, Pair)
    (y.a + y.b).sum().backward()
    assert x.grad == [5]
    assert seen == [(1, 1)]


def test_always_call_hooks_do_not_hide_the_error():
    class Fails(nn.Module):
        def forward(self, input):
            raise KeyError("forward")

    def bad(*_):
        raise ValueError("hook")

    module, seen = Fails(), []
    module.register_forward_hook(bad, always_call=True)
    module.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(KeyError, match="forward"), pytest.warns(UserWarning, match="hook"):
        module(1)
    assert seen == [None]
    done = nn.Identity()
    done.register_forward_hook(bad)
    done.register_forward_hook(lambda m, args, output: seen.append(output), always_call=True)
    with pytest.raises(ValueError, match="hook"):
        done(7)
    assert seen == [None, 7]


def test_handles_of_other_hooks():
    module, seen = nn.Identity(), []
    first = module.register_forward_hook(lambda *_: seen.append("first"))
    first.remove()
    module.register_forward_hook(lambda *_: seen.append("second"))
    first.remove()
    copy.deepcopy(module)(1)
    module(1)
    assert seen == ["second", "second"]
    module.register_forward_pre_hook(lambda *_: 3, with_kwargs=True)
    with pytest.raises(TypeError, match=r"Identity: expected a pre-hook to return \(args, kwargs\), got 3"):
        module(1)
