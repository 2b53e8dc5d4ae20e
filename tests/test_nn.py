"""Module, containers, layers: registration, walking, state, modes, text."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from ops import OPS, layer_of
from records import RECORDS

import fastnn
from fastnn import nn


def net():
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2))


@pytest.mark.parametrize("op", OPS, ids=[op.name for op in OPS])
def test_activation_layers(op):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    for case in op.cases:
        layer = layer_of(op)(**case)
        np.testing.assert_array_equal(layer(x), getattr(fastnn, op.name)(x, **case))
        assert not list(layer.parameters())
        assert all(repr(v) in repr(layer) for v in case.values())


def test_softmax_layers():
    x = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_array_equal(nn.Softmax(0)(x), fastnn.softmax(x, 0))
    np.testing.assert_array_equal(nn.LogSoftmax(dim=1)(x), fastnn.log_softmax(x, 1))


# What layers that have parameters unless they are told otherwise are made of and fed with
WITHOUT_PARAMETERS = {
    "BatchNorm1d": ((3, 1e-5, 0.1, False), {}, (4, 3)),
    "BatchNorm2d": ((3, 1e-5, 0.1, False), {}, (4, 3, 2, 2)),
    "BatchNorm3d": ((3, 1e-5, 0.1, False), {}, (4, 3, 2, 2, 2)),
    "GroupNorm": ((3, 6), {"affine": False}, (4, 6)),
    "InstanceNorm1d": ((3,), {"track_running_stats": True}, (4, 3, 6)),
    "InstanceNorm2d": ((3,), {}, (4, 3, 2, 2)),
    "InstanceNorm3d": ((3,), {}, (4, 3, 2, 2, 2)),
    "LayerNorm": ((6,), {"elementwise_affine": False}, (4, 3, 6)),
    "RMSNorm": ((6,), {"elementwise_affine": False}, (4, 3, 6)),
    "Threshold": ((0.1, 20.0), {}, (4, 3)),
    "Unflatten": ((1, (3, 2)), {}, (4, 6)),
}
# The others' are in the records of their functions; else they are made of nothing
RECORDED = {
    layer.name: (layer.args, layer.options, layer.inputs[0])
    for record in RECORDS
    for layer in record.layers
    if layer.inputs
}
# Classes that are no layer by themselves, or that have parameters
OTHERS = {
    "Bilinear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Embedding", "EmbeddingBag",
    "GRU", "GRUCell", "LSTM", "LSTMCell", "Linear", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "Module", "ModuleDict",
    "ModuleList", "MultiheadAttention", "PReLU", "ParameterDict", "ParameterList", "ParametricELU", "ParametricSigmoid", "ParametricSoftplus",
    "RNN", "RNNCell", "ScaledReLU", "Sequential", "Swish", "SwitchableNorm1d", "SwitchableNorm2d", "SwitchableNorm3d",
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
}  # fmt: skip
# The records of the functions of losses and of pairs, which say what they are fed with
PAIRS = ("CosineSimilarity", "PairwiseDistance")
LOSSES = {
    layer.name: record
    for record in RECORDS
    for layer in record.layers
    if layer.name.endswith("Loss") or layer.name in PAIRS
}
LAYERS = sorted(
    name
    for name in set(nn.__all__) - OTHERS
    if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_layer_without_parameters_keeps_its_inputs_dtype(name, dtype):
    arguments, options, shape = WITHOUT_PARAMETERS.get(name) or RECORDED.get(name, ((), {}, (4, 3, 6)))
    layer = getattr(nn, name)(*arguments, **options)
    assert not list(layer.parameters())
    x = np.random.default_rng(0).uniform(0.1, 0.9, shape).astype(dtype)
    given = (x,)
    if name in LOSSES:
        call = LOSSES[name].call(LOSSES[name].shapes[1], dtype=dtype)
        x, *others = (value for value in call.arguments.values() if isinstance(value, np.ndarray))
        given = (x, *others)
    for mode in (True, False):
        y = layer.train(mode)(*given)
        assert y.dtype == dtype
        tracked = fastnn.tensor(x, requires_grad=True)
        y = layer(tracked, *given[1:])
        assert y.dtype == dtype
        y.sum().backward()
        assert tracked.grad.dtype == dtype


def test_running_statistics_keep_the_layers_dtype():
    x = np.random.default_rng(0).normal(3, 2, (50, 2))
    for dtype, result in ((np.float32, np.float32), (np.float64, np.float64)):
        layer = nn.BatchNorm1d(2, affine=False, momentum=None, dtype=dtype)
        assert layer(x).dtype == np.float64
        assert layer.running_mean.dtype == layer.running_var.dtype == result
        np.testing.assert_allclose(layer.running_mean, x.mean(0), rtol=1e-6)
        expected = (x - layer.running_mean) / np.sqrt(layer.running_var.astype(float) + 1e-5)
        np.testing.assert_allclose(layer.eval()(x), expected, rtol=1e-12)


def test_registration():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(np.ones(2))
            self.child = nn.Linear(2, 3)
            self.register_buffer("count", 3)
            self.register_buffer("scratch", [1.0], persistent=False)
            self.number = 5

        def forward(self, input):
            return self.child(input * self.weight)

    model = Net()
    assert [name for name, _ in model.named_parameters()] == ["weight", "child.weight", "child.bias"]
    assert [name for name, _ in model.named_buffers()] == ["count", "scratch"]
    assert list(model.state_dict()) == ["weight", "count", "child.weight", "child.bias"]
    assert [name for name, _ in model.named_modules()] == ["", "child"]
    assert model.number == 5
    assert "weight" in dir(model)
    with pytest.raises(TypeError, match="Net: expected weight to be a Parameter or None, got ndarray"):
        model.weight = np.ones(2)
    with pytest.raises(TypeError, match="Net: expected child to be a Module or None, got int"):
        model.child = 3
    model.weight = None
    assert [name for name, _ in model.named_parameters()] == ["child.weight", "child.bias"]
    del model.child
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'child'"):
        model.child  # noqa: B018
    model.count = np.array(7)
    assert model.count.shape == ()
    with pytest.raises(TypeError, match="expected count to be an array or None, got int"):
        model.count = 7
    model.number = nn.Parameter([1.0])
    assert "number" in dict(model.named_parameters())
    assert "number" not in vars(model)


def test_forgotten_init_and_forward():
    class Early(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter([1.0])

    with pytest.raises(AttributeError, match=r"Early: call super\(\).__init__\(\) before assigning weight"):
        Early()
    with pytest.raises(NotImplementedError, match="Module: forward is not defined"):
        nn.Module()(1)


def test_sharing():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(model.parameters())) == 2
    assert len(list(model.modules())) == 3
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert model.state_dict()["0.weight"] is layer.weight.data


def test_sequential():
    model = net()
    assert len(model) == 5
    assert isinstance(model[-1], nn.Linear)
    assert next(iter(model[1:3].state_dict())) == "1.weight"
    named = nn.Sequential(OrderedDict(first=nn.Linear(1, 2), second=nn.Tanh()))
    assert list(named.state_dict()) == ["first.weight", "first.bias"]
    assert isinstance(named.second, nn.Tanh)
    named.append(nn.Identity())
    assert len(named) == 3
    with pytest.raises(TypeError, match="Sequential: expected Modules, got function for '0'"):
        nn.Sequential(fastnn.relu)


def test_modes():
    model = net()
    assert model.training
    assert not any(module.training for module in model.eval().modules())
    x = np.random.default_rng(0).normal(size=(6, 4))
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    model.train()
    assert not np.array_equal(model(x).numpy(), model(x).numpy())


def test_gradients_of_parameters():
    model = net()
    model(np.random.default_rng(0).normal(size=(8, 4))).sum().backward()
    assert all(p.grad is not None and p.grad.dtype == np.float32 for p in model.parameters())
    model.zero_grad(set_to_none=False)
    assert all(not p.grad.any() for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.requires_grad_(False)
    assert isinstance(model(np.ones((3, 4))), np.ndarray)


def test_types():
    model = net().double()
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)}
    assert model[1].running_mean.dtype == np.float64
    assert model[1].num_batches_tracked.dtype == np.int64
    assert model(np.ones((3, 4), np.float32)).dtype == np.float64
    assert model.float()(np.ones((3, 4))).dtype == np.float32
    assert model[0].weight.data.T.flags.c_contiguous
    with pytest.raises(TypeError, match=r"Sequential\.to: expected dtype float32 or float64"):
        model.to(np.float16)
    for x in ([[1, 2, 3, 4]] * 3, np.ones((3, 4), int), np.ones((3, 4), np.float16)):
        assert model(x).dtype == np.float32


def test_types_reach_nested_layers():
    model = nn.Sequential(nn.Sequential(nn.BatchNorm1d(3, affine=False))).double()
    x = np.random.default_rng(0).normal(size=(4, 3))
    assert model(x).dtype == np.float64
    for make in (lambda d: nn.Linear(2, 3, dtype=d), lambda d: nn.BatchNorm1d(2, dtype=d)):
        assert make(None)(np.ones((4, 2))).dtype == np.float32
        for wrong in (np.float16, ">f4", int, "banana"):
            with pytest.raises(TypeError, match="expected dtype float32 or float64"):
                make(wrong)
    for layer in (nn.Linear(3, 2), nn.BatchNorm1d(3)):
        for wrong in (x + 1j, "abc", None, np.ma.masked_array(x, x > 0)):
            with pytest.raises(TypeError, match=f"{type(layer).__name__}: expected input"):
                layer(wrong)


def test_names():
    module = nn.Module()
    for wrong, error in (("a.b", ValueError), ("", ValueError), ("forward", ValueError), (3, TypeError)):
        for call in (lambda name: module.add_module(name, nn.ReLU()), lambda name: module.register_buffer(name, [1.0])):
            with pytest.raises(error, match=r"expected a (new )?name"):
                call(wrong)
    part = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())[1:].append(nn.Tanh())
    assert [type(layer).__name__ for layer in part] == ["ReLU", "ReLU", "Tanh"]
    for wrong in ("0.5", None, object()):
        with pytest.raises(TypeError, match="leaky_relu: expected negative_slope to be a real number"):
            nn.LeakyReLU(wrong)


def test_cast_is_recorded():
    x = fastnn.tensor(np.ones((3, 4)), requires_grad=True)
    nn.Linear(4, 2)(x).sum().backward()
    assert x.grad.dtype == np.float64


def test_load_state_dict():
    source, target = (
        net(),
        nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2)),
    )
    source(np.random.default_rng(0).normal(size=(8, 4)))
    assert target.load_state_dict(source.state_dict()) == ([], [])
    for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.shares_memory(a, b)
    state = {k: v.astype(np.float64) if v.ndim else v for k, v in source.state_dict().items()}
    del state["1.num_batches_tracked"]
    assert target.load_state_dict(state) == ([], [])
    assert target[0].weight.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop("0.bias"), "missing key '0.bias'"),
        (lambda s: s.update(extra=np.ones(1)), "unexpected key 'extra'"),
        (lambda s: s.update({"4.bias": np.ones(3)}), r"expected '4.bias' of shape \(2,\), got \(3,\)"),
        (
            lambda s: s.update({"4.bias": np.ones(2, complex)}),
            "expected '4.bias' of a type like float32, got complex128",
        ),
        (lambda s: s.update({"1.num_batches_tracked": np.array(1.5)}), "of a type like int64, got float64"),
    ],
)
def test_load_state_dict_is_all_or_nothing(change, text):
    model = net()
    before = {k: v.copy() for k, v in model.state_dict().items()}
    state = {k: np.full_like(v, 7) for k, v in before.items()}
    change(state)
    for error in (ValueError, RuntimeError):
        with pytest.raises(error, match=text):
            model.load_state_dict(state)
    for k, v in model.state_dict().items():
        np.testing.assert_array_equal(v, before[k])


def test_load_into_read_only_arrays():
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    model = nn.Sequential(a, b)
    b.bias.data.flags.writeable = False
    before = a.weight.data.copy()
    with pytest.raises(nn.StateDictError, match=r"'1.bias' is read-only"):
        model.load_state_dict({k: v + 1 for k, v in model.state_dict().items()})
    np.testing.assert_array_equal(a.weight.data, before)
    with pytest.raises(TypeError, match="expected a mapping of names to arrays, got NoneType"):
        model.load_state_dict(None)


def test_load_state_dict_not_strict():
    model = net()
    state = {"0.bias": np.full(3, 5.0), "other": np.ones(1)}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert "0.weight" in missing
    assert unexpected == ["other"]
    np.testing.assert_array_equal(model[0].bias.data, [5, 5, 5])
    with pytest.raises(nn.StateDictError, match="shape"):
        model.load_state_dict({"0.bias": np.ones(4)}, strict=False)


def test_copies():
    model = net()
    model(np.random.default_rng(0).normal(size=(8, 4)))
    x = np.ones((3, 4), np.float32)
    model.eval()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other(x).numpy(), model(x).numpy())
        other[0].weight.data[...] = 0
        assert model[0].weight.data.any()


def test_text():
    assert repr(net()) == (
        "Sequential(\n"
        "  (0): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (1): BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)\n"
        "  (2): ReLU()\n"
        "  (3): Dropout(p=0.5, inplace=False)\n"
        "  (4): Linear(in_features=3, out_features=2, bias=True)\n"
        ")"
    )


def test_apply():
    seen = []
    net().apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear", "Sequential"]


def test_flatten_and_identity():
    x = np.zeros((2, 3, 4))
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Flatten()(np.zeros((0, 3, 4))).shape == (0, 12)
    assert nn.Flatten()(fastnn.tensor(x, requires_grad=True)).shape == (2, 12)
    with pytest.raises(IndexError, match=r"Flatten: expected dim in \[-1, 0\], got 1"):
        nn.Flatten()(np.zeros(3))
    assert nn.Identity(1, a=2)(x) is x


def test_inplace_layers():
    x = np.array([-1.0, 2.0], np.float32)
    assert nn.ReLU(inplace=True)(x) is x
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    t = fastnn.tensor([-1.0, 2.0], requires_grad=True)
    nn.ReLU(inplace=True)(t * 1).sum().backward()
    np.testing.assert_array_equal(t.grad, [0, 1])
