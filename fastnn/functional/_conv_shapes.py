"""The arguments of convolutions: checked, and turned into windows and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from ._conv_engine import MODES, Sizes, Window
from ._linear import _operands


def spatial(name: str, argument: str, value: Any, dims: int, low: int) -> Sizes:
    """One integer of at least `low` for each dimension of space; a single one stands for all."""
    one = not isinstance(value, (tuple, list, np.ndarray))
    values: Iterable[Any] = (value,) if one else tuple(value)
    sizes = tuple(_check.count(name, argument if one else f"each value of {argument}", each, low) for each in values)
    if len(sizes) not in (1, dims):
        raise ValueError(f"{name}: expected {argument} of 1 or {dims} values, got {len(sizes)}: {sizes}")
    return sizes * dims if len(sizes) == 1 else sizes


def padding_of(name: str, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """The padding before and after each dimension of space."""
    dims = len(kernel)
    if isinstance(padding, str):
        if _check.choice(name, "padding", padding, ("same", "valid")) == "valid":
            return (0,) * dims, (0,) * dims
        if any(each != 1 for each in stride):
            raise ValueError(f"{name}: expected a stride of 1 with padding='same', got {stride}")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    pads = spatial(name, "padding", padding, dims, 0)
    return pads, pads


def output_padding_for(
    name: str, output_size: Any, shape: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:
    """The output_padding with which a transposed convolution of an input of this shape has this size."""
    dims = len(kernel)
    wanted = _check.sizes(name, "output_size", output_size)
    whole = len(shape)  # with a batch or without
    if len(wanted) not in (dims, whole):
        raise ValueError(f"{name}: expected output_size of {dims} or {whole} numbers, got {len(wanted)}: {wanted}")
    least = [
        (size - 1) * s - 2 * p + d * (k - 1) + 1
        for size, k, s, p, d in zip(shape[whole - dims :], kernel, stride, padding, dilation, strict=True)
    ]
    extra = tuple(w - low for w, low in zip(wanted[len(wanted) - dims :], least, strict=True))
    if any(not 0 <= e < s for e, s in zip(extra, stride, strict=True)):
        most = tuple(low + s - 1 for low, s in zip(least, stride, strict=True))
        raise ValueError(f"{name}: expected output_size from {tuple(least)} to {most}, got {wanted[-dims:]}")
    return extra


class Call(NamedTuple):
    """A checked call: arrays in their computing type, input with a batch, and the engine's other arguments."""

    x: Array
    weight: Array
    bias: Array | None
    dtype: np.dtype[Any]
    single: bool  # without a batch
    window: Window
    shape: Sizes  # of the result, with the batch

    @property
    def result_shape(self) -> Sizes:
        """The shape of the result as it is returned."""
        return self.shape[1:] if self.single else self.shape


def _arrays(
    name: str, dims: int, input: Any, weight: Any, bias: Any
) -> tuple[Array, Array, Array | None, np.dtype[Any], bool]:
    given = {"input": input, "weight": weight} | ({} if bias is None else {"bias": bias})
    (x, w, *rest), dtype = _operands(name, given)
    if w.ndim != dims + 2:
        raise ValueError(f"{name}: expected weight of {dims + 2} dimensions, got shape {w.shape}")
    if x.ndim not in (dims + 1, dims + 2):
        raise ValueError(
            f"{name}: expected input of {dims + 1} dimensions (C, *) or {dims + 2} (N, C, *), got shape {x.shape}"
        )
    if 0 in w.shape[2:] or 0 in x.shape[x.ndim - dims :]:
        raise ValueError(f"{name}: expected sizes of space above 0, got input {x.shape} and weight {w.shape}")
    single = x.ndim == dims + 1
    return x[np.newaxis] if single else x, w, rest[0] if rest else None, dtype, single


def _check_groups(name: str, groups: Any, weight: Sizes, channels: int, expected: int) -> None:
    if weight[0] % groups:
        raise ValueError(f"{name}: expected groups to divide weight's first size {weight[0]}, got {groups}")
    if channels != expected:
        raise ValueError(
            f"{name}: expected input of {expected} channels for weight {weight}, {groups} groups, got {channels}"
        )


