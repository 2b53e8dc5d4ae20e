"""Recurrent layers: RNN, LSTM, GRU."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import _check
from .._core import value_of
from ..functional._recurrence import first_states, recurrent_layers, stacked
from ..functional._recurrent import GATES
from . import init
from ._module import Module, Parameter, cast
from .gates import GRU_OPTIONS, LSTM_OPTIONS, RNN_OPTIONS, checked
from .utils.rnn import PackedSequence, checked_lengths, pack_padded_sequence, pad_packed_sequence

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
]

_ARGUMENTS = """\
    bias : bool
        False: neither bias is there.
    batch_first : bool
        x and y are (N, T, *) instead of (T, N, *); states never are.
    dropout : float
        In [0, 1]: the share of each layer's outputs that is dropped in training; the last layer's are kept.
    bidirectional : bool
        Run each layer over the reversed sequence as well; both outputs stand side by side.
"""
_CALL = """\
    Notes
    -----
    A layer is called with ``(input, hx=None, lengths=None)``.  The input is (T, N, input_size), (N, T, input_size) if
    `batch_first`, (T, input_size) for one sequence, or a `nn.utils.rnn.PackedSequence`, whose output is one too.
    `lengths`, integers (N,) from 1 to T, say how many steps of each sequence count: each runs as if alone, the reverse
    direction begins at its own last step, states are those after its last step, and outputs after it are 0; what stands
    in the padding is not read.  States are (num_layers * directions, N, *), 0 where `hx` is None.  A sequence cut into
    calls that hand the state on has the bits of the whole.
"""
_PARAMETERS = """\
    Attributes
    ----------
    weight_ih_l0 : Parameter, (gates * hidden_size, input_size)
        From U(-1/sqrt(hidden_size), 1/sqrt(hidden_size)), as all parameters; `_l1` and so on are the next
        layers', with the suffix `_reverse` the other direction's.
    weight_hh_l0 : Parameter, (gates * hidden_size, hidden_size)
    bias_ih_l0, bias_hh_l0 : Parameter, (gates * hidden_size,)
    gate_a_l0, gate_b_l0, activation_a_l0, activation_b_l0, peephole_l0,
    norm_ih_l0, norm_hh_l0, norm_c_l0, norm_c_bias_l0 : Parameter
        Where options ask for them: a value for each unit, of the gates in their order.
