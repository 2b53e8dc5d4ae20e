"""Initialisers: fill a Parameter or an array in place and return it.

`generator`, which may also be called `rng`, is None (the package's own, see `fastnn.manual_seed`), an integer seed, a
SeedSequence or a NumPy Generator.
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


def _source(name: str, generator: Any, rng: Any) -> np.random.Generator:
    if generator is not None and rng is not None:
        raise TypeError(f"{name}: expected generator or rng, got both")
    return _random.generator(name, rng if generator is None else generator)


def _draw_uniform(name: str, tensor: T, a: float, b: float, generator: Any, rng: Any) -> T:
    array = _array(name, tensor)
    if not math.isfinite(b - a):
        raise ValueError(f"{name}: expected a finite range, got [{a:g}, {b:g}]")
    array[...] = _source(name, generator, rng).uniform(a, b, array.shape)
    return tensor


def _draw_normal(name: str, tensor: T, mean: float, std: float, generator: Any, rng: Any) -> T:
    array = _array(name, tensor)
    array[...] = _source(name, generator, rng).normal(mean, std, array.shape)
    return tensor


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Any = None, *, rng: Any = None) -> T:
    """Fill with draws from U(a, b).

    Examples
    --------
    >>> bool((uniform_(np.empty(100), 2, 3) >= 2).all())
    True
    """
    a, b = _check.real("uniform_", "a", a), _check.real("uniform_", "b", b)
    if not a <= b:
        raise ValueError(f"uniform_: expected a of at most b, got {a:g} and {b:g}")
    return _draw_uniform("uniform_", tensor, a, b, generator, rng)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Any = None, *, rng: Any = None) -> T:
    """Fill with draws from N(mean, std^2).

    Examples
    --------
    >>> normal_(np.empty((2, 3)), generator=0).shape
    (2, 3)
    """
    return _draw_normal(
        "normal_",
        tensor,
        _check.real("normal_", "mean", mean),
        _check.in_range("normal_", "std", std, 0),
        generator,
        rng,
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


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Any = None, *, rng: Any = None) -> T:
    """Fill with draws from U(-a, a), a = gain * sqrt(6 / (fan_in + fan_out)) (Glorot, Bengio 2010).

    Examples
    --------
    >>> float(abs(xavier_uniform_(np.empty((3, 3)))).max()) <= 1.0
    True
    """
    fan_in, fan_out = fans("xavier_uniform_", _array("xavier_uniform_", tensor))
    bound = _check.real("xavier_uniform_", "gain", gain) * math.sqrt(6 / max(fan_in + fan_out, 1))
    return _draw_uniform("xavier_uniform_", tensor, -bound, bound, generator, rng)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Any = None, *, rng: Any = None) -> T:
    """Fill with draws from N(0, std^2), std = gain * sqrt(2 / (fan_in + fan_out)) (Glorot, Bengio 2010).

    Examples
    --------
    >>> xavier_normal_(np.empty((3, 3))).shape
    (3, 3)
    """
    fan_in, fan_out = fans("xavier_normal_", _array("xavier_normal_", tensor))
    std = _check.real("xavier_normal_", "gain", gain) * math.sqrt(2 / max(fan_in + fan_out, 1))
    return _draw_normal("xavier_normal_", tensor, 0, std, generator, rng)


def _kaiming_std(name: str, tensor: Any, a: float, mode: str, nonlinearity: str) -> float:
    _check.choice(name, "mode", mode, ("fan_in", "fan_out"))
    fan = fans(name, _array(name, tensor))[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
    *,
    rng: Any = None,
) -> T:
    """Fill with draws from U(-b, b), b = gain * sqrt(3 / fan) (He et al. 2015); a is leaky_relu's slope.

    Examples
    --------
    >>> kaiming_uniform_(np.empty((4, 3)), nonlinearity="relu").shape
    (4, 3)
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return _draw_uniform("kaiming_uniform_", tensor, -bound, bound, generator, rng)


def kaiming_normal_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
    *,
    rng: Any = None,
) -> T:
    """Fill with draws from N(0, std^2), std = gain / sqrt(fan) (He et al. 2015); a is leaky_relu's slope.

    Examples
    --------
    >>> kaiming_normal_(np.empty((4, 3)), mode="fan_out").shape
    (4, 3)
    """
    return _draw_normal(
        "kaiming_normal_", tensor, 0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator, rng
    )


