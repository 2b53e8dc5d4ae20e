"""Convolution, pooling and resizing."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ... import _core, functional
from ..._check import Array
from ..._threads import default_num_threads
from ...functional._conv_engine import MODES, is_wide, kernels
from ...functional._conv_precision import chosen, pack_fast, pays
from ...functional._conv_shapes import convolution, spatial
from ...functional._interpolate import resampled
from .._graph import Call, Constant, Graph
from ._step import (
    Derived,
    Each,
    NotLowered,
    Result,
    Shape,
    Source,
    Step,
    Strided,
    arguments,
    constant,
    folding,
    lowering,
    samples,
    source,
)
from .elementwise import adds_alike
from .linear import shifted_bias

_CONVOLUTIONS = {getattr(functional, f"conv{dims}d"): dims for dims in (1, 2, 3)}
_POOLS = {
    getattr(functional, f"{kind}_pool{dims}d"): (kind, dims)
    for kind in ("max", "avg", "adaptive_max", "adaptive_avg")
    for dims in (1, 2, 3)
}
_AXES = "dhw"


@functools.cache
def _cores() -> int:
    """The default number of threads."""
    return default_num_threads()[0]


def pack(weight: Array, groups: int) -> Array:
    """The weight (out, in / groups, *) as the op `conv` reads it: each group's (out, places x in), packed."""
    parts = kernels(weight, groups)
    if groups > 1 and parts.shape[1:3] == (1, 1):
        return _core.pack(np.ascontiguousarray(parts.reshape(groups, -1)))
    return _core.pack(np.ascontiguousarray(np.moveaxis(parts, 2, -1).reshape(groups, parts.shape[1], -1)))


def _packing(weight: Constant | Derived, groups: int, fast: bool) -> Derived:
    return Derived(pack_fast, (weight,)) if fast else Derived(pack, (weight, groups))


def _scaled(weight: Array, gain: Array) -> Array:
    return (weight * gain.reshape(-1, *(1,) * (weight.ndim - 1))).astype(weight.dtype, order="K")


def _three(sizes: Any, fill: int) -> Shape:
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


