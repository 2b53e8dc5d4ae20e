"""Containers of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, TypeVar

from ._module import Module

__all__ = [
    "ModuleDict",
    "ModuleList",
    "Sequential",
]

L = TypeVar("L", bound="_Listed")


class _Listed(Module):
    """Base class of containers with a list's methods; modules are named by numbers, or have names of their own."""

    def _checked(self, module: Any, name: str) -> Module:
        if not isinstance(module, Module):
            raise TypeError(f"{type(self).__name__}: expected Modules, got {type(module).__name__} for {name!r}")
        return module

    def _renumbered(self, modules: list[Any]) -> None:
        self._modules.clear()
        for i, module in enumerate(modules):
            self._modules[str(i)] = module

    def _name(self, index: int) -> str:
        names = list(self._modules)
        if not -len(names) <= index < len(names):
            raise IndexError(
                f"{type(self).__name__}: expected an index in [{-len(names)}, {len(names) - 1}], got {index}"
            )
        return names[index]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return (module for module in self._modules.values() if module is not None)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            names = list(self._modules)[index]
            return self._of({name: self._modules[name] for name in names})
        return self._modules[self._name(index)]

    def _of(self: L, named: dict[str, Any]) -> L:
        raise NotImplementedError

    def __setitem__(self, index: int, module: Module) -> None:
        name = self._name(index)
        self._modules[name] = self._checked(module, name)

    def __delitem__(self, index: int | slice) -> None:
        gone = list(self._modules)[index] if isinstance(index, slice) else [self._name(index)]
        self._renumbered([module for name, module in self._modules.items() if name not in gone])

    def append(self: L, module: Module) -> L:
        """Add a module at the end."""
        number = len(self)
        while str(number) in self._modules:  # a slice of a Sequential keeps its layers' names
            number += 1
        self.add_module(str(number), self._checked(module, str(number)))
        return self

    def extend(self: L, modules: Iterable[Module]) -> L:
        """Add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}: expected modules in a list, got {type(modules).__name__}")
        for module in [self._checked(module, str(len(self) + i)) for i, module in enumerate(modules)]:
            self.append(module)
        return self

    def insert(self: L, index: int, module: Module) -> L:
        """Add a module before the one at this index."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"{type(self).__name__}: expected an index of at most {len(modules)}, got {index}")
        modules.insert(index, self._checked(module, str(index)))
        self._renumbered(modules)
        return self

    def pop(self, key: int) -> Module:
        """Take a module out."""
        module: Module = self[key]
        del self[key]
        return module


class Sequential(_Listed):
    """Modules called one after the other.

    Parameters
    ----------
    *modules : Module
        Or one mapping of names to Modules.

    Examples
    --------
    >>> from fastnn import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> list(model.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    >>> len(model[:2])
    2
    """

    def __init__(self, *modules: Any):
        super().__init__()
        named = (
            modules[0]
            if len(modules) == 1 and isinstance(modules[0], Mapping)
            else {str(i): m for i, m in enumerate(modules)}
        )
        for name, module in named.items():
            self.add_module(name, self._checked(module, name))

    def _of(self, named: dict[str, Any]) -> Sequential:
        return type(self)(named)

    def __add__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Any) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend(other)

    def __mul__(self, times: int) -> Sequential:
        return Sequential(*(module for _ in range(times) for module in self))

    __rmul__ = __mul__

    def forward(self, input: Any) -> Any:
        """Return the last module's output."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_Listed):
    """Modules in a list; their parameters are registered; the user calls them.

    Parameters
    ----------
    modules : iterable of Module, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    >>> len(layers), list(layers.state_dict())[0]
    (3, '0.weight')
    """

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())

    def _of(self, named: dict[str, Any]) -> ModuleList:
        return type(self)(named.values())

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)

    def __repr__(self) -> str:
        """Equal neighbours share a line, as in PyTorch."""
        if not len(self):
            return f"{type(self).__name__}()"
        lines, start = [], 0
        for text, same in groupby(map(repr, self)):
            count = len(list(same))
            label = f"({start})" if count == 1 else f"({start}-{start + count - 1})"
            lines.append(f"{label}: {'' if count == 1 else f'{count} x '}{text}".replace("\n", "\n  "))
            start += count
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Modules by name; their parameters are registered; the user calls them.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of such pairs, optional

    Examples
    --------
    >>> from fastnn import nn
    >>> choices = nn.ModuleDict({"linear": nn.Linear(2, 2), "relu": nn.ReLU()})
    >>> list(choices)
    ['linear', 'relu']
    """

    def __init__(self, modules: Any = None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def update(self, modules: Any) -> None:
        """Add modules by name, in order."""
        pairs = list(modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules)
        for key, module in pairs:
            if not isinstance(module, Module):
                raise TypeError(f"ModuleDict: expected Modules, got {type(module).__name__} for {key!r}")
            self._check_name("ModuleDict", key, self._modules)
        for key, module in pairs:
            self.add_module(key, module)

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Names and modules."""
        return self._modules.items()

    def pop(self, key: str) -> Any:
        """Take a module out."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()
