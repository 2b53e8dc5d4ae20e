"""Normalizations, and softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ..._check import Array
from .._graph import Call, Graph
from ._step import (
    Derived,
    Each,
    NotLowered,
    Result,
    Same,
    Scratch,
    Source,
    Step,
    arguments,
    between,
    constant,
    lowering,
    samples,
    source,
)
from .arrays import BATCH, moved, stand_in


@lowering(functional.batch_norm)
def _batch_norm(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    mean, var, weight, bias = (
        constant(given[name], graph, call) for name in ("running_mean", "running_var", "weight", "bias")
    )
    if given["training"] or mean is None or var is None:
        raise NotLowered
    count, shape = samples(graph, shape)
    inner = math.prod(shape[1:])
    fields = {
        "y": Result, "x": Source(0), "mean": Derived(np.float64, (mean,)), "gamma": weight, "beta": bias,
        "rstd": Derived(_rstd, (var, given["eps"])),
        "n": Each(count), "c": shape[0], "s": inner, "last": inner == 1,
    }  # fmt: skip
    return Step("batch_norm", call.number, (number,), graph.sample(call.number) or shape, fields)


def _rstd(var: Array, eps: float) -> Array:
    return np.asarray(1 / np.sqrt(var.astype(np.float64) + eps))


@lowering(functional.softmax, functional.log_softmax)
def _softmax(call: Call, graph: Graph) -> Any:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    dim = 1 if given["dim"] is None else given["dim"]  # the function takes None for at most 2 dimensions
    dim %= len(shape) + graph.lead
    if dim < graph.lead or given["dtype"] is not None:
        raise NotLowered
    place, dtype = dim - graph.lead, graph.values[call.number].dtype
    n, last = shape[place], place == len(shape) - 1
    fields = {
        "y": Result, "x": Source(0), "rows": Each(math.prod(shape) // n), "n": n,
        "log": call.function is functional.log_softmax,
    }  # fmt: skip
    if last:
        return Step("softmax", call.number, (number,), shape, fields)
    there, back = between(call, 0), between(call, 1)
    view = np.moveaxis(stand_in((graph.batch or BATCH, *shape), dtype.itemsize), place + 1, -1)
    turned = view.shape[1:]
    back_view = np.moveaxis(stand_in((graph.batch or BATCH, *turned), dtype.itemsize), -1, place + 1)
    steps = moved(there, number, view, turned), moved(call.number, back, back_view, shape)
    if any(isinstance(each, Same) for each in steps):  # sizes of 1 leave nothing to move
        raise NotLowered
    return [steps[0], Step("softmax", back, (there,), turned, fields), steps[1]]


@lowering(functional.layer_norm, functional.rms_norm)
def _layer_norm(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    own = given["normalized_shape"]
    own = tuple(own) if isinstance(own, (tuple, list)) else (own,)
    if not own or shape[-len(own) :] != own:
        raise NotLowered
    eps = np.finfo(graph.values[call.number].dtype).eps if given["eps"] is None else given["eps"]
    count = math.prod(shape[: -len(own)])
    fields: dict[str, Any] = {
        "y": Result, "mean": Scratch(count), "rstd": Scratch(count), "x": Source(0),
        "gamma": constant(given["weight"], graph, call), "beta": constant(given.get("bias"), graph, call),
        "rows": Each(count), "g": 1, "k": math.prod(own), "s": 1, "eps": float(eps),
        "centre": call.function is functional.layer_norm,
    }  # fmt: skip
    return Step("group_norm", call.number, (number,), shape, fields)


@lowering(functional.group_norm)
def _group_norm(call: Call, graph: Graph) -> Step:
    given = arguments(call)
    number, shape = source(given["input"], graph, call)
    groups = given["num_groups"]
    count, shape = samples(graph, shape)
    fields: dict[str, Any] = {
        "y": Result, "mean": Scratch(groups * count), "rstd": Scratch(groups * count), "x": Source(0),
        "gamma": constant(given["weight"], graph, call), "beta": constant(given["bias"], graph, call),
        "rows": Each(groups * count), "g": groups, "k": shape[0] // groups, "s": math.prod(shape[1:]), "centre": 1,
        "eps": float(given["eps"]),
    }  # fmt: skip
    return Step("group_norm", call.number, (number,), graph.sample(call.number) or shape, fields)
