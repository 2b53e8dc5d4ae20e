"""`compile_step`: a training step whose forward and backward pass are replayed in C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core, _random, _shard
from .._check import Array
from .._core import mode, observers
from ..autograd import Tensor, value_of
from ..functional._conv_precision import chosen
from ..nn import Module
from ..nn._guard import Guard
from ._graph import mapped
from ._program import MOST_REGISTERS
from ._recent import Recent
from ._recording import Recording, Unplanned, keep_calls
from ._same_calls import Objective, reduction_of

PLANS = 8  # kept by one CompiledStep
LEAST_USES = 4  # calls replayed between two changes of the model; plans used less often do not pay
MOST_CHANGES = 8  # changes in a row that came too soon, after which every call goes over the tape


def _same_bits(x: Array, y: Array) -> bool:
    """Whether arrays have the same bits; the sign and payload of a NaN do not count."""
    if x.dtype.kind == "f":
        x, y = (np.where(np.isnan(each), np.nan, each) for each in (x, y))
    return x.dtype == y.dtype and x.tobytes() == y.tobytes()


class _State:
    """What plans rely on: every attribute of every module, all parameters and buffers."""

    def __init__(self, objective: Objective):
        modules = list(objective.modules())
        tables = [(vars(m), m._parameters, m._buffers, m._modules) for m in modules]
        self.tables = [(table, list(table.values())) for own in tables for table in own]
        self.parameters = [(each, each._array, each._requires_grad) for each in objective.parameters()]
        self.buffers = [each for each in objective.buffers() if each is not None]
        self.guard = Guard([objective])

    @property
    def same(self) -> bool:
        """Whether all is as it was; values of arrays may differ."""
        return _core.same_state(self.tables, self.parameters)


class _Plan:
    """A recorded pass for inputs of one kind: the call returns output and loss, and sets gradients.

    draws : (generator, key) of each key that the pass drew
    """

    def __init__(self, recording: Recording, state: _State, inputs: list[Array], output: Array, draws: Any):
        grads = [(parameter, array, parameter._grad) for parameter, array, _ in state.parameters]
        self.parameters = [parameter for parameter, _, grad in grads if grad is not None]
        if not self.parameters:
            raise Unplanned("no parameter has a gradient")
        made = [output]
        for _, array, grad in grads:
            if grad is not None:
                if grad.strides != array.strides and not _core.are_alike([array, grad]):
                    raise Unplanned(f"a gradient of shape {grad.shape} has another layout than its parameter")
                made.append(grad)
        last = 3 + len(made)
        if last >= MOST_REGISTERS:
            raise Unplanned(f"there are {len(made) - 1} parameters, more than {MOST_REGISTERS - 5}")
        for register, array in enumerate(made, 3):
            recording.output(array, register)
        if len(recording.results) != 1:
            raise Unplanned("NumPy computes the loss")
        self.arena, self.total = np.empty(recording.lay_out() + 64, np.uint8), np.zeros(1)
        start, keys = self.arena.ctypes.data, [key for _, key in draws]
        steps = recording.patched(start + -start % 64, self.total.ctypes.data, keys, last)
        self.draws, self.keys = [rng for rng, _ in draws], np.array([*keys, 0], np.uint64)
        given = [self.keys, *inputs]
        # Gradients have the layout of their parameters, which serve as patterns: the first gradients are not kept alive
        like = [output, *(array for _, array, grad in grads if grad is not None)]
        self.check, self.run = (
            _core.Program(
                tuple(each.shape for each in given),
                tuple(like),
                [each.dtype.num for each in [*given, *like]],
                [0] * (last + 1),
                part.copy(),
                (self.arena, self.total, recording.held),
                "compile_step",
                whole=True,
                uncut=True,
            )
            for part in np.split(steps, [len(recording.flags)])
        )
        self.divisor, self.dtype, self.zero = 1.0, output.dtype.type, -0.0
        self.counters: list[Array] = []
        self.lock = threading.Lock()

    def __call__(self, input: Array, target: Array, draw: bool = True) -> tuple[Array, Any] | None:
        """None, with nothing changed, if the targets are no classes or an input does not lie dense in memory."""
        with self.lock:
            if self.check(self.keys, input, target) is None:
                return None
            if draw:
                for i, rng in enumerate(self.draws):
                    self.keys[i] = _random.key("compile_step", rng)
            results = self.run(self.keys, input, target)
            total = float(self.total[0])
        assert results is not None
        output, *grads = results
        for counter in self.counters:
            counter += 1
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter._grad = grad
        return output, self.dtype((total + self.zero) / self.divisor)


@dataclass
class _Known:
    """What is known of inputs of one kind: their plan, or the reason why they have none."""

    plan: _Plan | None
    reason: str | None = None
    used: int = 0


_recording = threading.Lock()  # one thread at a time records its calls


class CompiledStep:
    """The result of `compile_step`: `step(input, target)` takes one step and returns the loss.

    Attributes
    ----------
    model, loss, optimizer
    reason : str or None
        Why the last call went over the tape; None if it was replayed, or recorded to be replayed.
    """

    def __init__(self, model: Module, loss: Callable[..., Any], optimizer: Any):
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.reason: str | None = None
        self._objective = Objective(model, loss)
        self._state: _State | None = None
        self._plans: Recent[_Known] = Recent(PLANS)
        self._uses = LEAST_USES
        self._changes = 0

    def __call__(self, input: Any, target: Any) -> Any:
        """Zero the gradients, compute the loss and its gradients, step; the loss, a scalar."""
        self.optimizer.zero_grad()
        _, loss = self.backward(input, target)
        self.optimizer.step()
        return loss

    def backward(self, input: Any, target: Any) -> tuple[Any, Any]:
        """`loss(model(input), target).backward()`: adds to the gradients, and returns output and loss as arrays."""
        found = self._replayed(input, target)
        return self._taped(input, target) if found is None else found

    def __repr__(self) -> str:
        plans = sum(known.plan is not None for known in self._plans.values())
        return f"CompiledStep({type(self.model).__name__}, {plans} plans)"

    def __reduce__(self) -> Any:
        return CompiledStep, (self.model, self.loss, self.optimizer)  # a copy makes plans of its own

    def _taped(self, input: Any, target: Any) -> tuple[Any, Any]:
        output = self.model(input)
        loss = self.loss(output, target)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise TypeError(
                f"compile_step: expected a loss that tracks gradients, got {type(loss).__name__} that does not: under "
                "no_grad, or of frozen parameters"
            )
        loss.backward()
        return mapped(output, value_of), loss.data[()]

    def _replayed(self, input: Any, target: Any) -> tuple[Any, Any] | None:
        """Output and loss; None, with `reason`, where the tape has to compute them."""
        if _shard.now.shard is not None:
            self.reason = "a shard of a batch is computed"
            return None
        if not mode.enabled or (observers and mode.observer is not None):
            self.reason = "somebody observes the calls" if mode.enabled else "gradients are switched off"
            return None
        if type(input) is not np.ndarray or type(target) is not np.ndarray:
            self.reason = f"input and target are {type(input).__name__} and {type(target).__name__}, not arrays"
            return None
        if not self._is_known():
            return None
        key = input.shape, input.dtype, target.shape, target.dtype, chosen(), _core.isa()
        known = self._plans.find(key)
        if known is None:
            return self._recorded(key, input, target)
        self.reason = known.reason
        if known.plan is None:
            return None
        found = known.plan(input, target)
        self._uses += 1
        if found is None:
            self.reason = "the targets are no classes, or an array does not lie dense in memory"
        return found

    def _is_known(self) -> bool:
        """Whether plans may be used or made; if the model has changed since they were made, all are dropped first."""
        if self._state is not None and self._state.same:
            return True
        left = [each for each in self._objective.parameters() if each._grad is not None]
        if left:
            self.reason = f"a parameter of shape {left[0].shape} has a gradient already, to which the step adds"
            return False
        if self._changes > MOST_CHANGES:
            return False
        self._changes = 0 if self._uses >= LEAST_USES else self._changes + 1
        if self._changes > MOST_CHANGES:
            self.reason = "attributes of the model change too often"
            return False
        self._uses, self._state = 0, _State(self._objective)
        self._plans.clear()
        return True

    def _recorded(self, key: Any, input: Array, target: Array) -> tuple[Any, Any] | None:
        """Run a pass on the tape, record its calls, and keep a plan of them if its replay gives the same bits."""
        state, self.reason = self._state, None
        assert state is not None
        if not (input.flags.c_contiguous and target.flags.c_contiguous):
            self.reason = "an array does not lie dense in memory"
            return None
        try:
            if not input.size or not target.size:
                raise Unplanned("the batch is empty")
            reduction = reduction_of(self._objective, state.guard, input, target)
            if not state.same:
                raise Unplanned("the forward pass changes attributes of the model")
        except Unplanned as error:
            self.reason = self._plans.keep(key, _Known(None, str(error))).reason
            return None
        if not _recording.acquire(blocking=False):
            self.reason = "another thread writes its calls down"
            return None
        before = [each.copy() for each in state.buffers]
        mode.draws = []
        try:
            (output, loss), steps, blocks = keep_calls(lambda: self._taped(input, target))
            draws = mode.draws
        finally:
            mode.draws = None
            _recording.release()
        try:
            arrays = [array for _, array, _ in state.parameters]
            recording = Recording(steps, blocks, [input, target], arrays, state.buffers)
            if not isinstance(output, np.ndarray):
                raise Unplanned("the model returns several arrays")
            plan = _Plan(recording, state, [input, target], output, draws)
            plan.dtype = type(loss)
            op, record = recording.result
            plan.zero = 0.0 if op == "pair_loss_sum" else -0.0
            plan.divisor = float(record["n"]) if reduction == "mean" else 1.0
            self._check(plan, state, before, input, target, output, loss)
            self._plans.keep(key, _Known(plan))
        except Unplanned as error:
            self.reason = self._plans.keep(key, _Known(None, str(error))).reason
        return output, loss

    def _check(
        self, plan: _Plan, state: _State, before: list[Array], input: Array, target: Array, output: Array, loss: Any
    ) -> None:
        """Refuse a plan that gives other bits than the tape gave."""
        grads = [parameter._grad for parameter in plan.parameters]
        after = [each.copy() for each in state.buffers]
        for i, (buffer, old) in enumerate(zip(state.buffers, before, strict=True)):
            if buffer.dtype.kind == "i" and bool((after[i] == old + 1).all()):
                plan.counters.append(buffer)
            buffer[...] = old
        plan.arena.fill(255)
        found = plan(input, target, draw=False)
        made: list[tuple[Any, Any]] = (
            [] if found is None else [(output, found[0]), (np.asarray(loss), np.asarray(found[1]))]
        )
        made += zip(grads, (parameter._grad for parameter in plan.parameters), strict=True)
        same = bool(made) and all(_same_bits(x, y) for x, y in [*made, *zip(after, state.buffers, strict=True)])
        for parameter, grad in zip(plan.parameters, grads, strict=True):
            parameter._grad = grad
        for buffer, new in zip(state.buffers, after, strict=True):
            buffer[...] = new
        if not same:
            raise Unplanned("NumPy takes part in what it computes: the replayed calls give other bits")


def compile_step(model: Module, loss: Callable[..., Any], optimizer: Any) -> CompiledStep:
    """A training step whose forward and backward pass are replayed in C, without the interpreter.

    ``step(input, target)`` does what these lines do, to the bit, and returns the loss::

        optimizer.zero_grad()
        value = loss(model(input), target)
        value.backward()
        optimizer.step()

    Parameters
    ----------
    model : Module
    loss : callable
        Of output and target: a layer such as `nn.CrossEntropyLoss`, or a function.
    optimizer : Optimizer

    Returns
    -------
    CompiledStep
        Its `reason` says why a call was not replayed.

    Raises
    ------
    TypeError
        For a part of another kind.

    Notes
    -----
    The first call with inputs of a new shape runs over the tape and records its calls in C.  The recording is replayed
    at once; if that gives other bits, calls of this shape keep to the tape.  Later calls run the plan, then the
    optimizer's own `step`, so that schedules, parameter groups and loaded states have their usual effect.  Each call
    draws new masks for dropout, updates running statistics, and makes new arrays for gradients.

    A plan is for one shape of inputs.  It is made anew when an attribute of a module, a parameter's array or its
    `requires_grad`, or the training mode changes.  **Numbers that the forward pass takes from elsewhere (globals,
    elements of lists) are those of the recording.**  Steps whose forward pass asks for values, has hooks, or leaves a
    part of the arithmetic to NumPy go over the tape, as do calls that are observed.

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn, optim
    >>> fastnn.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> step = fastnn.compile_step(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), 0.01))
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    >>> losses = [step(x, (x[:, 0] > x[:, 1]).astype(np.int64)) for _ in range(100)]
    >>> bool(losses[-1] < 0.2), step.reason
    (True, None)
    """
    if not isinstance(model, Module):
        raise TypeError(f"compile_step: expected a Module, got {type(model).__name__}")
    if not callable(loss):
        raise TypeError(f"compile_step: expected a loss that can be called, got {type(loss).__name__}")
    if not all(hasattr(optimizer, name) for name in ("zero_grad", "step", "param_groups")):
        raise TypeError(f"compile_step: expected an Optimizer, got {type(optimizer).__name__}")
    return CompiledStep(model, loss, optimizer)
