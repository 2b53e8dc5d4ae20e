"""Recurrent layers of ONNX: of 8 bits, and cells of GRUs that exporters take apart."""

import io
import re
import warnings

import numpy as np
import pytest
from onnx_files import model, node, value
from test_onnx_plans import check, draw, faults_are_raised, functions

import fastnn.onnx
from fastnn.onnx.operators import _recurrent

__all__ = ["faults_are_raised"]


def quantized_lstm(kind=np.int8, directions=2, peepholes=False, lengths=False, columns=False, n=2, width=300):
    """A model of one layer of 8 units for inputs of that width, 5 steps and n samples."""
    rng, units = np.random.default_rng(0), 8
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    scales = (directions, 4 * units) if columns else (directions,)
    constants = {
        "w": rng.integers(low, high + 1, (directions, width, 4 * units)).astype(kind),
        "r": rng.integers(low, high + 1, (directions, units, 4 * units)).astype(kind),
        "b": rng.normal(size=(directions, 8 * units)).astype(np.float32),
        "h": rng.uniform(-1, 1, (directions, n, units)).astype(np.float32),
        "c": rng.normal(size=(directions, n, units)).astype(np.float32),
        "p": rng.normal(size=(directions, 3 * units)).astype(np.float32),
        "t": np.array([5, 3, 4][:n], np.int32),
        "ws": (rng.uniform(0.5, 1, scales) / 2000).astype(np.float32),
        "wz": np.full(scales, 7 if kind is np.uint8 else 0, kind),
        "rs": (rng.uniform(0.5, 1, scales) / 200).astype(np.float32),
        "rz": np.full(scales, 7 if kind is np.uint8 else 0, kind),
    }
    names = f"x w r b {'t' * lengths or '_'} h c {'p' * peepholes or '_'} ws wz rs rz"
    layer = node(
        "DynamicQuantizeLSTM", names, "y yh yc", "com.microsoft", hidden_size=units,
        direction="bidirectional" if directions == 2 else "forward",
    )  # fmt: skip
    layer["input"] = [name.strip("_") for name in layer["input"]]
    kept = {name: array for name, array in constants.items() if name in layer["input"]}
    x = value("x", np.float32, [5, n, width])
    return model([layer], [x], [value("y"), value("yh"), value("yc")], domains=["com.microsoft"], **kept), kept


@pytest.mark.parametrize(
    "options",
    [
        {}, {"columns": True}, {"kind": np.uint8}, {"peepholes": True}, {"directions": 1, "width": 600},
        {"lengths": True, "n": 3}, {"kind": np.uint8, "columns": True, "peepholes": True},
    ],
)  # fmt: skip
def test_an_lstm_of_8_bits_is_onnx_runtimes(options):
    runtime = pytest.importorskip("onnxruntime")
    data, _ = quantized_lstm(**options)
    alone = runtime.SessionOptions()
    alone.intra_op_num_threads = 1  # each thread makes its own samples' states narrow
    session, loaded = runtime.InferenceSession(data, alone), fastnn.onnx.load(data)
    shape = loaded.inputs[0].shape
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = session.run(None, {"x": x})
    for _ in range(2):
        for made, each in zip(loaded.run(None, {"x": x}), expected, strict=True):
            # states of samples that have ended have their part in the range of the others', there another one
            np.testing.assert_allclose(made, each, rtol=0, atol=2e-3 if "lengths" in options else 2e-6)


def test_an_lstm_of_8_bits_is_an_lstm_of_what_8_bits_hold():
    data, kept = quantized_lstm(directions=1)
    x = np.random.default_rng(1).integers(0, 256, (5, 2, 300)).astype(np.float32) / 255
    x[0, 0, 0], x[0, 0, 1] = 0, 1
    w, r = (kept[name].astype(np.float32) * kept[name + "s"][:, None, None] for name in "wr")
    names = "x w r b", "y yh yc"
    one = np.zeros((1, 2, 8), np.float32)
    other = {"w": w.swapaxes(1, 2), "r": r.swapaxes(1, 2), "b": kept["b"]}
    plain = model([node("LSTM", *names, hidden_size=8)], [value("x", shape=None)], [value("y")], **other)
    narrow = fastnn.onnx.load(data)
    narrow._program.constants["h"], narrow._program.constants["c"] = one, one
    expected = fastnn.onnx.load(plain)(x)
    found = narrow._program({"x": x}, None)[0]
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=2e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.02)
    assert not np.array_equal(found[1:], expected[1:])


