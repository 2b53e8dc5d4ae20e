"""Products: linear layers, matrices, rows of tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import functional
from ...functional._matmul import matmul
from ...graph import Call
from ._build import Builder, NotWritten, named, writer


@writer(functional.linear)
def _linear(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    x, weight, bias = (b.value(given[name], dtype) for name in ("input", "weight", "bias"))
    sizes = len(b.dims(given["input"])), len(b.dims(given["weight"]))
    if sizes == (2, 2):
        return str(b("Gemm", x, weight, bias, transB=1))
    y = b("MatMul", x, b.transpose(weight, (1, 0)) if sizes[1] == 2 else weight)
    return str(b("Add", y, bias) if bias else y)


@writer(matmul, np.matmul, np.dot)
def _matmul(b: Builder, call: Call) -> str:
    if len(call.args) != 2 or call.kwargs:
        raise NotWritten("it has options")
    if call.function is np.dot and len(b.dims(call.args[1])) > 2:
        raise NotWritten("np.dot of more than two dimensions")
    return str(b("MatMul", *(b.value(each, b.result(call)) for each in call.args)))


@writer(np.einsum)
def _einsum(b: Builder, call: Call) -> str:
    if not isinstance(call.args[0], str) or set(call.kwargs) - {"optimize"}:
        raise NotWritten("it has options")
    return str(b("Einsum", *(b.value(each, b.result(call)) for each in call.args[1:]), equation=call.args[0]))


@writer(functional.bilinear)
def _bilinear(b: Builder, call: Call) -> str:
    """(x1 W) laid out as one matrix for each sample, times x2, added up."""
    given, dtype = named(call), b.result(call)
    out, first, second = b.fixed(*b.dims(given["weight"]))
    weight = b.reshape(b.transpose(b.value(given["weight"], dtype), (1, 0, 2)), (first, out * second))
    x1, x2 = (b.value(given[name], dtype) for name in ("input1", "input2"))
    lead = b.dims(given["input1"])[:-1]
    rows = b.reshape(b("MatMul", x1, weight), (*lead, out, second))
    y = b.reduce("ReduceSum", b("Mul", rows, b.unsqueeze(x2, len(lead))), [-1], keepdims=False)
    bias = b.value(given["bias"], dtype)
    return str(b("Add", y, bias) if bias else y)


def _index(b: Builder, argument: Any) -> str:
    if b.dtype(argument).kind not in "iu":
        raise NotWritten("its indices are no integers")
    return b.value(argument, np.int64)


@writer(functional.embedding)
def _embedding(b: Builder, call: Call) -> str:
    given = named(call)
    return str(b("Gather", b.value(given["weight"]), _index(b, given["input"]), axis=0))


@writer(functional.embedding_bag)
def _embedding_bag(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.result(call)
    if given["offsets"] is not None:
        raise NotWritten("bags by offsets; bags of one length, (N, L), can be exported")
    index, mode = _index(b, given["input"]), given["mode"]
    rows = b("Gather", b.value(given["weight"], dtype), index, axis=0)
    if given["per_sample_weights"] is not None:
        rows = b("Mul", rows, b.unsqueeze(b.value(given["per_sample_weights"], dtype), 2))
    reduction = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax"}[mode]
    if given["padding_idx"] is None:
        return b.reduce(reduction, rows, [1], keepdims=False)
    padding = given["padding_idx"] % b.fixed(*b.dims(given["weight"]))[0]
    counted = b.unsqueeze(b("Not", b("Equal", index, b.constant(np.int64(padding)))), 2)
    ones = b.cast(counted, np.dtype(bool), dtype)
    zero, count = b.constant(dtype.type(0)), b.reduce("ReduceSum", ones, [1], keepdims=False)
    if mode == "max":
        lowest = b.constant(np.finfo(dtype).min)
        found = b.reduce("ReduceMax", b("Where", counted, rows, lowest), [1], keepdims=False)
        return str(b("Where", b("Greater", count, zero), found, zero))
    total = b.reduce("ReduceSum", b("Where", counted, rows, zero), [1], keepdims=False)
    return total if mode == "sum" else str(b("Div", total, b("Max", count, b.constant(dtype.type(1)))))


@writer(functional.one_hot)
def _one_hot(b: Builder, call: Call) -> str:
    given = named(call)
    depth = b.constant(np.int64(given["num_classes"]))
    return str(b("OneHot", _index(b, given["tensor"]), depth, b.ints(0, 1), axis=-1))
