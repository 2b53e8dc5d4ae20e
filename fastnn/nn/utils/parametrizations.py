"""Weights of a norm: weight normalization and spectral normalization, as in `torch.nn.utils.parametrizations`."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ... import _check, functional
from ..._check import Array
from ..._dispatch import derivative, differentiable
from ...autograd import no_grad, value_of
from .. import init
from .._module import Module
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


# -- weight normalization ---------------------------------------------------------------------------------------------


def others(dim: int, ndim: int) -> tuple[int, ...]:
    """The dimensions summed over by a norm for each index of `dim`; all dimensions for -1."""
    return tuple(i for i in range(ndim) if dim == -1 or i != dim % ndim)


def norms(v: Any, dim: int) -> Array:
    """2-norms for each index of a dimension, in float64; the largest value is divided out, lest a square overflow."""
    array = np.asarray(value_of(v))
    axes, keep = others(dim, array.ndim), dim != -1
    most = np.abs(array).max(axis=axes, keepdims=True, initial=0).astype(np.float64)
    scaled = array / np.where((most == 0) | ~np.isfinite(most), 1, most)
    most = np.where(np.isfinite(most), np.where(most == 0, 1, most), 1)
    found = most * np.sqrt((scaled * scaled).sum(axis=axes, keepdims=True))
    return found if keep else found.reshape(())


@differentiable
def normed(v: Any, g: Any, dim: int) -> Array:
    """g v / |v|, |v| for each index of `dim`; 0 where v is 0."""
    return _normed(v, g, dim)[0]


def _normed(v: Array, g: Array, dim: int) -> tuple[Array, Array, Array]:
    norm = norms(v, dim)
    with np.errstate(all="ignore"):
        unit = np.where(norm == 0, 0, v / np.where(norm == 0, 1, norm))
        return (g * unit).astype(v.dtype), unit, norm


@derivative(normed, "v", "g")
def _normed_derivative(wanted: tuple[bool, bool], v: Array, g: Array, dim: int) -> Any:
    w, unit, norm = _normed(v, g, dim)

    def backward(dw: Array) -> tuple[Array, Array]:
        with np.errstate(all="ignore"):
            along = (dw * unit).sum(axis=others(dim, v.ndim), keepdims=dim != -1)
            dv = np.where(norm == 0, 0, g * (dw - unit * along) / np.where(norm == 0, 1, norm))
        return dv.astype(v.dtype), np.asarray(along, g.dtype)

    return w, backward


def checked_dim(name: str, dim: Any, ndim: int) -> int:
    """A dimension, -1 for None; -1 takes the norm of the whole array, as in PyTorch."""
    dim = -1 if dim is None else dim
    _check.axis(name, dim, ndim)
    return int(dim)


class _WeightNorm(Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return normed(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Any) -> Any:
        value = np.asarray(value_of(weight))
        return norms(value, self.dim).astype(value.dtype), value


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Train a weight's length and direction apart: w = g v / |v| (Salimans, Kingma 2016).

    The state_dict has g and v as `parametrizations.<name>.original0` and `original1`; the keys `<name>_g` and
    `<name>_v` of older files are read too.  Optimizers are given `module.parameters()` after this call.

    Parameters
    ----------
    module : Module
        Changed in place.
    name : str
    dim : int or None
        One norm for each index of this dimension, by default for each output.  None or -1: one norm of all values.

    Returns
    -------
    Module
        The same.

    Raises
    ------
    ValueError
        If the module has no such parameter.

    Examples
    --------
    >>> from fastnn import nn
    >>> layer = weight_norm(nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    (40, 1)
    >>> layer
    ParametrizedLinear(in_features=20, out_features=40, bias=True
      (parametrizations): ModuleDict(
        (weight): ParametrizationList(
          (0): _WeightNorm()
        )
      )
    )
    """
    weight = tensor_of("weight_norm", module, name)
    dim = checked_dim("weight_norm", dim, weight.ndim)
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    originals = f"parametrizations.{name}.original"
    object.__setattr__(
        module, "_former_keys", {f"{name}_g": f"{originals}0", f"{name}_v": f"{originals}1", **module._former_keys}
    )
    return module


