"""A backward pass that hands each leaf's gradient over as soon as it is whole, and leaves `grad` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from .._check import Array
from ..autograd import Tensor
from ..autograd._unusual import fitted


def backward(root: Tensor, grad: Array, ready: Callable[[Any, Array], None]) -> None:
    """Walk back from a computed Tensor; call ready(leaf, gradient) when the last call that read a leaf has run."""
    left: dict[Any, int] = {}  # how many calls that read a leaf have not run
    sums: dict[Any, Array] = {}

    def watched(node: Any, run: Callable[..., Any]) -> Callable[..., Any]:
        def call(*dys: Array) -> list[Array | None]:
            found = list(run(*dys))
            for i, (parent, d) in enumerate(zip(node.parents, found, strict=False)):
                if not isinstance(parent, Tensor):
                    continue
                left[parent] -= 1
                if d is not None:
                    d = fitted(node, i, parent, d)
                    sums[parent] = _core.add(sums[parent], d) if parent in sums else d
                if not left[parent] and parent in sums:
                    ready(parent, sums.pop(parent))
                found[i] = None
            return found

        return call

    stack: list[Any] = [root._result]
    seen = set()
    while stack:
        node = stack.pop().node
        if node in seen:
            continue
        seen.add(node)
        own = [each for each in node.parents if isinstance(each, Tensor)]
        stack += [each for each in node.parents if isinstance(each, _core.Result)]
        for each in own:
            left[each] = left.get(each, 0) + 1
        if own and node.backward is not None:
            node.backward = watched(node, node.backward)
    _core.run_backward(root, grad, False)
    for leaf, d in sums.items():  # leaves read by some call that no gradient reached
        ready(leaf, d)
