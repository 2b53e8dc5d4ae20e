"""One record for each way to call an optimizer: its class, options, and the values it must reach.

`golden`: p after each of three steps from 1 with lr 0.1 and the gradients .5, -.2, .1, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastnn import optim

GRADIENTS = (0.5, -0.2, 0.1)


@dataclass(frozen=True)
class Rule:
    """An optimizer's class, its options, what it reaches, and whether steps over one large array are timed."""

    optimizer: type[optim.Optimizer]
    options: dict[str, Any] = field(default_factory=dict)
    golden: tuple[float, float, float] | None = None
    bench: bool = False

    def __str__(self) -> str:
        return "-".join([self.optimizer.__name__, *(f"{k}={v}" for k, v in self.options.items())])

    def make(self, params: Any, **options: Any) -> optim.Optimizer:
        """An optimizer of these parameters, with lr 0.1 unless told otherwise."""
        return self.optimizer(params, **({"lr": 0.1} | self.options | options))


OPTIMIZERS = [
    Rule(optim.SGD, {}, (0.95, 0.97, 0.96), bench=True),
    Rule(optim.SGD, {"weight_decay": 0.1}, (0.94, 0.9506, 0.931094)),
    Rule(optim.SGD, {"momentum": 0.9}, (0.95, 0.925, 0.8925), bench=True),
    Rule(optim.SGD, {"momentum": 0.9, "dampening": 0.5}, (0.95, 0.915, 0.8785)),
    Rule(optim.SGD, {"momentum": 0.9, "nesterov": True}, (0.905, 0.9025, 0.86325)),
    Rule(optim.ASGD),
    Rule(optim.ASGD, {"lambd": 0.1, "alpha": 0.5, "t0": 2.0, "weight_decay": 0.1}),
    Rule(optim.Adam, {}, (0.900000002, 0.865439418, 0.827500241), bench=True),
    Rule(optim.Adam, {"weight_decay": 0.1}, (0.900000002, 0.847519063, 0.790162183)),
    Rule(optim.Adam, {"weight_decay": 0.01, "decoupled_weight_decay": True}, (0.899000002, 0.863540418, 0.824737700)),
    Rule(optim.Adam, {"amsgrad": True, "betas": (0.8, 0.9), "eps": 1e-3}),
    Rule(optim.AdamW, {}, (0.899000002, 0.863540418, 0.824737700), bench=True),
    Rule(optim.AdamW, {"weight_decay": 0.3, "amsgrad": True}),
    Rule(optim.NAdam),
    Rule(optim.NAdam, {"weight_decay": 0.1, "momentum_decay": 0.01, "decoupled_weight_decay": True}),
    Rule(optim.RAdam),
    Rule(optim.RAdam, {"betas": (0.9, 0.99), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    Rule(optim.Adamax),
    Rule(optim.Adamax, {"weight_decay": 0.1, "betas": (0.5, 0.6)}),
    Rule(optim.Adagrad, {}, (0.9, 0.937139068, 0.918881649), bench=True),
    Rule(optim.Adagrad, {"lr_decay": 0.5}, (0.9, 0.924759378, 0.915630669)),
    Rule(optim.Adagrad, {"initial_accumulator_value": 0.2, "weight_decay": 0.1, "eps": 0.1}),
    Rule(optim.Adadelta),
    Rule(optim.Adadelta, {"rho": 0.5, "eps": 0.1, "weight_decay": 0.1}),
    Rule(optim.RMSprop, {}, (2.0e-7, 0.373002054, 0.188770030), bench=True),
    Rule(optim.RMSprop, {"centered": True, "momentum": 0.9}, (-0.005037613, -0.536003796, -1.198587834)),
    Rule(optim.RMSprop, {"centered": True, "weight_decay": 0.1, "alpha": 0.5}),
    Rule(optim.RMSprop, {"momentum": 0.5, "eps": 0.1}),
    Rule(optim.Rprop),
    Rule(optim.Rprop, {"etas": (0.4, 1.5), "step_sizes": (0.08, 0.12)}),
]
IDS = [str(rule) for rule in OPTIMIZERS]
