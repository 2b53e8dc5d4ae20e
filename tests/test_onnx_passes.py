"""What exporters take apart is put together again; what only looks like it stays as it is."""

import math
import re

import numpy as np
import pytest
from onnx_files import model, node, value
from test_onnx_plans import as_it_is, check, draw, faults_are_raised, functions

import fastnn.onnx

__all__ = ["faults_are_raised"]
CONSTANTS = {
    "half": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "six": 6.0, "sixth": 1 / 6, "root": math.sqrt(2),
    "inverse": math.sqrt(0.5), "k": math.sqrt(2 / math.pi), "cubic": 0.044715, "eps": 1e-5, "zero": 0.0,
}  # fmt: skip


def build(lines, shape=("N", 6), opset=17, **arrays):
    """A model of lines like `y = Add x one`."""
    nodes = []
    for line in lines.strip().split("\n"):
        result, call = line.split("=", 1)
        name, *inputs = call.split(":")[0].split()
        options = dict(each.split("~") for each in call.split(":")[1].split()) if ":" in call else {}
        options = {key: [int(n) for n in text.split(",")] if "," in text or key in ("axes", "pads") else int(text)
                   for key, text in options.items()}  # fmt: skip
        nodes.append(node(name, " ".join(inputs), result.strip(), **options))
    constants = {name: np.float32(number) for name, number in CONSTANTS.items() if f" {name}" in f"{lines} "}
    return fastnn.onnx.load(model(nodes, [value("x", shape=shape)], [value("y")], opset, **constants, **arrays))


GELUS = {
    "first": "d = Div x root\ne = Erf d\na = Add e one\nb = Mul x a\ny = Mul b half",
    "half first": "d = Mul x inverse\ne = Erf d\na = Add one e\nb = Mul half x\ny = Mul a b",
    "gate halved": "d = Div x root\ne = Erf d\na = Add e one\nb = Mul a half\ny = Mul b x",
    "divided": "d = Div x root\ne = Erf d\na = Add e one\nb = Mul x a\ny = Div b two",
}
TANHS = {
    "power": "p = Pow x three\nq = Mul p cubic\ns = Add x q\nm = Mul s k\nt = Tanh m\na = Add t one\nb = Mul x a\ny = Mul b half",
    "products": "p = Mul x x\nq = Mul p x\nr = Mul cubic q\ns = Add x r\nm = Mul k s\nt = Tanh m\na = Add one t\n"
    "b = Mul half a\ny = Mul x b",
    "factored": "p = Mul x x\nq = Mul p cubic\ns = Add q one\nm = Mul x s\nn = Mul m k\nt = Tanh n\na = Add t one\nb = Mul x half\n"
    "y = Mul a b",
}
SWISHES = {
    "clip": "a = Add x three\nb = Clip a zero six\nc = Mul x b\ny = Div c six",
    "sixth": "a = Add x three\nb = Clip a zero six\nc = Mul b sixth\ny = Mul x c",
    "sigmoid": "a = HardSwish x\ny = Identity a",
}


@pytest.mark.parametrize("lines", GELUS.values(), ids=GELUS)
def test_gelu_by_erf(lines):
    loaded = build(lines)
    check(loaded, 2e-6, x=draw(3, 6))
    assert functions(loaded) == ["gelu"]


@pytest.mark.parametrize(
    "lines",
    [
        GELUS["first"].replace("Erf d", "Erf x"),
        GELUS["first"].replace("Add e one", "Add e two"),
        GELUS["first"].replace("Mul b half", "Mul b two"),
        "z = Relu x\n" + GELUS["first"].replace("Mul x a", "Mul z a"),
    ],
)
def test_what_is_no_gelu(lines):
    loaded = build(lines)
    check(loaded, 2e-6, False, x=draw(3, 6))
    assert "gelu" not in functions(loaded)


@pytest.mark.parametrize("lines", TANHS.values(), ids=TANHS)
def test_gelu_by_tanh(lines):
    loaded = build(lines)
    check(loaded, 2e-6, x=draw(3, 6))
    assert functions(loaded) == ["gelu_tanh"]
    for other in (
        lines.replace(" k", " half", 1),
        lines.replace(" cubic", " half", 1),
        lines.replace("Tanh", "Sigmoid"),
    ):
        loaded = build(other)
        check(loaded, 2e-6, x=draw(3, 6))
        assert "gelu_tanh" not in functions(loaded)


@pytest.mark.parametrize("lines", SWISHES.values(), ids=SWISHES)
def test_hard_swish(lines):
    loaded = build(lines, opset=14)
    check(loaded, x=3 * draw(3, 6))
    assert functions(loaded) == ["hardswish"]


