"""Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check, _core
from .._check import Array
from ..autograd import Tensor
from ._optimizer import Group, Optimizer


class Adam(Optimizer):
    """Adaptive moments: p -= lr m' / (sqrt(v') + eps), with m' and v' the bias-corrected averages of g and g^2.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    betas : (float, float)
        Decay of the averages of g and g^2, each in [0, 1).
    eps, weight_decay : float
        weight_decay * p is added to the gradient, or p shrinks by lr * weight_decay if decoupled_weight_decay.
    amsgrad : bool
        Divide by the largest v so far.
    maximize : bool
        Ascend.
    decoupled_weight_decay : bool
        AdamW's rule.

    Notes
    -----
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015; PyTorch's
    `Adam <https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.Adam([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.9])
    """

    _states = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, options | {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay})

    def _check_group(self, group: Group) -> None:
        for option in ("lr", "eps", "weight_decay"):
            _check.in_range(self._name, option, group[option], 0)
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise ValueError(f"{self._name}: expected two betas, got {group['betas']}")
        for beta in group["betas"]:
            _check.in_range(self._name, "each of betas", beta, 0, 1, open_high=True)

    def _update(self, group: Group, batch: list[tuple[Tensor, Array]]) -> None:
        names = self._states if group["amsgrad"] else self._states[:2]
        by_step: dict[float, list[tuple[Tensor, Array]]] = {}
        for pair in batch:
            by_step.setdefault(self.state.get(pair[0], {}).get("step", 0.0) + 1, []).append(pair)
        for step, part in by_step.items():
            arrays = self._arrays(part, names)
            for param, _ in part:
                self.state[param]["step"] = step
            _core.adam(
                arrays["params"],
                arrays["exp_avg"],
                arrays["exp_avg_sq"],
                arrays["max_exp_avg_sq"] if group["amsgrad"] else [],
                arrays["grads"],
                part[0][0].dtype == np.float32,
                group["lr"],
                group["betas"][0],
                group["betas"][1],
                group["eps"],
                group["weight_decay"],
                group["decoupled_weight_decay"],
                group["maximize"],
                step,
            )
