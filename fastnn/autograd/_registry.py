"""What is known of NumPy's ufuncs, and of functions without a derivative; `_dispatch.derivative` has the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .._check import Array
from ..functional._layout import summed as summed, unbroadcast as unbroadcast

Gradients: TypeAlias = "Sequence[Array | None]"


# _ufuncs.py and _matmul.py fill these.
# UFUNCS: for each argument of a ufunc, a function (dy, y, *arguments) that returns the argument's gradient.
# OWN: functions of this package that compute a ufunc in place of NumPy's loop.
# UNDIFFERENTIATED: functions of NumPy whose results have no derivative.
UFUNCS: dict[np.ufunc, tuple[Callable[..., Any], ...]] = {}
OWN: dict[np.ufunc, Callable[..., Any]] = {}
UNDIFFERENTIATED: set[Callable[..., Any]] = set()
