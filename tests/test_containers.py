"""Containers, shapes, Embedding, Bilinear, clipping and the L1 penalty."""

import copy
import math
import pickle

import numpy as np
import pytest
from numeric import slope

import fastnn
from fastnn import nn
from fastnn.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    get_total_norm,
    l1_penalty,
    parameters_to_vector,
    vector_to_parameters,
)


def names(container):
    return [f"{name}:{type(module).__name__}" for name, module in container._modules.items()]


@pytest.mark.parametrize("kind", [nn.Sequential, nn.ModuleList])
def test_lists_of_modules(kind):
    layers = [nn.ReLU(), nn.Tanh(), nn.GELU()]
    box = kind(*layers) if kind is nn.Sequential else kind(layers)
    assert len(box) == 3
    assert box[-1] is layers[2]
    assert names(box[1:]) == (["1:Tanh", "2:GELU"] if kind is nn.Sequential else ["0:Tanh", "1:GELU"])
    box[0] = nn.Sigmoid()
    box.insert(1, nn.ELU())
    assert names(box) == ["0:Sigmoid", "1:ELU", "2:Tanh", "3:GELU"]
    del box[0]
    assert names(box) == ["0:ELU", "1:Tanh", "2:GELU"]
    assert isinstance(box.pop(1), nn.Tanh)
    box.extend([nn.ReLU(), nn.ReLU6()]).append(nn.Identity())
    assert names(box) == ["0:ELU", "1:GELU", "2:ReLU", "3:ReLU6", "4:Identity"]
    del box[1:4]
    assert names(box) == ["0:ELU", "1:Identity"]
    assert names(box + box)[2:] == ["2:ELU", "3:Identity"]
    assert [type(m) for m in box] == [nn.ELU, nn.Identity]
    for wrong in (lambda: box.append(3), lambda: box.insert(0, 3), lambda: box.__setitem__(0, fastnn.relu)):
        with pytest.raises(TypeError, match=f"{kind.__name__}: expected Modules, got"):
            wrong()
    with pytest.raises(IndexError, match=rf"{kind.__name__}: expected an index in \[-2, 1\], got 2"):
        box[2]
    for other in (copy.deepcopy(box), pickle.loads(pickle.dumps(box))):
        assert names(other) == names(box)


def test_a_network_of_lists():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})
            self.scales = nn.ParameterList([np.ones(4), np.zeros(1)])
            self.named = nn.ParameterDict({"left": np.ones(2)})

        def forward(self, input, head):
            for layer, scale in zip(self.layers, [*self.scales, 1.0], strict=True):
                input = fastnn.relu(layer(input)) * scale
            return self.heads[head](input)

    net = Net()
    assert list(net.state_dict()) == [
        *(f"layers.{i}.{name}" for i in range(3) for name in ("weight", "bias")),
        "heads.a.weight", "heads.a.bias", "heads.b.weight", "heads.b.bias", "scales.0", "scales.1", "named.left",
    ]  # fmt: skip
    net(np.ones((5, 4)), "b").sum().backward()
    assert net.heads.a.weight.grad is None
    assert net.heads["b"].weight.grad is not None
    assert net.scales[0].grad is not None
    net.load_state_dict(net.state_dict())


def test_module_dict():
    box = nn.ModuleDict([("one", nn.ReLU()), ("two", nn.Tanh())])
    box["three"] = nn.GELU()
    box.update({"four": nn.Identity()})
    assert list(box) == list(box.keys()) == ["one", "two", "three", "four"]
    assert "two" in box
    assert len(box) == 4
    assert isinstance(box.pop("two"), nn.Tanh)
    del box["one"]
    assert [name for name, _ in box.items()] == ["three", "four"]
    assert len(list(box.values())) == 2
    with pytest.raises(TypeError, match="ModuleDict: expected Modules, got int for 'x'"):
        box.update({"ok": nn.ReLU(), "x": 3})
    assert "ok" not in box
    box.clear()
    assert not len(box)