@pytest.mark.parametrize("change", [("Add x three", "Add x two"), ("six\nc", "four\nc"), ("Div c six", "Div c four")])
def test_what_is_no_hard_swish(change):
    loaded = build(SWISHES["clip"].replace(*change))
    check(loaded, x=3 * draw(3, 6))
    assert "hardswish" not in functions(loaded)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("s = Sigmoid x\ny = Mul x s", "silu"),
        ("o = Mul x one\ns = Sigmoid o\ny = Mul s x", "silu"),
        ("o = Mul x two\ns = Sigmoid o\ny = Mul s x", "swish[beta=2]"),
        ("p = Softplus x\nt = Tanh p\ny = Mul x t", "mish"),
    ],
)
def test_gated_values(lines, name):
    loaded = build(lines)
    check(loaded, 2e-6, x=draw(3, 6))
    assert functions(loaded) == [name]


def test_a_gate_of_another_value_is_none():
    loaded = build("z = Add x one\ns = Sigmoid z\ny = Mul x s")
    check(loaded, 2e-6, x=draw(3, 6))
    assert functions(loaded) == ["add", "sigmoid", "multiply"]


NORM = """m = ReduceMean x : axes~-1
d = Sub x m
p = Pow d two
v = ReduceMean p : axes~-1
e = Add v eps
r = Sqrt e
n = Div d r
g = Mul n gamma
y = Add g beta"""
AFFINE = {"gamma": draw(6), "beta": draw(6, seed=1)}


@pytest.mark.parametrize(
    "lines",
    [
        NORM,
        NORM.replace("Pow d two", "Mul d d"),
        NORM.replace("n = Div d r", "i = Reciprocal r\nn = Mul d i"),
        NORM.replace("p = Pow d two", "d2 = Sub x m\np = Mul d2 d2").replace("Mul n gamma", "Mul gamma n"),
    ],
)
def test_layer_norm(lines):
    loaded = build(lines, ("N", "T", 6), **AFFINE)
    check(loaded, 2e-5, x=draw(2, 3, 6))
    assert functions(loaded) == ["layer_norm"]
    assert loaded.passes["layer_norm"] == 3


@pytest.mark.parametrize(
    "lines",
    [
        NORM.replace("m = ReduceMean x : axes~-1", "m = ReduceMean x : axes~1"),
        NORM.replace("Pow d two", "Pow d three"),
        NORM.replace("Pow d two", "Mul d x"),
        NORM.replace("Sub x m", "Sub m x"),
        NORM.replace("ReduceMean p", "ReduceMax p"),
    ],
)
def test_what_is_no_layer_norm(lines):
    loaded = build(lines, ("N", "T", 6), **AFFINE)
    x = np.abs(draw(2, 6, 6))
    with np.errstate(invalid="ignore"):
        check(loaded, 2e-4, None, x=x)
    assert "layer_norm" not in functions(loaded)


def test_a_row_added_to_a_product_is_its_bias():
    loaded = build("h = MatMul x w\ny = Add b h", w=draw(6, 4), b=draw(4))
    check(loaded, x=draw(3, 6))
    assert functions(loaded) == ["linear"]
    loaded = build("h = MatMul x w\ny = Add b h", w=draw(6, 4), b=draw(3, 4))
    check(loaded, x=draw(3, 6))
    assert functions(loaded) == ["linear", "add"]


SCALED = """a = Conv x w
b = Mul a s
c = Add b t
d = Relu c
e = Mul d u
f = Sub e t
g = Conv f z : pads~{pads}
y = Div g u"""
IMAGES = {
    "w": draw(4, 3, 3, 3), "s": draw(4, 1, 1, seed=1), "t": draw(1, 4, 1, 1, seed=2), "u": np.array([0.5], np.float32),
    "z": draw(4, 2, 3, 3, seed=3),
}  # fmt: skip


@pytest.mark.parametrize("padded", [False, True])
def test_constants_of_channels_are_drawn_into_convolutions(padded):
    lines = SCALED.format(pads="1,1,1,1" if padded else "0,0,0,0").replace("pads", "group~2 pads")
    loaded = build(lines, ("N", 3, "H", "W"), **IMAGES)
    for n in (1, 2):
        check(loaded, 2e-5, x=draw(n, 3, 9, 7))
    expected = ["conv2d", "batch_norm", "relu", "batch_norm", "conv2d", "batch_norm"]
    assert functions(loaded) == [name for i, name in enumerate(expected) if padded or i != 3]


