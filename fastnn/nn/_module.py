"""Module, the base of all layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from .. import _check
from .._check import Array
from .._core import mode, observers
from ..autograd import Tensor, zero_gradients
from ._hooks import Hook, Hooks, RemovableHandle
from ._state import IncompatibleKeys, fitting
from ._tree import Parameter as Parameter, Tree, joined

M = TypeVar("M", bound="Module")


class Module(Tree):
    """Base class of all layers and models.

    A subclass calls `super().__init__()`, assigns Parameters and Modules as attributes, and defines `forward`.

    Examples
    --------
    >>> from fastnn import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(np.array(2.0))
    ...
    ...     def forward(self, input):
    ...         return self.factor * input
    >>> Scale()(np.array([1.0, 2.0]))
    tensor([2., 4.], requires_grad=True)
    """

    training: bool
    _hooks: Hooks | None  # None until there is one
    _optional_state: frozenset[str] = frozenset()  # names that a loaded dict may lack
    _former_keys: Mapping[str, str] = {}  # from names in older files to present names

    def __init__(self) -> None:
        vars(self).update(training=True, _parameters={}, _buffers={}, _modules={}, _transient=set(), _hooks=None)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's output; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__}: forward is not defined")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if observers and mode.observer is not None:
            return mode.observer.enter(self, args, kwargs)
        hooks = vars(self).get("_hooks")
        return self.forward(*args, **kwargs) if hooks is None else hooks.call(self, args, kwargs)

    # -- hooks --------------------------------------------------------------------------------------------------------

    def _add_hook(self, kind: str, hook: Hook, prepend: bool) -> RemovableHandle:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks.add(kind, hook, prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before `forward`; what it returns, if anything, takes the arguments' place.

        With with_kwargs it is hook(module, args, kwargs), which returns both.
        """
        return self._add_hook("forward_pre", Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args, output) after `forward`; what it returns, if anything, takes the output's place.

        With with_kwargs it is hook(module, args, kwargs, output); with always_call it is called after an error too.
        """
        return self._add_hook("forward", Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) before the backward pass; it may return other gradients."""
        return self._add_hook("backward_pre", Hook(hook), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when both are known; it may return other input gradients.

        They are tuples of arrays, one for each positional argument or output, None where there is no gradient.
        """
        return self._add_hook("backward", Hook(hook), prepend)

    # -- modes --------------------------------------------------------------------------------------------------------

    def train(self: M, mode: bool = True) -> M:
        """Put this module and all below into training mode."""
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self: M) -> M:
        """Put this module and all below into evaluation mode."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Set whether the parameters track gradients."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the parameters' gradients to None, or fill them with 0."""
        zero_gradients(self.parameters(), set_to_none)

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call a function on every module, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self: M, dtype: Any) -> M:
        """Cast parameters, their gradients and float buffers to float32 or float64."""
        dtype = _check.float_dtype(f"{type(self).__name__}.to", dtype)
        for module in self.modules():
            module._cast(dtype)
        return self

    def _cast(self, dtype: Any) -> None:
        """Cast this module's own parameters and buffers, not its children's."""
        for parameter in self._parameters.values():
            if parameter is not None:
                grad = parameter.grad
                parameter.data = parameter.data.astype(dtype, copy=False)
                parameter.grad = grad
        for name, value in self._buffers.items():
            if value is not None and value.dtype.kind == "f":
                self._buffers[name] = value.astype(dtype, copy=False)

    def float(self: M) -> M:
        """Cast to float32."""
        return self.to(np.float32)

    def double(self: M) -> M:
        """Cast to float64."""
        return self.to(np.float64)

    # -- state --------------------------------------------------------------------------------------------------------

    def state_dict(self, prefix: str = "") -> dict[str, Array]:
        """Return parameters and persistent buffers by path, PyTorch's keys; the arrays are live, not copies."""
        state: dict[str, Array] = {}
        for name, parameter in self._parameters.items():
            if parameter is not None:
                state[prefix + name] = parameter.data
        for name, value in self._buffers.items():
            if value is not None and name not in self._transient:
                state[prefix + name] = value
        for name, child in self._modules.items():  # a shared child under each of its names
            if child is not None:
                state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def _optional_keys(self, prefix: str = "") -> set[str]:
        keys = {prefix + name for name in self._optional_state}
        children = [(name, child) for name, child in self._modules.items() if child is not None]
        return keys.union(*(child._optional_keys(f"{prefix}{name}.") for name, child in children))

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy arrays into the parameters and buffers of the same paths: all of them or, on any error, none.

        Parameters
        ----------
        state_dict : mapping of str to array_like
        strict : bool
            Refuse missing and unexpected keys.  A batch-norm layer's num_batches_tracked may be missing.
        assign : bool
            Take the arrays themselves, with their dtypes, instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            (missing_keys, unexpected_keys)

        Raises
        ------
        StateDictError
            For keys, if strict, and for shapes or dtypes that do not fit; a ValueError and a RuntimeError.
        """
        own = self.state_dict()
        former = {
            joined(path, old): joined(path, new)
            for path, module in self.named_modules()
            for old, new in module._former_keys.items()
        }
        if former and isinstance(state_dict, Mapping):
            state_dict = {former.get(key, key): value for key, value in state_dict.items()}
        values, keys = fitting(type(self).__name__, own, self._optional_keys(), state_dict, strict, assign)
        for key, value in values.items():
            if assign:
                self._take(key, value)
            else:
                own[key][...] = value
        return keys

    def _take(self, key: str, value: Array) -> None:
        path, _, name = key.rpartition(".")
        module = self.get_submodule(path)
        parameter = module._parameters.get(name)
        if parameter is None:
            module._buffers[name] = value
        else:
            parameter.data = value

    # -- text ---------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return the part of `repr` between the brackets."""
        return ""

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), list(self._modules.items())
        if not children:
            return f"{type(self).__name__}({extra})"
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in children]
        return f"{type(self).__name__}({extra}\n  " + "\n  ".join(lines) + "\n)"


def cast(layer: Module, input: Any, dtype: Any) -> Any:
    """A layer's input in the layer's dtype, or in its own for None; for Tensors that track gradients it is recorded."""
    if isinstance(input, Tensor):
        return input if dtype is None or input.dtype == dtype else input.astype(dtype)
    array = _check.as_float(type(layer).__name__, input)
    return array if dtype is None else array.astype(dtype, copy=False)