def test_parameter_lists():
    box = nn.ParameterList([np.ones(2), nn.Parameter([3.0]), fastnn.tensor([1.0, 2.0, 3.0])])
    assert [type(p) for p in box] == [nn.Parameter] * 3
    box += [np.zeros((2, 2))]
    box[0] = np.full(2, 7.0)
    assert box[-4].data[0] == 7
    assert [p.shape for p in box[1:3]] == [(1,), (3,)]
    assert len(list(box.parameters())) == len(box) == 4
    with pytest.raises(IndexError, match=r"ParameterList: expected an index in \[-4, 3\], got 4"):
        box[4]
    named = nn.ParameterDict({"a": np.ones(2)})
    named["b"] = np.zeros(3)
    assert list(named) == ["a", "b"]
    assert "a" in named
    del named["a"]
    assert named.pop("b").shape == (3,)
    assert not len(named)


def test_looking_up():
    net = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3)), nn.Linear(3, 2))
    assert net.get_submodule("0.0") is net[0][0]
    assert net.get_submodule("") is net
    assert net.get_parameter("1.weight") is net[1].weight
    assert net.get_buffer("0.0.running_mean") is net[0][0].running_mean
    for call in (
        lambda: net.get_submodule("0.9"),
        lambda: net.get_parameter("1.x"),
        lambda: net.get_buffer("5.running_mean"),
    ):
        with pytest.raises(AttributeError, match=r"Sequential: no (module|parameter|buffer) '"):
            call()
    shared = nn.Sequential(net[1], net[1])
    assert len(list(shared.named_parameters())) == 2
    assert len(list(shared.named_parameters(remove_duplicate=False))) == 4


@pytest.mark.parametrize("name", ["training", "_modules", "_hooks", "in_features", "weight"])
def test_names_that_are_taken(name):
    layer = nn.Linear(2, 2)
    for call in (lambda: layer.register_buffer(name, [1.0]), lambda: layer.add_module(name, nn.ReLU())):
        with pytest.raises(ValueError, match=f"expected a new name without dots, got {name!r}"):
            call()
    assert layer(np.ones((1, 2))).shape == (1, 2)
    box = nn.ModuleDict()
    if name not in ("in_features", "weight"):
        with pytest.raises(ValueError, match="expected a new name"):
            box[name] = nn.ReLU()
    layer.register_buffer("fresh", [1.0])
    layer.register_buffer("fresh", [2.0])
    assert layer.fresh == [2]


def test_assigning_is_all_or_nothing():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    before = {key: value.copy() for key, value in net.state_dict().items()}
    for key, kind in (("1.weight", int), ("1.weight", ">f4"), ("1.bias", np.float16), ("2.running_mean", int)):
        state = {k: v + 1 for k, v in before.items()}
        state[key] = state[key].astype(kind)
        with pytest.raises(nn.StateDictError, match=f"expected {key!r} of a type like"):
            net.load_state_dict(state, assign=True)
        for k, v in net.state_dict().items():
            np.testing.assert_array_equal(v, before[k])


def test_lists_change_as_a_whole():
    box = nn.ModuleList([nn.ReLU()])
    with pytest.raises(TypeError, match="ModuleList: expected Modules"):
        box.extend([nn.Tanh(), 3])
    assert len(box) == 1
    named = nn.ModuleDict()
    with pytest.raises(ValueError, match="expected a new name"):
        named.update({"a": nn.ReLU(), "b.c": nn.ReLU()})
    assert not len(named)
    with pytest.raises(IndexError, match="expected an index of at most 1, got 5"):
        box.insert(5, nn.ReLU())
    net = nn.Sequential(nn.ReLU())
    net += nn.Sequential(nn.Tanh())
    assert names(net * 2) == ["0:ReLU", "1:Tanh", "2:ReLU", "3:Tanh"]


def test_order_of_parameter_dicts():
    """PyTorch sorts a plain mapping: optimizer states are matched by position."""
    assert list(nn.ParameterDict({"w": np.ones(1), "b": np.ones(1)})) == ["b", "w"]
    box = nn.ParameterDict([("w", np.ones(1)), ("b", np.ones(1))])
    assert list(box) == ["w", "b"]
    assert box.get("x") is None
    assert box.setdefault("x", np.zeros(2)).shape == (2,)
    box.clear()
    assert not len(box)


