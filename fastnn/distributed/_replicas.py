"""Replicas of modules: one set of parameters, but buffers, generators and plain attributes of their own."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..nn import Module
from ..nn._guard import generators_of


def replica(module: Any, known: dict[int, Any]) -> Any:
    """A copy of a module that shares its parameters alone.

    Running statistics and generators of masks, which a forward pass changes, are copied: each shard starts from the
    same state, and draws the same keys.  Anything but a Module is returned itself.
    """
    if not isinstance(module, Module):
        return module
    if id(module) in known:
        return known[id(module)]
    own = known[id(module)] = object.__new__(type(module))
    table = {name: copy.deepcopy(value) if isinstance(value, STATE) else value for name, value in vars(module).items()}
    table["_buffers"] = {name: None if each is None else each.copy() for name, each in module._buffers.items()}
    table["_modules"] = {name: replica(each, known) for name, each in module._modules.items()}
    table["_parameters"] = dict(module._parameters)
    vars(own).update(table)
    for name, value in vars(module).items():  # modules that are kept beside the tree, or in a list
        if isinstance(value, (Module, list, tuple)) and name not in ("_modules", "_parameters"):
            vars(own)[name] = _held(value, known)
    return own


def replicas(*modules: Any) -> tuple[Any, ...]:
    """A replica of each module; submodules that they share stay shared."""
    known: dict[int, Any] = {}
    return tuple(replica(each, known) for each in modules)


STATE = (np.random.Generator, np.ndarray)


def _held(value: Any, known: dict[int, Any]) -> Any:
    if isinstance(value, Module):
        return replica(value, known)
    if type(value) in (list, tuple) and any(isinstance(each, Module) for each in value):
        return type(value)(_held(each, known) for each in value)
    return value


def checksum(value: Any, start: int = 0) -> int:
    """A CRC of arrays, nested in tuples, lists and mappings; anything else counts as its text."""
    if isinstance(value, np.ndarray):
        start = zlib.crc32(f"{value.dtype.str}{value.shape}".encode(), start)
        return zlib.crc32(np.ascontiguousarray(value).tobytes(), start)
    if isinstance(value, Mapping):
        value = [each for pair in value.items() for each in pair]
    if not isinstance(value, (list, tuple)):
        return zlib.crc32(repr(value).encode(), start)
    for each in value:
        start = checksum(each, start)
    return start


def state_of(modules: Sequence[Module], rng: np.random.Generator) -> int:
    """A checksum of what a forward pass may have moved: buffers and generators."""
    found = 0
    for module in modules:
        found = checksum(module._buffers, found)
    return checksum([each.bit_generator.state for each in (rng, *generators_of(modules))], found)