def test_constants_of_places_are_none_of_channels():
    lines = "a = Conv x w\nb = Mul a s\ny = Add b t"
    arrays = {"w": draw(4, 3, 3, 3), "s": draw(7, 1, seed=1), "t": draw(4, 7, 5, seed=2)}
    loaded = build(lines, ("N", 3, "H", "W"), **arrays)
    check(loaded, 2e-5, x=draw(2, 3, 9, 7))
    assert functions(loaded) == ["conv2d", "multiply", "add"]


def test_a_value_that_is_read_twice_keeps_its_own():
    loaded = build("a = Conv x w\nb = Mul a s\nc = Add b s\ny = Mul b c", ("N", 3, "H", "W"), w=draw(4, 3, 1, 1),
                   s=draw(4, 1, 1))  # fmt: skip
    check(loaded, 2e-5, x=draw(2, 3, 4, 4))


@pytest.mark.parametrize("numbers", [np.arange(6), np.arange(6)[::-1], np.arange(6) + 1])
def test_one_hot_times_a_weight_is_a_row_looked_up(numbers):
    nodes = [
        node("Unsqueeze", "i a", "u"), node("Equal", "u n", "e"), node("Cast", "e", "f", to=1),
        node("MatMul", "f w", "y"),
    ]  # fmt: skip
    constants = {"a": np.array([-1]), "n": numbers.astype(np.int32).copy(), "w": draw(6, 3)}
    loaded = fastnn.onnx.load(model(nodes, [value("i", np.int32, ["N", "T"])], [value("y")], 18, **constants))
    for ids in ([[0, 5], [3, 3]], [[1, 7], [-1, 2]]):
        check(loaded, i=np.array(ids, np.int32))
    assert ("embedding" in functions(loaded)) == (numbers[0] == 0)


ATTENTION = """t = Transpose x : perm~0,1,3,2
s = MatMul x t
c = Mul s half
m = Add c mask
p = Softmax m : axis~-1
y = MatMul p x"""
HEADS = ("N", 3, "T", 4)
MASK = np.where(np.tri(5, dtype=bool), 0, -np.inf).astype(np.float32)
GUARDED = ATTENTION.replace("y = MatMul p x", "n = IsNaN p\nq = Where n zero p\ny = MatMul q x")


@pytest.mark.parametrize(
    "lines",
    [
        ATTENTION,
        ATTENTION.replace("Add c mask", "Add mask c"),
        ATTENTION.replace("Mul s half", "Div s two"),
        ATTENTION.replace("s = MatMul x t\nc = Mul s half", "q = Mul x half\nc = MatMul q t"),
        ATTENTION.replace("s = MatMul x t\nc = Mul s half", "q = Mul x half\nh = Mul t two\nc = MatMul q h"),
        ATTENTION.replace("m = Add c mask\np = Softmax m", "p = Softmax c"),
        ATTENTION.replace("MatMul p x", "MatMul p v"),
        GUARDED,
    ],
)
def test_attention(lines):
    loaded = (
        build(lines, HEADS, mask=MASK, v=draw(1, 3, 5, 6)) if "v\n" in lines + "\n" else build(lines, HEADS, mask=MASK)
    )
    check(loaded, 5e-6, None, x=draw(1, 3, 5, 4))
    if "MatMul p v" not in lines:
        check(loaded, 5e-6, x=draw(2, 3, 5, 4))
        assert loaded.passes["attention"] == 1


@pytest.mark.parametrize("mask", [(5, 5), (1, 5), (5, 1), (3, 1, 5), (2, 1, 1, 5), (2, 3, 5, 5)])
def test_masks_of_attention_repeat(mask):
    loaded = build(ATTENTION, HEADS, mask=draw(*mask, seed=7))
    check(loaded, 5e-6, x=draw(2, 3, 5, 4))
    assert "attend" in functions(loaded)


@pytest.mark.parametrize(
    "lines",
    [
        ATTENTION.replace("axis~-1", "axis~2"),
        ATTENTION.replace("Mul s half", "Mul s x5"),
        ATTENTION.replace("perm~0,1,3,2", "perm~0,1,3,2\nz = Identity x").replace("MatMul p x", "Add p m"),
        ATTENTION.replace("y = MatMul p x", "z = MatMul p x\nr = ReduceSum p\ny = Add z r"),
        ATTENTION.replace("y = MatMul p x", "z = MatMul p x\nr = ReduceSum s\ny = Add z r"),
        ATTENTION.replace("MatMul p x", "MatMul x p"),
        GUARDED.replace("Where n zero p", "Where n one p"),
        GUARDED.replace("Where n zero p", "Where n zero m"),
    ],
)
def test_what_is_no_attention(lines):
    x = draw(2, 3, 4, 4)
    loaded = build(lines, ("N", 3, "T", "T"), mask=MASK[:4, :4].clip(-9), x5=draw(4, 4, seed=5))
    check(loaded, 5e-6, None, x=x)
    assert "attention" not in loaded.passes