def tensor_of(function: str, module: Any, name: str) -> Any:
    """A parameter or buffer of a module, or the value computed in its place."""
    found = getattr(module, name, None) if isinstance(module, Module) else None
    if found is None or not hasattr(found, "shape"):
        raise ValueError(f"{function}: expected a parameter of {type(module).__name__}, got {name!r}")
    return found


# -- spectral normalization -------------------------------------------------------------------------------------------


def as_matrix(weight: Any, dim: int) -> Any:
    """The weight as a matrix (size of `dim`, the rest)."""
    order = (dim, *(i for i in range(weight.ndim) if i != dim))
    turned = weight if dim == 0 else weight.transpose(*order)
    return turned.reshape(weight.shape[dim], -1)


def unit(x: Array, eps: float) -> Array:
    """x / max(|x|, eps)."""
    return functional.normalize(x, dim=0, eps=eps)


def drawn_units(matrix: Array, eps: float) -> list[Array]:
    """Random unit vectors, of the matrix's rows and of its columns."""
    return [unit(init.normal_(np.empty(size, matrix.dtype)), eps) for size in matrix.shape]


def largest(matrix: Any, u: Array, v: Array) -> Any:
    """u W v: the largest singular value, if u and v are its singular vectors."""
    return (matrix * (u[:, np.newaxis] * v)).sum()


class _SpectralNorm(Module):
    def __init__(self, weight: Any, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        self.dim, self.eps = dim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(np.asarray(value_of(weight)), dim)
            for name, vector in zip(("_u", "_v"), drawn_units(matrix, eps), strict=True):
                self.register_buffer(name, vector)
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Array, count: int) -> None:
        for _ in range(count):
            self._u[...] = unit(matrix @ self._v, self.eps)
            self._v[...] = unit(matrix.T @ self._u, self.eps)

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return functional.normalize(weight, dim=0, eps=self.eps)
        if self.training:
            self._iterate(as_matrix(np.asarray(value_of(weight)), self.dim), self.n_power_iterations)
        return weight / largest(as_matrix(weight, self.dim), self._u.copy(), self._v.copy())

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_arguments(function: str, module: Any, name: str, iterations: Any, eps: Any, dim: Any) -> tuple[Any, int]:
    """Check all arguments; return the weight and the dimension of its outputs."""
    weight = tensor_of(function, module, name)
    _check.count(function, "n_power_iterations", iterations, 1)
    _check.in_range(function, "eps", eps, 0)
    if dim is None:
        dim = 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
    return weight, _check.axis(function, dim, weight.ndim)


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divide a weight by its largest singular value (Miyato et al. 2018), so that the layer is 1-Lipschitz.

    The singular vectors are approximated by the power method: 15 steps at first, then n_power_iterations whenever the
    weight is read in training mode.  The state_dict has `parametrizations.<name>.original` and, of the vectors,
    `parametrizations.<name>.0._u` and `0._v`.

    Parameters
    ----------
    module : Module
        Changed in place.
    name : str
    n_power_iterations : int
    eps : float
        The least norm that a vector is divided by.
    dim : int, optional
        The outputs' dimension: 0, and 1 for transposed convolutions.  The rest is one dimension of the matrix.

    Returns
    -------
    Module
        The same.

    Raises
    ------
    ValueError
        If the module has no such parameter, or n_power_iterations is not positive.

    Examples
    --------
    >>> from fastnn import nn
    >>> layer = spectral_norm(nn.Linear(20, 40), n_power_iterations=50)
    >>> bool(abs(np.linalg.norm(layer.weight.numpy(), 2) - 1) < 0.05)
    True
    """
    weight, dim = spectral_arguments("spectral_norm", module, name, n_power_iterations, eps, dim)
    with no_grad():
        made = _SpectralNorm(weight, n_power_iterations, dim, float(eps))
    return register_parametrization(module, name, made)
