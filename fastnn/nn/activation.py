"""Activation layers; the functions of the same names have the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional
from ._function_layer import FunctionLayer

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
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(FunctionLayer):
    """A layer that calls one function with the options it was made with."""

    def __init__(self, **options: Any):
        super().__init__()
        self._options = tuple(options)
        for name, value in options.items():
            setattr(self, name, value)
        if "dim" not in options:  # checks the options; a dim can only be checked with an input
            self(np.empty(0, np.float32))

    def forward(self, input: Any) -> Any:
        """Return the function of `input`."""
        return type(self)._function(input, **{name: getattr(self, name) for name in self._options})

    def extra_repr(self) -> str:
        """Return the options, without inplace unless it is set."""
        values = {name: getattr(self, name) for name in self._options}
        return ", ".join(f"{name}={value!r}" for name, value in values.items() if name != "inplace" or value)


class ReLU(_Activation):
    """max(x, 0); see `fastnn.relu`.

    Examples
    --------
    >>> ReLU()([-1.0, 2.0])
    array([0., 2.])
    """

    _function = functional.relu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class LeakyReLU(_Activation):
    """x where x > 0, else negative_slope * x; see `fastnn.leaky_relu`.

    Examples
    --------
    >>> LeakyReLU()([-1.0, 2.0])
    array([-0.01,  2.  ])
    """

    _function = functional.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class ELU(_Activation):
    """x where x > 0, else alpha * (exp(x) - 1); see `fastnn.elu`.

    Examples
    --------
    >>> ELU()([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])
    """

    _function = functional.elu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)


class SELU(_Activation):
    """Scaled ELU; see `fastnn.selu`.

    Examples
    --------
    >>> SELU()([-1.0, 2.0]).round(4)
    array([-1.1113,  2.1014])
    """

    _function = functional.selu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)); see `fastnn.sigmoid`.

    Examples
    --------
    >>> Sigmoid()([-1.0, 2.0]).round(4)
    array([0.2689, 0.8808])
    """

    _function = functional.sigmoid

    def __init__(self) -> None:
        super().__init__()


class Tanh(_Activation):
    """Hyperbolic tangent; see `fastnn.tanh`.

    Examples
    --------
    >>> Tanh()([-1.0, 2.0]).round(4)
    array([-0.7616,  0.964 ])
    """

    _function = functional.tanh

    def __init__(self) -> None:
        super().__init__()


class SiLU(_Activation):
    """x * sigmoid(x), also called swish; see `fastnn.silu`.

    Examples
    --------
    >>> SiLU()([-1.0, 2.0]).round(4)
    array([-0.2689,  1.7616])
    """

    _function = functional.silu

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class GELU(_Activation):
    """x * Phi(x), or its tanh approximation; see `fastnn.gelu`.

    Examples
    --------
    >>> GELU()([-1.0, 2.0]).round(4)
    array([-0.1587,  1.9545])
    """

    _function = functional.gelu

    def __init__(self, approximate: str = "none"):
        super().__init__(approximate=approximate)


class Mish(_Activation):
    """x * tanh(softplus(x)); see `fastnn.mish`.

    Examples
    --------
    >>> Mish()([-1.0, 2.0]).round(4)
    array([-0.3034,  1.944 ])
    """

    _function = functional.mish

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Softplus(_Activation):
    """log(1 + exp(beta x)) / beta; see `fastnn.softplus`.

    Examples
    --------
    >>> Softplus()([-1.0, 2.0]).round(4)
    array([0.3133, 2.1269])
    """

    _function = functional.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__(beta=beta, threshold=threshold)


class LogSigmoid(_Activation):
    """log(sigmoid(x)); see `fastnn.logsigmoid`.

    Examples
    --------
    >>> LogSigmoid()([-1.0, 2.0]).round(4)
    array([-1.3133, -0.1269])
    """

    _function = functional.logsigmoid

    def __init__(self) -> None:
        super().__init__()


class Softsign(_Activation):
    """x / (1 + abs(x)); see `fastnn.softsign`.

    Examples
    --------
    >>> Softsign()([-1.0, 2.0]).round(4)
    array([-0.5   ,  0.6667])
    """

    _function = functional.softsign

    def __init__(self) -> None:
        super().__init__()


class Hardswish(_Activation):
    """x * min(max(x + 3, 0), 6) / 6; see `fastnn.hardswish`.

    Examples
    --------
    >>> Hardswish()([-1.0, 2.0]).round(4)
    array([-0.3333,  1.6667])
    """

    _function = functional.hardswish

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6; see `fastnn.hardsigmoid`.

    Examples
    --------
    >>> Hardsigmoid()([-1.0, 2.0]).round(4)
    array([0.3333, 0.8333])
    """

    _function = functional.hardsigmoid

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class Hardtanh(_Activation):
    """min(max(x, min_val), max_val); see `fastnn.hardtanh`.

    Examples
    --------
    >>> Hardtanh()([-1.0, 2.0])
    array([-1.,  1.])
    """

    _function = functional.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)


class ReLU6(_Activation):
    """min(max(x, 0), 6); see `fastnn.relu6`.

    Examples
    --------
    >>> ReLU6()([-1.0, 2.0])
    array([0., 2.])
    """

    _function = functional.relu6

    def __init__(self, inplace: bool = False):
        super().__init__(inplace=inplace)


class CELU(_Activation):
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)); see `fastnn.celu`.

    Examples
    --------
    >>> CELU()([-1.0, 2.0]).round(4)
    array([-0.6321,  2.    ])
    """

    _function = functional.celu

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(alpha=alpha, inplace=inplace)


class Hardshrink(_Activation):
    """x where abs(x) > lambd, else 0; see `fastnn.hardshrink`.

    Examples
    --------
    >>> Hardshrink()([-1.0, 2.0])
    array([-1.,  2.])
    """

    _function = functional.hardshrink

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """Return the option."""
        return str(self.lambd)


class Softshrink(_Activation):
    """x brought nearer to 0 by lambd; see `fastnn.softshrink`.

    Examples
    --------
    >>> Softshrink()([-1.0, 2.0])
    array([-0.5,  1.5])
    """

    _function = functional.softshrink

    def __init__(self, lambd: float = 0.5):
        super().__init__(lambd=lambd)

    def extra_repr(self) -> str:
        """Return the option."""
        return str(self.lambd)


class Tanhshrink(_Activation):
    """x - tanh(x); see `fastnn.tanhshrink`.

    Examples
    --------
    >>> Tanhshrink()([-1.0, 2.0]).round(4)
    array([-0.2384,  1.036 ])
    """

    _function = functional.tanhshrink

    def __init__(self) -> None:
        super().__init__()


class Threshold(_Activation):
    """x where x > threshold, else value; see `fastnn.threshold`.

    Examples
    --------
    >>> Threshold(0.1, 20.0)([-1.0, 1.0])
    array([20.,  1.])
    """

    _function = functional.threshold

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__(threshold=threshold, value=value, inplace=inplace)


class GLU(_Activation):
    """a * sigmoid(b) of the two halves along `dim`; see `fastnn.glu`.

    Examples
    --------
    >>> GLU()([1.0, 2.0, 0.0, 1.0]).round(4)
    array([0.5   , 1.4621])
    """

    _function = functional.glu

    def __init__(self, dim: int = -1):
        super().__init__(dim=dim)