"""


def reset(layer: Module, hidden_size: int) -> None:
    """Draw the parameters that PyTorch has too; learned functions start as plain ones, norms as the identity."""
    bound = 1 / math.sqrt(hidden_size)
    for name, each in layer.named_parameters():
        if name.startswith(("gate_", "activation_", "norm_")):
            init.constant_(each, float("norm_c_bias" not in name))
        else:
            init.uniform_(each, -bound, bound)


class _Recurrent(Module):
    """The common part of RNN, LSTM and GRU."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        dtype: Any,
        **options: Any,
    ):
        super().__init__()
        name = type(self).__name__
        self.mode = mode
        self.input_size = _check.count(name, "input_size", input_size, low=1)
        self.hidden_size = _check.count(name, "hidden_size", hidden_size, low=1)
        self.num_layers = _check.count(name, "num_layers", num_layers, low=1)
        for argument, value in (("bias", bias), ("batch_first", batch_first), ("bidirectional", bidirectional)):
            if not isinstance(value, (bool, np.bool_)):  # a number was most likely meant for another argument
                raise TypeError(f"{name}: expected {argument} to be True or False, got {value!r}")
        self.bias, self.batch_first, self.bidirectional = bool(bias), bool(batch_first), bool(bidirectional)
        if isinstance(dropout, (bool, np.bool_)):
            raise TypeError(f"{name}: expected dropout to be a real number in [0, 1], got {dropout}")
        self.dropout = _check.in_range(name, "dropout", dropout, 0, 1)
        self.proj_size = _check.count(name, "proj_size", proj_size)
        if proj_size >= hidden_size:
            raise ValueError(f"{name}: expected proj_size below hidden_size, which is {hidden_size}, got {proj_size}")
        dtype = _check.float_dtype(name, dtype)
        self._gates = checked(name, mode, self.bias, **options)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout={dropout:g} drops nothing with num_layers=1: it stands between layers", stacklevel=3
            )
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._add_parameters(layer, suffix, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}{direction}" for direction in ("", "_reverse")[: 1 + self.bidirectional]]

    @property
    def _width(self) -> int:
        """The size of a state h: proj_size, or hidden_size without a projection."""
        return self.proj_size or self.hidden_size

    def _add_parameters(self, layer: int, suffix: str, dtype: Any) -> None:
        rows = GATES[self.mode] * self.hidden_size
        features = self._width * (1 + self.bidirectional) if layer else self.input_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, features), "weight_hh": (rows, self._width)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, Parameter(np.empty(shape, dtype)))
        self._gates.add(self, self.hidden_size, suffix, dtype)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Do nothing: on the CPU there is nothing to rearrange; programs written for PyTorch call it."""

    # -- the input ----------------------------------------------------------------------------------------------------

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> Any:
        """Return the last layer's outputs and the last states."""
        name = type(self).__name__
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError(f"{name}: expected no lengths beside a PackedSequence, which has its own")
            return self._packed(input, hx)
        x = cast(self, input, self.weight_ih_l0.dtype)
        if x.ndim not in (2, 3):
            raise ValueError(f"{name}: expected an input of 2-D or 3-D, got shape {x.shape}")
        self._check_features(x)
        batched = x.ndim == 3
        if batched and lengths is None and self._gates.plain and not isinstance(value_of(x), np.ndarray):
            return self._traced(x, hx)
        if batched and self.batch_first:
            x = np.swapaxes(x, 0, 1)
        steps, n = x.shape[0], x.shape[1] if batched else 1
        if not steps:
            raise ValueError(f"{name}: expected a sequence of at least one step, got shape {np.shape(input)}")
        states = self._states(hx, n, batched)
        if lengths is None:
            rows, states = self._run(x.reshape(steps * n, self.input_size), states, np.full(steps, n))
            y = rows.reshape(steps, n, rows.shape[1])
        else:
            y, states = self._padded(x.reshape(steps, n, self.input_size), states, lengths)
        if not batched:
            return y.reshape(steps, y.shape[2]), self._result([each[:, 0] for each in states])
        return np.swapaxes(y, 0, 1) if self.batch_first else y, self._result(states)

    def _traced(self, x: Any, hx: Any) -> Any:
        """One call for a graph, for any batch size: `x` is a stand-in of a trace."""
        states = None if hx is None else self._states(hx, x.shape[int(not self.batch_first)], True)
        options: dict[str, Any] = {"kind": self.mode, "batch_first": self.batch_first, "name": type(self).__name__}
        y, *last = recurrent_layers(x, states, self._all_weights(), **options)
        return y, self._result(last)

    def _check_features(self, x: Any) -> None:
        if x.ndim < 2 or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: expected an input of {self.input_size} features in its last dimension, "
                f"got shape {x.shape}"
            )

    def _padded(self, x: Any, states: list[Any], lengths: Any) -> tuple[Any, list[Any]]:
        """Outputs and states for an input (T, N, *), whose sequences have these lengths."""
        known = checked_lengths(type(self).__name__, lengths, *x.shape[:2])
        packed = pack_padded_sequence(x, known, enforce_sorted=False)
        rows, states = self._run_packed(packed, packed.data, states)
        return pad_packed_sequence(packed._replace(data=rows), total_length=len(x))[0], states

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data = cast(self, input.data, self.weight_ih_l0.dtype)
        if data.ndim != 2:
            raise ValueError(f"{type(self).__name__}: expected packed data of 2-D, got shape {data.shape}")
        self._check_features(data)
        states = self._states(hx, int(input.batch_sizes[0]), True)
        rows, states = self._run_packed(input, data, states)
        return input._replace(data=rows), self._result(states)

    def _run_packed(self, packed: PackedSequence, data: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Outputs of packed rows, and last states in the sequences' original order."""
        if packed.sorted_indices is None:
            return self._run(data, states, packed.batch_sizes)
        rows, states = self._run(data, [each[:, packed.sorted_indices] for each in states], packed.batch_sizes)
        return rows, [each[:, packed.unsorted_indices] for each in states]

    def _states(self, hx: Any, n: int, batched: bool) -> list[Any]:
        """The first states, (num_layers * directions, N, *): h, or h and c."""
        name, count = type(self).__name__, self.num_layers * (1 + self.bidirectional)
        widths = [self._width, self.hidden_size][: 1 + (self.mode == "LSTM")]
        dtype = self.weight_ih_l0.dtype
        if hx is None:
            return [np.zeros((count, n, width), dtype) for width in widths]
        expected = [(count, n, width) if batched else (count, width) for width in widths]
        states = first_states(name, self.mode, hx, expected, lambda letter, each: cast(self, each, dtype))
        return states if batched else [each.reshape(count, n, each.shape[-1]) for each in states]

    def _result(self, states: list[Any]) -> Any:
        return tuple(states) if self.mode == "LSTM" else states[0]

    # -- the layers ---------------------------------------------------------------------------------------------------

    def _run(self, x: Any, states: list[Any], batch_sizes: Any) -> tuple[Any, list[Any]]:
        """The outputs (rows, directions * P) and the last states of rows in the order of steps."""
        rate = self.dropout if self.training else 0.0
        weights = self._all_weights()
        return stacked(type(self).__name__, x, states, weights, batch_sizes, self.mode, rate, self._gates.run())

    def _all_weights(self) -> list[list[Any]]:
        return [[self._weights(suffix) for suffix in self._suffixes(layer)] for layer in range(self.num_layers)]

    def _weights(self, suffix: str) -> list[Any]:
        return self._gates.weights(lambda name: self._parameters.get(name + suffix))

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the defaults."""
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False
        }  # fmt: skip
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text + self._gates.text


class RNN(_Recurrent):  # noqa: D101
    __doc__ = f"""Elman's network: h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh or relu.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    nonlinearity : "tanh" or "relu"
{_ARGUMENTS}{RNN_OPTIONS}    dtype : float32 or float64
        The input is converted to it.

{_PARAMETERS}
{_CALL}
    Examples
    --------
    >>> y, h = RNN(3, 4, bidirectional=True)(np.ones((5, 2, 3)))
    >>> y.shape, h.shape
    ((5, 2, 8), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        activation: str | None = None,
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        mode = "RNN_" + _check.choice("RNN", "nonlinearity", nonlinearity, ("tanh", "relu")).upper()
        options: dict[str, Any] = {
            "gates": "sigmoid",
            "activation": nonlinearity if activation is None else activation,
            "layer_norm": layer_norm,
        }
        sizes = input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0
        super().__init__(mode, *sizes, dtype, **options)
        self.nonlinearity = nonlinearity


class LSTM(_Recurrent):  # noqa: D101
    __doc__ = f"""Long short-term memory (Hochreiter, Schmidhuber 1997): gates, by rows of the weights, i, f, g, o.

    i, f, o = sigmoid(W x + b_ih + U h + b_hh), g = tanh of its part; c' = f c + i g, h' = o tanh(c').

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
{_ARGUMENTS}    proj_size : int
        Below hidden_size; if not 0, h' = W_hr (o tanh(c')) has that many values, and `weight_hr_l0` is there.
{LSTM_OPTIONS}    dtype : float32 or float64
        The input is converted to it.

{_PARAMETERS}
{_CALL}
    Examples
    --------
    >>> y, (h, c) = LSTM(3, 4)(np.ones((5, 2, 3)), lengths=[5, 2])
    >>> y.shape, h.shape, bool((y[2:, 1] == 0).all())
    ((5, 2, 4), (1, 2, 4), True)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        gates: str = "sigmoid",
        activation: str = "tanh",
        peephole: bool = False,
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        options: dict[str, Any] = {
            "gates": gates,
            "activation": activation,
            "peephole": peephole,
            "layer_norm": layer_norm,
        }
        sizes = input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size
        super().__init__("LSTM", *sizes, dtype, **options)


class GRU(_Recurrent):  # noqa: D101
    __doc__ = f"""Gated recurrent unit (Cho et al. 2014): gates, by rows of the weights, r, z, n.

    r, z = sigmoid(W x + b_ih + U h + b_hh), n = tanh(W_n x + b_in + r (U_n h + b_hn)); h' = (1 - z) n + z h.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
{_ARGUMENTS}{GRU_OPTIONS}    dtype : float32 or float64
        The input is converted to it.

{_PARAMETERS}
{_CALL}
    Examples
    --------
    >>> y, h = GRU(3, 4, batch_first=True)(np.ones((2, 5, 3)))
    >>> y.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        gates: str = "sigmoid",
        activation: str = "tanh",
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        options: dict[str, Any] = {"gates": gates, "activation": activation, "layer_norm": layer_norm}
        sizes = input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0
        super().__init__("GRU", *sizes, dtype, **options)
