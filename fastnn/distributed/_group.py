"""Group: workers that train one model on their shards of each batch, with the bits of one worker alone."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from .. import _check, _core, _random
from .._check import Array
from .._shard import Shard, now
from .._version import __version__
from ..autograd import Tensor
from ..nn import Module
from ..nn._guard import modules_of
from ._batch import arrays_of, mapped, piece, samples_of
from ._engine import Engine
from ._gradients import Gradients
from ._join import Joint, Post, WorkerError
from ._leaves import backward
from ._lockstep import Meet, in_lockstep
from ._replicas import checksum, replicas, state_of


class Group:
    """Workers that train one model: each computes a part of every batch, and all have the same gradients.

    Shard i of a batch holds samples floor(i B / shards) up to floor((i + 1) B / shards).  All that is summed over
    samples is added along one binary tree over the shards, whoever computes them: the bits depend on the number of
    shards, not on that of workers.

    Parameters
    ----------
    engine : Engine
        Carries messages; `local` and `mpi` bring their own.
    shards : int
        A power of two, which the number of workers divides.

    Attributes
    ----------
    rank, size, shards : int

    Examples
    --------
    >>> import fastnn
    >>> from fastnn import nn, optim
    >>> group = fastnn.distributed.local(shards=4)
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), 0.1)
    >>> x, y = np.ones((6, 2), np.float32), np.zeros((6, 1), np.float32)
    >>> first = group.step(model, nn.MSELoss(), (x, y), optimizer)
    >>> group.step(model, nn.MSELoss(), (x, y), optimizer) < first
    True
    """

    def __init__(self, engine: Engine, shards: int = 8):
        self.engine, self.rank, self.size = engine, engine.rank, engine.size
        self.shards = _check.count("Group", "shards", shards, 1)
        if self.shards & (self.shards - 1):
            raise ValueError(f"Group: expected shards to be a power of two, got {self.shards}")
        if self.shards % self.size:
            raise ValueError(
                f"Group: expected a number of workers that divides shards={self.shards}, got {self.size} workers"
            )
        self._own = range(self.rank * self.shards // self.size, (self.rank + 1) * self.shards // self.size)
        self._joint = Joint(engine)
        self._known: list[Any] = [None, None]  # model and optimizer of the last step, compared between workers
        apart = getattr(engine, "apart", None) if self.size > 1 else None
        beside = None if apart is None else apart()
        self._beside: Engine = engine if beside is None else beside
        self._thread = None if beside is None else ThreadPoolExecutor(1, thread_name_prefix="fastnn-gradients")

    def __repr__(self) -> str:
        return f"Group(rank={self.rank}, size={self.size}, shards={self.shards})"

    def step(self, model: Module, loss_function: Callable[..., Any], batch: Any, optimizer: Any) -> float:
        """Set gradients to None, run `backward`, let the optimizer step; return the loss of the whole batch.

        Parameters
        ----------
        model, loss_function, batch
            As in `backward`.
        optimizer : Optimizer
        """
        if self._known[1] is not optimizer:
            self.agree("Group.step", **{"optimizer's options": options_of(optimizer)})
            self._known[1] = optimizer
        optimizer.zero_grad()
        loss = self.backward(model, loss_function, batch)
        optimizer.step()
        return loss

    def backward(self, model: Module, loss_function: Callable[..., Any], batch: Any) -> float:
        """Add the gradients of the whole batch's loss to the parameters' `grad`; return the loss.

        Clip, if you do, between this and the optimizer's step.

        Parameters
        ----------
        model : Module
            It must treat samples apart, but for batch norm.
        loss_function : callable
            Of output and target: a loss of fastnn, or one of your own by `fastnn.distributed.mean`.
        batch : (input, target)
            The same whole batch on all workers: arrays, or tuples, lists and mappings of arrays, with samples first.

        Raises
        ------
        ValueError
            If workers have other data, weights, options or versions, or the loss is not one of all shards.
        WorkerError
            If another worker has failed.
        """
        return self._run("Group.backward", model, loss_function, batch, outputs=False)[0]

    def _run(self, method: str, model: Any, loss_function: Any, batch: Any, outputs: bool) -> tuple[float, Any]:
        """The loss, and, if asked for, the outputs of the whole batch."""
        modules = modules_of([model, loss_function])
        found = {id(each): each for module in modules for each in module._parameters.values() if each is not None}
        parameters = [each for each in found.values() if each.requires_grad]
        submit: Callable[..., Future[Array]] | None = None if self._thread is None else self._thread.submit
        gradients = Gradients(parameters, len(self._own), self._beside, submit)
        try:
            size = self._same_batch(method, batch)
            self._same_model(model, loss_function, modules)
            pairs = [(model, loss_function), *(replicas(model, loss_function) for _ in self._own[1:])]
            rngs = [_random._own(), *(copy.deepcopy(_random._own()) for _ in pairs[1:])]

            def work(i: int) -> Callable[[Meet], Any]:
                return lambda meet: self._replica(method, i, meet, pairs[i], batch, size, rngs, gradients)

            results = in_lockstep([work(i) for i in range(len(pairs))], self._joint)
            joined = gradients.joined()
            whole = self._whole([each[1:] for each in results]) if outputs else None
        except WorkerError:
            gradients.give_up()
            raise
        except Exception as error:
            with suppress(Exception):  # if others are gone and cannot be told, `error` is still raised
                self._joint.fail(error)
                gradients.give_up()
            raise
        if joined is None:
            raise WorkerError("distributed: another worker failed in the backward pass")
        for parameter, gradient in joined:
            parameter.grad = gradient if parameter.grad is None else _core.add(parameter.grad, gradient)
        return results[0][0], whole

    def _replica(
        self,
        method: str,
        i: int,
        meet: Meet,
        parts: tuple[Any, Any],
        batch: Any,
        size: int,
        rngs: list[np.random.Generator],
        gradients: Gradients,
    ) -> tuple[float, Any, bool]:
        """One shard's forward and backward pass: the whole batch's loss, its own output, whether it has samples."""
        number = self._own[i]
        begin, end = number * size // self.shards, (number + 1) * size // self.shards
        present = begin < end
        place = (begin, end) if present else (0, 1)
        shard = Shard(
            place[0], place[1] - place[0], size, present, min(size, self.shards), rngs[i] if i else None,
            lambda *post: meet(Post(*post)),
        )  # fmt: skip
        model, loss_function = parts
        now.shard = shard
        try:
            output = model(piece(batch[0], *place))
            loss = loss_function(output, piece(batch[1], *place))
            value = self._checked_loss(method, shard, loss)
            start = np.asarray(1 / shard.parts, loss.dtype).reshape(loss.shape)
            add: Callable[..., None] = (lambda leaf, d: gradients.add(i, leaf, d)) if present else (lambda *_: None)
            backward(loss, start, add)
            state = state_of(modules_of(parts), rngs[i])
            self._same(shard, method, "running statistics and random numbers after the step", state)
        finally:
            now.shard = None
        return value, output, present

    def _checked_loss(self, method: str, shard: Shard, loss: Any) -> float:
        """The loss as a number; it must be the whole batch's, so that all shards have the same."""
        if not isinstance(loss, Tensor) or not loss.requires_grad or loss.size != 1:
            got = f"a Tensor of shape {loss.shape}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise TypeError(
                f"{method}: expected the loss function to return one number that tracks gradients, got {got}"
            )
        self._same(
            shard,
            method,
            "loss, joined by a loss of fastnn with reduction 'mean' or 'sum' or by fastnn.distributed.mean",
            zlib.crc32(loss.data.tobytes()),
        )
        return float(loss.data.item())

    def _same(self, shard: Shard, method: str, what: str, number: int) -> None:
        low, negative = shard.joined(what.split(",")[0], "range", float(number), -float(number))
        if low != -negative:
            raise ValueError(f"{method}: expected the same {what} in all shards, got others")

    def _same_batch(self, method: str, batch: Any) -> int:
        """The number of samples; refused if another worker has another batch."""
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise TypeError(f"{method}: expected a batch (input, target), got a {type(batch).__name__}")
        size = samples_of(method, batch)
        if self.size > 1:
            number = float(checksum(arrays_of(method, batch)))
            low, negative = self._joint([Post("batch", "range", np.array([number, -number]))])
            if low != -negative:
                raise ValueError(
                    f"{method}: expected the same whole batch on all {self.size} workers, got others; each is to read "
                    "the same data in the same order"
                )
        return size

    def _same_model(self, model: Any, loss_function: Any, modules: Sequence[Module]) -> None:
        """At the first step of a model, compare it between workers."""
        if self._known[0] is model:
            return
        texts = [repr(each) for each in (model, loss_function) if isinstance(each, Module)]
        names = [name for name, each in model.named_parameters() if each.requires_grad]
        self.agree(
            "Group.backward",
            model=f"{type(model).__name__} of {sum(each.size for each in model.parameters()):,} parameters",
            **{
                "layers and their options": checksum([*texts, *names]),
                "weights": checksum([module.state_dict() for module in modules]),
                "random numbers": state_of(modules, _random._own()),
            },
        )
        self._known[0] = model

    def agree(self, method: str, **facts: Any) -> None:
        """Refuse to go on unless all workers have the same facts, beside version, NumPy and kind of instruction set.

        The ValueError, the same on all of them, names `method`, what differs, and what workers have.
        """
        if self.size == 1:
            return
        tier = "base" if _core.isa() == "base" else "one with FMA"
        own = {"fastnn": __version__, "NumPy": np.__version__, "instruction set": tier, "shards": self.shards, **facts}
        every = [json.loads(each) for each in self._joint.allgather(json.dumps(own, default=str).encode())]
        for name, expected in every[0].items():
            for rank, each in enumerate(every):
                if each.get(name) != expected:
                    raise ValueError(
                        f"{method}: expected the same {name} on all {self.size} workers, got {expected} on worker 0 "
                        f"and {each.get(name)} on worker {rank}"
                    )

    def share(self, value: Any) -> Any:
        """Return worker 0's value, which JSON can hold; all workers call this."""
        if self.size == 1:
            return value
        sent = self.engine.broadcast(np.frombuffer(json.dumps(value).encode(), np.uint8))
        return json.loads(sent.tobytes())

    def predict(self, model: Callable[..., Any], input: Any) -> Any:
        """Return the outputs for a whole batch, of which each worker computes a part, by a model in evaluation mode."""
        size = samples_of("Group.predict", input)
        begin, end = (rank * size // self.size for rank in (self.rank, self.rank + 1))
        if self.size == 1 or size < self.size:
            return model(input)
        return self._whole([(model(piece(input, begin, end)), True)])

    def _whole(self, outputs: list[tuple[Any, bool]]) -> Any:
        """The outputs of all workers' samples, from those of this one's shards that count."""
        method, joined = "distributed", []
        arrays = [arrays_of(method, output) for output, present in outputs if present]
        for i, like in enumerate(arrays_of(method, outputs[0][0])):
            own = np.concatenate([each[i] for each in arrays]) if arrays else like[:0]
            data = self._joint.allgather(own.tobytes())
            joined.append(np.frombuffer(bytearray(b"".join(data)), like.dtype).reshape(-1, *like.shape[1:]))
        rest = iter(joined)
        return mapped(method, lambda _: next(rest), outputs[0][0])


def options_of(optimizer: Any) -> str:
    """An optimizer's kind and the options of its groups, as text."""
    groups = [{name: value for name, value in group.items() if name != "params"} for group in optimizer.param_groups]
    return f"{type(optimizer).__name__} {groups}"
