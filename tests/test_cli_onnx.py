"""`fastnn run` and `fastnn info` with an ONNX model."""

import numpy as np
import pytest
from onnx_files import model, node, value

import fastnn.onnx
from fastnn import nn
from fastnn._cli import main

W = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def path(tmp_path):
    data = model([node("MatMul", "x w", "h"), node("Relu", "h", "y")], [value("x", shape=["N", 3])], [value("y")], w=W)
    (tmp_path / "model.onnx").write_bytes(data)
    return tmp_path


def test_a_model_is_run(path, capsys):
    x = np.array([[1, -2, 3]], np.float32)
    np.savez(path / "in.npz", x=x)
    assert main(["run", str(path / "model.onnx"), str(path / "in.npz"), "--out", str(path / "out.npz")]) == 0
    assert capsys.readouterr().out == "y: float32 (1, 2)\n"
    with np.load(path / "out.npz") as found:
        np.testing.assert_array_equal(found["y"], np.maximum(x @ W, 0))


def test_wrong_inputs_are_told_in_a_line(path, capsys):
    np.savez(path / "in.npz", z=W)
    assert main(["run", str(path / "model.onnx"), str(path / "in.npz"), "--out", str(path / "out.npz")]) == 1
    assert "'x' is missing" in capsys.readouterr().err
    assert not (path / "out.npz").exists()


def test_a_model_is_described(path, capsys):
    assert main(["info", str(path / "model.onnx"), "--shape", "N=5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "input  x: float32 (N, 3)"
    assert "weights  6 numbers, 0.0 MB" in lines
    assert "multiply-adds  30 for zeros of x (5, 3)" in lines
    assert lines[-2:] == ["     1  MatMul  30", "     1  Relu"]
    assert any(line.startswith("runs  ") for line in lines)


def test_sizes_that_no_input_has_are_refused(path, capsys):
    for given, message in (("M=5", "'M': there are N, x"), ("N=x", "expected --shape NAME=SIZE"), ("N", "got 'N'")):
        assert main(["info", str(path / "model.onnx"), "--shape", given]) == 1
        assert message in capsys.readouterr().err
    assert main(["info", str(path / "model.onnx"), "--shape", "x=2,4"]) == 0
    assert "multiply-adds  not counted: onnx: MatMul" in capsys.readouterr().out


def described(tmp_path, capsys, layer, *shape):
    fastnn.onnx.save(layer, tmp_path / "m.onnx", np.zeros(shape, np.float32))
    assert main(["info", str(tmp_path / "m.onnx"), "--shape", "N=2"]) == 0
    return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("multiply-adds"))


def test_multiply_adds_of_each_product(tmp_path, capsys):
    for layer, shape, expected in (
        (nn.Linear(3, 5), (1, 3), 2 * 3 * 5),
        (nn.Linear(3, 5), (1, 4, 3), 2 * 4 * 3 * 5),
        (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5), 2 * 6 * 9 * 2 * 9),
        (nn.ConvTranspose1d(4, 6, 3), (1, 4, 5), 2 * 4 * 5 * 6 * 3),
        (nn.LSTM(3, 4, batch_first=True, bidirectional=True), (1, 7, 3), 2 * 7 * 2 * 16 * (3 + 4)),
        (nn.MultiheadAttention(8, 2, batch_first=True), (1, 5, 8), 2 * 5 * 8 * (8 * 4 + 5 * 2)),
    ):
        layer = Self(layer) if isinstance(layer, nn.MultiheadAttention) else layer
        assert f"multiply-adds  {expected:,} for" in described(tmp_path, capsys, layer, *shape), layer


class Self(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]
