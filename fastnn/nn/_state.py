"""Checking a state dict against a module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import _check
from .._check import Array
from ..autograd import value_of


class StateDictError(ValueError, RuntimeError):
    """A state dict does not fit the module; RuntimeError too, because PyTorch raises that."""


class IncompatibleKeys(NamedTuple):
    """The keys that `Module.load_state_dict` found missing and unexpected."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


def fitting(
    name: str, own: dict[str, Array], optional: set[str], state_dict: Any, strict: bool, assign: bool
) -> tuple[dict[str, Array], IncompatibleKeys]:
    """The arrays for the module's own keys, and the keys that do not match; raises if anything does not fit."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"load_state_dict: expected a mapping of names to arrays, got {type(state_dict).__name__}")
    missing = [key for key in own if key not in state_dict and key not in optional]
    unexpected = [key for key in state_dict if key not in own]
    problems = [f"missing key {key!r}" for key in missing] + [f"unexpected key {key!r}" for key in unexpected]
    problems = problems if strict else []
    found = {key: value_of(state_dict[key]) for key in own if key in state_dict}
    values = {key: _check.as_array("load_state_dict", value, key) for key, value in found.items()}
    for key, value in values.items():
        castable = np.can_cast(value.dtype, own[key].dtype, "same_kind")
        if value.shape != own[key].shape:
            problems.append(f"expected {key!r} of shape {own[key].shape}, got {value.shape}")
        elif not (_is_like(value, own[key]) if assign else castable):
            problems.append(f"expected {key!r} of a type like {own[key].dtype}, got {value.dtype}")
        elif not assign and not own[key].flags.writeable:
            problems.append(f"{key!r} is read-only in the module")
    if problems:
        hint = _prefix_hint(missing, unexpected)
        raise StateDictError(f"load_state_dict for {name}: " + "; ".join(problems) + hint)
    return values, IncompatibleKeys(missing, unexpected)


def _prefix_hint(missing: list[str], unexpected: list[str]) -> str:
    """Advice on keys that differ from the module's by a prefix alone, such as DataParallel's "module."."""
    for keys, others, way in (
        (unexpected, missing, "{{key.removeprefix({0!r}): value for key, value in state_dict.items()}}"),
        (missing, unexpected, "{{{0!r} + key: value for key, value in state_dict.items()}}"),
    ):
        prefix = _prefix(keys, others)
        if prefix:
            return f"; {len(set(others))} of these fit by {way.format(prefix)}"
    return ""


def _prefix(longer: list[str], shorter: list[str]) -> str:
    """The prefix, up to a dot, that turns each of the shorter keys into one of the longer; "" if there is none."""
    if not shorter:
        return ""
    key = min(shorter, key=len)
    prefixes = [each.removesuffix(key) for each in longer if each.endswith("." + key)]
    return next((each for each in prefixes if {each + key for key in shorter} <= set(longer)), "")


def _is_like(value: Array, own: Array) -> bool:
    """Whether an array can replace another one uncopied: kernels and optimizers read float32 and float64."""
    floats = value.dtype.isnative and value.dtype in _check.FLOATS[1:]
    return floats if own.dtype.kind == "f" else value.dtype == own.dtype
