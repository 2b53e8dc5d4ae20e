"""Models for the export to ONNX: name -> (what makes it, its inputs); every module of `nn` is in one of them."""

import numpy as np

import fastnn
from fastnn import nn

RNG = np.random.default_rng(0)
CASES = {}
SPACE = (6, 4, 4)


def floats(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def indices(high, *shape):
    return RNG.integers(0, high, shape)


def case(name, make, *inputs):
    assert name not in CASES, name
    CASES[name] = make, inputs


class Calls(nn.Module):
    """A function in a module's clothes."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, *args):
        return self.function(self, *args)


# -- one element, one row ---------------------------------------------------------------------------------------------

for _name in [
    "CELU",
    "ELU",
    "GELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "ScaledReLU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "ParametricELU",
    "ParametricSigmoid",
    "ParametricSoftplus",
]:
    case(_name, getattr(nn, _name), floats(2, 4, 5) * 4)
case("gelu by tanh", lambda: nn.GELU("tanh"), floats(2, 4))
case("softplus steep", lambda: nn.Softplus(3, 2), floats(2, 30))
case("Threshold", lambda: nn.Threshold(0.1, 0.5), floats(2, 4))
case("prelu by channel", lambda: nn.PReLU(4), floats(2, 4, 5))
case("parametric by channel", lambda: nn.ParametricSigmoid(4), floats(2, 4, 5, 3))
for _name in ("Softmax", "LogSoftmax", "Softmin"):
    case(_name, lambda name=_name: getattr(nn, name)(1), floats(2, 4, 5))
case("Softmax2d", nn.Softmax2d, floats(2, 3, 4, 5))
case("GLU", lambda: nn.GLU(1), floats(2, 4, 5))
for _name in ("Dropout", "AlphaDropout", "FeatureAlphaDropout"):
    case(_name, getattr(nn, _name), floats(2, 4, 5))

# -- layers of 1 to 3 dimensions --------------------------------------------------------------------------------------


def layer(name, dims, *args, space=SPACE, unbatched=False, title="", **options):
    shape = (2, 4, *space[:dims])
    inner = getattr(nn, f"{name}{dims}d")
    if unbatched:
        case(f"{name}{dims}d {title}", lambda: Calls(lambda m, x: m.inner(x[0]), inner=inner(*args, **options)),
             floats(1, *shape))  # fmt: skip
    else:
        case(f"{name}{dims}d {title}".strip(), lambda: inner(*args, **options), floats(*shape))


for _n in (1, 2, 3):
    layer("BatchNorm", _n, 4)
    layer("InstanceNorm", _n, 4, affine=True)
    layer("Conv", _n, 4, 6, 3, padding=1)
    layer("ConvTranspose", _n, 4, 6, 3, stride=2, padding=1, output_padding=1)
    layer("MaxPool", _n, 2)
    layer("MaxPool", _n, 3, 2, 1, ceil_mode=True, title="ceil", space=(6, 7, 5))
    layer("MaxPool", _n, 2, 1, 1, dilation=3, title="dilated", space=(6, 7, 5))
    layer("AvgPool", _n, 2)
    layer("AvgPool", _n, 3, 2, 1, ceil_mode=True, title="ceil", space=(6, 7, 5))
    layer("AvgPool", _n, 3, 2, 1, True, False, title="ceil without padding", space=(6, 7, 5))
    layer("LPPool", _n, 2, 2)
    layer("LPPool", _n, 2, 3, 2, True, title="ceil", space=(6, 7, 5))
    layer("AdaptiveAvgPool", _n, 2)
    layer("AdaptiveAvgPool", _n, 1, title="of all")
    layer("AdaptiveAvgPool", _n, 3, title="uneven", space=(5, 7, 4))
    layer("AdaptiveMaxPool", _n, 2)
    layer("AdaptiveMaxPool", _n, 1, title="of all")
    layer("AdaptiveMaxPool", _n, 3, title="uneven", space=(5, 7, 4))
    for _name in ("Circular", "Reflection", "Replication", "Zero"):
        layer(f"{_name}Pad", _n, 1)
    layer("ConstantPad", _n, (1, 0, 2, 1, 0, 1)[: 2 * _n], 0.5)
    layer("ZeroPad", _n, (-1, 2), title="cut") if _n == 1 else None
    layer("Dropout", _n)
    case(
        f"MaxUnpool{_n}d",
        lambda n=_n: Calls(
            lambda m, x: m.un(*m.pool(x)),
            pool=getattr(nn, f"MaxPool{n}d")(2, return_indices=True),
            un=getattr(nn, f"MaxUnpool{n}d")(2),
        ),
        floats(2, 4, *SPACE[:_n]),
    )
    layer("Conv", _n, 4, 6, 3, title="unbatched", unbatched=True)
    for _mode in ("reflect", "replicate", "circular"):
        layer("Conv", _n, 4, 6, 3, padding=1, padding_mode=_mode, title=_mode)
for _n, _shape in ((1, (2, 4)), (2, (2, 4, 3, 2)), (3, (2, 4, 3, 2, 2))):
    case(f"SwitchableNorm{_n}d", lambda n=_n: getattr(nn, f"SwitchableNorm{n}d")(4), floats(*_shape))
case("switchable norm, layers", lambda: nn.SwitchableNorm2d(4, using_bn=False), floats(2, 4, 3, 2))
case("BatchNorm1d rows", lambda: nn.BatchNorm1d(4), floats(3, 4))
case("batch norm without affine", lambda: nn.BatchNorm2d(4, affine=False), floats(2, 4, 3, 3))
case("instance norm, running", lambda: nn.InstanceNorm2d(4, track_running_stats=True), floats(2, 4, 3, 3))
case("conv same", lambda: nn.Conv2d(4, 6, (3, 2), padding="same", dilation=(2, 1)), floats(2, 4, 6, 5))
case("conv groups", lambda: nn.Conv2d(4, 8, 3, (2, 1), (1, 0), groups=4, bias=False), floats(2, 4, 6, 5))
case("transposed, groups", lambda: nn.ConvTranspose2d(4, 6, 3, 2, groups=2, dilation=2, bias=False), floats(2, 4, 3, 4))
case("avg pool, divisor", lambda: nn.AvgPool2d(3, 2, 1, True, divisor_override=5), floats(2, 4, 6, 7))
case("max pool, indices", lambda: nn.MaxPool2d(3, 2, 1, return_indices=True), floats(2, 4, 6, 7))
case("adaptive pool, None", lambda: nn.AdaptiveAvgPool2d((None, 2)), floats(2, 4, 5, 6))
case(
    "depthwise", lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ReLU6(), nn.Conv2d(4, 5, 1)), floats(2, 4, 6, 6)
)

# -- other layers -----------------------------------------------------------------------------------------------------

case("GroupNorm", lambda: nn.GroupNorm(2, 4), floats(2, 4, 5, 3))
case("LayerNorm", lambda: nn.LayerNorm((4, 5)), floats(2, 4, 5))
case("layer norm, plain", lambda: nn.LayerNorm(5, elementwise_affine=False), floats(2, 4, 5))
case("RMSNorm", lambda: nn.RMSNorm(5), floats(2, 4, 5))
for _size, _shape in ((3, (2, 6, 5, 4)), (4, (2, 6, 5)), (9, (2, 3, 5))):
    title = "LocalResponseNorm" if _size == 3 else f"local response norm of {_size}"
    case(title, lambda size=_size: nn.LocalResponseNorm(size, 0.5), floats(*_shape))
case("ChannelShuffle", lambda: nn.ChannelShuffle(2), floats(2, 4, 5, 3))
case("PixelShuffle", lambda: nn.PixelShuffle(2), floats(2, 8, 5, 3))
case("PixelUnshuffle", lambda: nn.PixelUnshuffle(2), floats(2, 3, 6, 4))
case("pixel shuffle of five dimensions", lambda: nn.PixelShuffle(2), floats(2, 3, 8, 5, 3))
case("Flatten", nn.Flatten, floats(2, 4, 5, 3))
case("flatten with the batch", lambda: nn.Flatten(0, 1), floats(2, 4, 5))
case("Unflatten", lambda: nn.Unflatten(1, (2, 2)), floats(2, 4, 5))
case("Fold", lambda: nn.Fold((4, 5), 2, stride=(2, 1), padding=(0, 1)), floats(2, 12, 12))
case("Unfold", lambda: nn.Unfold(2, padding=1, stride=(2, 1)), floats(2, 3, 4, 5))
case("UpsamplingNearest2d", lambda: nn.UpsamplingNearest2d(scale_factor=2), floats(2, 3, 4, 5))
case("UpsamplingBilinear2d", lambda: nn.UpsamplingBilinear2d(scale_factor=2), floats(2, 3, 4, 5))
for _name, _shape, _options in (
    ("nearest", (4,), {"size": 7}), ("nearest", (4, 5), {"scale_factor": 1.3}), ("nearest-exact", (4, 5), {"size": (7, 3)}),
    ("linear", (6,), {"scale_factor": 2}), ("bilinear", (4, 5), {"scale_factor": 2}), ("bilinear", (4, 5), {"size": (3, 9)}),
    ("bilinear", (4, 5), {"scale_factor": 1.3}), ("bicubic", (4, 5), {"scale_factor": 2}), ("area", (5, 6), {"size": (3, 3)}),
    ("bicubic", (4, 5), {"scale_factor": (1.7, 0.6)}), ("trilinear", (3, 4, 5), {"scale_factor": 2}),
    ("bicubic", (4, 5), {"size": (7, 7), "align_corners": True}), ("nearest", (3, 4, 5), {"scale_factor": 2}),
):  # fmt: skip
    case(f"Upsample {_name} {_options}", lambda o=_options, m=_name: nn.Upsample(**o, mode=m), floats(2, 3, *_shape))
case("Identity", nn.Identity, floats(2, 4))
case("Linear", lambda: nn.Linear(4, 3), floats(2, 5, 4))
case("linear of rows", lambda: nn.Linear(4, 3, bias=False), floats(2, 4))
case("Bilinear", lambda: nn.Bilinear(4, 3, 2), floats(2, 4), floats(2, 3))
case("Embedding", lambda: nn.Embedding(10, 3), indices(10, 2, 4))
for _mode in ("mean", "sum", "max"):
    title = "EmbeddingBag" if _mode == "mean" else f"bags, {_mode}"
    case(title, lambda mode=_mode: nn.EmbeddingBag(10, 3, mode=mode), indices(10, 2, 4))
    case(
        f"bags, {_mode}, padding", lambda mode=_mode: nn.EmbeddingBag(4, 3, mode=mode, padding_idx=1), indices(4, 3, 2)
    )
case("CosineSimilarity", nn.CosineSimilarity, floats(2, 4, 5), floats(2, 4, 5))
case("PairwiseDistance", nn.PairwiseDistance, floats(2, 4), floats(2, 4))
case("distance of p 3", lambda: nn.PairwiseDistance(3, keepdim=True), floats(2, 4), floats(2, 4))

# -- sequences --------------------------------------------------------------------------------------------------------

for _name in ("RNN", "GRU", "LSTM"):
    _kind = getattr(nn, _name)
    case(_name, lambda kind=_kind: kind(4, 3, batch_first=True), floats(2, 5, 4))
    case(f"{_name} both ways", lambda kind=_kind: kind(4, 3, 2, bidirectional=True, batch_first=True), floats(2, 5, 4))
    case(f"{_name} time first", lambda kind=_kind: kind(4, 3, 2, bias=False), floats(5, 2, 4))
    case(f"{_name} of one sequence", lambda kind=_kind: kind(4, 3, bidirectional=True), floats(5, 4))
    case(f"{_name}Cell", lambda kind=_name: getattr(nn, f"{kind}Cell")(4, 3), floats(2, 4))
    _states = (floats(2, 3, 3), floats(2, 3, 3)) if _name == "LSTM" else floats(2, 3, 3)
    case(f"{_name} with states", lambda kind=_kind: kind(4, 3, 2, batch_first=True), floats(3, 5, 4), _states)
    case(
        f"{_name} with lengths",
        lambda kind=_kind: Calls(
            lambda m, x, n: m.inner(x, lengths=n), inner=kind(4, 3, bidirectional=True, batch_first=True)
        ),
        floats(2, 5, 4),
        np.array([5, 3]),
    )
case("RNN of relu", lambda: nn.RNN(4, 3, nonlinearity="relu"), floats(2, 5, 4))
case("LSTM cell with states", lambda: nn.LSTMCell(4, 3), floats(2, 4), (floats(2, 3), floats(2, 3)))

# -- attention --------------------------------------------------------------------------------------------------------

_x = floats(2, 5, 8)
case("MultiheadAttention", lambda: nn.MultiheadAttention(8, 2, batch_first=True), _x, floats(2, 6, 8), floats(2, 6, 8))
case(
    "attention of itself, masked",
    lambda: Calls(
        lambda m, x, hidden: m.inner(x, x, x, key_padding_mask=hidden, need_weights=False),
        inner=nn.MultiheadAttention(8, 2, batch_first=True),
    ),
    _x,
    indices(2, 2, 5).astype(bool) & (np.arange(5) > 0),
)
case(
    "causal attention",
    lambda: Calls(
        lambda m, x: fastnn.functional.scaled_dot_product_attention(
            x, x[:, :1], x[:, :1], is_causal=True, enable_gqa=True
        )
    ),
    floats(2, 4, 5, 8),
)
case("TransformerEncoderLayer", lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), _x)
case(
    "norm first", lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation="gelu"), _x
)
case("TransformerDecoderLayer", lambda: nn.TransformerDecoderLayer(8, 2, 16, batch_first=True), _x, floats(2, 4, 8))
case(
    "TransformerEncoder",
    lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2),
    _x,
)
case("Transformer", lambda: nn.Transformer(8, 2, 1, 1, 16, batch_first=True), _x, floats(2, 4, 8))

# -- whole models -----------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    """Two inputs, lists, dicts, a parameter of its own; a dict with names and a tuple in it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})
        self.scales = nn.ParameterList([nn.Parameter(np.float32([2]))])
        self.shifts = nn.ParameterDict({"x": nn.Parameter(floats(4))})

    def forward(self, x, scale):
        for each in self.layers:
            x = x + np.exp(each(x)) * self.scales[0] * scale + self.shifts["x"]
        return {"a": self.heads["a"](x), "more": (self.heads["b"](x), x.mean(1)), "none": None}


