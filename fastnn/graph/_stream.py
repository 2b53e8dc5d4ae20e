"""Streams: a recurrent model run step by step, which keeps its states between the calls."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from ..autograd import no_grad, value_of
from ..functional._recurrent import GATES, KINDS, _joined
from ..nn import GRU, LSTM, RNN, Module
from ._graph import leaves, mapped
from ._program import make_program

STEPS = 4  # of the sequence on which a stream is compared with the model


class Stream:
    """The result of `Frozen.stream`: the model, one step a call, with the bits of a call with the whole sequence.

    A stream belongs to one thread at a time; a model may have any number of them.

    Attributes
    ----------
    batch : int
        How many sequences run side by side.
    """

    def __init__(self, model: Module, batch: int = 1):
        self.batch = _check.count("stream", "batch", batch, low=1)
        self._model = copy.deepcopy(model).eval()
        self._whole = model
        named = {path: each for path, each in self._model.named_modules() if isinstance(each, (RNN, LSTM, GRU))}
        self._layers: dict[str, Any] = named
        if not named:
            raise ValueError(f"stream: expected a model with a layer RNN, LSTM or GRU, got a {type(model).__name__}")
        for path, layer in named.items():
            if layer.bidirectional:
                raise ValueError(
                    f"stream: expected layers of one direction, {_called(path, layer)} is bidirectional: its outputs "
                    "depend on later steps"
                )
        orders = {layer.batch_first for layer in named.values()}
        if len(orders) > 1:
            raise ValueError("stream: expected all recurrent layers batch_first or none, got both")
        self._axis = int(orders.pop())  # of time
        self._states = {path: _zeros(layer, self.batch) for path, layer in named.items()}
        if "" not in named:
            for path, layer in named.items():
                object.__setattr__(layer, "forward", _Remembering(self, path, layer, layer.forward))
        self._forms: dict[Any, Any] = {}  # flags of results that have an axis of time, by the kind of input
        self._guard = np.zeros((self.batch, 1), self._layers[next(iter(named))].weight_ih_l0.dtype)
        self._program = fused(named[""], self._states[""]) if "" in named else None

    def __call__(self, x: Any) -> Any:
        """Run one step.

        Parameters
        ----------
        x : array_like, (N, *)
            The step's input of each of the `batch` sequences, without an axis of time.

        Returns
        -------
        ndarray
            (N, H) of a recurrent layer; of other models what they return for the sequence so far, or, where that has an
            axis of time, its last step.
        """
        program = self._program
        if program is not None:
            y = program(x, self._guard)
            if y is not None:
                return y
        return self._step(x)

    @property
    def state(self) -> Any:
        """The states after the last step, a copy: h or (h, c) of a layer, a dict of these by path of other models."""
        found = {path: tuple(map(np.copy, each)) for path, each in self._states.items()}
        states = {path: each if len(each) == 2 else each[0] for path, each in found.items()}
        return states.get("", states)

    @state.setter
    def state(self, value: Any) -> None:
        given = {"": value} if "" in self._states else value
        if not isinstance(given, dict) or set(given) != set(self._states):
            raise ValueError(f"stream: expected state to be a dict with {', '.join(self._states)}, got {value!r}"[:500])
        found: dict[str, list[Array]] = {}
        for path, own in self._states.items():
            parts = given[path] if len(own) == 2 else (given[path],)
            if not isinstance(parts, (tuple, list)) or len(parts) != len(own):
                raise TypeError(f"stream: expected state {path} to be a tuple (h, c), got {type(parts).__name__}")
            found[path] = [_check.as_float("stream", part, "state") for part in parts]
            for part, array in zip(found[path], own, strict=True):
                if part.shape != array.shape:
                    raise ValueError(f"stream: expected state of shape {array.shape}, got {part.shape}")
        self._put(found)

    def reset(self) -> None:
        """Begin new sequences: all states are 0."""
        for own in self._states.values():
            for array in own:
                array[...] = 0

    def _put(self, states: dict[str, Any]) -> None:
        for path, own in self._states.items():
            for array, value in zip(own, states[path], strict=True):
                array[...] = value

    # -- any model ----------------------------------------------------------------------------------------------------

    def _step(self, x: Any) -> Any:
        array = _check.as_array("stream", x)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"stream: expected numbers, got dtype {array.dtype}")
        if array.ndim < 1 or len(array) != self.batch:
            raise ValueError(f"stream: expected an input ({self.batch}, *), one step of {self.batch} sequences, "
                             f"got shape {array.shape}")  # fmt: skip
        before = {path: tuple(map(np.copy, each)) for path, each in self._states.items()}
        if "" in self._states:
            layer = self._layers[""]
            array = np.ascontiguousarray(array, layer.weight_ih_l0.dtype)
            if array.ndim != 2:
                raise ValueError(f"stream: expected an input ({self.batch}, {layer.input_size}), got {array.shape}")
            if self._program is not None:
                self._program = fused(layer, self._states[""])  # for another instruction set, if so chosen
                y = None if self._program is None else self._program(array, self._guard)
                if y is not None:
                    return y
        try:
            key = array.shape, array.dtype
            if key not in self._forms:
                self._forms[key] = self._compared(array)
                self._put(before)
            return self._shaped(self._raw(array), self._forms[key])
        except BaseException:
            self._put(before)
            raise

    def _raw(self, x: Array) -> Any:
        """The model's results for one step, which goes on from its states."""
        sequence = np.expand_dims(x, self._axis)
        with no_grad():
            if "" not in self._states:
                return mapped(self._model(sequence), value_of)
            own = self._states[""]
            y, states = self._model(sequence, tuple(own) if len(own) == 2 else own[0])
        self._put({"": states if len(own) == 2 else (states,)})
        return y

    def _shaped(self, results: Any, timed: list[bool]) -> Any:
        left = iter(timed)
        return mapped(results, lambda each: np.take(each, 0, self._axis) if next(left) else each)

    def _compared(self, x: Array) -> list[bool]:
        """The flags of results that have an axis of time; a sequence of a few steps is compared with one call first."""
        rng = np.random.default_rng(0)
        steps = [np.asarray(rng.normal(size=x.shape), x.dtype) if x.dtype.kind == "f" else x for _ in range(STEPS)]
        with no_grad():
            whole = mapped(self._whole(np.stack(steps, self._axis)), value_of)
        if "" in self._states:
            whole = whole[0]
        self.reset()
        parts = [leaves(self._raw(step)) for step in steps]
        timed = []
        for i, each in enumerate(leaves(whole)):
            last = parts[-1][i]
            has = np.ndim(last) > self._axis and np.shape(last)[self._axis] == 1 and np.ndim(each) == np.ndim(last)
            timed.append(bool(has and np.shape(each)[self._axis] == STEPS))
            got = np.concatenate([part[i] for part in parts], self._axis) if timed[-1] else last
            if not np.array_equal(got, each, equal_nan=np.asarray(each).dtype.kind == "f"):
                raise ValueError(
                    "stream: the model's output is another one step by step: something beside its recurrent layers "
                    "looks at several steps"
                )
        return timed


