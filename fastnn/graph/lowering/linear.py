"""Linear layers: the product with packed weights, and the steps applied before its tiles leave the registers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core, functional
from ..._check import Array
from ...functional._matmul import matmul
from .._graph import Call, Constant, Graph
from ._step import (
    Derived,
    Each,
    NotLowered,
    Result,
    Source,
    Step,
    Strided,
    arguments,
    constant,
    folding,
    lowering,
    source,
)
from .elementwise import adds_alike


def pack(weight: Array) -> Array:
    """The weight (n, k) as the product reads it."""
    return _core.pack(np.ascontiguousarray(weight))


@lowering(functional.linear)
def _linear(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    weight, bias = (constant(given[name], graph, call) for name in ("weight", "bias"))
    if weight is None or weight.array.size == 0 or not shape:
        raise NotLowered
    n, k = weight.array.shape
    fields: dict[str, Any] = {
        "c": Strided(Result, (0, n, 1)), "a": Strided(Source(0), (0, k, 1)), "b": Strided(None, (0, 0, 0)),
        "packed": Derived(pack, (weight,)), "bias": bias,
        "batch": 1, "m": Each(math.prod(shape[:-1])), "n": n, "k": k, "act": -1,
    }  # fmt: skip
    return Step("product", call.number, (number,), (*shape[:-1], n), fields)


def pack_columns(weight: Array) -> Array:
    """The weight (k, n) as the product reads it."""
    return pack(weight.T)


@lowering(matmul)
def _matmul(call: Call, graph: Graph) -> Step:
    if len(call.args) != 2 or call.kwargs:
        raise NotLowered
    first, shape = source(call.args[0], graph, call)
    result = graph.sample(call.number)
    if not shape or result is None:
        raise NotLowered
    fields: dict[str, Any] = {"batch": 1, "k": shape[-1], "act": -1}
    if isinstance(call.args[1], Constant):
        weight = constant(call.args[1], graph, call)
        if weight is None or weight.array.ndim != 2 or weight.array.size == 0:
            raise NotLowered
        n, k = weight.array.shape[1], shape[-1]
        fields |= {
            "c": Strided(Result, (0, n, 1)), "a": Strided(Source(0), (0, k, 1)),
            "packed": Derived(pack_columns, (weight,)), "m": Each(math.prod(shape[:-1])), "n": n,
        }  # fmt: skip
        return Step("product", call.number, (first,), result, fields)
    second, other = source(call.args[1], graph, call)
    if len(shape) < 2 or shape[:-2] != other[:-2] or len(shape) != len(other):
        raise NotLowered
    (m, k), n = shape[-2:], other[-1]
    fields |= {
        "c": Strided(Result, (m * n, n, 1)), "a": Strided(Source(0), (m * k, k, 1)),
        "b": Strided(Source(1), (k * n, n, 1)), "batch": Each(math.prod(shape[:-2])), "m": m, "n": n,
    }  # fmt: skip
    return Step("product", call.number, (first, second), result, fields)


@folding("product", "activation")
def _product_activation(product: Step, activation: Step) -> bool:
    """The activation becomes a part of the loop that ends the product."""
    if product.fields["act"] >= 0:
        return False
    given = activation.fields
    product.fields.update(act=given["act"], act_a=given["a"], act_b=given["b"])
    return True


@folding("product", "pointwise")
def _product_residual(product: Step, addition: Step) -> bool:
    """An addition to the product becomes a part of the loop that ends it."""
    others = [number for number in addition.sources if number != product.number]
    if product.fields["act"] >= 0 or "residual" in product.fields or product.fields["batch"] != 1:
        return False
    if len(others) != 1 or not adds_alike(addition):
        return False
    product.sources = (*product.sources, *others)
    product.fields.update(residual=Source(len(product.sources) - 1), residual_row=product.fields["n"])
    return True


@folding("product", "batch_norm")
def _product_batch_norm(product: Step, norm: Step) -> bool:
    """W and b of norm(W x + b), computed in double and rounded once."""
    packed, plain = product.fields.get("packed"), product.fields["act"] < 0 and "residual" not in product.fields
    if not plain or packed is None or len(norm.shape) != 1 or len(product.shape) != 1:
        return False
    (weight,), bias, given = packed.given, product.fields.get("bias"), norm.fields
    weight = Derived(np.transpose, (weight,)) if packed.make is pack_columns else weight
    gain = given["rstd"] if given["gamma"] is None else Derived(np.multiply, (given["rstd"], given["gamma"]))
    scaled, shift = (
        Derived(_scaled, (weight, gain)),
        Derived(shifted_bias, (weight, bias, given["mean"], gain, given["beta"])),
    )
    product.fields.update(packed=Derived(pack, (scaled,)), bias=shift)
    return True


def _scaled(weight: Array, gain: Array) -> Array:
    return (weight * gain[:, None]).astype(weight.dtype, order="K")


def shifted_bias(weight: Array, bias: Array | None, mean: Array, gain: Array, beta: Array | None) -> Array:
    """The bias of norm(W x + bias), where gain is what the norm scales by."""
    shift = (-mean if bias is None else bias - mean) * gain
    return (shift if beta is None else shift + beta).astype(weight.dtype)
