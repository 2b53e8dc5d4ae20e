"""Constants, shapes, and operators that move elements."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..._check import Array
from .._tensors import dtype_of
from ._table import operator

LIMIT: ContextVar[int] = ContextVar("elements of a result", default=2**28)  # lower while a model is loaded


def bounded(shape: Any) -> tuple[int, ...]:
    """Return the shape; refuse negative sizes and more elements than LIMIT."""
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) > LIMIT.get():
        raise ValueError(f"a result of shape {sizes}")
    return sizes


def in_space(*parts: Any) -> tuple[Any, ...]:
    """Return an index with `parts` after the batch and channel axes."""
    return (slice(None), slice(None), *parts)


@operator("Constant")
def constant(
    *, value: Any = None, value_float: float | None = None, value_int: int | None = None,
    value_string: str | None = None, value_floats: Any = None, value_ints: Any = None, value_strings: Any = None,
    sparse_value: Any = None,
) -> Any:  # fmt: skip
    if value_float is not None or value_floats is not None:
        return np.array(value_floats if value_float is None else value_float, np.float32)
    if value_int is not None or value_ints is not None:
        return np.array(value_ints if value_int is None else value_int, np.int64)
    if value_string is not None or value_strings is not None:
        return np.array(value_strings if value_string is None else value_string, object)
    return value if value is not None else sparse_value


@operator("ConstantOfShape")
def constant_of_shape(shape: Array, *, value: Any = None) -> Any:
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(bounded(shape), value[0], value.dtype)


@operator("Shape")
def shape(x: Array, *, start: int = 0, end: int | None = None) -> Any:
    return np.array(x.shape[start:end], np.int64)


@operator("Size")
def size(x: Array) -> Any:
    return np.array(x.size, np.int64)


@operator("Reshape")
def reshape(x: Array, new: Array | None = None, *, allowzero: int = 0, shape: Any = None) -> Any:
    sizes = [int(each) for each in (new if new is not None else shape)]
    if not allowzero:
        sizes = [x.shape[i] if each == 0 else each for i, each in enumerate(sizes)]
    return x.reshape(sizes)


@operator("Flatten")
def flatten(x: Array, *, axis: int = 1) -> Any:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Transpose")
def transpose(x: Array, *, perm: Any = None) -> Any:
    return np.transpose(x, perm)


def _axes(given: Array | None, attribute: Any) -> tuple[int, ...] | None:
    axes = given if given is not None else attribute
    return None if axes is None else tuple(int(axis) for axis in np.asarray(axes).reshape(-1))


@operator("Squeeze")
def squeeze(x: Array, given: Array | None = None, *, axes: Any = None) -> Any:
    return np.squeeze(x, _axes(given, axes))


@operator("Unsqueeze")
def unsqueeze(x: Array, given: Array | None = None, *, axes: Any = None) -> Any:
    return np.expand_dims(x, _axes(given, axes) or ())


@operator("Concat")
def concat(*arrays: Array, axis: int = 1) -> Any:
    return np.concatenate(arrays, axis)


def parts(
    shape: tuple[int, ...], sizes: Array | None = None, *, axis: int = 0, split: Any = None,
    num_outputs: int | None = None, outputs: int,
) -> list[int]:  # fmt: skip
    """Return the lengths that Split cuts an axis into."""
    length = shape[axis]
    if num_outputs is not None and num_outputs != outputs:
        raise ValueError(f"num_outputs {num_outputs} with {outputs} outputs")
    if sizes is not None or split is not None:
        found = [int(each) for each in (sizes if sizes is not None else split)]
    else:
        part = -(-length // outputs)
        found = [max(0, min(part, length - i * part)) for i in range(outputs)]
    if len(found) != outputs:
        raise ValueError(f"{len(found)} parts with {outputs} outputs")
    if sum(found) != length:
        raise ValueError(f"parts of {found} along an axis of {length}")
    return found


@operator("Split")
def split(
    x: Array, sizes: Array | None = None, *, axis: int = 0, split: Any = None, num_outputs: int | None = None,
    outputs: int,
) -> Any:  # fmt: skip
    found = parts(x.shape, sizes, axis=axis, split=split, num_outputs=num_outputs, outputs=outputs)
    return tuple(np.split(x, np.cumsum(found)[:-1], axis))


def slices(
    shape: tuple[int, ...], first: Array | None = None, last: Array | None = None, along: Array | None = None,
    steps: Array | None = None, *, starts: Any = None, ends: Any = None, axes: Any = None,
) -> tuple[slice, ...]:  # fmt: skip
    """Return the index by which Slice reads an array of that shape."""
    begins = [int(each) for each in (first if first is not None else starts)]
    stops = [int(each) for each in (last if last is not None else ends)]
    over = _axes(along, axes) or tuple(range(len(begins)))
    strides = [1] * len(begins) if steps is None else [int(each) for each in steps]
    index: list[Any] = [slice(None)] * len(shape)
    for begin, stop, axis, step in zip(begins, stops, over, strides, strict=True):
        length = shape[axis]
        stop = stop + length if stop < 0 else stop
        begin = begin + length if begin < 0 else begin
        if step > 0:
            index[axis] = slice(max(0, min(begin, length)), max(0, min(stop, length)), step)
        else:
            begin, stop = max(0, min(begin, length - 1)), max(-1, min(stop, length - 1))
            index[axis] = slice(begin, None if stop < 0 else stop, step)
    return tuple(index)


@operator("Slice")
def slice_of(
    x: Array, first: Array | None = None, last: Array | None = None, along: Array | None = None,
    steps: Array | None = None, *, starts: Any = None, ends: Any = None, axes: Any = None,
) -> Any:  # fmt: skip
    return x[slices(x.shape, first, last, along, steps, starts=starts, ends=ends, axes=axes)]


@operator("Expand")
def expand(x: Array, shape: Array) -> Any:
    wanted = bounded(shape)
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, wanted))


@operator("Tile", since=6)
def tile(x: Array, repeats: Array) -> Any:
    bounded(n * int(r) for n, r in zip(x.shape, repeats, strict=True))
    return np.tile(x, [int(each) for each in repeats])


@operator("Tile")
def tile_along(x: Array, tiles: Array, axis: Array) -> Any:
    repeats = [1] * x.ndim
    repeats[int(axis)] = int(tiles)
    return np.tile(x, repeats)


@operator("Range")
def steps(start: Array, limit: Array, delta: Array, *, stash_type: int = 1) -> Any:
    count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
    bounded([count])
    return (start.item() + np.arange(count) * delta.item()).astype(start.dtype)


@operator("EyeLike")
def eye_like(x: Array, *, dtype: int | None = None, k: int = 0) -> Any:
    rows, columns = x.shape
    return np.eye(rows, columns, k, x.dtype if dtype is None else dtype_of(dtype))


@operator("Trilu")
def trilu(x: Array, k: Array | None = None, *, upper: int = 1) -> Any:
    offset = 0 if k is None else int(k)
    return np.triu(x, offset) if upper else np.tril(x, offset)


@operator("DepthToSpace")
def depth_to_space(x: Array, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize
    if mode == "CRD":
        return x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)
    return x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(x: Array, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 1, 3, 5, 2, 4) if mode == "CRD" else (0, 3, 5, 1, 2, 4)
    return x.reshape(n, c, h // b, b, w // b, b).transpose(order).reshape(n, c * b * b, h // b, w // b)


def widths_of(
    dims: int, widths: Array | None, along: Array | None, pads: Any = None, paddings: Any = None
) -> list[tuple[int, int]]:
    """Return the padding (before, after) of each axis."""
    given = [int(each) for each in (widths if widths is not None else pads if pads is not None else paddings)]
    over = _axes(along, None) or tuple(range(dims))
    pairs = [(0, 0)] * dims
    for i, axis in enumerate(over):
        pairs[axis] = given[i], given[i + len(over)]
    return pairs


@operator("Pad")
def pad(
    x: Array, widths: Array | None = None, fill: Array | None = None, along: Array | None = None,
    *, mode: str = "constant", pads: Any = None, paddings: Any = None, value: float = 0.0,
) -> Any:  # fmt: skip
    """Pad x; negative widths crop it."""
    pairs = widths_of(x.ndim, widths, along, pads, paddings)
    x = x[tuple(slice(max(0, -a), max(0, n - max(0, -b))) for n, (a, b) in zip(x.shape, pairs, strict=True))]
    pairs = [(max(0, a), max(0, b)) for a, b in pairs]
    bounded(n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True))
    if mode == "constant":
        number = x.dtype.type(value if fill is None else np.asarray(fill).reshape(-1)[0])
        return np.pad(x, pairs, constant_values=number)
    return np.pad(x, pairs, mode=mode)  # type: ignore[call-overload]


@operator("CenterCropPad")
def center_crop_pad(x: Array, shape: Array, *, axes: Any = None) -> Any:
    over = tuple(range(x.ndim)) if axes is None else _axes(None, axes) or ()
    for axis, wanted in zip(over, bounded(shape), strict=True):
        length = x.shape[axis]
        if wanted < length:
            start = (length - wanted) // 2
            x = np.take(x, range(start, start + wanted), axis)
        else:
            pairs = [(0, 0)] * x.ndim
            pairs[axis] = (wanted - length) // 2, wanted - length - (wanted - length) // 2
            x = np.pad(x, pairs)
    return x


@operator("Col2Im")
def col2im(
    x: Array, image: Array, block: Array, *, dilations: Any = None, pads: Any = None, strides: Any = None
) -> Any:
    """Add blocks to the image positions they were taken from, in any number of dimensions."""
    dims = len(image)
    dilations, strides = dilations or [1] * dims, strides or [1] * dims
    pads = pads or [0] * 2 * dims
    sizes = [int(n) + pads[i] + pads[i + dims] for i, n in enumerate(image)]
    places = [(n - d * (int(k) - 1) - 1) // s + 1 for n, k, d, s in zip(sizes, block, dilations, strides, strict=True)]
    n, c = x.shape[0], x.shape[1] // math.prod(int(k) for k in block)
    y = np.zeros((n, c, *bounded(sizes)), x.dtype)
    parts = x.reshape(n, c, *(int(k) for k in block), *places)
    for at in np.ndindex(*(int(k) for k in block)):
        spans = [
            slice(i * d, i * d + s * (p - 1) + 1, s) for i, d, s, p in zip(at, dilations, strides, places, strict=True)
        ]
        y[in_space(*spans)] += parts[in_space(*at)]
    return y[in_space(*(slice(pads[i], pads[i] + int(n)) for i, n in enumerate(image)))]
