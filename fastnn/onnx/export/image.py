"""Padding, resizing, and the shuffling of channels and pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import functional
from ...graph import Call
from ._build import Builder, named, writer
from ._space import along, means, pad


@writer(functional.pad)
def _padded(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.dtype(named(call)["input"])
    shape, sizes = b.dims(given["input"]), list(given["pad"])
    pairs = [(0, 0)] * (len(shape) - len(sizes) // 2)
    pairs += [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)]
    return pad(b, b.value(given["input"]), shape, pairs, given["mode"], given["value"], dtype)


# -- other sizes ------------------------------------------------------------------------------------------------------


@writer(functional.interpolate)
def _interpolate(b: Builder, call: Call) -> str:
    given, dtype = named(call), b.dtype(named(call)["input"])
    shape, mode = b.dims(given["input"]), given["mode"]
    space, out = b.fixed(*shape[2:]), b.fixed(*b.graph.values[call.number].shape[2:])
    if mode == "area":
        x = b.value(given["input"])
        for axis, sizes in enumerate(zip(space, out, strict=True), 2):
            x = x if sizes[0] == sizes[1] else means(b, x, axis, len(shape), *sizes, dtype)
        return x
    ratios = [n / o for n, o in zip(space, out, strict=True)]
    factor = given["scale_factor"]
    if factor is not None and not given["recompute_scale_factor"]:
        factors = list(factor) if isinstance(factor, (list, tuple)) else [factor] * len(space)
        ratios = [n / o if n * f == o else 1 / f for n, o, f in zip(space, out, factors, strict=True)]
    x, align = b.value(given["input"]), bool(given["align_corners"])
    exact = all(ratio == n / o for ratio, n, o in zip(ratios, space, out, strict=True))
    whole = all(o % n == 0 for n, o in zip(space, out, strict=True))
    if mode.startswith("nearest") and not (exact and whole):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        for axis, (n, o, ratio) in enumerate(zip(space, out, ratios, strict=True), 2):
            places = np.floor((np.arange(o) + shift) * ratio).astype(np.int64)
            x = b("Gather", x, b.constant(places.clip(0, n - 1)), axis=axis)
        return x
    if not exact and not align:
        return _weighed(b, x, space, out, ratios, mode, dtype)
    options: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    if not mode.startswith("nearest"):
        place = "align_corners" if align else "half_pixel"
        options = {"mode": "cubic" if mode == "bicubic" else "linear", "coordinate_transformation_mode": place}
        options |= {"cubic_coeff_a": -0.75} if mode == "bicubic" else {}
    return str(b("Resize", x, "", "", b.scalars((*shape[:2], *out)), **options))


def _weighed(b: Builder, x: str, space: list[int], out: list[int], ratios: list[float], mode: str, dtype: Any) -> str:
    """Resize by a matrix per dimension: ONNX's Resize would use the sizes' ratio as factor."""
    for axis, (n, o, ratio) in enumerate(zip(space, out, ratios, strict=True), 2):
        places = (np.arange(o) + 0.5) * ratio - 0.5
        places = places if mode == "bicubic" else places.clip(0)
        first = np.floor(places)
        weights = np.zeros((n, o))
        near = range(-1, 3) if mode == "bicubic" else range(2)
        for i in near:
            share = _cubic(np.abs(places - first - i)) if mode == "bicubic" else 1 - np.abs(places - first - i)
            np.add.at(weights, ((first + i).clip(0, n - 1).astype(int), np.arange(o)), share)
        x = along(b, x, axis, len(space) + 2, weights.astype(dtype))
    return x


def _cubic(t: Any) -> Any:
    """Keys' cubic convolution kernel with a = -3/4."""
    a = -0.75
    return np.where(t <= 1, ((a + 2) * t - (a + 3)) * t * t + 1, a * (((t - 5) * t + 8) * t - 4))


# -- channels and pixels ----------------------------------------------------------------------------------------------


@writer(functional.pixel_shuffle)
def _pixel_shuffle(b: Builder, call: Call) -> str:
    given = named(call)
    x, r, shape = b.value(given["input"]), int(given["upscale_factor"]), b.dims(given["input"])
    if len(shape) == 4:
        return str(b("DepthToSpace", x, blocksize=r, mode="CRD"))
    lead, (c, h, w) = shape[:-3], b.fixed(*shape[-3:])
    k, parts = len(lead), (*shape[:-3], c // (r * r), r, r, h, w)
    perm = [*range(k), k, k + 3, k + 1, k + 4, k + 2]
    return b.rearranged(x, parts, perm, (*lead, c // (r * r), h * r, w * r))


@writer(functional.pixel_unshuffle)
def _pixel_unshuffle(b: Builder, call: Call) -> str:
    given = named(call)
    r, shape = int(given["downscale_factor"]), b.dims(given["input"])
    lead, (c, h, w) = shape[:-3], b.fixed(*shape[-3:])
    k = len(lead)
    perm = [*range(k), k, k + 2, k + 4, k + 1, k + 3]
    parts = (*lead, c, h // r, r, w // r, r)
    return b.rearranged(b.value(given["input"]), parts, perm, (*lead, c * r * r, h // r, w // r))


@writer(functional.channel_shuffle)
def _channel_shuffle(b: Builder, call: Call) -> str:
    given = named(call)
    groups, shape = int(given["groups"]), b.dims(given["input"])
    channels, *space = b.fixed(*shape[1:])
    parts = (shape[0], groups, channels // groups, math.prod(space))
    return b.rearranged(b.value(given["input"]), parts, (0, 2, 1, 3), shape)
