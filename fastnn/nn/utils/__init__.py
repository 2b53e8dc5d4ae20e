"""Gradient clipping, penalties on parameters, parameters as one vector, weights that are computed from others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import _check, functional
from ..._check import Array
from ..._shard import sample_axis
from ...autograd import Tensor
from . import parametrizations, parametrize, rnn
from ._weight_hooks import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "get_total_norm",
    "l1_penalty",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]


def _parameters(name: str, parameters: Any) -> list[Tensor]:
    found = [parameters] if isinstance(parameters, Tensor) else parameters
    if isinstance(found, np.ndarray) or not isinstance(found, Iterable):
        raise TypeError(f"{name}: expected an iterable of Parameters, got {type(parameters).__name__}")
    found = list(found)
    for each in found:
        if not isinstance(each, Tensor):
            raise TypeError(f"{name}: expected Parameters, got a {type(each).__name__}")
    return found


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> float:
    """p-norm of all values of several arrays, summed in float64.

    Examples
    --------
    >>> get_total_norm([np.array([3.0]), np.array([4.0])])
    5.0
    """
    p = _check.real("get_total_norm", "norm_type", norm_type)
    arrays = [np.abs(_check.as_float("get_total_norm", each, "each tensor").astype(np.float64)) for each in tensors]
    arrays = [array for array in arrays if array.size]
    if not arrays:
        return 0.0
    with np.errstate(all="ignore"):
        if math.isinf(p):
            extremes = [array.max() if p > 0 else array.min() for array in arrays]
            total = float(np.max(extremes) if p > 0 else np.min(extremes))
        elif p == 0:
            total = float(sum(int(np.count_nonzero(array)) > 0 for array in arrays))
        else:
            total = float(sum(float((array**p).sum()) for array in arrays) ** (1 / p))
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"the total norm of order {p:g} is {total}; clip with error_if_nonfinite=False to go on")
    return total


def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> float:
    """Scale gradients so that the norm of all of them together is at most max_norm.

    Parameters
    ----------
    parameters : iterable of Parameters, or one
    max_norm : float
    norm_type : float
        The norm's exponent; inf is the largest absolute value.
    error_if_nonfinite : bool
        Raise RuntimeError, changing nothing, if the norm is NaN or infinite.

    Returns
    -------
    float
        The norm before.

    Notes
    -----
    The factor is min(1, max_norm / (norm + 1e-6)), as in PyTorch; a NaN norm makes every gradient NaN.

    Examples
    --------
    >>> from fastnn import nn
    >>> p = nn.Parameter([0.0, 0.0])
    >>> p.grad = [3.0, 4.0]
    >>> clip_grad_norm_([p], 1.0)
    5.0
    >>> p.grad.round(4)
    array([0.6, 0.8])
    """
    found = _parameters("clip_grad_norm_", parameters)
    max_norm = _check.real("clip_grad_norm_", "max_norm", max_norm)
    grads = [each.grad for each in found if each.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    factor = max_norm / (total + 1e-6)
    if not factor >= 1:  # NaN too
        _scale(found, factor)
    return total


def _scale(parameters: list[Tensor], factor: float) -> None:
    for each in parameters:
        if each.grad is not None:
            each.grad = np.multiply(each.grad, each.grad.dtype.type(factor), out=_own(each.grad))


def _own(grad: Array) -> Array | None:
    """A gradient that can be changed in place, as PyTorch does."""
    return grad if grad.flags.writeable else None


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Clip each gradient value to [-clip_value, clip_value].

    Examples
    --------
    >>> from fastnn import nn
    >>> p = nn.Parameter([0.0, 0.0])
    >>> p.grad = [3.0, -0.5]
    >>> clip_grad_value_([p], 1.0)
    >>> p.grad
    array([ 1. , -0.5])
    """
    found = _parameters("clip_grad_value_", parameters)
    limit = _check.real("clip_grad_value_", "clip_value", clip_value)
    for each in found:
        if each.grad is not None:
            each.grad = np.clip(each.grad, -limit, limit, out=_own(each.grad))


def l1_penalty(parameters: Any, weight: float = 1.0) -> Any:
    """weight * sum abs(p) over all parameters, to be added to a loss; its gradient is weight * sign(p), 0 at 0.

    Such a penalty brings values near 0; the optimizers' `l1_decay` makes them 0.

    Parameters
    ----------
    parameters : iterable of Parameters, or one
    weight : float

    Returns
    -------
    Tensor

    Examples
    --------
    >>> from fastnn import nn
    >>> l1_penalty([nn.Parameter([1.0, -2.0])], 0.1)
    tensor(0.3, requires_grad=True)
    """
    strength = _check.real("l1_penalty", "weight", weight)
    total: Any = 0.0
    for each in _parameters("l1_penalty", parameters):
        zeros: Array = np.broadcast_to(each.dtype.type(0), each.shape)
        with sample_axis(None):
            total = total + functional.l1_loss(each, zeros, reduction="sum") * each.dtype.type(strength)
    return total


def parameters_to_vector(parameters: Any) -> Any:
    """All values of the parameters, one after the other, as one vector.

    Examples
    --------
    >>> from fastnn import nn
    >>> parameters_to_vector([nn.Parameter([[1.0, 2.0]]), nn.Parameter([3.0])])
    tensor([1., 2., 3.], requires_grad=True)
    """
    found = _parameters("parameters_to_vector", parameters)
    if not found:
        raise ValueError("parameters_to_vector: expected at least one parameter, got none")
    return np.concatenate([each.reshape(-1) for each in found])


def vector_to_parameters(vec: Any, parameters: Any) -> None:
    """Give the parameters the values that stand one after the other in a vector.

    Examples
    --------
    >>> from fastnn import nn
    >>> a, b = nn.Parameter([[0.0, 0.0]]), nn.Parameter([0.0])
    >>> vector_to_parameters([1.0, 2.0, 3.0], [a, b])
    >>> a.data, b.data
    (array([[1., 2.]]), array([3.]))
    """
    found = _parameters("vector_to_parameters", parameters)
    values = _check.as_float("vector_to_parameters", vec.data if isinstance(vec, Tensor) else vec, "vec")
    total = sum(each.size for each in found)
    if values.shape != (total,):
        raise ValueError(f"vector_to_parameters: expected a vec of shape ({total},), got {values.shape}")
    for each, end in zip(found, np.cumsum([each.size for each in found]), strict=True):
        each.data[...] = values[end - each.size : end].reshape(each.shape)
