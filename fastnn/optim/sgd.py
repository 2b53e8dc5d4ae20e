"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from ..autograd import Tensor
from ._optimizer import Group, Optimizer


class SGD(Optimizer):
    """Gradient descent with momentum: b = momentum b + (1 - dampening) g (g at the first step), p -= lr b.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr, momentum, dampening : float
    weight_decay : float
        Adds weight_decay * p to the gradient: an L2 penalty.
    nesterov : bool
        Steps by g + momentum b; needs momentum > 0 and dampening = 0.
    maximize : bool
        Ascend.

    Notes
    -----
    PyTorch's `SGD <https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.SGD([p], lr=0.1).step()
    >>> p.data
    array([0.95])
    """

    _states = ("momentum_buffer",)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ):
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, options | {"nesterov": nesterov, "maximize": maximize})

    def _check_group(self, group: Group) -> None:
        for option in ("lr", "momentum", "weight_decay"):
            _check.in_range(self._name, option, group[option], 0)
        _check.real(self._name, "dampening", group["dampening"])
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise ValueError(
                "SGD: nesterov needs momentum above 0 and dampening 0, "
                f"got {group['momentum']} and {group['dampening']}"
            )

    def _update(self, group: Group, batch: list[tuple[Tensor, Array]]) -> None:
        names = self._states if group["momentum"] else ()
        fresh = [pair for pair in batch if names and names[0] not in self.state.get(pair[0], {})]
        known = [pair for pair in batch if not (names and names[0] not in self.state.get(pair[0], {}))]
        for part, first in ((fresh, True), (known, False)):
            if not part:
                continue
            arrays = self._arrays(part, names)
            _core.sgd(
                arrays["params"],
                arrays["momentum_buffer"] if names else [],
                arrays["grads"],
                part[0][0].dtype == np.float32,
                group["lr"],
                group["momentum"],
                group["dampening"],
                group["weight_decay"],
                group["nesterov"],
                group["maximize"],
                first,
            )
