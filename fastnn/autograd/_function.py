"""Function: a recorded call with a derivative written by the user."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dispatch
from .._check import Array
from .._core import make, mode, observers, tracks, value_of, wants
from ._mode import no_grad


class FunctionCtx:
    """The object in which `forward` keeps values for `backward` of the same call; any attribute may be set on it.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument of `apply`, whether it requires a gradient.
    saved_tensors : tuple of ndarray
        What `save_for_backward` was given.
    """

    needs_input_grad: tuple[bool, ...] = ()
    saved_tensors: tuple[Any, ...] = ()
    _materialize = True
    _unmarked: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep arrays (or None) for `backward`, which finds them in `saved_tensors`; they are not copied."""
        for i, each in enumerate(tensors, 1):
            if each is not None and not isinstance(value_of(each), (np.ndarray, np.generic)):
                raise TypeError(
                    f"save_for_backward: expected arrays or None, got {type(each).__name__} as argument {i}"
                )
        self.saved_tensors = tuple(map(value_of, tensors))

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Name the results of `forward` that are returned as plain arrays, without a gradient."""
        self._unmarked = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros, as it does by default, or None, for results that have no gradient."""
        self._materialize = bool(value)


class Function:
    """A function of arrays with a derivative of your own: subclass it, and call its `apply`.

    A subclass has two static methods, written for arrays: where `apply` is given Tensors, they get ndarrays.

    * ``forward(ctx, *args)`` returns an array or a tuple of arrays.  A result of integers or bools has no gradient, a
      Python number counts as an array, any other object is handed on as it is.
    * ``backward(ctx, *dys)`` gets the gradient of each result and returns one for each argument of `apply`: an array of
      the argument's shape, or None.

    Nothing is recorded inside of them: there are first derivatives only.

    Raises
    ------
    RuntimeError
        From the backward pass, if `backward` returns another number of gradients than there were arguments, or one for
        an argument that is no array.
    ValueError
        If a gradient's shape is not its argument's.
    TypeError
        If a result or a gradient is complex, or a list of Tensors is among the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnn
    >>> class Largest(fastnn.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         i = x.argmax()
    ...         ctx.shape, ctx.i = x.shape, i
    ...         return x[i], i
    ...     @staticmethod
    ...     def backward(ctx, dvalue, _):
    ...         dx = np.zeros(ctx.shape)
    ...         dx[ctx.i] = dvalue
    ...         return dx
    >>> x = fastnn.tensor([1.0, 5.0, 2.0], requires_grad=True)
    >>> value, i = Largest.apply(x)
    >>> value, i
    (tensor(5., requires_grad=True), array(1))
    >>> (value * 3).backward()
    >>> x.grad
    array([0., 3., 0.])
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Compute the results; subclasses write it."""
        raise NotImplementedError("Function: a subclass needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *dys: Any) -> Any:
        """Compute the arguments' gradients from those of the results; subclasses write it."""
        raise NotImplementedError("Function: a subclass needs a static method backward(ctx, *dys)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`, and record the call if an argument tracks gradients; else return arrays."""
        if kwargs:
            args = cls._positional(args, kwargs)
        lists = [each for each in args if isinstance(each, (list, tuple))]
        _dispatch.refuse_tracked(f"{cls.__name__}.apply", "a list", _dispatch.flat(lists))
        if observers and mode.observer is not None:
            return mode.observer.tell(cls.__name__, cls.apply, args, {})
        return cls._applied(args)

    @classmethod
    def _positional(cls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        import inspect  # slow to import, and seldom needed

        bound = inspect.signature(cls.forward).bind(None, *args, **kwargs)
        if bound.kwargs:
            raise TypeError(f"{cls.__name__}.apply: expected positional arguments, got {', '.join(bound.kwargs)}=")
        return bound.args[1:]

    @classmethod
    def _applied(cls, args: tuple[Any, ...]) -> Any:
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(map(wants, args))
        with no_grad():
            found = cls.forward(ctx, *map(value_of, args))
        if isinstance(found, list):
            raise TypeError(f"{cls.__name__}.forward: expected an array or a tuple of arrays, got a list")
        outputs = found if isinstance(found, tuple) else (found,)
        results = [cls._result(each) for each in outputs]
        if tracks(*args):
            places = [
                i
                for i, (output, result) in enumerate(zip(outputs, results, strict=True))
                if isinstance(result, np.ndarray) and result.dtype.kind == "f" and not _among(output, ctx._unmarked)
            ]
            call = _Call(cls, ctx, args, results, places)
            for i, tensor in zip(places, make(tuple(results[i] for i in places), args, call), strict=True):
                results[i] = tensor
        return tuple(results) if isinstance(found, tuple) else results[0]

    @classmethod
    def _result(cls, output: Any) -> Any:
        value = value_of(output)
        if isinstance(value, (np.ndarray, np.generic, float, complex)):
            value = np.asarray(value)
            if value.dtype.kind in "cO":
                raise TypeError(f"{cls.__name__}.forward: expected real results, got dtype {value.dtype}")
        return value


class _Call:
    """The backward pass of one call.

    results : what `forward` returned; those at `places` have gradients
    """

    def __init__(self, function: type[Function], ctx: Any, args: Any, results: list[Any], places: list[int]):
        self.function, self.ctx, self.places = function, ctx, places
        self.results = [(each.shape, each.dtype) if isinstance(each, np.ndarray) else None for each in results]
        values = tuple(map(value_of, args))
        self.arrays = [isinstance(each, (np.ndarray, np.generic)) for each in values]
        self.shapes = [
            np.shape(each) if needed else None for each, needed in zip(values, ctx.needs_input_grad, strict=True)
        ]

    def __call__(self, *found: Array | None) -> list[Array | None]:
        dys: list[Any] = [None] * len(self.results)
        for i, dy in zip(self.places, found, strict=True):
            dys[i] = dy
        if self.ctx._materialize:
            dys = [np.zeros(*kind) if dy is None and kind else dy for dy, kind in zip(dys, self.results, strict=True)]
        with no_grad():
            gradients = self.function.backward(self.ctx, *dys)
        return self._checked(gradients if isinstance(gradients, tuple) else (gradients,))

    def _checked(self, gradients: tuple[Any, ...]) -> list[Array | None]:
        name, expected = f"{self.function.__name__}.backward", len(self.arrays)
        if len(gradients) < expected or any(each is not None for each in gradients[expected:]):
            raise RuntimeError(f"{name}: expected {expected} gradients, one for each argument, got {len(gradients)}")
        checked: list[Array | None] = []
        for i, (gradient, shape) in enumerate(zip(gradients, self.shapes, strict=False)):
            if gradient is not None and not self.arrays[i]:
                raise RuntimeError(f"{name}: expected None as gradient {i + 1}, since argument {i + 1} is no array")
            if gradient is None or shape is None:
                checked.append(None)
                continue
            array = np.asarray(value_of(gradient))
            if array.dtype.kind not in "fiub":
                raise TypeError(f"{name}: expected real numbers as gradient {i + 1}, got dtype {array.dtype}")
            if array.shape != shape:
                raise ValueError(
                    f"{name}: expected gradient {i + 1} of shape {shape}, its argument's, got {array.shape}"
                )
            checked.append(array)
        return checked


def _among(output: Any, marked: tuple[Any, ...]) -> bool:
    return any(output is each for each in marked)
