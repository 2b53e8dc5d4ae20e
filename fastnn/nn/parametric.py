"""Activation layers with learned parameters: one for all values, or one for each channel."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, functional
from ._module import Module, Parameter, cast

__all__ = [
    "PReLU",
    "ParametricELU",
    "ParametricSigmoid",
    "ParametricSoftplus",
    "ScaledReLU",
    "Swish",
]


class _Parametric(Module):
    """A layer that calls one function with its parameters."""

    def __init__(self, num_parameters: int, dtype: Any, **init: float):
        super().__init__()
        name = type(self).__name__
        self.num_parameters = _check.count(name, "num_parameters", num_parameters, low=1)
        self._init = {argument: _check.real(name, argument, value) for argument, value in init.items()}
        for argument in self._init:
            array = np.empty(self.num_parameters, _check.float_dtype(name, dtype))
            self.register_parameter(argument, Parameter(array))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the parameters to the values that they started from."""
        for argument, value in self._init.items():
            getattr(self, argument).data[...] = value

    def _apply(self, function: Any, input: Any, *fixed: Any) -> Any:
        parameters = [getattr(self, argument) for argument in self._init]
        return function(cast(self, input, parameters[0].dtype), *parameters, *fixed)

    def extra_repr(self) -> str:
        """Return the number of parameters."""
        return f"num_parameters={self.num_parameters}"


class PReLU(_Parametric):
    """x where x > 0, else weight * x; see `fastnn.prelu`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
    dtype : float32 or float64

    Attributes
    ----------
    weight : Parameter, (num_parameters,)

    Examples
    --------
    >>> PReLU()([-4.0, 4.0])
    tensor([-1.,  4.], dtype=float32, requires_grad=True)
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, weight=init)
        self.init = init

    def forward(self, input: Any) -> Any:
        """Return `fastnn.prelu(input, weight)`."""
        return self._apply(functional.prelu, input)


class Swish(_Parametric):
    """x * sigmoid(beta * x) with a learned beta; see `fastnn.swish`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
        With 1 the layer starts as `SiLU`.
    dtype : float32 or float64

    Attributes
    ----------
    beta : Parameter, (num_parameters,)

    Examples
    --------
    >>> Swish()([0.0, 1.0]).numpy().round(4)
    array([0.    , 0.7311], dtype=float32)
    """

    def __init__(self, num_parameters: int = 1, init: float = 1.0, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, beta=init)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.swish(input, beta)`."""
        return self._apply(functional.swish, input)


class ParametricELU(_Parametric):
    """x where x > 0, else alpha * (exp(x) - 1) with a learned alpha; see `fastnn.parametric_elu`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
    dtype : float32 or float64

    Attributes
    ----------
    alpha : Parameter, (num_parameters,)

    Examples
    --------
    >>> ParametricELU(init=0.5)([-1.0, 1.0]).numpy().round(4)
    array([-0.3161,  1.    ], dtype=float32)
    """

    def __init__(self, num_parameters: int = 1, init: float = 1.0, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, alpha=init)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.parametric_elu(input, alpha)`."""
        return self._apply(functional.parametric_elu, input)


class ParametricSoftplus(_Parametric):
    """log(1 + exp(beta x)) / beta with a learned beta; see `fastnn.parametric_softplus`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
    threshold : float
    dtype : float32 or float64

    Attributes
    ----------
    beta : Parameter, (num_parameters,)

    Examples
    --------
    >>> ParametricSoftplus()([0.0, 30.0]).numpy().round(4)
    array([ 0.6931, 30.    ], dtype=float32)
    """

    def __init__(self, num_parameters: int = 1, init: float = 1.0, threshold: float = 20.0, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, beta=init)
        self.threshold = _check.real("ParametricSoftplus", "threshold", threshold)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.parametric_softplus(input, beta, threshold)`."""
        return self._apply(functional.parametric_softplus, input, self.threshold)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{super().extra_repr()}, threshold={self.threshold}"


class ParametricSigmoid(_Parametric):
    """a * sigmoid(b * x) with learned height and slope; see `fastnn.parametric_sigmoid`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    a, b : float
        Where the parameters start.
    dtype : float32 or float64

    Attributes
    ----------
    a, b : Parameter, (num_parameters,)

    Examples
    --------
    >>> ParametricSigmoid(a=2.0)([0.0])
    tensor([1.], dtype=float32, requires_grad=True)
    """

    def __init__(self, num_parameters: int = 1, a: float = 1.0, b: float = 1.0, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, a=a, b=b)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.parametric_sigmoid(input, a, b)`."""
        return self._apply(functional.parametric_sigmoid, input)


class ScaledReLU(_Parametric):
    """alpha * relu(x) with a learned alpha; see `fastnn.scaled_relu`.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels.
    init : float
    dtype : float32 or float64

    Attributes
    ----------
    alpha : Parameter, (num_parameters,)

    Examples
    --------
    >>> ScaledReLU(init=2.0)([-1.0, 1.0])
    tensor([0., 2.], dtype=float32, requires_grad=True)
    """

    def __init__(self, num_parameters: int = 1, init: float = 1.0, *, dtype: Any = np.float32):
        super().__init__(num_parameters, dtype, alpha=init)

    def forward(self, input: Any) -> Any:
        """Return `fastnn.scaled_relu(input, alpha)`."""
        return self._apply(functional.scaled_relu, input)