def test_a_query_that_sees_no_key():
    """NaN as the formula says, 0 where the exporter wrote that."""
    mask = MASK.copy()
    mask[2] = -np.inf
    x = draw(2, 3, 5, 4)
    for lines, expected in ((ATTENTION, np.nan), (GUARDED, 0)):
        loaded = build(lines, HEADS, mask=mask)
        with np.errstate(invalid="ignore"):
            y = loaded(x)
            np.testing.assert_array_equal(y[:, :, 2], expected)
            np.testing.assert_allclose(y, as_it_is(loaded, {"x": x})[0], rtol=1e-5, atol=1e-6)
    x[0, 0, 0, 0] = np.nan  # of the guarded one: 0 for weights that are NaN
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isnan(loaded(x)), np.isnan(as_it_is(loaded, {"x": x})[0]))


CELL = """p = Gemm {x} w b : transB~1
q = Gemm {h} u b : transB~1
s{t} = Add p q
i f g o = Split s{t} : axis~1
i_ = Sigmoid i
f_ = Sigmoid f
g_ = Tanh g
o_ = Sigmoid o
k = Mul f_ {c}
n = Mul i_ g_
c{t} = Add k n
c_ = Tanh c{t}
h{t} = Mul o_ c_"""
CELL_WEIGHTS = {"w": draw(16, 3), "u": draw(16, 4, seed=1), "b": draw(16, seed=2)}


def cell(t=1, x="x", h="h", c="c", lines=CELL):
    """One step, whose inner names are its own."""
    text = lines.format(x=x, h=h, c=c, t=t)
    for name in ("p", "q", "i", "f", "g", "o", "i_", "f_", "g_", "o_", "k", "n", "c_"):
        text = re.sub(rf"(?<![\w]){name}(?![\w~])", f"{name}.{t}", text)
    return text


def built(lines, **arrays):
    nodes = [(line.split(" = ")[0], *line.split(" = ")[1].split(" : ")) for line in lines.split("\n")]
    attributes = [dict([each[2].split("~")]) if len(each) > 2 else {} for each in nodes]
    made = [
        node(each[1].split()[0], " ".join(each[1].split()[1:]), each[0], **{k: int(v) for k, v in more.items()})
        for each, more in zip(nodes, attributes, strict=True)
    ]
    inputs = [value(name, shape=["N", *shape]) for name, shape in (("x", [3]), ("h", [4]), ("c", [4]), ("xs", [5, 3]))]
    inputs = [each for each in inputs if re.search(rf"\b{each['name']}\b", lines)]
    outputs = [value(name) for name in ("h1", "c1", "y") if re.search(rf"^{name} = ", lines, re.M)]
    return fastnn.onnx.load(model(made, inputs, outputs, 17, **CELL_WEIGHTS, **arrays))


STATES = {"x": draw(2, 3, seed=5), "h": draw(2, 4, seed=6), "c": draw(2, 4, seed=7)}


@pytest.mark.parametrize(
    "lines",
    [
        CELL,
        CELL.replace("Add p q", "Add q p").replace("Add k n", "Add n k").replace("Mul o_ c_", "Mul c_ o_"),
        CELL.replace("i f g o", "o i f g").replace("Mul i_ g_", "Mul g_ i_").replace("Mul f_ {c}", "Mul {c} f_"),
        CELL.replace("p = Gemm {x} w b : transB~1\nq = Gemm {h} u b : transB~1\ns{t} = Add p q",
                     "p = Concat {x} {h} : axis~1\nq = MatMul p j\ns{t} = Add q b"),
    ],
)  # fmt: skip
def test_a_cell_of_an_lstm(lines):
    loaded = built(cell(lines=lines), j=draw(7, 16, seed=3))
    check(loaded, 2e-6, **STATES)
    assert functions(loaded) == ["recurrent", "getitem", "getitem"]


