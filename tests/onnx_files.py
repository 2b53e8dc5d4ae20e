"""ONNX files made by hand: no library of ONNX's is needed."""

from fastnn.onnx import _write
from fastnn.onnx._write import attribute, number_of, tensor, value, write

__all__ = ["attribute", "graph", "model", "node", "number_of", "tensor", "value", "write"]


def node(operator, inputs, outputs, domain="", **attributes):
    return _write.node(operator, inputs.split(), outputs.split(), domain, **attributes)


def graph(nodes, inputs=(), outputs=(), **constants):
    return _write.graph(nodes, inputs, outputs, constants)


def model(nodes, inputs=(), outputs=(), opset=18, functions=(), domains=(), **constants):
    sets = [{"domain": "", "version": opset}, *({"domain": each, "version": 1} for each in domains)]
    whole = graph(nodes, inputs, outputs, **constants)
    return write("Model", {"ir_version": 8, "graph": whole, "opset_import": sets, "functions": list(functions)})