case("residual", Residual, floats(2, 4), floats(2, 1))
case(
    "parametrized",
    lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.ReLU()),
    floats(2, 4),
)
case("resnet", lambda: fastnn.models.resnet18(num_classes=4), floats(1, 3, 32, 32))


def function(name, function, *inputs):
    case(name, lambda: Calls(lambda m, *args: function(*args)), *inputs)


_a, _b = floats(2, 4, 5), floats(2, 4, 5)
for _ufunc in (
    np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.greater, np.less_equal, np.not_equal,
    np.remainder, np.floor_divide,
):  # fmt: skip
    function(f"np.{_ufunc.__name__}", _ufunc, _a, _b)
for _ufunc in (np.exp, np.sin, np.tanh, np.square, np.expm1, np.sign, np.floor, np.rint, np.isfinite, np.abs):
    function(f"np.{_ufunc.__name__}", _ufunc, _a)
function("logarithms", lambda x: np.log(x * x) + np.log2(x * x + 1) + np.log10(x * x + 1) + np.log1p(x * x) + x**2, _a)
function("reductions", lambda x: (x.sum(), x.mean(0), x.max((1, 2)), np.min(x, -1, keepdims=True), np.prod(x, 1)), _a)
function("spread", lambda x: (np.var(x, 1), np.std(x, (1, 2), ddof=1), np.argmax(x, 1), np.argmin(x, -1)), _a)
function("logic", lambda x: (np.any(x > 1, 1), np.all(x > -2, 1), np.where((x > 0) & ~(x > 1), x, 0.5)), _a)
function("ranges", lambda x: (x[:, 1:3], x[:, ::2, -1], x[..., ::-1], x[:, None, 2], x[:, [0, 2]]), _a)
function("joined", lambda x, y: (np.concatenate([x, y], 1), np.stack([x, y], -1), np.concatenate([x, y])), _a, _b)
function("in parts", lambda x: (*np.split(x, 2, 1), *np.array_split(x, 3, -1)), _a)
function(
    "other shapes", lambda x: (x.reshape(-1), x.transpose(2, 0, 1), np.moveaxis(x, 0, 2), x.reshape(-1, 2, 10)), _a
)
function("more shapes", lambda x: (np.squeeze(x[:, :1], 1), np.expand_dims(x, 0), x[:, ::-1]), _a)
function("looked up", lambda x: (x[:, 0], np.take(x, [2, 0], 1)), _a)
function(
    "casts", lambda x, i: (x * i, i / 2, (x > 0) * x, x.astype(np.float64), i // 2 + i % 3), _a, indices(9, 2, 4, 5)
)
function("products", lambda x, y: (x @ np.swapaxes(y, 1, 2), np.einsum("nij,nij->ni", x, y), np.cumsum(x, 1)), _a, _b)
function("clipped", lambda x: np.clip(x, -1, 0.5), _a)
function("unit rows", fastnn.functional.normalize, _a)
function("repeated", lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 1, 3)), np.repeat(x, 2, 0), np.repeat(x, 3, -1),
                                np.repeat(x, [1, 0, 2, 1], 1)), _a)  # fmt: skip
function("triangles", lambda x: (np.tril(x), np.triu(x, 1), np.tril(x, -2)), _a)
function("turned", lambda x: (np.flip(x, 1), np.flip(x, (0, 2))), _a)
function("sorted", lambda x: (np.sort(x), np.sort(x, 1), np.argsort(x, 0), np.argsort(x)), _a)
function("padded", lambda x: (np.pad(x, ((0, 0), (1, 2), (0, 1))), np.pad(x, ((0, 0), (1, 1), (2, 2)), "reflect"),
                              np.pad(x, ((0, 0), (1, 0), (0, 1)), mode="edge"),
                              np.pad(x, ((0, 0), (0, 0), (1, 1)), constant_values=2.5)), _a)  # fmt: skip
function("rounded", lambda x: (np.round(x), np.round(9 * x, 1), x.round(), np.round(99 * x, -1), np.trunc(3 * x)), _a)