def test_assigning_a_state_dict():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    state = {key: value.astype(np.float64) if value.ndim else value for key, value in net.state_dict().items()}
    net.load_state_dict(state, assign=True)
    assert net[0].weight.data is state["0.weight"]
    assert net[1].running_mean is state["1.running_mean"]


def test_unflatten():
    x = np.arange(24.0).reshape(2, 12)
    assert nn.Unflatten(1, (3, 4))(x).shape == (2, 3, 4)
    assert nn.Unflatten(-1, [3, -1])(fastnn.tensor(x, requires_grad=True)).shape == (2, 3, 4)
    assert repr(nn.Unflatten(1, (3, 4))) == "Unflatten(dim=1, unflattened_size=(3, 4))"
    np.testing.assert_array_equal(nn.Flatten()(nn.Unflatten(1, (3, 4))(x)), x)
    for call, error in (
        (lambda: nn.Unflatten(1, (5, 2))(x), ValueError),
        (lambda: nn.Unflatten(1, (5, -1))(x), ValueError),
        (lambda: nn.Unflatten(1, (-1, -1)), ValueError),
        (lambda: nn.Unflatten("n", (1, 2)), TypeError),
        (lambda: nn.Unflatten(1, 12), TypeError),
        (lambda: nn.Unflatten(2, (3, 4))(x), IndexError),
    ):
        with pytest.raises(error, match="Unflatten: expected"):
            call()


def test_embedding():
    layer = nn.Embedding(5, 3, padding_idx=-1, dtype=np.float64)
    assert layer.padding_idx == 4
    assert not layer.weight.data[4].any()
    index = np.array([[0, 2, 4], [2, 2, 4]])
    y = layer(index)
    np.testing.assert_array_equal(y.numpy(), layer.weight.data[index])
    dy = np.random.default_rng(0).normal(size=(2, 3, 3))
    y.backward(dy)
    expected = np.zeros((5, 3))
    for i, d in zip(index.ravel(), dy.reshape(-1, 3), strict=True):
        expected[i] += d if i != 4 else 0
    np.testing.assert_allclose(layer.weight.grad, expected)
    scaled = fastnn.embedding_backward(dy, index, 5, scale_grad_by_freq=True)
    np.testing.assert_allclose(scaled[2], expected[2] / 3)
    assert repr(layer) == "Embedding(5, 3, padding_idx=4)"
    frozen = nn.Embedding.from_pretrained(np.ones((2, 3)))
    assert isinstance(frozen([0, 1]), np.ndarray)
    assert frozen.weight.dtype == np.float64
    assert nn.Embedding(5, 3)(np.uint8(1)).shape == (3,)
    assert nn.Embedding(5, 3)([]).shape == (0, 3)
    assert fastnn.embedding_backward(np.ones((2, 0)), [0, 1], 3).shape == (3, 0)
    many = fastnn.embedding_backward(np.ones((4096, 1), np.float16), np.zeros(4096, int), 1)
    assert many.dtype == np.float16
    assert many == 4096
    moving = np.array([0, 1])
    y = layer(moving)
    moving[...] = 3
    layer.zero_grad()
    y.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad[:, 0], [1, 1, 0, 0, 0])
    for call, error, text in (
        (lambda: layer([5]), IndexError, r"embedding: expected indices in \[0, 4\], got 5"),
        (lambda: layer([-1]), IndexError, "got -1"),
        (lambda: layer([0.5]), TypeError, "embedding: expected input of integers"),
        (lambda: nn.Embedding(5, 3, padding_idx=5), ValueError, "Embedding: expected padding_idx"),
        (lambda: nn.Embedding(5, 3, max_norm=-1.0), ValueError, "expected max_norm of at least 0, got -1"),
        (
            lambda: fastnn.embedding([0], [[2.0]], max_norm=1),
            ValueError,
            "to be a writable array of floats, .*, got list",
        ),
        (lambda: fastnn.embedding([0], np.ones(3)), ValueError, "expected a weight of 2 dimensions"),
        (lambda: fastnn.embedding_backward(np.ones((2, 3)), [0], 5), ValueError, "embedding_backward: expected dy"),
    ):
        with pytest.raises(error, match=text):
            call()


