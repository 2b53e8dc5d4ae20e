"""Activation layers; the functions of the same names have the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import functional
from .._dispatch import respelled
from ._module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """A layer that calls one function with the options it was made with."""

    _function: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls):
            cls.__init__ = respelled(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, **options: Any):
        super().__init__()
        self._options = tuple(options)
        for name, value in options.items():
            setattr(self, name, value)
        if "dim" not in options:  # whether a dim exists, only an input can tell
            self(np.empty(0, np.float32))

    def forward(self, input: Any) -> Any:
        """Return the function of `input`."""
        return type(self)._function(input, **{name: getattr(self, name) for name in self._options})

    def extra_repr(self) -> str:
        """Return the options, without inplace unless it is set."""
        values = {name: getattr(self, name) for name in self._options}
        return ", ".join(f"{name}={value!r}" for name, value in values.items() if name != "inplace" or value)


class ReLU(_Activation):
    """max(x, 0); see `fastnn.relu`."""

    _function = functional.relu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope * x; see `fastnn.leaky_relu`."""

    _function = functional.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class ELU(_Activation):
    """x where x > 0, else alpha * (exp(x) - 1); see `fastnn.elu`."""

    _function = functional.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)


class SELU(_Activation):
    """Scaled ELU; see `fastnn.selu`."""

    _function = functional.selu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)); see `fastnn.sigmoid`."""

    _function = functional.sigmoid

    def __init__(self) -> None:
        super().__init__()


class Tanh(_Activation):
    """Hyperbolic tangent; see `fastnn.tanh`."""

    _function = functional.tanh

    def __init__(self) -> None:
        super().__init__()


class SiLU(_Activation):
    """x * sigmoid(x), also called swish; see `fastnn.silu`."""

    _function = functional.silu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class GELU(_Activation):
    """x * Phi(x), or its tanh approximation; see `fastnn.gelu`."""

    _function = functional.gelu

    def __init__(self, approximate: str = "none"):
        super().__init__(approximate=approximate)


class Mish(_Activation):
    """x * tanh(softplus(x)); see `fastnn.mish`."""

    _function = functional.mish

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta; see `fastnn.softplus`."""

    _function = functional.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__(beta=beta, threshold=threshold)


class LogSigmoid(_Activation):
    """log(sigmoid(x)); see `fastnn.logsigmoid`."""

    _function = functional.logsigmoid

    def __init__(self) -> None:
        super().__init__()


class Softsign(_Activation):
    """x / (1 + abs(x)); see `fastnn.softsign`."""

    _function = functional.softsign

    def __init__(self) -> None:
        super().__init__()


class Hardswish(_Activation):
    """x * min(max(x + 3, 0), 6) / 6; see `fastnn.hardswish`."""

    _function = functional.hardswish

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6; see `fastnn.hardsigmoid`."""

    _function = functional.hardsigmoid

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Hardtanh(_Activation):
    """min(max(x, min_val), max_val); see `fastnn.hardtanh`."""

    _function = functional.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)


class Softmax(_Activation):
    """exp(x) / sum exp(x) along `dim`, which inputs of more than two dimensions need; see `fastnn.softmax`."""

    _function = functional.softmax

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class LogSoftmax(_Activation):
    """Logarithm of the softmax along `dim`, which inputs of more than two dimensions need; see `fastnn.log_softmax`."""

    _function = functional.log_softmax

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class ReLU6(_Activation):
    """min(max(x, 0), 6); see `fastnn.relu6`."""

    _function = functional.relu6

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class CELU(_Activation):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)); see `fastnn.celu`."""

    _function = functional.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)


class Hardshrink(_Activation):
    """x where abs(x) > lambd, else 0; see `fastnn.hardshrink`."""

    _function = functional.hardshrink

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """Return the option."""
        return str(self.lambd)


class Softshrink(_Activation):
    """x brought nearer to 0 by lambd; see `fastnn.softshrink`."""

    _function = functional.softshrink

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """Return the option."""
        return str(self.lambd)


class Tanhshrink(_Activation):
    """x - tanh(x); see `fastnn.tanhshrink`."""

    _function = functional.tanhshrink

    def __init__(self) -> None:
        super().__init__()


class Threshold(_Activation):
    """x where x > threshold, else value; see `fastnn.threshold`."""

    _function = functional.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__(threshold=threshold, value=value, inplace=inplace)


class GLU(_Activation):
    """a * sigmoid(b) of the two halves along `dim`; see `fastnn.glu`."""

    _function = functional.glu

    def __init__(self, dim: int = -1):
        super().__init__(dim=dim)


class Softmin(_Activation):
    """`Softmax` of the negative input; see `fastnn.softmin`."""

    _function = functional.softmin

    def __init__(self, dim: int | None = None):
        super().__init__(dim=dim)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W); see `fastnn.softmax`."""

    def forward(self, input: Any) -> Any:
        """Return the softmax along dimension -3."""
        if np.ndim(input) not in (3, 4):
            raise ValueError(f"Softmax2d: expected a 3-D or 4-D input, got shape {np.shape(input)}")
        return functional.softmax(input, -3)