@pytest.mark.parametrize(
    "change",
    [
        ("i_ = Sigmoid i", "i_ = Tanh i"),
        ("c_ = Tanh c{t}", "c_ = Sigmoid c{t}"),
        ("o_ = Sigmoid o", "o_ = Sigmoid f"),
        ("Mul i_ g_", "Mul i_ o_"),
        ("c{t} = Add k n", "c{t} = Sub k n"),
        ("k = Mul f_ {c}", "k = Mul f_ i_"),
        ("h{t} = Mul o_ c_", "z = Mul o_ c_\nh{t} = Add z g_"),
        ("p = Gemm {x} w b : transB~1", "p = Gemm {x} w r : transB~1"),
        ("s{t} = Add p q", "z = Add p q\ns{t} = Mul z two"),
    ],
)
def test_what_is_no_cell(change):
    loaded = built(cell(lines=CELL.replace(*change)), r=draw(2, 16, seed=9), two=np.float32(2))
    check(loaded, 5e-6, None, **{each.name: STATES[each.name] for each in loaded.inputs})
    assert "lstm_cell" not in loaded.passes


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kept", ["none", "hidden", "cell"])
def test_cells_one_after_another_are_a_sequence(first, kept):
    """Also where the first one's h is a constant 0, of which nothing is left but a bias; not if a c between is read."""
    steps = [f"x{t} = Gather xs at{t} : axis~1" for t in range(5)]
    states = ("zero", "zero") if first else ("h", "c")
    for t in range(5):
        steps.append(cell(t, f"x{t}", *states))
        states = f"h{t}", f"c{t}"
    steps.append({"none": "y = Add h4 c4", "hidden": "y = Concat h4 h2 c4 : axis~1", "cell": "y = Add h4 c2"}[kept])
    text = "\n".join(steps)
    loaded = built(re.sub(r"\bh1\b", "hh1", re.sub(r"\bc1\b", "cc1", text)), zero=np.zeros((2, 4), np.float32),
                   **{f"at{t}": np.array(t) for t in range(5)})  # fmt: skip
    feeds = {"xs": draw(2, 5, 3, seed=8)} | ({} if first else {name: STATES[name] for name in "hc"})
    check(loaded, 3e-6, **feeds)
    assert functions(loaded).count("recurrent") == (2 if kept == "cell" else 1)
    assert loaded.passes["lstm_cell"] == 5
    if kept != "cell":
        assert functions(loaded)[:2] == ["transpose", "reshape"]


def test_steps_that_read_what_the_one_before_gave_are_no_sequence():
    """As a decoder does."""
    weights = "v = MatMul h0 back"
    text = "\n".join([cell(0), weights, cell(1, "v", "h0", "c0"), "y = Add h1 c1"])
    loaded = built(text, back=draw(4, 3, seed=4))
    check(loaded, 3e-6, **STATES)
    assert functions(loaded).count("recurrent") == 2


def reshaped(lines, shape):
    """A convolution to 4 channels, whose images are seen in another shape."""
    nodes = [node("Conv", "x w", "c"), node("Reshape", "c s", "r"), *lines]
    constants = {
        "w": draw(4, 3, 1, 2), "s": np.array(shape), "b": draw(4, 1), "k": draw(4, 1, seed=1), "row": draw(5, seed=2),
    }  # fmt: skip
    outputs = [value(name) for name in ("y", "z") if any(name in each["output"] for each in lines)]
    return fastnn.onnx.load(model(nodes, [value("x", shape=["N", 3, 1, 6])], outputs, 17, **constants))


def test_images_in_another_shape_are_scaled_in_their_own():
    """As TensorFlow's convolutions of sequences are written."""
    loaded = reshaped([node("Add", "r b", "y")], [0, 4, 5])
    check(loaded, 2e-6, x=draw(2, 3, 1, 6))
    assert functions(loaded) == ["conv2d", "batch_norm", "reshape"]
    loaded = reshaped([node("Mul", "k r", "a"), node("Relu", "a", "y")], [0, 4, 5])
    check(loaded, 2e-6, x=draw(2, 3, 1, 6))
    assert functions(loaded) == ["conv2d", "batch_norm", "reshape", "relu"]


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        ([node("Add", "r b", "y"), node("Identity", "r", "z")], [0, 4, 5]),
        ([node("Add", "r b", "y")], [-1, 4, 1]),
        ([node("Add", "r row", "y")], [0, 4, 5]),
        ([node("Sub", "b r", "y")], [0, 4, 5]),
    ],
)
def test_what_is_not_scaled_before(lines, shape):
    loaded = reshaped(lines, shape)
    check(loaded, 2e-6, None, x=draw(2, 3, 1, 6))
    assert "reshape_later" not in loaded.passes
