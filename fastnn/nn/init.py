"""Initialisers: fill a Parameter or an array in place and return it.

`generator` is None (the package's own, see `fastnn.manual_seed`), an integer seed, a SeedSequence or a NumPy Generator.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from .. import _check, _random
from .._check import Array
from ..autograd import value_of

T = TypeVar("T")

NONLINEARITIES = ("linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu")


def _array(name: str, tensor: Any) -> Array:
    array = value_of(tensor)
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        got = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{name}: expected a Parameter, a Tensor or a float array, got {got}")
    if not array.flags.writeable:
        raise ValueError(f"{name}: the array is read-only")
    return array


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor that keeps the variance through a nonlinearity.

    Parameters
    ----------
    nonlinearity : str
        linear, conv1d, conv2d, conv3d, sigmoid: 1; tanh: 5/3; relu: sqrt(2); leaky_relu: sqrt(2 / (1 + param^2));
        selu: 3/4.
    param : float, optional
        leaky_relu's negative slope, 0.01 if None.

    Examples
    --------
    >>> round(calculate_gain("relu"), 4)
    1.4142
    """
    _check.choice("calculate_gain", "nonlinearity", nonlinearity, NONLINEARITIES)
    slope = 0.01 if param is None else _check.in_range("calculate_gain", "param", param, -1e150, 1e150)
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "selu": 0.75}
    return gains.get(nonlinearity, 1.0)


def fans(name: str, array: Array) -> tuple[int, int]:
    """fan_in and fan_out of a weight (out, in, *receptive field)."""
    if array.ndim < 2:
        raise ValueError(f"{name}: expected a tensor of 2 or more dimensions, got shape {array.shape}")
    field = math.prod(array.shape[2:])
    return array.shape[1] * field, array.shape[0] * field


def _draw_uniform(name: str, tensor: T, a: float, b: float, generator: Any) -> T:
    array = _array(name, tensor)
    if not math.isfinite(b - a):
        raise ValueError(f"{name}: expected a finite range, got [{a:g}, {b:g}]")
    array[...] = _random.generator(name, generator).uniform(a, b, array.shape)
    return tensor


def _draw_normal(name: str, tensor: T, mean: float, std: float, generator: Any) -> T:
    array = _array(name, tensor)
    array[...] = _random.generator(name, generator).normal(mean, std, array.shape)
    return tensor


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Any = None) -> T:
    """Fill with draws from U(a, b).

    Examples
    --------
    >>> bool((uniform_(np.empty(100), 2, 3) >= 2).all())
    True
    """
    a, b = _check.real("uniform_", "a", a), _check.real("uniform_", "b", b)
    if not a <= b:
        raise ValueError(f"uniform_: expected a of at most b, got {a:g} and {b:g}")
    return _draw_uniform("uniform_", tensor, a, b, generator)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> T:
    """Fill with draws from N(mean, std^2).

    Examples
    --------
    >>> normal_(np.empty((2, 3)), generator=0).shape
    (2, 3)
    """
    return _draw_normal(
        "normal_", tensor, _check.real("normal_", "mean", mean), _check.in_range("normal_", "std", std, 0), generator
    )


def constant_(tensor: T, val: float) -> T:
    """Fill with one value.

    Examples
    --------
    >>> constant_(np.empty(2), 0.5)
    array([0.5, 0.5])
    """
    _array("constant_", tensor)[...] = _check.real("constant_", "val", val)
    return tensor


def zeros_(tensor: T) -> T:
    """Fill with 0.

    Examples
    --------
    >>> zeros_(np.ones(2))
    array([0., 0.])
    """
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    """Fill with 1.

    Examples
    --------
    >>> ones_(np.zeros(2))
    array([1., 1.])
    """
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Fill with draws from U(-a, a), a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot, Bengio 2010).

    Examples
    --------
    >>> float(abs(xavier_uniform_(np.empty((3, 3)))).max()) <= 1.0
    True
    """
    fan_in, fan_out = fans("xavier_uniform_", _array("xavier_uniform_", tensor))
    bound = _check.real("xavier_uniform_", "gain", gain) * math.sqrt(6 / max(fan_in + fan_out, 1))
    return _draw_uniform("xavier_uniform_", tensor, -bound, bound, generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Fill with draws from N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot, Bengio 2010).

    Examples
    --------
    >>> xavier_normal_(np.empty((3, 3))).shape
    (3, 3)
    """
    fan_in, fan_out = fans("xavier_normal_", _array("xavier_normal_", tensor))
    std = _check.real("xavier_normal_", "gain", gain) * math.sqrt(2 / max(fan_in + fan_out, 1))
    return _draw_normal("xavier_normal_", tensor, 0, std, generator)


def _kaiming_std(name: str, tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    _check.choice(name, "mode", mode, ("fan_in", "fan_out"))
    fan = fans(name, _array(name, tensor))[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> T:
    """Fill with draws from U(-b, b), b = gain * sqrt(3 / fan) (He et al. 2015); a is leaky_relu's slope.

    Examples
    --------
    >>> kaiming_uniform_(np.empty((4, 3)), nonlinearity="relu").shape
    (4, 3)
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return _draw_uniform("kaiming_uniform_", tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> T:
    """Fill with draws from N(0, std^2), std = gain / sqrt(fan) (He et al. 2015); a is leaky_relu's slope.

    Examples
    --------
    >>> kaiming_normal_(np.empty((4, 3)), mode="fan_out").shape
    (4, 3)
    """
    return _draw_normal(
        "kaiming_normal_", tensor, 0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator
    )
