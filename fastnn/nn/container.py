"""Sequential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._module import Module


class Sequential(Module):
    """Modules called one after the other.

    Parameters
    ----------
    *modules : Module, or one mapping of names to Modules

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
            if not isinstance(module, Module):
                raise TypeError(f"Sequential: expected Modules, got {type(module).__name__} for {name!r}")
            self.add_module(name, module)

    def forward(self, input: Any) -> Any:
        """Return the last module's output."""
        for module in self:
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        names = list(self._modules)[index]
        if isinstance(names, list):
            return type(self)({name: self._modules[name] for name in names})
        return self._modules[names]

    def append(self, module: Module) -> Sequential:
        """Add a module at the end."""
        number = len(self)
        while str(number) in self._modules:  # a slice keeps its layers' names
            number += 1
        self.add_module(str(number), module)
        return self
