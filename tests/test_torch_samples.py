"""PyTorch's own sample inputs: every one that its test suite has for a function, layer or optimizer of ours.

Values, gradients of inputs and parameters and the state after the call are compared in float32 and float64; what its suite
expects to raise must raise here.  The samples come with PyTorch; nothing of them is stored here.
"""

import warnings

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.nn import functional

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's samples need it
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db
    from torch.testing._internal.common_modules import module_db
    from torch.testing._internal.common_optimizers import optim_db

pytestmark = pytest.mark.filterwarnings("ignore")

TYPES = {torch.float32: np.float32, torch.float64: np.float64}
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9}
RANDOM = ("dropout", "rrelu")  # in training their values are draws of each library's own
ELSEWHERE = {"foreach", "fused", "capturable", "differentiable", "device", "dtype"}  # options that are not ours
MODULES = [info for info in module_db if hasattr(nn, info.name.removeprefix("nn."))]
FUNCTIONS = [
    op
    for op in op_db
    if hasattr(functional, op.name.split(".")[-1])
    and (op.name.startswith("nn.functional.") or op.name in ("sigmoid", "tanh", "softmax", "log_softmax"))
]
OPTIMIZERS = [info for info in optim_db if hasattr(optim, info.optim_cls.__name__)]


def ours(value):
    """A sample's value as a user of NumPy has it; what requires gradients is tracked."""
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy().copy()
        return fastnn.tensor(array, requires_grad=True) if value.requires_grad else array
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        first, attention = value.linear1, value.self_attn
        sizes = (first.in_features, attention.num_heads, first.out_features, value.dropout.p, value.activation.__name__)
        options = (value.norm1.eps, attention.batch_first, value.norm_first, first.bias is not None)
        return nn.TransformerEncoderLayer(*sizes, *options)
    if value is torch.nn.functional.gelu:
        return functional.gelu
    if isinstance(value, torch.nn.PairwiseDistance):
        return nn.PairwiseDistance(value.norm, value.eps, value.keepdim)
    if isinstance(value, torch.dtype):
        return TYPES.get(value, value)
    if isinstance(value, (list, tuple)):
        return tuple(value) if isinstance(value, torch.Size) else type(value)(map(ours, value))
    if isinstance(value, dict):
        return {key: ours(each) for key, each in value.items() if key not in ELSEWHERE}
    return value


def flat(value):
    """What stands in tuples and lists, as a list."""
    return [each for part in value for each in flat(part)] if isinstance(value, (tuple, list)) else [value]


def fresh(value):
    """A sample's value, tensors as new leaves."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(fresh, value))
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return value


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def close(a, b, dtype, what, scale=1.0):
    """PyTorch's own rounding is the larger: in float32 a row of one value keeps 3e-5 of its mean."""
    a, b = (np.asarray(each.detach() if isinstance(each, torch.Tensor) else each) for each in (a, b))
    assert a.shape == b.shape, what
    tolerance = scale * TOLERANCE[dtype]
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def compare(f, theirs, args, kwargs, dtype, parameters=(), scale=1.0):
    """Both functions on one sample: values and gradients."""
    args, kwargs = tuple(map(fresh, args)), {key: fresh(value) for key, value in kwargs.items()}
    own_args, own_kwargs = ours(args), ours(kwargs)
    expected, got = flat(theirs(*args, **kwargs)), flat(f(*own_args, **own_kwargs))
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        close(a, b, dtype, "value", scale)
    tracked = [(a, b, torch.randn_like(b)) for a, b in zip(got, expected, strict=True) if b.requires_grad]
    if not tracked:
        return
    torch.autograd.backward([b for _, b, _ in tracked], [dy for _, _, dy in tracked])
    for a, _, dy in tracked:
        a.backward(dy.numpy())
    own, other = (
        flat([own_args, [own_kwargs[key] for key in own_kwargs]]),
        flat([args, [kwargs[key] for key in own_kwargs]]),
    )
    for i, (a, b) in enumerate([*zip(own, other, strict=True), *parameters]):
        if isinstance(b, torch.Tensor) and b.grad is not None:
            close(a.grad, b.grad, dtype, f"gradient {i}", 50)


def is_draw(name, training):
    return training and any(word in name.lower() for word in RANDOM)


both = pytest.mark.parametrize("dtype", list(TYPES), ids=["f32", "f64"])


