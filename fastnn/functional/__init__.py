"""Functions of arrays, with `_backward` twins that compute their gradients for plain arrays.

They have the names, arguments and defaults of PyTorch's `nn.functional`.  Given Tensors that track gradients, they
return Tensors and are recorded.  A module is imported when one of its functions is first named.
"""

from . import _elementwise
from ._names import NAMES as _NAMES

# tools/stubs.py writes `_names.py`, and `__init__.pyi`, which names the functions to type checkers.
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = list(_MODULES)


def __getattr__(name):  # type: ignore[no-untyped-def]
    module = _MODULES.get(name, name)
    if module not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # some Pythons have not loaded it yet

    found = import_module(f"{__name__}.{module}")
    functions = {each: getattr(found, each) for each in _NAMES[module].split()}
    import_module(f"{__name__}._text").complete(functions)
    globals().update(functions)
    return found if module == name else functions[name]


def __dir__():  # type: ignore[no-untyped-def]
    return sorted({*globals(), *_MODULES, *_NAMES})


del _elementwise
