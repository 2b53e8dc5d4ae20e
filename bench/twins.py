"""fastnn's networks made of PyTorch's layers: what is compared has the same layers, names and shapes by construction."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np

import fastnn.models


def networks(library: str) -> Any:
    """Return what holds `resnet20` and the others: `fastnn.models`, or its pages run with `torch.nn` in the place of `nn`."""
    if library == "fastnn":
        return fastnn.models
    found = types.SimpleNamespace()
    for page in ("_resnet", "_mobilenet"):
        path = Path(fastnn.models.__file__).with_name(f"{page}.py")
        text = path.read_text(encoding="utf-8").replace("from .. import nn", "from torch import nn")
        text = text.replace("from .. import _check, nn", "from fastnn import _check\nfrom torch import nn")
        names: dict[str, Any] = {"__name__": f"twins.{page}", "np": np}
        exec(compile(text, path, "exec"), names)
        vars(found).update({name: names[name] for name in names["__all__"]})
    return found


def load(model: Any, state: dict[str, np.ndarray]) -> Any:
    """Give a network of either library the arrays of a state dict of fastnn's, and return it."""
    if isinstance(model, fastnn.nn.Module):
        model.load_state_dict(state)
    else:
        import torch

        model.load_state_dict({key: torch.tensor(np.ascontiguousarray(value)) for key, value in state.items()})
    return model