@both
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("info", MODULES, ids=[info.name for info in MODULES])
def test_modules(info, dtype, training):
    name = info.name.removeprefix("nn.")
    for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=training):
        if sample.forward_input is None:
            continue
        made = sample.constructor_input
        theirs = info.module_cls(*made.args, **made.kwargs).to(dtype).train(training)
        module = getattr(nn, name)(*ours(made.args), **ours(made.kwargs)).to(TYPES[dtype]).train(training)
        state = theirs.state_dict()
        assert list(module.state_dict()) == list(state)
        module.load_state_dict({key: value.numpy() for key, value in state.items()})
        if is_draw(name, training):
            assert module(*ours(sample.forward_input.args)).shape == sample.forward_input.args[0].shape
            continue
        parameters = zip(module.parameters(), theirs.parameters(), strict=True)
        compare(module, theirs, sample.forward_input.args, sample.forward_input.kwargs, dtype, parameters)
        for key, value in theirs.state_dict().items():
            close(module.state_dict()[key], value, dtype, key)


@pytest.mark.parametrize("info", MODULES, ids=[info.name for info in MODULES])
def test_texts_names_and_memory_order(info):
    """How layers print, what their parts are called, and images whose channels lie last."""
    name = info.name.removeprefix("nn.")
    inputs = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=False)
    for sample in inputs:
        made, given = sample.constructor_input, sample.forward_input
        theirs = info.module_cls(*made.args, **made.kwargs).double().eval()
        module = getattr(nn, name)(*ours(made.args), **ours(made.kwargs)).double().eval()
        # PyTorch's second class of linear layers is there for its quantization
        assert repr(module) == repr(theirs).replace("NonDynamicallyQuantizableLinear", "Linear")
        assert [key for key, _ in module.named_parameters()] == [key for key, _ in theirs.named_parameters()]
        assert [key for key, _ in module.named_modules()] == [key for key, _ in theirs.named_modules()]
        state = {key: value.numpy() for key, value in theirs.state_dict().items()}
        own = module.state_dict()
        assert {key: (np.shape(own[key]), np.asarray(own[key]).dtype) for key in own} == {
            key: (value.shape, value.dtype) for key, value in state.items()
        }
        images = given.args[0] if given is not None and given.args else None
        if not isinstance(images, torch.Tensor) or images.ndim not in (4, 5) or is_draw(name, False):
            continue
        module.load_state_dict(state)
        rest = ours(given.args[1:]), ours(given.kwargs)
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(images.detach().numpy(), 1, -1)), -1, 1)
        expected = flat(theirs(*given.args, **given.kwargs))
        for a, b in zip(flat(module(x, *rest[0], **rest[1])), expected, strict=True):
            close(a, b, torch.float64, "channels last")


RECURRENT = [info for info in MODULES if issubclass(info.module_cls, (torch.nn.RNNBase, torch.nn.RNNCellBase))]


def recurrent_call(theirs, module):
    """The function that does what a layer or a cell of PyTorch's does, with the parameters of ours."""
    params = list(module.parameters())
    if isinstance(theirs, torch.nn.RNNCellBase):
        names = {torch.nn.LSTMCell: "lstm_cell", torch.nn.GRUCell: "gru_cell"}
        f = getattr(functional, names.get(type(theirs)) or f"rnn_{theirs.nonlinearity}_cell")
        states = 2 if type(theirs) is torch.nn.LSTMCell else 1

        def call(x, hx=None):
            zeros = np.zeros((*x.shape[:-1], theirs.hidden_size))
            return f(x, ((zeros,) * 2 if states == 2 else zeros) if hx is None else hx, *params)

        return call
    options = theirs.bias, theirs.num_layers, 0.0, False, theirs.bidirectional, theirs.batch_first
    return lambda x, hx=None: getattr(functional, theirs.mode.lower())(x, hx, params, *options)


@both
@pytest.mark.parametrize("info", RECURRENT, ids=[info.name for info in RECURRENT])
def test_recurrent_functions(info, dtype):
    """The samples of layers and cells, through the functions."""
    compared = 0
    for sample in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=False):
        made, given = sample.constructor_input, sample.forward_input
        if given is None or not all(isinstance(each, (torch.Tensor, tuple)) for each in given.args):
            continue
        theirs = info.module_cls(*made.args, **made.kwargs).to(dtype).eval()
        if isinstance(given.args[0], torch.nn.utils.rnn.PackedSequence):
            continue
        module = getattr(nn, info.name.removeprefix("nn."))(*ours(made.args), **ours(made.kwargs)).to(TYPES[dtype])
        module.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
        parameters = zip(module.parameters(), theirs.parameters(), strict=True)
        compare(recurrent_call(theirs, module), theirs, given.args, given.kwargs, dtype, parameters)
        compared += 1
    assert compared > 1


def sample_call(op):
    """The function with a sample's input first."""
    name = op.name.split(".")[-1]
    f = getattr(functional, name)
    return (lambda weight, index, **options: f(index, weight, **options)) if name.startswith("embedding") else f


PAIRS = [(op, dtype) for op in FUNCTIONS for dtype in TYPES if dtype in op.dtypes]