GRU = """p = Gemm {x} w b
q = Gemm {h} u a
ir iz in = Split p thirds
hr hz hn = Split q thirds
r = Add ir hr
r_ = Sigmoid r
z = Add iz hz
z_ = Sigmoid z
l = Mul r_ hn
m = Add in l
n = Tanh m
d = Sub {h} n
e = Mul d z_
h{t} = Add e n"""
BLEND = "d = Sub {h} n\ne = Mul d z_\nh{t} = Add e n"
WEIGHTS = {
    "w": draw(12, 3, seed=1), "u": draw(12, 4, seed=2), "b": draw(12, seed=3), "a": draw(12, seed=4),
    "thirds": np.array([4, 4, 4]), "one": np.float32(1), "two": np.float32(2), "v": draw(12, 4, seed=9),
}  # fmt: skip
FEEDS = {"x": draw(2, 3, seed=5), "h": draw(2, 4, seed=6), "xs": draw(2, 5, 3, seed=7)}


def gru(lines, outputs="h1", **arrays):
    """A model of lines like `y z = Split x thirds`."""
    nodes = []
    for line in lines.split("\n"):
        results, (operator, *inputs) = line.split(" = ")[0], line.split(" = ")[1].split()
        more = {"Gemm": {"transB": 1}, "Split": {"axis": 1}, "Concat": {"axis": 1}, "Gather": {"axis": 1}}
        nodes.append(node(operator, " ".join(inputs), results, **more.get(operator, {})))
    inputs = [value(name, shape=["N", *each.shape[1:]]) for name, each in FEEDS.items() if f" {name}" in lines + " "]
    given = [each for each in inputs if re.search(rf"(?<!\w){each['name']}(?!\w)", lines)]
    loaded = fastnn.onnx.load(model(nodes, given, [value(each) for each in outputs.split()], 17, **WEIGHTS, **arrays))
    return loaded, {each.name: FEEDS[each.name] for each in loaded.inputs}


def step(t=1, x="x", h="h", lines=GRU):
    """One step, whose inner names are its own."""
    text = lines.format(x=x, h=h, t=t)
    return re.sub(r"(?<!\w)(p|q|i[rzn]|h[rzn]|[rzlmnde]|[rz]_|k)(?!\w)", rf"\1.{t}", text)


@pytest.mark.parametrize(
    "lines",
    [
        GRU,
        GRU.replace("Add ir hr", "Add hr ir").replace("Add in l", "Add l in").replace("Mul r_ hn", "Mul hn r_"),
        GRU.replace("Mul d z_", "Mul z_ d").replace("Add e n", "Add n e"),
        GRU.replace("ir iz in", "iz in ir").replace("hr hz hn", "hn hr hz"),
        GRU.replace(BLEND, "k = Sub one z_\nd = Mul k n\ne = Mul z_ {h}\nh{t} = Add d e"),
        GRU.replace(BLEND, "k = Sub one z_\nd = Mul n k\ne = Mul {h} z_\nh{t} = Add e d"),
        GRU.replace("Gemm {x} w b", "Gemm {x} w").replace("Gemm {h} u a", "Gemm {h} u"),
    ],
)
def test_a_cell_of_a_gru(lines):
    loaded, feeds = gru(step(lines=lines))
    check(loaded, 2e-6, **feeds)
    assert functions(loaded) == ["recurrent", "getitem"]


@pytest.mark.parametrize(
    "change",
    [
        ("r_ = Sigmoid r", "r_ = Tanh r"),
        ("n = Tanh m", "n = Sigmoid m"),
        ("z_ = Sigmoid z", "z_ = Sigmoid r"),
        ("d = Sub {h} n", "d = Sub n {h}"),
        ("h{t} = Add e n", "h{t} = Sub e n"),
        ("d = Sub {h} n", "d = Add {h} n"),
        ("l = Mul r_ hn", "l = Mul r_ in"),
        ("Mul d z_", "Mul d r_"),
        ("Gemm {h} u a", "Gemm n0 u a"),
        ("Add ir hr", "Add ir hz"),
        (BLEND, "k = Sub two z_\nd = Mul k n\ne = Mul z_ {h}\nh{t} = Add d e"),
        (BLEND, "k = Sub one r_\nd = Mul k n\ne = Mul z_ {h}\nh{t} = Add d e"),
    ],
)
def test_what_is_no_cell_of_a_gru(change):
    loaded, feeds = gru("n0 = Neg h\n" + step(lines=GRU.replace(*change)))
    check(loaded, 5e-6, None, **feeds)
    assert "gru_cell" not in loaded.passes