def _check_bias(name: str, bias: Array | None, channels: int) -> Array | None:
    if bias is not None and bias.shape != (channels,):
        raise ValueError(f"{name}: expected bias of shape ({channels},), got {bias.shape}")
    return None if bias is None else _check.contiguous(bias)


@_check.kept
def _window(
    name: str, x: Sizes, w: Sizes, stride: Any, padding: Any, dilation: Any, groups: Any, padding_mode: Any
) -> tuple[Window, Sizes]:
    """How a kernel of shape w goes over an input of shape x, and the shape of the result."""
    dims = len(w) - 2
    groups = _check.count(name, "groups", groups, 1)
    _check_groups(name, groups, w, x[1], w[1] * groups)
    stride, dilation = (
        spatial(name, argument, value, dims, 1) for argument, value in (("stride", stride), ("dilation", dilation))
    )
    before, after = padding_of(name, padding, w[2:], stride, dilation)
    mode = _check.choice(name, "padding_mode", padding_mode, MODES)
    space = []
    for i, (size, k) in enumerate(zip(x[2:], w[2:], strict=True)):
        most = max(before[i], after[i])
        if (mode == "reflect" and most >= size) or (mode == "circular" and most > size):
            limit = "below" if mode == "reflect" else "of at most"
            raise ValueError(f"{name}: expected {mode} padding {limit} the input's size {size}, got {most}")
        padded, reach = size + before[i] + after[i], dilation[i] * (k - 1) + 1
        if reach > padded:
            raise ValueError(f"{name}: expected a kernel no larger than the padded input's {padded}, got {reach}")
        space.append((padded - reach) // stride[i] + 1)
    return Window(stride, before, after, dilation, groups, mode), (x[0], w[0], *space)


def convolution(
    name: str,
    dims: int,
    arrays: tuple[Any, Any, Any],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    padding_mode: Any,
) -> Call:
    """Check a call of a convolution of `dims` dimensions."""
    x, w, bias, dtype, single = _arrays(name, dims, *arrays)
    window, shape = _window(name, x.shape, w.shape, stride, padding, dilation, groups, padding_mode)
    return Call(x, w, _check_bias(name, bias, w.shape[0]), dtype, single, window, shape)


def transposed(
    name: str,
    dims: int,
    arrays: tuple[Any, Any, Any],
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Call:
    """Check a call of a transposed convolution of `dims` dimensions."""
    x, w, bias, dtype, single = _arrays(name, dims, *arrays)
    groups = _check.count(name, "groups", groups, 1)
    _check_groups(name, groups, w.shape, x.shape[1], w.shape[0])
    bias = _check_bias(name, bias, w.shape[1] * groups)
    stride, dilation = (
        spatial(name, argument, value, dims, 1) for argument, value in (("stride", stride), ("dilation", dilation))
    )
    pad = spatial(name, "padding", padding, dims, 0)
    extra = spatial(name, "output_padding", output_padding, dims, 0)
    space = []
    for size, k, s, p, d, e in zip(x.shape[2:], w.shape[2:], stride, pad, dilation, extra, strict=True):
        if e >= max(s, d):
            raise ValueError(f"{name}: expected output_padding below stride or dilation, {max(s, d)}, got {e}")
        space.append((size - 1) * s - 2 * p + d * (k - 1) + e + 1)
    if min(space) < 1:
        raise ValueError(f"{name}: expected an output of 1 or more in each dimension of space, got {tuple(space)}")
    window = Window(stride, pad, pad, dilation, groups)
    return Call(x, w, bias, dtype, single, window, (len(x), w.shape[1] * groups, *space))


def gradient_of(name: str, dy: Any, call: Call) -> Array:
    """Dy in the call's computing type and with a batch."""
    gradient = _check.as_float(name, dy, "dy")
    if gradient.shape != call.result_shape:
        raise ValueError(f"{name}: expected dy of shape {call.result_shape}, got {gradient.shape}")
    gradient = _check.compute_array(gradient.astype(call.x.dtype, copy=False))
    return gradient[np.newaxis] if call.single else gradient
