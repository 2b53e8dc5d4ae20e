"""Recurrent layers of ONNX: of 8 bits, and cells that exporters take apart."""

import numpy as np
import pytest
from onnx_files import model, node, value

import fastnn.onnx


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