@pytest.mark.parametrize("batch", [(), (4,), (2, 3), (0,)], ids=str)
def test_bilinear(batch):
    rng = np.random.default_rng(0)
    x1, x2, w, b = (rng.normal(size=shape) for shape in ((*batch, 3), (*batch, 4), (5, 3, 4), (5,)))
    y = fastnn.bilinear(x1, x2, w, b)
    np.testing.assert_allclose(y, np.einsum("...i,oij,...j->...o", x1, w, x2) + b, rtol=1e-12)
    dy = rng.normal(size=(*batch, 5))
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (x1, x2, w, b)]
    fastnn.bilinear(*tracked).backward(dy)
    values = [x1, x2, w, b]
    for i, each in enumerate(tracked):
        numeric = slope(lambda v, i=i: fastnn.bilinear(*values[:i], v, *values[i + 1 :]), values[i], dy)
        np.testing.assert_allclose(each.grad, numeric, rtol=1e-8, atol=1e-10)


def test_bilinear_in_half_precision():
    x = np.full((1, 2), 300, np.float16)
    y = fastnn.bilinear(x, x, np.full((1, 2, 2), 1e-3, np.float16), np.zeros(1, np.float16))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, 360, rtol=1e-3)  # the products alone are above float16


def test_bilinear_layer():
    fastnn.manual_seed(0)
    layer = nn.Bilinear(3, 4, 5)
    assert {key: value.shape for key, value in layer.state_dict().items()} == {"weight": (5, 3, 4), "bias": (5,)}
    assert abs(layer.weight.data).max() <= 1 / math.sqrt(3)
    assert layer(np.ones((2, 3)), np.ones((2, 4))).dtype == np.float32
    assert (
        repr(nn.Bilinear(1, 2, 3, bias=False)) == "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=False)"
    )
    for a, b in (((2, 3), (3, 4)), ((2, 4), (2, 4)), ((3,), (2, 4))):
        with pytest.raises(ValueError, match=r"bilinear: expected inputs \(\*, 3\) and \(\*, 4\) of one batch, got"):
            layer(np.ones(a), np.ones(b))
    with pytest.raises(ValueError, match=r"bilinear: expected a weight \(out, in1, in2\)"):
        fastnn.bilinear(np.ones(3), np.ones(4), np.ones((3, 4)))


def parameters(*grads):
    found = [nn.Parameter(np.zeros(np.shape(g))) for g in grads]
    for p, g in zip(found, grads, strict=True):
        p.grad = g.copy()
    return [*found, nn.Parameter([1.0])]


@pytest.mark.parametrize("norm", [2.0, 1.0, 3.0, math.inf])
def test_clip_grad_norm(norm):
    grads = [np.array([3.0, -4.0]), np.array([[12.0]])]
    found = parameters(*grads)
    flat = np.concatenate([g.ravel() for g in grads])
    total = np.linalg.norm(flat, norm)
    assert clip_grad_norm_(found, 2.0, norm) == pytest.approx(total)
    np.testing.assert_allclose(found[0].grad, grads[0] * 2 / (total + 1e-6), rtol=1e-12)
    assert found[-1].grad is None
    found = parameters(*grads)
    clip_grad_norm_(found, 100.0, norm)
    np.testing.assert_array_equal(found[0].grad, grads[0])


def test_clip_grad_norm_edges():
    found = parameters(np.array([1.0, math.nan]))
    with pytest.raises(RuntimeError, match="the total norm of order 2 is nan"):
        clip_grad_norm_(found, 1.0, error_if_nonfinite=True)
    assert found[0].grad[0] == 1
    assert math.isnan(clip_grad_norm_(found, 1.0))
    assert np.isnan(found[0].grad).all()
    assert clip_grad_norm_([nn.Parameter([1.0])], 1.0) == 0
    single = parameters(np.array([3.0, 4.0]))[0]
    assert clip_grad_norm_(single, 1.0) == 5
    assert get_total_norm([np.full(10, 1e30, np.float32)]) == pytest.approx(math.sqrt(10) * 1e30)
    for wrong in (np.ones(2), 3, [np.ones(2)]):
        with pytest.raises(TypeError, match=r"clip_grad_norm_: expected (an iterable of )?Parameters"):
            clip_grad_norm_(wrong, 1.0)


