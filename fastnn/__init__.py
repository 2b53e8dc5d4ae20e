"""Neural-network kernels for NumPy on the CPU.

Functions of arrays (`fastnn.gelu(x)`), layers (`fastnn.nn`), optimizers (`fastnn.optim`), and a tape between them.
"""

from typing import TYPE_CHECKING

try:
    from . import _core
except ImportError as error:
    from ._unbuilt import explanation

    raise ImportError(explanation(error, __path__[0]), name="fastnn._core") from None

from . import _memory, _threads

_memory.start()
_threads.start()

from . import autograd, functional  # noqa: E402
from ._memory import empty_cache, memory_stats, set_cache_limit  # noqa: E402
from ._random import get_rng_state, manual_seed, set_rng_state  # noqa: E402
from ._threads import get_num_threads, isa, set_num_threads, threads  # noqa: E402
from ._version import __version__  # noqa: E402
from .autograd import Tensor, enable_grad, is_grad_enabled, no_grad, tensor  # noqa: E402

__all__ = [
    "AnomalyError",
    "Tensor",
    "Trainer",
    "__version__",
    "autograd",
    "compile_step",
    "conv_precision",
    "data",
    "detect_anomaly",
    "distributed",
    "empty_cache",
    "enable_grad",
    "freeze",
    "functional",
    "get_num_threads",
    "get_rng_state",
    "graph",
    "inference",
    "io",
    "is_grad_enabled",
    "isa",
    "load",
    "load_frozen",
    "manual_seed",
    "memory_stats",
    "metrics",
    "models",
    "nn",
    "no_grad",
    "onnx",
    "optim",
    "plot",
    "profile",
    "save",
    "set_cache_limit",
    "set_num_threads",
    "set_rng_state",
    "show_config",
    "sklearn",
    "tables",
    "tensor",
    "threads",
    "training",
]
__all__ += functional.__all__

if TYPE_CHECKING:
    from . import (
        dask as dask,
        data,
        distributed,
        graph,
        inference,
        io,
        metrics,
        models,
        nn,
        onnx,
        optim,
        plot,
        sklearn,
        tables,
        training,
    )
    from ._info import isa, show_config
    from ._profile import profile
    from .functional import *
    from .functional._conv_precision import conv_precision
    from .graph import compile_step, freeze, load_frozen
    from .io import load, save
    from .nn._anomaly import AnomalyError, detect_anomaly
    from .training import Trainer
else:
    # What no function of arrays needs is imported when it is first named: the modules, and the names with their module.
    _MODULES = {
        "dask",  # in no `import *`, where it would hide the library of that name
        "data",
        "distributed",
        "graph",
        "inference",
        "io",
        "metrics",
        "models",
        "nn",
        "onnx",
        "optim",
        "plot",
        "sklearn",
        "tables",
        "training",
    }
    _NAMES = {
        "AnomalyError": "nn._anomaly",
        "Trainer": "training",
        "compile_step": "graph",
        "conv_precision": "functional._conv_precision",
        "detect_anomaly": "nn._anomaly",
        "freeze": "graph",
        "load_frozen": "graph",
        "isa": "_info",
        "load": "io",
        "profile": "_profile",
        "save": "io",
        "show_config": "_info",
    }

    def __getattr__(name):
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name in _NAMES:
            value = globals()[name] = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
            return value
        if name in functional.__all__:
            value = globals()[name] = getattr(functional, name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *_MODULES, *_NAMES, *functional.__all__})


del _core
