"""A trainer in a group of workers: which callbacks each calls, and what all must have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..data import DataLoader
from ._batches import length
from ._callback import Callback

if TYPE_CHECKING:
    from ..distributed import Group
    from ._trainer import Trainer


def check_group(group: Any, compile: bool) -> None:
    """Refuse what is no group, and a compiled step, which cannot be cut into shards."""
    if group is None:
        return
    from ..distributed import Group  # imported here, since it imports concurrent.futures

    if not isinstance(group, Group):
        raise TypeError(
            f"Trainer: expected group to be one of fastnn.distributed.local or mpi, got a {type(group).__name__}"
        )
    if compile:
        raise ValueError("Trainer: expected compile=True or a group, got both")


def heard(group: Group | None, callbacks: Iterable[Callback]) -> list[Callback]:
    """The callbacks that this worker calls."""
    return [each for each in callbacks if group is None or group.rank == 0 or each.everywhere]


def goes_on(trainer: Trainer) -> bool:
    """Whether there is another epoch; workers take `stop` from the first, and compare what epochs depend on."""
    if trainer.group is not None and trainer.group.size > 1:
        _meet(trainer, trainer.group)
    return trainer.epoch < trainer.epochs and not trainer.stop


def _meet(trainer: Trainer, group: Group) -> None:
    from ..distributed._group import options_of
    from ..distributed._replicas import checksum

    trainer.stop = group.share(trainer.stop)
    group.agree(
        "Trainer.fit",
        epochs=f"{trainer.epoch} of {trainer.epochs}",
        optimizer=options_of(trainer.optimizer),
        max_grad_norm=trainer.max_grad_norm,
        metrics=", ".join(trainer.metrics),
        data=_data(trainer.data),
        validation=_data(trainer.validation),
        weights=checksum(trainer.model.state_dict()),
        **{
            "optimizer's state": checksum(trainer.optimizer.state_dict()),
            "schedule": checksum(None if trainer.scheduler is None else trainer.scheduler.state_dict()),
        },
    )


def _data(data: Any) -> str:
    from ..distributed._replicas import checksum

    if not isinstance(data, DataLoader):
        return "none" if data is None else f"{length(data)} batches, {checksum(data if isinstance(data, list) else 0)}"
    first = checksum(data.example())
    return f"{length(data)} batches, first sample {first}, order {checksum(data.state_dict())}"