def test_clip_grad_value():
    found = parameters(np.array([-5.0, 0.5, 5.0]))
    clip_grad_value_(found, 1.0)
    np.testing.assert_array_equal(found[0].grad, [-1, 0.5, 1])


def test_l1_penalty():
    a, b = nn.Parameter([1.0, -2.0, 0.0]), nn.Parameter(np.float32([[3.0]]))
    loss = l1_penalty([a, b], 0.5)
    assert loss.item() == 3
    loss.backward()
    np.testing.assert_array_equal(a.grad, [0.5, -0.5, 0])
    np.testing.assert_array_equal(b.grad, [[0.5]])
    assert b.grad.dtype == np.float32


def test_what_is_replaced_keeps_its_place():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    for name, child in model.named_children():
        if isinstance(child, nn.ReLU):
            setattr(model, name, nn.GELU())
    assert [type(layer) for layer in model] == [nn.Linear, nn.GELU, nn.Linear]
    model.add_module("1", nn.Tanh())
    assert list(model._modules) == ["0", "1", "2"]
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(np.zeros((2, 2)))
    layer.register_parameter("weight", nn.Parameter(np.ones((2, 2))))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    norm = nn.BatchNorm1d(2)
    norm.register_buffer("running_mean", np.zeros(2))
    assert next(name for name, _ in norm.named_buffers()) == "running_mean"
    choice = nn.ModuleDict({"a": nn.ReLU(), "b": nn.ReLU()})
    choice["a"] = nn.Tanh()
    assert list(choice) == ["a", "b"]
    layer.other = layer.weight  # from one table to another a name moves
    del layer.other
    layer.scale = np.ones(1)
    layer.scale = nn.Parameter(np.ones(1))
    assert "scale" not in vars(layer)
    assert list(layer._parameters) == ["weight", "bias", "scale"]


def test_a_shared_child_is_visited_once_and_saved_under_both_names():
    layer = nn.Linear(2, 2)
    model, visited = nn.Sequential(layer, layer), []
    model.apply(visited.append)
    assert visited == [layer, model]
    assert list(model.children()) == [layer]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert repr(model.load_state_dict(model.state_dict())) == "<All keys matched successfully>"


def test_texts_of_parameter_containers():
    assert repr(nn.ParameterList([np.zeros((10, 2), np.float32)])) == (
        "ParameterList(\n    (0): Parameter containing: [float32 of size 10x2]\n)"
    )
    with pytest.raises(TypeError, match="ModuleList: expected modules in a list, got ReLU"):
        nn.ModuleList(nn.ReLU())


def test_parameters_as_one_vector():
    layers = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))  # a weight whose memory is not in C's order
    vector = parameters_to_vector(layers.parameters())
    assert vector.shape == (12,)
    np.testing.assert_array_equal(vector.data[:6], layers[0].weight.data.ravel())
    (vector * np.arange(12, dtype=np.float32)).sum().backward()
    np.testing.assert_array_equal(layers[0].bias.grad, [6, 7])
    pointer = layers[0].weight.data
    vector_to_parameters(2 * vector, layers.parameters())
    np.testing.assert_array_equal(parameters_to_vector(layers.parameters()).data, 2 * vector.data)
    assert layers[0].weight.data is pointer
    assert layers[0].weight.dtype == np.float32
    for wrong in (vector.data[:-1], np.zeros(13), np.zeros((1, 12))):
        with pytest.raises(ValueError, match=r"vector_to_parameters: expected a vec of shape \(12,\), got"):
            vector_to_parameters(wrong, layers.parameters())
    np.testing.assert_array_equal(parameters_to_vector(layers.parameters()).data, 2 * vector.data)
    with pytest.raises(ValueError, match="parameters_to_vector: expected at least one parameter, got none"):
        parameters_to_vector([])
    vector_to_parameters([], [])
    with pytest.raises(TypeError, match="vector_to_parameters: expected Parameters, got a ndarray"):
        vector_to_parameters([1.0], [np.zeros(1)])