@pytest.mark.parametrize(("op", "dtype"), PAIRS, ids=[f"{op.name}-{dtype}" for op, dtype in PAIRS])
def test_functions(op, dtype):
    for sample in op.sample_inputs("cpu", dtype, requires_grad=True):
        default = "alpha" not in op.name and "rrelu" not in op.name
        if is_draw(op.name, sample.kwargs.get("training", default)) and sample.kwargs.get("p") != 0.0:
            continue
        if sample.kwargs.get("dropout_p"):
            continue
        if op.name.endswith("multi_head_attention_forward"):  # its dropout_p is given by position
            sample.args = (*sample.args[:9], 0.0, *sample.args[10:])
        scale = 5 if "conv" in op.name else 1  # sums of many products, whose order is each library's own
        compare(sample_call(op), op, (sample.input, *sample.args), sample.kwargs, dtype, scale=scale)


def floats(value):
    """The tensors of floats in an argument."""
    return [each for each in flat([value]) if isinstance(each, torch.Tensor) and each.is_floating_point()]


SEVERAL = [op for op, dtype in PAIRS if dtype is torch.float64]


@pytest.mark.parametrize("op", SEVERAL, ids=lambda op: op.name)
def test_one_argument_alone(op):
    """Each argument tracks gradients while the others do not."""
    samples = list(op.sample_inputs("cpu", torch.float64, requires_grad=True))
    for sample in samples[:: max(1, len(samples) // 20)]:
        if sample.kwargs.get("dropout_p") or is_draw(op.name, True):
            continue
        if op.name.endswith("multi_head_attention_forward"):
            sample.args = (*sample.args[:9], 0.0, *sample.args[10:])
        tensors = floats([sample.input, *sample.args, *sample.kwargs.values()])
        constants = floats([sample.kwargs.get("weight")]) if op.name.endswith(("cross_entropy", "margin_loss")) else []
        for alone in tensors if len(tensors) > 1 else []:
            if any(alone is each for each in constants):
                continue  # docs/differences.md: weights of classes are no parameters
            for each in tensors:
                each.requires_grad_(each is alone)
            try:
                tracked = any(
                    isinstance(y, torch.Tensor) and y.requires_grad
                    for y in flat([op(sample.input, *sample.args, **sample.kwargs)])
                )
            except RuntimeError:  # not differentiable with respect to it
                continue
            if tracked:
                scale = 5 if "conv" in op.name else 1
                compare(sample_call(op), op, (sample.input, *sample.args), sample.kwargs, torch.float64, scale=scale)


@pytest.mark.parametrize("op", [op for op in FUNCTIONS if op.error_inputs_func], ids=lambda op: op.name)
def test_function_errors(op):
    for wrong in op.error_inputs("cpu"):
        sample = wrong.sample_input
        if "conv" in op.name and "should be the same" in str(wrong.error_regex):
            continue  # arrays of different types are brought to one that holds them all
        with pytest.raises((ValueError, TypeError, IndexError)):
            sample_call(op)(ours(sample.input), *ours(sample.args), **ours(sample.kwargs))


@pytest.mark.parametrize(
    "info", [info for info in MODULES if info.module_error_inputs_func], ids=lambda info: info.name
)
def test_module_errors(info):
    wrongs = info.module_error_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=True)
    for wrong in wrongs:
        if "does not match weight dtype" in wrong.error_regex:  # what enters a layer is converted to the layer's dtype
            continue
        made, forward = wrong.module_error_input.constructor_input, wrong.module_error_input.forward_input
        with pytest.raises((ValueError, TypeError, IndexError)):
            getattr(nn, info.name.removeprefix("nn."))(*ours(made.args), **ours(made.kwargs))(*ours(forward.args))


@both
@pytest.mark.parametrize("info", OPTIMIZERS, ids=lambda info: info.optim_cls.__name__)
def test_optimizers(info, dtype):
    torch.set_default_dtype(dtype)  # the numbers that some rules keep beside the parameters
    try:
        for sample in info.optim_inputs_func(device="cpu"):
            options = {key: number(value) for key, value in sample.kwargs.items() if key not in ELSEWHERE}
            values = [torch.randn(shape, dtype=dtype) for shape in ((3, 4), (7,), (), (0, 2))]
            theirs = [torch.nn.Parameter(value.clone()) for value in values]
            mine = [nn.Parameter(value.numpy().copy()) for value in values]
            a, b = getattr(optim, info.optim_cls.__name__)(mine, **options), info.optim_cls(theirs, **options)
            for _ in range(15):
                for p, q in zip(mine, theirs, strict=True):
                    q.grad = torch.randn_like(q)
                    p.grad = q.grad.numpy().copy()
                a.step(), b.step()
            for p, q in zip(mine, theirs, strict=True):
                close(p.data, q, dtype, str(options))
    finally:
        torch.set_default_dtype(torch.float32)


def number(value):
    """Options that are tensors in a sample as numbers."""
    if isinstance(value, torch.Tensor):
        return value.item()
    return tuple(map(number, value)) if isinstance(value, tuple) else value
