"""Optimizers that divide by the size of past gradients, and Rprop, which keeps their signs alone."""

from __future__ import annotations

from typing import Any

from .. import _check
from ._optimizer import Group, Optimizer, Update


class Adagrad(Optimizer):
    """p -= lr g / (sqrt(s) + eps), s the sum of g^2 so far.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    lr_decay : float
        Step t is by lr / (1 + (t - 1) lr_decay).
    weight_decay : float
        Adds weight_decay * p to the gradient.
    initial_accumulator_value, eps : float
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 2011; PyTorch's
    `Adagrad <https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.Adagrad([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.9])
    """

    _states = ("sum",)
    _least = {"lr_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 0.0}  # noqa: RUF012

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _initial(self, name: str, group: Group) -> float:
        return float(group["initial_accumulator_value"]) if name == "sum" else 0.0

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        t = numbers["step"] = numbers["step"] + 1
        return Update("adagrad", {"step_size": group["lr"] / (1 + (t - 1) * group["lr_decay"]), "eps": group["eps"]})


class Adadelta(Optimizer):
    """p -= lr d, d = g sqrt((average of d^2) + eps) / sqrt((average of g^2) + eps).

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    rho : float
        Decay of both averages, in [0, 1].
    eps, weight_decay : float
        weight_decay * p is added to the gradient.
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012; PyTorch's
    `Adadelta <https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.Adadelta([p]).step()
    >>> p.data.round(6)
    array([0.996838])
    """

    _states = ("square_avg", "acc_delta")
    _least = {"eps": 0.0}  # noqa: RUF012

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options, maximize, l1_decay)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        _check.in_range(self._name, "rho", group["rho"], 0, 1)

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        numbers["step"] += 1
        rho = group["rho"]
        return Update("adadelta", {"lr": group["lr"], "rho": rho, "fresh": 1 - rho, "eps": group["eps"]})


class RMSprop(Optimizer):
    """p -= lr b, b = momentum b + g / (sqrt(s) + eps), s the average of g^2.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    alpha : float
        Decay of the averages, in [0, 1].
    eps, weight_decay : float
        eps is added outside the root (TensorFlow's inside); weight_decay * p is added to the gradient.
    momentum : float
    centered : bool
        Divide by the deviation of the gradient: the mean's square is taken off, and rounding never makes it negative.
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Tieleman, Hinton, Lecture 6.5 of "Neural networks for machine learning", 2012; PyTorch's
    `RMSprop <https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.RMSprop([p], lr=0.01).step()
    >>> p.data.round(6)
    array([0.9])
    """

    _states = ("square_avg", "grad_avg", "momentum_buffer")
    _least = {"eps": 0.0, "momentum": 0.0}  # noqa: RUF012

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        _check.in_range(self._name, "alpha", group["alpha"], 0, 1)

    def _kept(self, group: Group) -> tuple[str, ...]:
        wanted = (True, group["centered"], group["momentum"] > 0)
        return tuple(name for name, want in zip(self._states, wanted, strict=True) if want)

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        numbers["step"] += 1
        alpha, momentum = group["alpha"], group["momentum"]
        rule = "rmsprop" + "_centered" * bool(group["centered"]) + "_momentum" * (momentum > 0)
        hypers = {"lr": group["lr"], "alpha": alpha, "fresh": 1 - alpha, "eps": group["eps"], "momentum": momentum}
        return Update(rule, hypers)


class Rprop(Optimizer):
    """p -= sign(g) s, each value with a step s of its own; meant for whole batches.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
        The first step's size.
    etas : (float, float)
        A step shrinks by the first where the gradient's sign turns and grows by the second where it stays.
    step_sizes : (float, float)
        The smallest and the largest step.
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Riedmiller, Braun, "A direct adaptive method for faster backpropagation learning", 1993; PyTorch's
    `Rprop <https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.Rprop([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.9])
    """

    _states = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50.0),
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes}
        super().__init__(params, options, maximize, l1_decay)

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        shorter, longer = self._check_pair(group, "etas")
        if not 0 < shorter < 1 < longer:
            raise ValueError(f"Rprop: expected etas below and above 1, got {group['etas']}")
        least, most = self._check_pair(group, "step_sizes")
        if not 0 <= least <= most:
            raise ValueError(f"Rprop: expected step_sizes from 0 on, the smaller first, got {group['step_sizes']}")

    def _initial(self, name: str, group: Group) -> float:
        return float(group["lr"]) if name == "step_size" else 0.0

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        numbers["step"] += 1
        (shorter, longer), (least, most) = group["etas"], group["step_sizes"]
        return Update("rprop", {"shorter": shorter, "longer": longer, "least": least, "most": most})
