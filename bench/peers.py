"""The libraries beside which fastnn is measured, as far as they are installed."""

from __future__ import annotations

import importlib

LIBRARIES = ["fastnn", "numpy"]
if importlib.util.find_spec("torch"):
    LIBRARIES.append("torch")


def torch_tensor(array, requires_grad=False):
    """A PyTorch tensor on the same memory."""
    import torch

    return torch.from_numpy(array).requires_grad_(requires_grad)
