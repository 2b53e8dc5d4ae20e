"""The same functions of other libraries, as far as they are installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._check import Array
from .._records import Formula

Function = Callable[[Array], Array]
LIBRARIES = ("numpy", "scipy", "torch", "jax")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _torch(formula: Formula) -> Function | None:
    torch = _module("torch")
    function = torch and getattr(importlib.import_module("torch.nn.functional"), formula.name, None)
    if not function or formula.activation.learned:
        return None
    return lambda x: function(torch.from_numpy(x), **formula.parameters).numpy()


def _jax(formula: Formula) -> Function | None:
    jax = _module("jax")
    if not jax or not formula.activation.jax:
        return None
    function = getattr(importlib.import_module("jax.nn"), formula.activation.jax)
    options = (
        {"approximate": formula.parameters.get("approximate") == "tanh"}
        if formula.name == "gelu"
        else formula.parameters
    )
    return lambda x: np.asarray(function(x, **options))


def peers_of(formula: Formula) -> dict[str, Function]:
    """A function as each installed library has it; NumPy's and SciPy's are written out."""
    found: dict[str, Function] = {}
    for library, module in (("numpy", "numpy"), ("scipy", "scipy.special")):
        written, namespace = formula.activation.peers.get(library), _module(module)
        if written and namespace:
            found[library] = partial(written, namespace, **formula.parameters)
    for library, find in (("torch", _torch), ("jax", _jax)):
        function = find(formula)
        if function:
            found[library] = function
    return found
