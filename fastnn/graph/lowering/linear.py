"""Linear layers: the product with packed weights, and what it does before its tiles leave the registers."""

from __future__ import annotations

import math
from typing import Any

from ... import _core, functional
from .._graph import Call, Graph
from ._step import (
    Each,
    NotLowered,
    Packed,
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


@lowering(functional.linear)
def _linear(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    weight, bias = (constant(given[name], graph, call) for name in ("weight", "bias"))
    if weight is None or weight.size == 0 or not shape:
        raise NotLowered
    n, k = weight.shape
    fields: dict[str, Any] = {
        "c": Strided(Result, (0, n, 1)), "a": Strided(Source(0), (0, k, 1)), "b": Strided(None, (0, 0, 0)),
        "packed": Packed(weight, _core.pack), "bias": bias,
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


@folding("product", "batch_norm")
def _product_batch_norm(product: Step, norm: Step) -> bool:
    """W and b of norm(W x + b), computed in double and rounded once."""
    if product.fields["act"] >= 0 or len(norm.shape) != 1 or len(product.shape) != 1:
        return False
    weight, bias, given = product.fields["packed"].weight, product.fields["bias"], norm.fields
    gain = given["rstd"] if given["gamma"] is None else given["rstd"] * given["gamma"]
    shift = (-given["mean"] if bias is None else bias - given["mean"]) * gain
    shift = shift if given["beta"] is None else shift + given["beta"]
    scaled = (weight * gain[:, None]).astype(weight.dtype, order="K")
    product.fields.update(packed=Packed(scaled, _core.pack), bias=shift.astype(weight.dtype))
    return True
