"""Whether a step's forward pass makes the same calls whatever its values are, found by a run on stand-ins."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import functional
from .._check import Array
from .._observe import Observer
from ..autograd import no_grad, value_of
from ..nn import Module
from ..nn._guard import Guard
from ..nn._norm import ChannelNorm
from ._graph import Call, Method, Names, Ref, Unary, leaves, mapped
from ._recording import Unplanned
from ._trace import Tracer
from .lowering._step import arguments

# Functions that make the same calls in C whatever the values are
_NAMES = """
    linear batch_norm layer_norm rms_norm group_norm conv1d conv2d conv3d max_pool1d max_pool2d max_pool3d avg_pool1d
    avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
    adaptive_max_pool2d adaptive_max_pool3d dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout
    softmax log_softmax softmin glu
"""
KNOWN = frozenset(getattr(functional, name) for name in _NAMES.split())
LOSSES = frozenset({
    functional.cross_entropy, functional.mse_loss, functional.l1_loss, functional.smooth_l1_loss, functional.huber_loss,
    functional.binary_cross_entropy_with_logits, functional.soft_margin_loss, functional.kl_div,
    functional.poisson_nll_loss,
})  # fmt: skip


class Objective(Module):
    """A model and its loss as one module."""

    def __init__(self, model: Module, loss: Callable[..., Any]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, input: Any, target: Any) -> Any:
        """Return the model's output and the loss."""
        output = self.model(input)
        return output, self.loss(output, target)


class _Tracer(Tracer):
    """A tracer that refuses a module which cannot be traced, where `Tracer` makes it one call."""

    def enter(self, module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Trace through a module's forward pass."""
        if vars(module).get("_hooks") is not None:
            raise self.refused(f"{type(module).__name__} has hooks")
        if isinstance(module, ChannelNorm) and module.momentum is None and module.training:
            raise self.refused(f"{type(module).__name__} with momentum=None takes another factor each time")
        return Observer.enter(self, module, args, kwargs)


class _Undone(Exception):
    """Ends a block of a Guard, which then brings everything back."""


def reduction_of(objective: Objective, guard: Guard, input: Array, target: Array) -> str:
    """Run the forward pass on stand-ins for inputs, parameters and buffers; the loss's reduction.

    Raises
    ------
    Unplanned
        If it asks for values, or calls what may do so.
    """
    tracer = _Tracer((len(input) if input.ndim else 1,), Names.of([]))
    tables: list[dict[str, Any]] = []
    for module in objective.modules():
        tables += [module._parameters, module._buffers]
    own = [dict(table) for table in tables]
    inputs = [tracer.stand_in([each]) for each in (input, target)]
    try:
        with contextlib.suppress(_Undone), guard.step([]):
            try:
                for table in tables:
                    for name, value in table.items():
                        if value is not None and name != "num_batches_tracked":
                            table[name] = tracer.stand_in([value_of(value)])
                with no_grad(), tracer:
                    loss = objective(*inputs)[1]
            finally:
                for table, before in zip(tables, own, strict=True):
                    table.update(before)
            raise _Undone
    except Exception as error:  # a forward pass may do anything to a stand-in; a real fault shows again on the tape
        raise Unplanned(tracer.reason or f"{type(error).__name__} for a stand-in: {error}") from error
    loss = mapped(loss, tracer.written)
    last = tracer.calls[-1] if tracer.calls else None
    if last is None or last.function not in LOSSES or loss != Ref(last.number):
        raise Unplanned("the loss is not the result of a loss function that compiled steps know")
    for call in tracer.calls[:-1]:
        _check_call(call, tracer)
    reduction = arguments(last)["reduction"]
    if reduction not in ("mean", "sum"):
        raise Unplanned(f"the loss's reduction is {reduction!r}")
    return str(reduction)


def _check_call(call: Call, tracer: Tracer) -> None:
    """Refuse a function that may decide by values."""
    function: Any = call.function
    module = getattr(function, "__module__", None) or ""
    if isinstance(function, (Method, np.ufunc)) or function is operator.getitem or module.split(".")[0] == "numpy":
        return  # their results are arrays, whose values nobody sees
    if not isinstance(function, Unary) and function not in KNOWN:
        raise Unplanned(f"it calls {call.name}, which compiled steps do not know")
    for leaf in leaves((call.args, call.kwargs)):
        if isinstance(leaf, Ref) and tracer.values[leaf.number].shape == ():
            raise Unplanned(f"{call.name} may ask for the value of an argument without dimensions")
