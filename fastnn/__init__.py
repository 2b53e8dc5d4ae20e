"""Neural-network kernels for NumPy on the CPU.

Functions of arrays (`fastnn.gelu(x)`), layers (`fastnn.nn`), optimizers (`fastnn.optim`), and a tape between them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _memory, _threads

_memory.start()
_threads.start()

from . import _derivatives, _recorded, autograd, functional, inference, io, nn, optim  # noqa: E402
from ._anomaly import AnomalyError, detect_anomaly  # noqa: E402
from ._core import isa  # noqa: E402
from ._info import show_config  # noqa: E402
from ._memory import empty_cache, memory_stats, set_cache_limit  # noqa: E402
from ._random import get_rng_state, manual_seed, set_rng_state  # noqa: E402
from ._threads import get_num_threads, set_num_threads, threads  # noqa: E402
from ._version import __version__  # noqa: E402
from .autograd import Tensor, enable_grad, is_grad_enabled, no_grad, tensor  # noqa: E402
from .functional import *  # noqa: E402
from .inference import freeze  # noqa: E402
from .io import load, save  # noqa: E402

if TYPE_CHECKING:
    from . import data, metrics, training
    from .training import Trainer

__all__ = [
    "AnomalyError",
    "Tensor",
    "Trainer",
    "__version__",
    "autograd",
    "data",
    "detect_anomaly",
    "empty_cache",
    "enable_grad",
    "freeze",
    "functional",
    "get_num_threads",
    "get_rng_state",
    "inference",
    "io",
    "is_grad_enabled",
    "isa",
    "load",
    "manual_seed",
    "memory_stats",
    "metrics",
    "nn",
    "no_grad",
    "optim",
    "save",
    "set_cache_limit",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "tensor",
    "threads",
    "training",
]
__all__ += functional.__all__

# Parts that a program for prediction never needs: imported when first named
_LATER = {"data", "metrics", "plot", "sklearn", "training"}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f"{__name__}.{name}")
    if name == "Trainer":
        return import_module(f"{__name__}.training").Trainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "Trainer"})


del _derivatives, _recorded