@pytest.mark.parametrize("first", ["zero", "h"])
@pytest.mark.parametrize("other", [False, True])
def test_cells_of_a_gru_one_after_another_are_a_sequence(first, other):
    """Also where the first h is a constant 0; not where one has other weights."""
    lines, h = [], first
    for t in range(5):
        lines.append(f"x{t} = Gather xs at{t}")
        lines.append(step(t, f"x{t}", h, GRU.replace("Gemm {h} u", "Gemm {h} v") if other and t == 3 else GRU))
        h = f"h{t}"
    at = {f"at{t}": np.array(t) for t in range(5)}
    loaded, feeds = gru("\n".join([*lines, "y = Concat h2 h4"]), "y", zero=np.zeros((2, 4), np.float32), **at)
    check(loaded, 3e-6, **feeds)
    assert loaded.passes["gru_cell"] == 5
    assert functions(loaded).count("recurrent") == (3 if other else 1)


@pytest.mark.parametrize("opset", [9, 13, 17])
def test_pytorchs_cells_are_a_sequence(opset):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")

    class Steps(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = torch.nn.GRUCell(3, 4)

        def forward(self, x, h):
            made = []
            for t in range(5):
                h = self.cell(x[:, t], h)
                made.append(h)
            return torch.stack(made, 1), h

    steps, file = Steps().eval(), io.BytesIO()
    x, h = (torch.from_numpy(FEEDS[name]) for name in ("xs", "h"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(steps, (x, h), file, dynamo=False, opset_version=opset)
    loaded = fastnn.onnx.load(file.getvalue())
    for _ in range(2):
        for made, expected in zip(loaded(x.numpy(), h.numpy()), steps(x, h), strict=True):
            np.testing.assert_allclose(made, expected.detach().numpy(), rtol=0, atol=2e-6)
    assert loaded.passes["gru_cell"] == 5
    assert functions(loaded).count("recurrent") == 1


def test_lengths_of_all_steps_change_no_bit_of_an_lstm_of_8_bits():
    data, _ = quantized_lstm(lengths=True, n=3)
    x = np.random.default_rng(1).normal(size=(5, 3, 300)).astype(np.float32)
    loaded = fastnn.onnx.load(data)
    loaded._program.constants["t"] = np.array([5, 5, 5], np.int32)
    expected = fastnn.onnx.load(quantized_lstm(n=3)[0])(x)
    for made, each in zip(loaded(x), expected, strict=True):
        np.testing.assert_array_equal(made, each)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("bias", [False, True])
def test_lengths_that_are_inputs_are_computed_by_kernels(monkeypatch, kind, direction, layout, bias):
    """Also lengths of 0, whose samples keep their first states; the same as step by step."""
    rng, (n, units, width, steps) = np.random.default_rng(0), (4, 3, 5, 6)
    directions, gates = 1 + (direction == "bidirectional"), {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    shapes = {"w": (gates * units, width), "r": (gates * units, units), "b": (2 * gates * units,)}
    kept = {name: rng.normal(size=(directions, *shape)).astype(np.float32) for name, shape in shapes.items()}
    names = ["x", "w", "r", "b" * bias, "t", "h", "c"][: 7 if kind == "LSTM" else 6]
    outputs = "y yh yc" if kind == "LSTM" else "y yh"
    options = {"hidden_size": units, "direction": direction, "layout": layout}
    layer = node(kind, "x", outputs, **options, **({"linear_before_reset": 1} if kind == "GRU" else {}))
    layer["input"] = names
    state = (n, directions, units) if layout else (directions, n, units)
    feeds = {
        "x": rng.normal(size=(n, steps, width) if layout else (steps, n, width)).astype(np.float32),
        "t": np.array([3, 6, 0, 5], np.int32),
        "h": rng.normal(size=state).astype(np.float32),
        "c": rng.normal(size=state).astype(np.float32),
    }
    feeds = {name: array for name, array in feeds.items() if name in names}
    given = [value(name, array.dtype, array.shape) for name, array in feeds.items()]
    constants = {name: array for name, array in kept.items() if name in names}
    loaded = fastnn.onnx.load(model([layer], given, [value(name) for name in outputs.split()], **constants))
    found = [loaded.run(None, feeds | {"t": np.array(t, np.int32)}) for t in ([3, 6, 0, 5], [6, 6, 6, 6], [0, 0, 0, 0])]
    monkeypatch.setattr(_recurrent._Layer, "run_plain", lambda *given: None)
    for t, results in zip(([3, 6, 0, 5], [6, 6, 6, 6], [0, 0, 0, 0]), found, strict=True):
        expected = loaded._program(feeds | {"t": np.array(t, np.int32)}, None)
        for made, each in zip(results, expected, strict=True):
            np.testing.assert_allclose(made, each, rtol=0, atol=2e-6)
    ended = found[0][1][2] if layout else found[0][1][:, 2]
    np.testing.assert_array_equal(ended, feeds["h"][2] if layout else feeds["h"][:, 2])
