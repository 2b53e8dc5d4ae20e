"""Recurrent layers of one step: RNNCell, LSTMCell, GRUCell."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from ..functional._recurrent import GATES
from ._module import Module, Parameter, cast
from .gates import GRU_OPTIONS, LSTM_OPTIONS, RNN_OPTIONS, checked
from .recurrent import reset

__all__ = [
    "GRUCell",
    "LSTMCell",
    "RNNCell",
]


class _Cell(Module):
    """One step.

    Parameters
    ----------
    input_size, hidden_size : int
    bias : bool
        False: neither bias is there.
    {more}dtype : float32 or float64
        The input is converted to it.

    Attributes
    ----------
    weight_ih : Parameter, (gates * hidden_size, input_size)
        From U(-1/sqrt(hidden_size), 1/sqrt(hidden_size)), as all parameters.
    weight_hh : Parameter, (gates * hidden_size, hidden_size)
    bias_ih, bias_hh : Parameter, (gates * hidden_size,), or None

    Notes
    -----
    A cell is called with ``(input, hx=None)``: (N, input_size) or (input_size,), and the state, 0 where it is None.
    """

    def __init__(self, mode: str, input_size: int, hidden_size: int, bias: bool, dtype: Any, **options: Any):
        super().__init__()
        name = type(self).__name__
        self.mode, self.bias = mode, bool(bias)
        self.input_size = _check.count(name, "input_size", input_size, low=1)
        self.hidden_size = _check.count(name, "hidden_size", hidden_size, low=1)
        dtype, rows = _check.float_dtype(name, dtype), GATES[mode] * hidden_size
        self.weight_ih = Parameter(np.empty((rows, input_size), dtype))
        self.weight_hh = Parameter(np.empty((rows, hidden_size), dtype))
        for each in ("bias_ih", "bias_hh"):
            self.register_parameter(each, Parameter(np.empty(rows, dtype)) if bias else None)
        self._gates = checked(name, mode, self.bias, **options)
        self._gates.add(self, hidden_size, "", dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self, self.hidden_size)

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state: h, or (h, c) of an LSTM."""
        name, dtype = type(self).__name__, self.weight_ih.dtype
        x = cast(self, input, dtype)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: expected an input (N, {self.input_size}) or ({self.input_size},), got shape {x.shape}"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        count = 2 if self.mode == "LSTM" else 1
        if hx is None:
            hx = (np.zeros(shape, dtype),) * count
        elif count == 1:
            hx = (hx,)
        elif not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise TypeError(f"{name}: expected hx to be a tuple (h, c), got {type(hx).__name__}")
        states = [cast(self, each, dtype) for each in hx]
        for letter, each in zip("hc", states, strict=False):
            if each.shape != shape:
                raise ValueError(f"{name}: expected {letter} of hx of shape {shape}, got {each.shape}")
        n = x.shape[0] if x.ndim == 2 else 1
        h0, *c0 = (each.reshape(n, self.hidden_size) for each in states)
        values = (x.reshape(n, self.input_size), h0, c0[0] if c0 else None, *self._gates.weights(self._parameters.get))
        _, *found = self._gates.run()(*values, batch_sizes=[n], kind=self.mode, name=name)
        results = tuple(each.reshape(shape) for each in found)
        return results if count == 2 else results[0]

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the defaults."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False") + self._gates.text


_DOC = (_Cell.__doc__ or "").partition("One step.")[2].strip()


def _text(options: str) -> str:
    return options[4:] + "    "


_NONLINEARITY = 'nonlinearity : "tanh" or "relu"\n    '


class RNNCell(_Cell):  # noqa: D101
    __doc__ = f"""h' = f(W_ih x + b_ih + W_hh h + b_hh), f = tanh or relu: one step of `RNN`.

    {_DOC.format(more=_NONLINEARITY + _text(RNN_OPTIONS))}

    Examples
    --------
    >>> RNNCell(3, 4)(np.ones((2, 3))).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        activation: str | None = None,
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        mode = "RNN_" + _check.choice("RNNCell", "nonlinearity", nonlinearity, ("tanh", "relu")).upper()
        options = {
            "gates": "sigmoid",
            "activation": nonlinearity if activation is None else activation,
            "layer_norm": layer_norm,
        }
        super().__init__(mode, input_size, hidden_size, bias, dtype, **options)
        self.nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the defaults."""
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):  # noqa: D101
    __doc__ = f"""One step of `LSTM`, which has the formulas; the state is (h, c).

    {_DOC.format(more=_text(LSTM_OPTIONS))}

    Examples
    --------
    >>> h, c = LSTMCell(3, 4)(np.ones((2, 3)))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        gates: str = "sigmoid",
        activation: str = "tanh",
        peephole: bool = False,
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        options = {"gates": gates, "activation": activation, "peephole": peephole, "layer_norm": layer_norm}
        super().__init__("LSTM", input_size, hidden_size, bias, dtype, **options)


class GRUCell(_Cell):  # noqa: D101
    __doc__ = f"""One step of `GRU`, which has the formulas.

    {_DOC.format(more=_text(GRU_OPTIONS))}

    Examples
    --------
    >>> GRUCell(3, 4)(np.ones(3)).shape
    (4,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        gates: str = "sigmoid",
        activation: str = "tanh",
        layer_norm: bool = False,
        dtype: Any = np.float32,
    ):
        options = {"gates": gates, "activation": activation, "layer_norm": layer_norm}
        super().__init__("GRU", input_size, hidden_size, bias, dtype, **options)
