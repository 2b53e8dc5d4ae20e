"""Weight and spectral normalization by hooks: PyTorch's older functions, with their keys."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ...autograd import no_grad, value_of
from .._module import Module, Parameter
from .parametrizations import (
    as_matrix,
    checked_dim,
    drawn_units,
    largest,
    normed,
    norms,
    spectral_arguments,
    tensor_of,
    unit,
)

M = TypeVar("M", bound=Module)


class _Weight:
    """Computes a weight before each forward pass, from parameters with other names."""

    def __init__(self, name: str):
        self.name = name

    def compute(self, module: Module) -> Any:
        raise NotImplementedError

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _put(function: str, module: Module, hook: _Weight, parts: dict[str, Any]) -> None:
    """Replace the weight by its parts, from which it is computed from now on."""
    delattr(module, hook.name)
    for name, part in parts.items():
        (module.register_parameter if isinstance(part, Parameter) else module.register_buffer)(name, part)
    hook(module, ())
    handles = vars(module).setdefault("_weight_hooks", {})
    handles[hook.name] = (function, hook, module.register_forward_pre_hook(hook), list(parts))


def _parameter(function: str, module: Any, name: str) -> Parameter:
    tensor_of(function, module, name)
    if name in vars(module).get("_weight_hooks", {}):
        raise RuntimeError(f"{function}: {name!r} of {type(module).__name__} is normalized already")
    found = module._parameters.get(name)
    if found is None:
        raise ValueError(f"{function}: expected a parameter of {type(module).__name__}, got {name!r}")
    return found


def _remove(function: str, module: M, name: str) -> M:
    kind, hook, handle, parts = vars(module).get("_weight_hooks", {}).get(name, (None,) * 4)
    if kind != function:
        raise ValueError(f"remove_{function}: expected a weight that {function} was called on, got {name!r}")
    if isinstance(hook, _Spectral):
        hook.steps = 0
    with no_grad():
        weight = np.array(value_of(hook.compute(module)))
    tracks = any(getattr(module, part).requires_grad for part in parts if part in module._parameters)
    handle.remove()
    for part in (name, *parts):
        delattr(module, part)
    del vars(module)["_weight_hooks"][name]
    module.register_parameter(name, Parameter(weight, tracks))
    return module


class _Normed(_Weight):
    def __init__(self, name: str, dim: int):
        super().__init__(name)
        self.dim = dim

    def compute(self, module: Module) -> Any:
        return normed(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """As `nn.utils.parametrizations.weight_norm`, with the older keys `<name>_g` and `<name>_v`.

    The weight is computed before each forward pass, not whenever it is read.

    Examples
    --------
    >>> from fastnn import nn
    >>> list(weight_norm(nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_g', 'weight_v']
    """
    weight = _parameter("weight_norm", module, name)
    dim = checked_dim("weight_norm", dim, weight.ndim)
    g = Parameter(norms(weight, dim).astype(weight.dtype), weight.requires_grad)
    _put("weight_norm", module, _Normed(name, dim), {f"{name}_g": g, f"{name}_v": weight})
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter of its own again.

    Examples
    --------
    >>> from fastnn import nn
    >>> list(remove_weight_norm(weight_norm(nn.Linear(20, 40))).state_dict())
    ['bias', 'weight']
    """
    return _remove("weight_norm", module, name)


class _Spectral(_Weight):
    def __init__(self, name: str, dim: int, steps: int, eps: float):
        super().__init__(name)
        self.dim, self.steps, self.eps = dim, steps, eps

    def compute(self, module: Module) -> Any:
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(np.asarray(value_of(weight)), self.dim)
        for _ in range(self.steps if module.training else 0):
            v[...] = unit(matrix.T @ u, self.eps)
            u[...] = unit(matrix @ v, self.eps)
        return weight / largest(as_matrix(weight, self.dim), u.copy(), v.copy())


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """As `nn.utils.parametrizations.spectral_norm`, with the older keys `<name>_orig`, `<name>_u` and `<name>_v`.

    The weight is computed before each forward pass, not whenever it is read.

    Examples
    --------
    >>> from fastnn import nn
    >>> list(spectral_norm(nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    weight = _parameter("spectral_norm", module, name)
    _, dim = spectral_arguments("spectral_norm", module, name, n_power_iterations, eps, dim)
    hook = _Spectral(name, dim, n_power_iterations, float(eps))
    u, v = drawn_units(as_matrix(weight.data, dim), hook.eps)
    _put("spectral_norm", module, hook, {f"{name}_orig": weight, f"{name}_u": u, f"{name}_v": v})
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter of its own again.

    Examples
    --------
    >>> from fastnn import nn
    >>> list(remove_spectral_norm(spectral_norm(nn.Linear(20, 40))).state_dict())
    ['bias', 'weight']
    """
    return _remove("spectral_norm", module, name)