def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
    *,
    rng: Any = None,
) -> T:
    """Fill with draws from N(mean, std^2) restricted to [a, b], which are values, not multiples of std.

    Examples
    --------
    >>> bool((abs(trunc_normal_(np.empty(100), std=5.0)) <= 2).all())
    True
    """
    from statistics import NormalDist

    name = "trunc_normal_"
    array = _array(name, tensor)
    mean, std = _check.real(name, "mean", mean), _check.in_range(name, "std", std, 0)
    a, b = _check.real(name, "a", a), _check.real(name, "b", b)
    if not a <= b:
        raise ValueError(f"{name}: expected a of at most b, got {a:g} and {b:g}")
    source = _source(name, generator, rng)
    if std == 0:
        array[...] = min(max(mean, a), b)
        return tensor
    # the inverse distribution function of a uniform draw, in the tail where probabilities lose no digits
    low, high = (a - mean) / std, (b - mean) / std
    sign = -1.0 if low > 0 else 1.0
    low, high = sorted(0.5 * math.erfc(-sign * z / math.sqrt(2)) for z in (low, high))
    normal = NormalDist()
    uniform = np.asarray(source.uniform(low, high, array.shape))
    draws = np.array([normal.inv_cdf(min(max(u, 5e-324), 1 - 2**-53)) for u in uniform.ravel()])
    array[...] = np.clip(mean + std * sign * draws.reshape(array.shape), a, b)
    return tensor


def _matrix(name: str, tensor: Any) -> Array:
    array = _array(name, tensor)
    if array.ndim != 2:
        raise ValueError(f"{name}: expected a tensor of 2 dimensions, got shape {array.shape}")
    return array


def eye_(tensor: T) -> T:
    """Fill a matrix with the identity.

    Examples
    --------
    >>> eye_(np.empty((2, 3)))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    array = _matrix("eye_", tensor)
    array[...] = np.eye(*array.shape)
    return tensor


def dirac_(tensor: T, groups: int = 1) -> T:
    """Fill a convolution's weight (out, in, *kernel) so that it copies as many channels as possible, in each group.

    Examples
    --------
    >>> dirac_(np.empty((2, 2, 3)))[1]
    array([[0., 0., 0.],
           [0., 1., 0.]])
    """
    array = _array("dirac_", tensor)
    groups = _check.count("dirac_", "groups", groups, low=1)
    if array.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected a tensor of 3, 4 or 5 dimensions, got shape {array.shape}")
    if array.shape[0] % groups:
        raise ValueError(f"dirac_: expected a first dimension divisible by groups {groups}, got shape {array.shape}")
    out = array.shape[0] // groups
    centre = tuple(size // 2 for size in array.shape[2:])
    array[...] = 0
    for group in range(groups):
        for channel in range(min(out, array.shape[1])):
            at = (group * out + channel, channel, *centre)
            array[at] = 1
    return tensor


def orthogonal_(tensor: T, gain: float = 1.0, generator: Any = None, *, rng: Any = None) -> T:
    """Fill with gain times a random matrix of orthonormal rows or columns (Saxe, McClelland, Ganguli 2014).

    Parameters
    ----------
    tensor : Parameter, Tensor or ndarray, (rows, *)
        The dimensions after the first count as one.
    gain : float
    generator, rng
        Where draws come from.

    Examples
    --------
    >>> w = orthogonal_(np.empty((2, 4)))
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    array = _array("orthogonal_", tensor)
    gain = _check.real("orthogonal_", "gain", gain)
    if array.ndim < 2:
        raise ValueError(f"orthogonal_: expected a tensor of 2 or more dimensions, got shape {array.shape}")
    rows, columns = array.shape[0], math.prod(array.shape[1:])
    if not array.size:
        return tensor
    flat = _source("orthogonal_", generator, rng).normal(size=(rows, columns))
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q *= np.sign(np.diag(r))  # makes the draw uniform over all orthogonal matrices
    array[...] = gain * (q.T if rows < columns else q).reshape(array.shape)
    return tensor


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Any = None, *, rng: Any = None) -> T:
    """Fill a matrix with draws from N(0, std^2), then set a share of each column to 0 (Martens 2010).

    Parameters
    ----------
    tensor : Parameter, Tensor or ndarray, (rows, columns)
    sparsity : float
        The share, in [0, 1]; rounded up to whole rows.
    std : float
    generator, rng
        Where draws come from.

    Examples
    --------
    >>> (sparse_(np.empty((10, 3)), 0.35) == 0).sum(0)
    array([4, 4, 4])
    """
    array = _matrix("sparse_", tensor)
    share = _check.in_range("sparse_", "sparsity", sparsity, 0, 1)
    std = _check.in_range("sparse_", "std", std, 0)
    source = _source("sparse_", generator, rng)
    array[...] = source.normal(0, std, array.shape)
    zeros = math.ceil(share * array.shape[0])
    for column in range(array.shape[1]):
        array[source.permutation(array.shape[0])[:zeros], column] = 0
    return tensor
