"""Module, the base of all layers, and Parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from .. import _check
from .._check import Array
from .._core import mode, observers
from ..autograd import Tensor, value_of, zero_gradients
from ._hooks import Hook, Hooks, RemovableHandle
from ._state import IncompatibleKeys, fitting

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A Tensor that a Module counts among its parameters when it is assigned as an attribute.

    Parameters
    ----------
    data : array_like of float
    requires_grad : bool

    Examples
    --------
    >>> Parameter(np.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Module:
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
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Array | None]
    _modules: dict[str, Module | None]
    _transient: set[str]  # buffers that state_dict leaves out
    _hooks: Hooks | None  # None until there is one
    _optional_state: frozenset[str] = frozenset()  # names that a loaded dict may lack
    _former_keys: Mapping[str, str] = {}  # today's name of what older files call otherwise

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

    # -- attributes ---------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        tables = vars(self)
        if "_parameters" not in tables:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name}")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._put(self._parameters, name, value)
        elif isinstance(value, Module):
            self._put(self._modules, name, value)
        elif self._parameters.get(name) is not None and value is not None:
            raise TypeError(
                f"{type(self).__name__}: expected {name} to be a Parameter or None, got {type(value).__name__}"
            )
        elif self._modules.get(name) is not None and value is not None:
            raise TypeError(
                f"{type(self).__name__}: expected {name} to be a Module or None, got {type(value).__name__}"
            )
        elif name in self._parameters:
            self._parameters[name] = value
        elif name in self._modules:
            self._modules[name] = value
        elif name in self._buffers:
            if value is not None and not isinstance(value, (np.ndarray, np.generic, Tensor)):
                raise TypeError(
                    f"{type(self).__name__}: expected {name} to be an array or None, got {type(value).__name__}"
                )
            self._buffers[name] = None if value is None else _check.as_array(type(self).__name__, value_of(value), name)
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if "_modules" in own:  # else __init__ was not called, or a copy is being made
            for entries in (own["_parameters"], own["_buffers"], own["_modules"]):
                if name in entries:
                    return entries[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if any(name in table for table in (self._parameters, self._buffers, self._modules)):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _forget(self, name: str, but: dict[str, Any] | None = None) -> None:
        for table in (self._parameters, self._buffers, self._modules, vars(self)):
            if table is not but:
                table.pop(name, None)
        self._transient.discard(name)

    def _put(self, table: dict[str, Any], name: str, value: Any) -> None:
        """Enter a name into one table, in the place it has there already."""
        self._forget(name, but=table)
        table[name] = value

    def _check_name(self, method: str, name: Any, table: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{method}: expected a name that is a string, got {type(name).__name__}")
        if not name or "." in name or (hasattr(self, name) and name not in table):
            raise ValueError(f"{method}: expected a new name without dots, got {name!r}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None for one that a subclass of layers leaves out."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: expected a Parameter or None for {name}, got {type(param).__name__}")
        self._check_name("register_parameter", name, self._parameters)
        self._put(self._parameters, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add an array of the module's state that is not trained; `state_dict` skips it if not persistent."""
        self._check_name("register_buffer", name, self._buffers)
        self._put(
            self._buffers, name, None if tensor is None else _check.as_array("register_buffer", value_of(tensor), name)
        )
        if not persistent:
            self._transient.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child module under a name."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: expected a Module or None for {name}, got {type(module).__name__}")
        self._check_name("add_module", name, self._modules)
        self._put(self._modules, name, module)

    register_module = add_module

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

    # -- walking ------------------------------------------------------------------------------------------------------

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """All modules from this one down, each once, with their paths."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            if remove_duplicate:
                seen.add(id(module))
            yield path, module
            stack.extend(
                reversed([(_joined(path, name), child) for name, child in module._modules.items() if child is not None])
            )

    def modules(self) -> Iterator[Module]:
        """All modules from this one down, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct children with their names, each once."""
        seen: set[int] = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """The direct children."""
        return (child for _, child in self.named_children())

    def _named(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]:
            for name, value in getattr(module, table).items():
                if value is not None and id(value) not in seen:
                    if remove_duplicate:
                        seen.add(id(value))
                    yield _joined(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths, a shared one once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, a shared one once."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """All buffers with their paths."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Array]:
        """All buffers."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def _at(self, path: str, kind: str, found: Callable[[Module, str], Any]) -> Any:
        *parents, name = path.split(".")
        module: Any = self
        try:
            for parent in parents:
                module = module._modules[parent]
            return found(module, name)
        except (KeyError, AttributeError):
            raise AttributeError(f"{type(self).__name__}: no {kind} {path!r}") from None

    def get_submodule(self, target: str) -> Module:
        """Return the module of this path, itself for ""."""
        return self if target == "" else self._at(target, "module", lambda module, name: module._modules[name])

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter of this path."""
        return self._at(target, "parameter", lambda module, name: module._parameters[name])

    def get_buffer(self, target: str) -> Array:
        """Return the buffer of this path."""
        return self._at(target, "buffer", lambda module, name: module._buffers[name])

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
        """Forget the parameters' gradients, or fill them with 0."""
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
        """Cast what this module itself holds, not its children."""
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
            _joined(path, old): _joined(path, new)
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


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def cast(layer: Module, input: Any, dtype: Any) -> Any:
    """What enters a layer, in the layer's dtype, or in its own for None; recorded for Tensors that track gradients."""
    if isinstance(input, Tensor):
        return input if dtype is None or input.dtype == dtype else input.astype(dtype)
    array = _check.as_float(type(layer).__name__, input)
    return array if dtype is None else array.astype(dtype, copy=False)