def fused(layer: Any, states: list[Array]) -> Any:
    """A recurrent module as one program that updates its states in place; None if it has gates of its own.

    Its second input is any array (batch, 1): it refuses a step of other than `batch` sequences.
    """
    if not layer._gates.plain:
        return None
    gates, units, width, dtype = GATES[layer.mode], layer.hidden_size, layer._width, layer.weight_ih_l0.dtype
    steps: list[Any] = []
    for index in range(layer.num_layers):
        own_weights: list[Any] = layer._weights(f"_l{index}")
        arrays: list[Any] = [None if each is None else np.ascontiguousarray(value_of(each)) for each in own_weights]
        w_ih, w_hh, b_ih, b_hh, w_hr = arrays
        bias, b_hn = _joined(b_ih, b_hh, units, layer.mode)
        h, *c = (each[index] for each in states)
        joint = (gates - (layer.mode == "GRU")) * units
        packed = [_core.pack(each) if each is not None and len(each) else None
                  for each in (w_ih, w_hh[:joint], w_hh[joint:], w_hr)]  # fmt: skip
        state = h, c[0] if c else None
        x = 3 + index % 2 if index else 0  # registers 0 and 1 are the inputs, 2 the output
        y = 3 + (index + 1) % 2 if index < layer.num_layers - 1 else 2
        fields = (y, *state, None, None, None, x, *state, None, bias, None, None, b_hn, *packed, None)
        integers = width, 1, KINDS[layer.mode], 1, (1,), (1,), units, width, 0, 0, w_ih.shape[1]
        steps.append(("recurrent", dtype == np.float64, fields, integers, ()))
    between = [width * dtype.itemsize] * 2
    return make_program([(dtype, (layer.input_size,)), (dtype, (1,))], [(dtype, (width,))], between, steps)


class _Remembering:
    """A recurrent layer's forward that starts from the states of its last call."""

    def __init__(self, stream: Stream, path: str, layer: Any, forward: Any):
        self.stream, self.path, self.layer, self.forward = stream, path, layer, forward
        self.program = fused(layer, stream._states[path])

    def __call__(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        if hx is not None or lengths is not None:
            raise ValueError(
                f"stream: {_called(self.path, self.layer)} is given states or lengths by the model; a stream keeps "
                "states of its own"
            )
        own, x = self.stream._states[self.path], value_of(input)
        if self.program is not None and x.ndim == 3 and x.shape[self.stream._axis] == 1:
            dense = np.ascontiguousarray(x.reshape(-1, x.shape[2]), own[0].dtype)
            row = self.program(dense, self.stream._guard.astype(dense.dtype, copy=False))
            if row is not None:
                last = tuple(map(np.copy, own))
                return np.expand_dims(row, self.stream._axis), last if len(own) == 2 else last[0]
        y, states = self.forward(input, tuple(own) if len(own) == 2 else own[0])
        for array, value in zip(own, states if len(own) == 2 else (states,), strict=True):
            array[...] = value_of(value)
        return y, states


def _called(path: str, layer: Any) -> str:
    return f"{path or 'the'} {type(layer).__name__}"


def _zeros(layer: Any, batch: int) -> list[Array]:
    widths = [layer._width, layer.hidden_size][: 1 + (layer.mode == "LSTM")]
    return [np.zeros((layer.num_layers, batch, width), layer.weight_ih_l0.dtype) for width in widths]