@lowering(*_CONVOLUTIONS)
def _convolution(call: Call, graph: Graph) -> Step:
    given, dims = arguments(call), _CONVOLUTIONS[call.function]
    number, shape = source(given["input"], graph, call)
    weight, bias = (constant(given[name], graph, call) for name in ("weight", "bias"))
    count, shape = samples(graph, shape)
    if weight is None or weight.array.size == 0 or len(shape) != dims + 1:
        raise NotLowered
    checked = convolution(
        call.function.__name__, dims,
        (np.broadcast_to(weight.array.dtype.type(0), (1, *shape)), weight.array, None if bias is None else bias.array),
        *(given[name] for name in ("stride", "padding", "dilation", "groups", "padding_mode")),
    )  # fmt: skip
    window, result = checked.window, checked.shape[1:]
    if is_wide((shape[0] // window.groups, *shape[1:]), weight.array.shape[2:], window):
        raise NotLowered  # the function takes it as a matrix
    fast = chosen() == "fast" and pays(shape, weight.array.shape, window, result)
    sizes = {
        "i": _three(shape[1:], 1), "o": _three(result[1:], 1), "k": _three(weight.array.shape[2:], 1),
        "s": _three(window.stride, 1), "p": _three(window.before, 0), "e": _three(window.dilation, 1),
    }  # fmt: skip
    while dims > 1 and all(sizes[key][2] == 1 for key in "iok") and sizes["p"][2] == 0:
        sizes = {key: (fill, *three[:2]) for (key, three), fill in zip(sizes.items(), (1, 1, 1, 1, 0, 1), strict=True)}
        dims -= 1  # kernels work along the last dimension: not along one of size 1
    fields: dict[str, Any] = {
        "y": Strided(Result, ()), "x": Strided(Source(0), ()), "weight": Strided(None, (0,) * 6),
        "packed": _packing(weight, window.groups, fast), "bias": bias, "n": Each(count), "g": window.groups,
        "c": shape[0] // window.groups, "k": result[0] // window.groups, "mode": MODES.index(window.mode),
        "slots": max(_core.get_num_threads(), _cores()), "act": -1, "fast": fast,
        **{f"{key}{axis}": size for key, three in sizes.items() for axis, size in zip(_AXES, three, strict=True)},
    }  # fmt: skip
    return Step("conv", call.number, (number,), graph.sample(call.number) or result, fields)


@folding("conv", "activation")
def _conv_activation(conv: Step, activation: Step) -> bool:
    """The activation becomes a part of the convolution's last loop."""
    if conv.fields["act"] >= 0:
        return False
    given = activation.fields
    conv.fields.update(act=given["act"], act_a=given["a"], act_b=given["b"])
    return True


@folding("conv", "batch_norm")
def _conv_batch_norm(conv: Step, norm: Step) -> bool:
    """Weight and bias of norm(W x + b), computed in double and rounded once."""
    if conv.fields["act"] >= 0 or "residual" in conv.fields or norm.shape != conv.shape:
        return False
    weight, bias, given = conv.fields["packed"].given[0], conv.fields["bias"], norm.fields
    gain = given["rstd"] if given["gamma"] is None else Derived(np.multiply, (given["rstd"], given["gamma"]))
    scaled = Derived(_scaled, (weight, gain))
    conv.fields.update(
        packed=_packing(scaled, conv.fields["g"], conv.fields["fast"]),
        bias=Derived(shifted_bias, (weight, bias, given["mean"], gain, given["beta"])),
    )
    return True


@folding("conv", "pointwise")
def _conv_residual(conv: Step, addition: Step) -> bool:
    """An addition to the convolution's result becomes a part of its last loop."""
    others = [number for number in addition.sources if number != conv.number]
    if conv.fields["act"] >= 0 or "residual" in conv.fields or len(others) != 1 or not adds_alike(addition):
        return False
    conv.sources = (*conv.sources, *others)
    conv.fields["residual"] = Source(len(conv.sources) - 1)
    return True


@lowering(*_POOLS)
def _pooling(call: Call, graph: Graph) -> Step:
    given, (kind, dims) = arguments(call), _POOLS[call.function]
    if given.get("return_indices"):
        raise NotLowered
    number, shape = source(given["input"], graph, call)
    whole = graph.sample(call.number)
    count, shape = samples(graph, shape)
    if len(shape) != dims + 1 or whole is None:
        raise NotLowered
    result = whole[-dims - 1 :]
    name, zeros, ones = call.function.__name__, (0,) * dims, (1,) * dims
    kernel, stride, padding, dilation = zeros, ones, zeros, ones
    if not kind.startswith("adaptive"):
        kernel = spatial(name, "kernel_size", given["kernel_size"], dims, 1)
        stride = kernel if given["stride"] is None else spatial(name, "stride", given["stride"], dims, 1)
        padding = spatial(name, "padding", given["padding"], dims, 0)
        dilation = spatial(name, "dilation", given.get("dilation", 1), dims, 1)
    sizes = {
        "": _three(shape[1:], 1), "y": _three(result[1:], 1), "k": _three(kernel, min(1, kernel[0])),
        "s": _three(stride, 1), "p": _three(padding, 0), "e": _three(dilation, 1),
    }  # fmt: skip
    fields: dict[str, Any] = {
        "y": Result, "x": Source(0), "outer": Each(count * shape[0]), "inner": 1,
        "slots": max(_core.get_num_threads(), _cores()),
        **{f"{key}{axis}": size for key, three in sizes.items() for axis, size in zip(_AXES, three, strict=True)},
    }  # fmt: skip
    if kind.endswith("avg"):
        fields |= {
            "padded": given.get("count_include_pad", True),
            "divisor": float(given.get("divisor_override") or 0),
        }
    return Step(f"{kind[-3:]}_pool", call.number, (number,), whole, fields)


@lowering(resampled)
def _resampled(call: Call, graph: Graph) -> Step:
    given, result = arguments(call), graph.sample(call.number)
    number, shape = source(given["input"], graph, call)
    count, image = samples(graph, shape)
    if result is None or len(image) < 2:
        raise NotLowered
    size, lacking = result[-len(image) + 1 :], 4 - len(image)
    sizes = {"": _three(image[1:], 1), "y": _three(size, 1), "taps_": _three(given["taps"], 1)}
    fields: dict[str, Any] = {
        "y": Result, "x": Source(0), "outer": Each(count * image[0]), "inner": 1,
        **{name: Derived(_led, (given[name], lacking, i)) for i, name in enumerate(("places", "weights"))},
        **{f"{key}{axis}": n for key, three in sizes.items() for axis, n in zip(_AXES, three, strict=True)},
    }  # fmt: skip
    last = {"outer": Each(count), "inner": image[0]}
    return Step("resize", call.number, (number,), result, fields, last=last)


def _led(table: Array, lacking: int, value: int) -> Array:
    """A table of places or weights, with an entry in front for each lacking axis, which has one place."""
    return np.concatenate([np.full(lacking, value, table.dtype), table])
