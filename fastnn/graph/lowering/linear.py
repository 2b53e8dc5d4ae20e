"""Linear layers: the product with packed weights, and what it does before its tiles leave the registers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import _core, functional
from ..._check import Array
from .._graph import Call, Graph
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


@folding("product", "activation")
def _product_activation(product: Step, activation: Step) -> bool:
    """The activation becomes a part of the loop that ends the product."""
    if product.fields["act"] >= 0:
        return False
    given = activation.fields
    product.fields.update(act=given["act"], act_a=given["a"], act_b=given["b"])
    return True


@folding("product", "combine")
def _product_residual(product: Step, combine: Step) -> bool:
    """What is added to the product becomes a part of the loop that ends it."""
    others = [number for number in combine.sources if number != product.number]
    if product.fields["act"] >= 0 or "residual" in product.fields or combine.fields["multiply"] or len(others) != 1:
        return False
    product.sources = (*product.sources, *others)
    product.fields.update(residual=Source(len(product.sources) - 1), residual_row=product.fields["n"])
    return True


@folding("product", "batch_norm")
def _product_batch_norm(product: Step, norm: Step) -> bool:
    """W and b of norm(W x + b), computed in double and rounded once."""
    if product.fields["act"] >= 0 or "residual" in product.fields or len(norm.shape) != 1 or len(product.shape) != 1:
        return False
    (weight,), bias, given = product.fields["packed"].given, product.fields["bias"], norm.fields
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
