"""`freeze` and what it returns: a model, and its plans by kind of input."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from ..autograd import Tensor, no_grad
from ..nn import Module
from ._plan import Plan
from ._trace import SIZES, Node, Own, Ref, trace


class Frozen:
    """What `freeze` returns: the model's evaluation form, as it was then.

    Attributes
    ----------
    model : Module
        The model's copy, in evaluation mode.
    unplanned : tuple of str
        The modules that are called as they are, by path and class; known after the first call.
    """

    def __init__(self, model: Module):
        self.model = copy.deepcopy(model).eval()
        self.unplanned: tuple[str, ...] = ()
        self._plans: dict[Any, Plan] = {}
        self._program: Any = None  # the whole plan of the input seen last
        self._lock = threading.Lock()

    def __call__(self, input: Any) -> Any:
        """Return the output for a batch, an ndarray.

        Parameters
        ----------
        input : array_like, (N, *)
        """
        program = self._program
        if program is not None:
            y = program(input)
            if y is not None:
                return y
        return self._general(input)

    def _general(self, input: Any) -> Any:
        x = input.data if isinstance(input, Tensor) else _check.as_array("freeze", input)
        if x.ndim < 2 or x.size == 0 or x.dtype.kind not in "biuf":
            return self._as_it_is(x)
        key = (x.shape[1:], x.dtype, _core.isa())
        plan = self._plans.get(key)
        if plan is None:
            with self._lock:
                plan = self._plans.get(key) or self._planned(x)
                self._plans[key] = plan
        self._program = plan.program
        return plan(x)

    def _as_it_is(self, x: Array) -> Any:
        with no_grad():
            y = self.model(x)
        return y.data if isinstance(y, Tensor) else y

    def _planned(self, x: Array) -> Plan:
        """A plan that gives the model's own output for such inputs; its one stage is the model where that fails."""
        batch = np.resize(x, (SIZES[0], *x.shape[1:]))
        try:
            plan = Plan(*trace(self.model, x), x)
            agrees = _close(plan(batch.copy()), self._as_it_is(batch))  # a model may change its input
        except Exception:
            agrees = False
        if not agrees:
            self._as_it_is(x.copy(order="K"))  # raises what the model raises
            call = Node(Own("", self.model), (Ref(0),), {}, 1, None, x.dtype)
            plan = Plan([call], 1, x)
        self.unplanned = tuple(dict.fromkeys((*self.unplanned, *plan.own)))
        return plan

    def __reduce__(self) -> Any:
        return type(self), (self.model,)

    def __repr__(self) -> str:
        note = f", unplanned={list(self.unplanned)}" if self.unplanned else ""
        return f"Frozen({self.model!r}{note})"


def _close(y: Any, expected: Any) -> bool:
    """Whether two outputs differ by rounding alone: within 2^-10 of the largest value (float64: 2^-30)."""
    if (
        not isinstance(expected, (np.ndarray, np.generic))
        or np.shape(y) != np.shape(expected)
        or y.dtype != expected.dtype
    ):
        return False
    top = np.max(np.abs(expected), initial=0, where=np.isfinite(expected))
    bound = top * (2.0**-30 if expected.dtype == np.float64 else 2.0**-10)
    return bool(np.allclose(y, expected, rtol=0, atol=bound, equal_nan=True))


def freeze(model: Module, example: Any = None) -> Frozen:
    """A copy of a model for prediction: batch norm folded, dropout gone, weights packed, one C call for many layers.

    Parameters
    ----------
    model : Module
        Any model; it is copied and put into evaluation mode, and training it further does not change the copy.
    example : array_like, (N, *), optional
        A batch to plan for at once; without it the first call makes the plan.  Another shape of samples or another
        dtype gets a plan of its own.

    Returns
    -------
    Frozen
        Call it with a batch of any size: the ndarray agrees with the model's own within rounding, and no bit of it
        depends on how a batch was split, on the number of threads, or on the thread that calls.  What the plan cannot
        hold (a forward pass that looks at values) is called as it is: see `Frozen.unplanned`.

    Notes
    -----
    Pickle and `copy.deepcopy` save the model, not the plan.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    >>> predict = fastnn.freeze(model)
    >>> x = np.ones((3, 4), np.float32)
    >>> predict(x).shape, bool(np.allclose(predict(x), predict.model(x).data, atol=1e-6))
    ((3, 2), True)
    >>> predict.unplanned
    ()
    """
    if not isinstance(model, Module):
        raise TypeError(f"freeze: expected a Module, got a {type(model).__name__}")
    frozen = Frozen(model)
    if example is not None:
        frozen(example)
    return frozen
