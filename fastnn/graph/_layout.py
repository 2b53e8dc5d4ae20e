"""The memory order of images between steps: channels last, where every step that reads or writes the image allows it.

Kernels of images are fastest with channels last: a pixel's channels are then contiguous.  A convolution reads and
writes either order, so that it can change one into the other at no cost; pooling, batch norm, functions of one element
and steps with fields for it (`Step.last`) keep the order of their input; everything else, and the program's inputs and
outputs, have channels first.
"""

from __future__ import annotations

import math
from typing import Any

from ._graph import Call, Graph, refs
from ._passes import Steps
from .lowering import Each, Result, Source, Step, Strided
from .lowering.elementwise import keeps_order

KEEPING = frozenset({"activation", "avg_pool", "batch_norm", "max_pool"})


def lay_out(steps: Steps, graph: Graph) -> None:
    """Choose the memory order of each value, and write it into the fields of its steps."""
    shapes = {number: graph.sample(number) for number in steps.stored}
    shapes |= {item.number: item.shape for item in steps.items if isinstance(item, Step)}
    shapes = {number: shape and shape[1 - graph.lead :] for number, shape in shapes.items()}  # of one image
    first = {steps.stored[number] for number in refs(graph.results)} | set(range(len(graph.inputs)))
    first |= {kept for number, kept in steps.stored.items() if shapes[number] != shapes[kept]}  # a reshaped view
    alike: list[set[int]] = []
    for item in steps.items:
        if isinstance(item, Call):
            first |= {item.number} | {steps.stored[number] for number in item.reads}
        elif _keeps(item):
            alike.append({item.number, *item.sources})
        elif item.op == "conv":
            alike.append({item.number, *item.sources[1:]})  # the operand that is added has the result's order
        else:
            first |= {item.number, *item.sources}
    one_order = {number for number, shape in shapes.items() if shape is None or _is_row(shape)}
    one_order -= {
        kept for number, kept in steps.stored.items() if number not in one_order
    }  # a vector that another step reads as an image
    first |= _reached(first, [group - one_order for group in alike])
    for item in steps.items:
        if isinstance(item, Step) and (_keeps(item) or item.op == "conv"):
            last = {number: number not in first and number not in one_order for number in (item.number, *item.sources)}
            if item.last is not None and any(last.values()):
                item.fields.update(item.last)
            _LAYING.get(item.op, _nothing)(item, last, shapes)


def _reached(numbers: set[int], groups: list[set[int]]) -> set[int]:
    """The numbers, and all that groups join to them, directly or through other numbers."""
    within: dict[int, list[set[int]]] = {}
    for group in groups:
        for number in group:
            within.setdefault(number, []).append(group)
    found, left = set(numbers), list(numbers)
    while left:
        for group in within.pop(left.pop(), ()):
            left += group - found
            found |= group
    return found


def _keeps(step: Step) -> bool:
    return step.op in KEEPING or step.last is not None or (step.op == "pointwise" and keeps_order(step))


def _is_row(shape: tuple[int, ...]) -> bool:
    """Whether both orders are the same, since there is a single channel or a single pixel."""
    return len(shape or ()) < 2 or shape[0] == 1 or math.prod(shape[1:]) == 1


def _nothing(step: Step, last: dict[int, bool], shapes: Any) -> None:
    """Functions of one element take any order."""


def _lay_conv(step: Step, last: dict[int, bool], shapes: Any) -> None:
    fields, number = step.fields, step.sources[0]
    for name, kept, array, sizes in (("y", step.number, Result, "k o"), ("x", number, Source(0), "c i")):
        channels, space = sizes.split()
        own = (fields[channels] * fields["g"], *(fields[space + axis] for axis in "dhw"))
        step.fields[name] = Strided(array, _strides(own, fields["g"], last[kept]))


def _strides(shape: tuple[int, ...], groups: int, last: bool) -> tuple[int, ...]:
    """The strides of (N, groups, channels of a group, depth, height, width)."""
    channels, space = shape[0], shape[1:]
    channel, width = (1, channels) if last else (math.prod(space), 1)
    per_group = channels // groups * channel
    return (channels * math.prod(space), per_group, channel, space[1] * space[2] * width, space[2] * width, width)


def _lay_pool(step: Step, last: dict[int, bool], shapes: Any) -> None:
    if last[step.sources[0]]:
        channels = shapes[step.number][0]
        step.fields.update(outer=Each(step.fields["outer"].number // channels), inner=channels)


def _lay_batch_norm(step: Step, last: dict[int, bool], shapes: Any) -> None:
    if last[step.number]:
        step.fields["last"] = True


_LAYING = {"conv": _lay_conv, "avg_pool": _lay_pool, "max_pool": _lay_pool, "batch_norm": _lay_batch_norm}
