"""Containers of parameters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..autograd import Tensor
from ._module import Module, Parameter

__all__ = [
    "ParameterDict",
    "ParameterList",
]


def _parameter(value: Any) -> Parameter:
    """A Parameter itself; Tensors and arrays become one."""
    if isinstance(value, Parameter):
        return value
    return Parameter(value.data if isinstance(value, Tensor) else np.asarray(value))


def _lines(parameters: Iterable[tuple[Any, Any]]) -> str:
    """The parameters of a container, a line each, for its repr."""
    lines = [
        f"    ({key}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]\n"
        for key, p in parameters
    ]
    return "".join(["\n", *lines]) if lines else ""


class ParameterList(Module):
    """Parameters in a list; arrays that are put in become Parameters.

    Parameters
    ----------
    values : iterable of array_like, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> weights = nn.ParameterList([np.ones(2), np.zeros(3)])
    >>> len(weights), list(weights.state_dict())
    (2, ['0', '1'])
    """

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(values or ())

    def _name(self, index: int) -> str:
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"ParameterList: expected an index in [{-count}, {count - 1}], got {index}")
        return str(index % count)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._parameters[self._name(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        self._parameters[self._name(index)] = _parameter(value)

    def append(self, value: Any) -> ParameterList:
        """Add a parameter at the end."""
        self._parameters[str(len(self))] = _parameter(value)
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add parameters at the end."""
        for value in [_parameter(value) for value in values]:
            self.append(value)
        return self

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def extra_repr(self) -> str:
        """Return a line for each parameter."""
        return _lines(enumerate(self))


class ParameterDict(Module):
    """Parameters by name; arrays that are put in become Parameters.

    Parameters
    ----------
    parameters : mapping of str to array_like, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> list(nn.ParameterDict({"left": np.ones(2), "right": np.ones(2)}).state_dict())
    ['left', 'right']
    """

    def __init__(self, parameters: Any = None):
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return self._parameters[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._parameters[key]

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __contains__(self, key: object) -> bool:
        return key in self._parameters

    def update(self, parameters: Any) -> None:
        """Add parameters by name, those of a plain mapping in the order of their names, as PyTorch does."""
        ordered = not isinstance(parameters, Mapping) or isinstance(parameters, OrderedDict)
        pairs = list(parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters)
        for key, parameter in [(key, _parameter(value)) for key, value in (pairs if ordered else sorted(pairs))]:
            self.register_parameter(key, parameter)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a parameter, or a default if there is none."""
        return self._parameters.get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a parameter; if there is none, add the default first."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Take all parameters out."""
        self._parameters.clear()

    def keys(self) -> Any:
        """The names."""
        return self._parameters.keys()

    def values(self) -> Any:
        """The parameters."""
        return self._parameters.values()

    def items(self) -> Any:
        """Names and parameters."""
        return self._parameters.items()

    def pop(self, key: str) -> Any:
        """Take a parameter out."""
        return self._parameters.pop(key)

    def extra_repr(self) -> str:
        """Return a line for each parameter."""
        return _lines(self.items())
