"""Gradient descent: SGD with momentum, and ASGD, which averages."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from ._optimizer import Group, Optimizer, Update


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
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    PyTorch's
    `SGD <https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.SGD([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.95])
    """

    _states = ("momentum_buffer",)
    _numbers = ()
    _least = {"momentum": 0.0}  # noqa: RUF012

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
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        _check.finite(self._name, "dampening", group["dampening"])
        if group["nesterov"] and not (group["momentum"] > 0 and group["dampening"] == 0):
            raise ValueError(
                "SGD: nesterov needs momentum above 0 and dampening 0, "
                f"got {group['momentum']} and {group['dampening']}"
            )

    def _kept(self, group: Group) -> tuple[str, ...]:
        return self._states if group["momentum"] else ()

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        lr, momentum = group["lr"], group["momentum"]
        if not momentum:
            return Update("sgd", {"lr": lr})
        share = 1 if fresh else 1 - group["dampening"]
        return Update(
            "sgd_momentum", {"lr": lr, "momentum": momentum, "fresh": share, "nesterov": float(group["nesterov"])}
        )


class ASGD(Optimizer):
    """Averaged gradient descent: p = (1 - lambd eta) p - eta g, and ax, the average of p from step t0 on.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    lambd, alpha : float
        lambd is not negative.  The step size falls as eta = lr / (1 + lambd lr t)^alpha.
    t0 : float
        The step from which `state[p]["ax"]` is the average of the parameters.
    weight_decay : float
        Adds weight_decay * p to the gradient.
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992; PyTorch's
    `ASGD <https://docs.pytorch.org/docs/stable/generated/torch.optim.ASGD.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.ASGD([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.94999])
    """

    _states = ("ax",)
    _numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        super().__init__(params, options, maximize, l1_decay)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        _check.in_range(self._name, "lambd", group["lambd"], 0, open_high=True)
        _check.finite(self._name, "alpha", group["alpha"])
        if np.isnan(_check.real(self._name, "t0", group["t0"])):
            raise ValueError("ASGD: expected t0 to be a number, got nan")

    def _initial(self, name: str, group: Group) -> float:
        return {"eta": group["lr"], "mu": 1.0}.get(name, 0.0)

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        eta, mu = numbers["eta"], numbers["mu"]
        t = numbers["step"] + 1
        later = group["lr"] / (1 + group["lambd"] * group["lr"] * t) ** group["alpha"]
        numbers.update(step=t, eta=later, mu=1 / max(1.0, t - group["t0"]))
        return Update("asgd", {"eta": eta, "shrink": 1 - group["lambd"] * eta, "mu": mu})
