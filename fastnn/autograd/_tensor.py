"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check, _core, _dispatch
from .._check import Array
from .._core import make, tracks, value_of
from .._dispatch import DERIVATIVES
from . import _unusual
from ._protocol import Protocol

_np: Any = np  # for type checkers, which do not know that NumPy's functions of Tensors return Tensors


class Tensor(Protocol):
    """An array that can remember how it was computed.

    Parameters
    ----------
    data : array_like
        An ndarray is wrapped, not copied.  Integers cannot require gradients.
    requires_grad : bool

    Attributes
    ----------
    data : ndarray
        The array itself, not a copy: a change between forward and backward changes the gradient.  That holds for every
        array that a recorded call was given, but for indices, classes and masks, which are copied.  `y += z` on a
        computed Tensor changes no array: the name y gets a new Tensor.
    grad : ndarray or None
        Sum of the gradients of the `backward` calls so far; may be assigned.
    requires_grad : bool

    Examples
    --------
    >>> import fastnn
    >>> x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4.])
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = False):
        self._array = data.data if isinstance(data, Tensor) else _check.as_array("Tensor", data, "data")
        self.requires_grad = requires_grad

    # -- attributes ---------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The array."""
        return self._array

    @data.setter
    def data(self, value: Any) -> None:
        array = _check.as_array("Tensor.data", value, "an array")
        if self._requires_grad and array.dtype.kind != "f":
            raise TypeError(f"Tensor.data: expected a float array, got dtype {array.dtype}")
        self._array = array

    @property
    def requires_grad(self) -> bool:
        """Whether calls on it are recorded."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.data.dtype.kind != "f":
            raise TypeError(f"Tensor: expected a float array for requires_grad=True, got dtype {self.data.dtype}")
        if not value and self._result is not None:
            raise ValueError("Tensor: a computed Tensor requires gradients; use detach() for one that does not")
        self._requires_grad = bool(value)

    @property
    def grad(self) -> Array | None:
        """The sum of the gradients so far."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            value = _check.as_array("Tensor.grad", value, "an array")
            if value.dtype.kind not in "biuf":
                raise TypeError(f"Tensor.grad: expected real numbers, got dtype {value.dtype}")
            if value.shape != self.data.shape:
                raise ValueError(f"Tensor.grad: expected shape {self.data.shape}, got {value.shape}")
            value = value.astype(self.data.dtype, copy=False)
        self._grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`, and return the Tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not computed."""
        return self._result is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array.size

    def __len__(self) -> int:
        return len(self._array)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        text = np.array2string(self.data, prefix="tensor(", separator=", ")
        dtype = "" if self.data.dtype == np.float64 else f", dtype={self.data.dtype}"
        return f"tensor({text}{dtype}{', requires_grad=True' if self._requires_grad else ''})"

    __hash__ = object.__hash__

    def numpy(self) -> Array:
        """Return the array itself, tracked or not."""
        return self.data

    def item(self) -> Any:
        """Return the one value as a Python number."""
        return self.data.item()

    def tolist(self) -> Any:
        """Return the values as nested lists."""
        return self.data.tolist()

    def detach(self) -> Tensor:
        """Return a Tensor of the same array that tracks nothing."""
        return Tensor(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if tracks(self):
            _unusual.refuse_loss(sys._getframe(1))
        return np.array(self.data, dtype=dtype, copy=copy)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("Tensor: only Tensors made by the user can be deep-copied; detach() this one first")
        other = type(self)(self.data.copy(order="K"), self._requires_grad)
        other._grad = None if self._grad is None else self._grad.copy(order="K")
        memo[id(self)] = other
        return other

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise RuntimeError("Tensor: only Tensors made by the user can be pickled; detach() this one first")
        return type(self), (self.data, self._requires_grad)

    # -- differentiation ----------------------------------------------------------------------------------------------

    def backward(self, grad: Any = None, retain_graph: bool | None = None) -> None:
        """Add the gradient of this Tensor to the `grad` of every leaf it was computed from.

        The arrays that recorded calls kept (arguments and results) are released: the next forward pass can use their
        memory, even while a variable still holds the loss.

        Parameters
        ----------
        grad : array_like, optional
            Gradient of the final result with respect to this Tensor, of its shape; 1 for a scalar.
        retain_graph : bool, optional
            Keep these arrays, so that `backward` can run again over this graph or a part of it; gradients then add up.
            None keeps them if `grad` is given, since other results of the same calls may follow, and else releases
            them.

        Raises
        ------
        RuntimeError
            If this Tensor tracks no gradient, is no scalar and `grad` is missing, or if a part of its graph was walked
            already without `retain_graph`.
        """
        if not self._requires_grad:
            raise RuntimeError("backward: this Tensor does not require gradients")
        retain_graph = grad is not None if retain_graph is None else bool(retain_graph)
        if grad is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward: expected a grad for a Tensor of shape {self.shape}; only a scalar has a default"
                )
            grad = np.ones_like(self.data)
        grad = _check.as_array("backward", grad, "grad")
        if grad.dtype.kind not in "biuf":
            raise TypeError(f"backward: expected a grad of real numbers, got dtype {grad.dtype}")
        grad = grad.astype(self.data.dtype, copy=False)
        if grad.shape != self.data.shape:
            raise ValueError(f"backward: expected grad of shape {self.data.shape}, got {grad.shape}")
        _core.run_backward(self, grad, retain_graph)

    def _elementwise(self, act: int, out: Any, a: float, b: float) -> Any:
        """An activation of this Tensor, for `functional`."""
        x = self.data
        if not tracks(self):
            return _core.unary(act, x, x if out is self else out, a, b)
        if out is not None and out is not self:  # out=self is `inplace`, which a recorded step does out of place
            raise TypeError("a recorded call writes no out=; use no_grad()")
        y = _core.unary(act, x, None, a, b)
        saved = y if _core.SAVES_Y[act] else x
        return make(y, (self,), lambda dy: (_core.unary_backward(act, dy, saved, None, a, b),))

    if not TYPE_CHECKING:  # type checkers would accept any name

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_unusual.advice(name), name=name, obj=self)

    # -- methods ------------------------------------------------------------------------------------------------------

    @_dispatch.respelled
    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis` (an int, a tuple, or None for all)."""
        return _np.sum(self, axis=axis, keepdims=keepdims)

    @_dispatch.respelled
    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`."""
        return _np.mean(self, axis=axis, keepdims=keepdims)

    @_dispatch.respelled
    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Maximum over `axis`; equal maxima share the gradient."""
        return _np.max(self, axis=axis, keepdims=keepdims)

    @_dispatch.respelled
    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Minimum over `axis`; equal minima share the gradient."""
        return _np.min(self, axis=axis, keepdims=keepdims)

    @_dispatch.respelled
    def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Product over `axis`."""
        return _np.prod(self, axis=axis, keepdims=keepdims)

    @_dispatch.respelled
    def var(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Variance over `axis`, divided by n - ddof."""
        return _np.var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    @_dispatch.respelled
    def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Tensor:
        """Standard deviation over `axis`, the root of `var`."""
        return _np.std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    @_dispatch.respelled
    def cumsum(self, axis: Any = None) -> Tensor:
        """Sums of each element and those before it; None reads all in C order."""
        return _np.cumsum(self, axis)

    @_dispatch.respelled
    def argmax(self, axis: Any = None) -> Any:
        """Index of the maximum, an array: it has no gradient."""
        return self.data.argmax(axis)

    @_dispatch.respelled
    def argmin(self, axis: Any = None) -> Any:
        """Index of the minimum, an array: it has no gradient."""
        return self.data.argmin(axis)

    def reshape(self, *shape: Any) -> Tensor:
        """Return the values in another shape."""
        return _np.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Join dimensions start_dim to end_dim into one."""
        return self.reshape(_check.flattened("flatten", self.shape, start_dim, end_dim))

    def ravel(self) -> Tensor:
        """Return the values in one dimension."""
        return self.reshape(-1)

    @_dispatch.respelled
    def squeeze(self, axis: Any = None) -> Tensor:
        """Leave out dimensions of size 1: all, or those named."""
        return _np.squeeze(self, axis)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Exchange two dimensions."""
        return _np.swapaxes(self, axis1, axis2)

    @_dispatch.respelled
    def repeat(self, repeats: Any, axis: Any = None) -> Tensor:
        """Repeat each element, as NumPy does; PyTorch's repeat is `np.tile`."""
        return _np.repeat(self, repeats, axis)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Keep values within bounds; those beyond have no gradient."""
        return _np.clip(self, min, max)

    def transpose(self, *axes: Any) -> Tensor:
        """Permute the dimensions, or reverse them."""
        return _np.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    @property
    def T(self) -> Tensor:
        """The dimensions reversed."""
        return self.transpose()

    def exp(self) -> Tensor:
        """Exponential of each element."""
        return _np.exp(self)

    def log(self) -> Tensor:
        """Natural logarithm of each element."""
        return _np.log(self)

    def sqrt(self) -> Tensor:
        """Square root of each element."""
        return _np.sqrt(self)

    def abs(self) -> Tensor:
        """Absolute value of each element."""
        return _np.abs(self)

    def astype(self, dtype: Any) -> Any:
        """Cast; recorded between float types, while integers and bools are returned as an array without a gradient."""
        if not tracks(self):
            return self.data.astype(dtype)
        before = self.data.dtype
        return make(self.data.astype(dtype), (self,), lambda dy: (dy.astype(before),))


def tensor(data: Any, requires_grad: bool = False) -> Tensor:
    """Make a Tensor of a copy of the data.

    Parameters
    ----------
    data : array_like
    requires_grad : bool

    Returns
    -------
    Tensor

    Examples
    --------
    >>> tensor([1.0, 2.0], requires_grad=True)
    tensor([1., 2.], requires_grad=True)
    """
    _dispatch.refuse_tracked("tensor", "data", data if isinstance(data, (list, tuple)) else None)
    return Tensor(np.array(_check.as_array("tensor", value_of(data), "data"), order="K"), requires_grad)


def zero_gradients(parameters: Iterator[Tensor], set_to_none: bool) -> None:
    """Set gradients to None, or fill those that exist with 0."""
    for parameter in parameters:
        if set_to_none:
            parameter.grad = None
        elif parameter.grad is not None:
            parameter.grad = np.zeros_like(parameter.grad)


_core.set_tape(Tensor, DERIVATIVES, _unusual)
