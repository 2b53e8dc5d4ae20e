"""`fastnn run` and `fastnn info` with an ONNX model."""

import numpy as np
import pytest
from onnx_files import model, node, value

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
    assert main(["info", str(path / "model.onnx")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "input  x: float32 (N, 3)"
    assert "weights  6 numbers, 0.0 MB" in lines
    assert lines[-2:] == ["     1  MatMul", "     1  Relu"]
