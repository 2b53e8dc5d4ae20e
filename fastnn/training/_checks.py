"""Checks that the parts of a training belong together, before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import optim
from .._check import count
from ..autograd import Tensor
from ..metrics import Metric
from ..nn import Module
from ..nn._guard import modules_of
from ._batches import check_pairs, length
from ._callback import check_callbacks, check_paths

if TYPE_CHECKING:
    from ._trainer import Trainer

# schedules that step after each batch
BY_BATCH = (optim.lr_scheduler.OneCycleLR, optim.lr_scheduler.CyclicLR)


def check_metrics(metrics: Any) -> dict[str, Metric]:
    """The metrics by name; refuses reserved names, and one metric under two names."""
    if metrics is not None and not isinstance(metrics, Mapping):
        raise TypeError(f"Trainer: expected metrics by name, such as {{'accuracy': ...}}, got {metrics!r}")
    found: dict[str, Metric] = dict(metrics or {})
    for name, metric in found.items():
        if not isinstance(name, str):
            raise TypeError(f"Trainer: expected metrics by name, got the name {name!r}")
        if not isinstance(metric, Metric):
            raise TypeError(f"Trainer: expected a Metric, got {metric!r}")
        if name in ("loss", "lr", "seconds", "epoch") or name.startswith("val_"):
            raise ValueError(f"Trainer: expected another name for a metric than {name!r}, which has a meaning")
        twin = next((other for other in found if other != name and found[other] is metric), None)
        if twin is not None:  # it would gather each batch twice
            raise ValueError(f"Trainer: expected a metric of its own for {name!r}, got that of {twin!r}")
    return found


def stepped(optimizer: optim.Optimizer) -> list[Tensor]:
    """The parameters that the optimizer updates."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def check_parts(method: str, trainer: Trainer) -> None:
    """Refuse an optimizer of other parameters than the model's, a schedule of another optimizer, odd callbacks."""
    for argument, value, kind in (
        ("model", trainer.model, Module),
        ("optimizer", trainer.optimizer, optim.Optimizer),
    ):
        if not isinstance(value, kind):
            raise TypeError(f"{method}: expected {argument} to be a {kind.__name__}, got {type(value).__name__}")
    criterion, scheduler = trainer.criterion, trainer.scheduler
    if not callable(criterion) or isinstance(criterion, type):
        got = f"the class {criterion.__name__}" if isinstance(criterion, type) else f"a {type(criterion).__name__}"
        raise TypeError(f"{method}: expected criterion to be a function of output and target, got {got}")
    modules = modules_of([trainer.model, criterion])
    own = {id(parameter) for module in modules for parameter in module._parameters.values()}
    strange = [parameter for parameter in stepped(trainer.optimizer) if id(parameter) not in own]
    if strange:
        raise ValueError(
            f"{method}: expected an optimizer of the model's parameters (or of the criterion's, a Module), got "
            f"{len(strange)} others, the first of shape {strange[0].shape}"
        )
    if scheduler is not None:
        if isinstance(scheduler, type) or not all(hasattr(scheduler, name) for name in ("step", "state_dict")):
            raise TypeError(f"{method}: expected a learning-rate schedule, got {scheduler!r}")
        if getattr(scheduler, "optimizer", trainer.optimizer) is not trainer.optimizer:
            raise ValueError(f"{method}: expected a {type(scheduler).__name__} of this optimizer, got another one's")
        if isinstance(scheduler, optim.lr_scheduler.ReduceLROnPlateau) and scheduler.mode == "max":
            raise ValueError(f"{method}: expected a ReduceLROnPlateau of mode 'min', for it is given the loss")
    check_callbacks(method, trainer.callbacks)
    check_paths(method, trainer.callbacks)


def check_fit(trainer: Trainer, data: Any, epochs: Any, validation: Any) -> int:
    """Check the arguments of `fit`; returns the number of epochs."""
    epochs = count("Trainer.fit", "epochs", epochs)
    left = max(epochs - trainer.epoch, 0)
    check_parts("Trainer.fit", trainer)
    check_pairs("Trainer.fit", data, left)
    if validation is not None:
        check_pairs("Trainer.fit(validation)", validation, left, peek=True)
    if isinstance(trainer.scheduler, optim.lr_scheduler.OneCycleLR):
        total, done = trainer.scheduler.total_steps, trainer.scheduler.last_epoch
        steps = left * (length(data) or 0)
        if done + steps > total:
            raise ValueError(
                f"Trainer.fit: OneCycleLR: expected at most {total} steps, got {steps} of {left} epochs after {done}"
            )
    return epochs
