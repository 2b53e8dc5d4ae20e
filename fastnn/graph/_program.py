"""Programs, the steps of a graph as the extension runs them: records of ops, with fields that each batch fills in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core

MOST_PATCHES, MOST_REGISTERS = 12, 512  # the numbers of src_c/fastnn.h
SAMPLES = -2  # in place of a register's number: the field is an integer that is multiplied by the number of samples
LAST = -3  # in place of a register's number: the flag by which a step refuses its values
KEY = -4  # in place of a register's number: the field is a key, which each run draws

_PATCH = f"({MOST_PATCHES},3)i8"
_FIELDS = {"op": "u8", "run": "u8", "patches": "i4", "padding": "i4", "patch": _PATCH, "record": "80i8"}
STEP = np.dtype(list(_FIELDS.items()))  # struct fnn_plan_step

Sample = tuple[Any, tuple[int, ...]]  # dtype and shape


def make_program(
    inputs: Sequence[Sample],
    outputs: Sequence[Sample],
    sizes: Sequence[int],
    steps: Sequence[tuple[str, bool, Sequence[Any], Sequence[Any], Sequence[float]]],
    whole: bool = False,
) -> _core.Program:
    """Steps over any number of samples of fixed shapes.

    Parameters
    ----------
    inputs, outputs
        Dtype and shape of one sample of each; they are registers 0, 1, ...
    sizes
        Bytes of one sample in each register after these.
    steps
        An op's name, whether it computes in double, its arrays, its integers (the strides of all views first) and its
        numbers, each in the order of the op's fields.  An array is an ndarray (which is kept alive), a register's
        number, (register, offset in bytes), or None; an integer in a tuple is multiplied by the number of samples.
    whole
        No batch leads the arrays: each is one sample.
    """
    given = [*inputs, *outputs]
    count = len(given) + len(sizes) + 1
    if count > MOST_REGISTERS:
        raise ValueError(f"a program: expected at most {MOST_REGISTERS} registers, got {count}")
    samples = [math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in given]
    shapes = [tuple(shape) for _, shape in given]
    made = np.zeros(len(steps), STEP)
    held = [_fill(made[i : i + 1], *step, count - 1) for i, step in enumerate(steps)]
    return _core.Program(
        tuple(shapes[: len(inputs)]),
        tuple(shapes[len(inputs) :]),
        [np.dtype(dtype).num for dtype, _ in given],
        [*samples, *sizes, 0],
        made,
        held,
        "a program",
        whole,
        any(name == "recurrent" for name, *_ in steps),  # uncut: time may lead the arrays
    )


def _fill(
    step: _core.Array,
    name: str,
    is_double: bool,
    arrays: Sequence[Any],
    integers: Sequence[Any],
    numbers: Sequence[float],
    last: int,
) -> Sequence[Any]:
    """Fill one element of dtype STEP; returns the arrays that it points to."""
    op = getattr(_core.ops, name)
    patches, addresses = [], []
    for value, at in zip(arrays, _offsets(op, "array", "table"), strict=True):
        if isinstance(value, (int, tuple)):
            register, add = value if isinstance(value, tuple) else (value, 0)
            patches.append((at, last if register == LAST else register, add))
        assert not isinstance(value, np.ndarray) or (value.flags.c_contiguous and value.flags.aligned)
        addresses.append(value.__array_interface__["data"][0] if isinstance(value, np.ndarray) else 0)
    strides = sum(dimensions for _, _, dimensions, _ in op.fields)
    for value, at in zip(integers[strides:], _offsets(op, "int", "bool", "key"), strict=True):
        if isinstance(value, tuple):
            patches.append((at, SAMPLES, 0))
    if len(patches) > MOST_PATCHES:
        raise ValueError(f"a program: expected at most {MOST_PATCHES} arrays and sizes of samples in {name}")
    _core.fill_step(
        step,
        op,
        is_double,
        np.array(addresses, np.uintp),
        np.array([each[0] if isinstance(each, tuple) else each for each in integers], np.int64),
        np.array(numbers, np.float64),
        np.array(patches, np.int64).reshape(-1, 3),
    )
    return arrays


def _offsets(op: _core.Op, *kinds: str) -> list[int]:
    """The offsets of the op's fields of these kinds in its record."""
    return [offset for _, kind, _, offset in op.fields if kind in kinds]
