"""Functions that a Module calls before and after its forward and backward passes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._check import Array
from ..autograd import Gradients, Tensor, make, tracks

if TYPE_CHECKING:
    from ._module import Module


class RemovableHandle:
    """The handle of a registered hook: `remove()` takes the hook away, and so does leaving a `with` block."""

    def __init__(self, hooks: dict[int, Any], number: int):
        self._hooks, self.id = hooks, number

    def remove(self) -> None:
        """Take the hook away; nothing happens if it is gone already."""
        self._hooks.pop(self.id, None)
        self._hooks = {}  # this hook's number may be given to another hook later

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


class Hook(NamedTuple):
    """A function and its calling convention."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False

    def after(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        """Call it as a forward hook."""
        extra = (kwargs,) if self.with_kwargs else ()
        return self.function(module, args, *extra, result)


class Hooks:
    """One module's hooks of each kind, in the order they are called."""

    def __init__(self) -> None:
        self.forward_pre: dict[int, Hook] = {}
        self.forward: dict[int, Hook] = {}
        self.backward_pre: dict[int, Hook] = {}
        self.backward: dict[int, Hook] = {}

    def add(self, kind: str, hook: Hook, prepend: bool) -> RemovableHandle:
        """Add a hook at the end, or at the front."""
        if not callable(hook.function):
            raise TypeError(f"register_{kind}_hook: expected a function, got {type(hook.function).__name__}")
        hooks: dict[int, Hook] = getattr(self, kind)
        number = max(hooks, default=-1) + 1
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[number] = hook
        hooks.update(others)
        return RemovableHandle(hooks, number)

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`module.forward` with all hooks."""
        finished: set[int] = set()
        result = None
        try:
            args, kwargs = self._before(module, args, kwargs)
            passing = _Backward(self, module) if self.backward or self.backward_pre else None
            inputs = passing.entering(args) if passing else args
            result = module.forward(*inputs, **kwargs)
            for number, hook in list(self.forward.items()):
                finished.add(number)
                changed = hook.after(module, args, kwargs, result)
                result = result if changed is None else changed
            return passing.leaving(result) if passing else result
        except Exception:
            for number, hook in self.forward.items():
                if hook.always_call and number not in finished:
                    self._after_error(hook, module, args, kwargs, result)
            raise

    @staticmethod
    def _after_error(hook: Hook, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        """Call a hook after an error, which an error of the hook must not replace."""
        try:
            hook.after(module, args, kwargs, result)
        except Exception as error:
            warnings.warn(f"{type(module).__name__}: a forward hook raised {error!r} after another error", stacklevel=4)

    def _before(
        self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for hook in list(self.forward_pre.values()):
            if hook.with_kwargs:
                changed = hook.function(module, args, kwargs)
                if changed is not None:
                    if not isinstance(changed, tuple) or len(changed) != 2:
                        name = type(module).__name__
                        raise TypeError(f"{name}: expected a pre-hook to return (args, kwargs), got {changed!r}")
                    args, kwargs = changed
            else:
                changed = hook.function(module, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
        return args, kwargs


def _gate(tensors: Sequence[Tensor], function: Callable[[list[Array | None]], Gradients]) -> tuple[Tensor, ...]:
    """The same tensors, whose gradients pass through `function`, which may change them."""

    def backward(*dys: Array | None) -> Gradients:
        return function([np.zeros_like(t.data) if dy is None else dy for t, dy in zip(tensors, dys, strict=True)])

    results: tuple[Tensor, ...] = make(tuple(t.data for t in tensors), tensors, backward)
    return results


class _Backward:
    """The backward pass of one call: hooks see the gradients of the outputs, and those of the inputs."""

    def __init__(self, hooks: Hooks, module: Module):
        self.hooks, self.module = hooks, module
        self.places: list[int] = []  # of the inputs that track gradients
        self.count = 0  # of inputs
        self.grad_output: tuple[Any, ...] = ()

    def entering(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, whose gradients the hooks see."""
        self.count = len(args)
        self.places = [i for i, value in enumerate(args) if isinstance(value, Tensor) and tracks(value)]
        if not self.places:
            return args
        inputs = list(args)
        for i, value in zip(self.places, _gate([args[i] for i in self.places], self._inputs_done), strict=True):
            inputs[i] = value
        return tuple(inputs)

    def leaving(self, result: Any) -> Any:
        """The outputs, whose gradients the hooks see."""
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        places = [i for i, value in enumerate(outputs) if isinstance(value, Tensor) and tracks(value)]
        if not places:
            return result

        def outputs_done(grads: list[Array | None]) -> Gradients:
            found: list[Array | None] = [None] * len(outputs)
            for i, grad in zip(places, grads, strict=True):
                found[i] = grad
            found = self._run(self.hooks.backward_pre, found)
            self.grad_output = tuple(found)
            if not self.places:
                self._run(self.hooks.backward, [None] * self.count, self.grad_output)
            return [found[i] for i in places]

        for i, value in zip(places, _gate([outputs[i] for i in places], outputs_done), strict=True):
            outputs[i] = value
        if not isinstance(result, (tuple, list)):
            return outputs[0]
        return type(result)(*outputs) if hasattr(result, "_fields") else type(result)(outputs)

    def _inputs_done(self, grads: list[Array | None]) -> Gradients:
        found: list[Array | None] = [None] * self.count
        for i, grad in zip(self.places, grads, strict=True):
            found[i] = grad
        found = self._run(self.hooks.backward, found, self.grad_output)
        return [found[i] for i in self.places]

    def _run(self, hooks: dict[int, Hook], grads: Sequence[Array | None], *more: Any) -> list[Array | None]:
        for hook in list(hooks.values()):
            changed = hook.function(self.module, tuple(grads), *more)
            if changed is not None:
                changed = changed if isinstance(changed, (tuple, list)) else (changed,)
                if len(changed) != len(grads):
                    raise ValueError(
                        f"{type(self.module).__name__}: expected a backward hook to return {len(grads)} gradients, "
                        f"got {len(changed)}"
                    )
                for i, (new, old) in enumerate(zip(changed, grads, strict=True), 1):
                    if new is not None and old is not None and np.shape(new) != old.shape:
                        raise ValueError(
                            f"{type(self.module).__name__}: expected a backward hook to return gradient {i} of shape "
                            f"{old.shape}, got {np.shape(new)}"
                        )
                grads = changed
        return list(grads)
