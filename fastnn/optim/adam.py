"""Adam and its relatives."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ._optimizer import Group, Optimizer, Update


class _Moments(Optimizer):
    """The common part of optimizers with averages of g and g^2."""

    _states: ClassVar[tuple[str, ...]] = ("exp_avg", "exp_avg_sq")
    _least = {"eps": 0.0}  # noqa: RUF012

    def _check_group(self, group: Group) -> None:
        super()._check_group(group)
        self._check_betas(group)

    def _averages(self, group: Group, t: float) -> dict[str, float]:
        """The hyperparameters of both averages and the root of the second's bias correction at step t."""
        beta1, beta2 = group["betas"]
        averages = {"beta1": beta1, "fresh1": 1 - beta1, "beta2": beta2, "fresh2": 1 - beta2, "eps": group["eps"]}
        return averages | {"root": 1 / math.sqrt(1 - beta2**t)}


class Adam(_Moments):
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
    decoupled_weight_decay : bool
        AdamW's rule.
    maximize, l1_decay
        See `Optimizer`.

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
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _kept(self, group: Group) -> tuple[str, ...]:
        return self._states if group["amsgrad"] else self._states[:2]

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        t = numbers["step"] = numbers["step"] + 1
        step_size = group["lr"] / (1 - group["betas"][0] ** t)
        rule = "adam_amsgrad" if group["amsgrad"] else "adam"
        return Update(rule, {"step_size": step_size, **self._averages(group, t)}, group["decoupled_weight_decay"])


class AdamW(Adam):
    """Adam with decoupled weight decay: p shrinks by lr * weight_decay before the step.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr, betas, eps, weight_decay, amsgrad, maximize, l1_decay
        As in `Adam`.

    Notes
    -----
    Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019; PyTorch's
    `AdamW <https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.AdamW([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.899])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            l1_decay=l1_decay,
        )


class NAdam(_Moments):
    """Adam with Nesterov's momentum: the step looks ahead by the next average.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    betas : (float, float)
        Decay of the averages of g and g^2, each in [0, 1).
    eps, weight_decay : float
        weight_decay * p is added to the gradient, or p shrinks by lr * weight_decay if decoupled_weight_decay.
    momentum_decay : float
        The momentum of step t is beta1 (1 - 0.96^(t momentum_decay) / 2).
    decoupled_weight_decay : bool
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop; PyTorch's
    `NAdam <https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.NAdam([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.894355])
    """

    _numbers = ("step", "mu_product")
    _least = {"eps": 0.0, "momentum_decay": 0.0}  # noqa: RUF012

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _initial(self, name: str, group: Group) -> float:
        return 1.0 if name == "mu_product" else 0.0

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        t, beta1, decay = numbers["step"] + 1, group["betas"][0], group["momentum_decay"]
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (k * decay)) for k in (t, t + 1))
        product = numbers["mu_product"] * mu
        numbers.update(step=t, mu_product=product)
        g_step = group["lr"] * (1 - mu) / (1 - product)
        m_step = group["lr"] * following / (1 - product * following)
        hypers = {"g_step": g_step, "m_step": m_step, **self._averages(group, t)}
        return Update("nadam", hypers, group["decoupled_weight_decay"])


class RAdam(_Moments):
    """Adam that steps by the average alone until the variance of v can be trusted.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    betas : (float, float)
        Decay of the averages of g and g^2, each in [0, 1).
    eps, weight_decay : float
        weight_decay * p is added to the gradient, or p shrinks by lr * weight_decay if decoupled_weight_decay.
    decoupled_weight_decay : bool
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020; PyTorch's
    `RAdam <https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.RAdam([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.95])
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, options, maximize, l1_decay)

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        t = numbers["step"] = numbers["step"] + 1
        beta1, beta2 = group["betas"]
        correction = 1 - beta2**t
        most = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / correction  # of the moving average
        trusted = length > 5
        rectification = 1.0
        if trusted:
            rectification = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
        hypers = {"step_size": group["lr"] / (1 - beta1**t), "rectified": float(trusted), **self._averages(group, t)}
        hypers["root"] = math.sqrt(correction) * rectification
        return Update("radam", hypers, group["decoupled_weight_decay"])


class Adamax(_Moments):
    """Adam with the infinity norm: p -= lr m' / u, u the largest of beta2 u and abs(g) + eps.

    Parameters
    ----------
    params : iterable of Parameters or of parameter groups
    lr : float
    betas : (float, float)
        Decay of the average of g and of the norm, each in [0, 1).
    eps, weight_decay : float
        weight_decay * p is added to the gradient.
    maximize, l1_decay
        See `Optimizer`.

    Notes
    -----
    Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015; PyTorch's
    `Adamax <https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html>`_.

    Examples
    --------
    >>> from fastnn import nn, optim
    >>> p = nn.Parameter([1.0])
    >>> p.grad = [0.5]
    >>> optim.Adamax([p], lr=0.1).step()
    >>> p.data.round(6)
    array([0.9])
    """

    _states = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        l1_decay: float = 0.0,
    ):
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options, maximize, l1_decay)

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        t = numbers["step"] = numbers["step"] + 1
        return Update("adamax", {"step_size": group["lr"] / (1 - group["betas"][0] ** t), **self._averages(group, t)})
