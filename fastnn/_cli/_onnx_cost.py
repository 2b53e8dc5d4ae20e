"""The cost of an ONNX model: multiply-adds by operator, and the calls that Python makes."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..onnx import Model

# By operator, the place of the weight: each output is a sum over all its dimensions but the first.
KERNELS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}


def sizes_of(texts: list[str]) -> dict[str, Any]:
    """The values of `--shape`: N=4 for a size, x=1,3,224,224 for an input."""
    found: dict[str, Any] = {}
    for text in texts:
        match = re.fullmatch(r"(.+)=(\d+(?:,\d+)*,?)", text)
        if match is None:
            raise ValueError(f"expected --shape NAME=SIZE or INPUT=SIZE,SIZE,..., got {text!r}")
        sizes = tuple(map(int, match[2].strip(",").split(",")))
        found[match[1]] = sizes if "," in match[2] else sizes[0]
    return found


def example(model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """Zeros for all inputs; sizes are given by the name of an input or of a size, else 1."""
    names = {name for each in model.inputs for name in (each.name, *(each.shape or [])) if isinstance(name, str)}
    unknown = sorted(given.keys() - names)
    if unknown:
        raise ValueError(f"no input and no size is called {unknown[0]!r}: there are {', '.join(sorted(names))}")
    feeds = {}
    for each in model.inputs:
        whole = given.get(each.name, ())
        shape = [size if isinstance(size, int) else given.get(str(size), 1) for size in each.shape or []]
        feeds[each.name] = np.zeros(whole if isinstance(whole, tuple) and whole else shape, each.dtype)
    return feeds


def multiply_adds(model: Model, feeds: dict[str, Any]) -> Counter[str]:
    """The multiply-adds of one run, by operator; branches and loops count as often as they run."""
    found: Counter[str] = Counter()

    def counting(operator: str, function: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            first = result[0] if isinstance(result, tuple) else result
            found[operator] += _count(operator, [np.shape(each) for each in args], kwargs, np.shape(first))
            return result

        return counted

    before = [(operation, operation.function) for operation in _operations(model._program)]
    try:
        for operation, function in before:
            operation.function = counting(operation.node.operator, function)
        model._program(feeds, None)
    finally:
        for operation, function in before:
            operation.function = function
    return Counter({name: count for name, count in found.items() if count})


def _operations(program: Any) -> Iterator[Any]:
    """A program's operations, and those of the graphs and functions in them."""
    for operation in program.operations:
        yield operation
        for each in (*operation.attributes.values(), getattr(operation.function, "program", None)):
            if hasattr(each, "operations"):
                yield from _operations(each)


def _count(operator: str, shapes: list[Any], options: dict[str, Any], result: tuple[int, ...]) -> int:
    if operator in KERNELS:
        return math.prod(result) * math.prod(shapes[KERNELS[operator]][1:])
    if operator == "ConvTranspose":
        return math.prod(shapes[0]) * math.prod(shapes[1][1:])
    if operator in ("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"):
        return math.prod(result) * shapes[0][0 if options.get("transA") else -1]
    if operator in ("GRU", "LSTM", "RNN"):
        return math.prod(shapes[0][:2]) * (math.prod(shapes[1]) + math.prod(shapes[2]))
    if operator == "Einsum":
        terms = options["equation"].replace(" ", "").partition("->")[0].split(",")
        sizes: dict[str, int] = {}
        for term, shape in zip(terms, shapes, strict=True):
            before, _, after = term.partition("...")
            sizes |= dict(zip(before, shape, strict=False)) | dict(zip(after[::-1], shape[::-1], strict=False))
        return math.prod(sizes.values())
    if operator == "Attention" and len(shapes[0]) == 4:
        return 2 * math.prod(shapes[0]) * shapes[1][-2]
    return 0


def in_python(model: Model, feeds: dict[str, Any]) -> list[str] | None:
    """The calls that Python makes between the programs of the plan for these inputs; None if there is no plan."""
    model.run(None, feeds)
    plans: Any = getattr(model, "_plans", None)
    kept = None if plans is None else plans.find(feeds)
    if kept is None or kept.plan is None:
        return None
    calls = [stage.work for stage in kept.plan.stages if hasattr(stage.work, "function")]
    return [getattr(call.function, "__name__", str(call.function)) for call in calls]
