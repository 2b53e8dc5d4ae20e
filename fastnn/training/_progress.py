"""The progress bar."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .._extras import extra
from ._callback import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["ProgressBar"]

LINES = 100  # of a training in a file, about


class ProgressBar(Callback):
    """A bar for each epoch: batches, time left, loss; at its end the values of validation.

    Where the standard error is neither a terminal nor a notebook's, as in a pipe or a file, each epoch is one line,
    written at its end; of more than a hundred epochs, about a hundred lines are written, the last among them.
    """

    def __init__(self) -> None:
        self.tqdm = extra("The progress bar (or give progress=False)", "tqdm.auto").tqdm
        self.bar: Any = None
        self.moves = True
        self.line = ""  # of the last epoch, if not yet written

    def on_fit_start(self, trainer: Trainer) -> None:
        """Look where the bar will stand."""
        notebook = any(kind.__name__ == "tqdm_notebook" for kind in self.tqdm.__mro__)
        self.moves = notebook or (sys.stderr is not None and sys.stderr.isatty())
        self.every = -(-(trainer.epochs - trainer.epoch) // LINES)

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Show an empty bar."""
        try:
            total = len(trainer.data)
        except TypeError:  # a generator, or a loader whose sampler has no length
            total = None
        title = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        options = {} if self.moves else {"file": _Nowhere()}
        self.bar = self.tqdm(total=total, desc=title, unit="batch", **options)

    def on_batch_end(self, trainer: Trainer, logs: dict[str, float]) -> None:
        """Move on."""
        self._show(logs)
        self.bar.update()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the epoch's values."""
        self._show({name: value for name, value in trainer.logs.items() if name not in ("lr", "seconds")})
        self._close()
        if trainer.epoch % self.every == 0:
            self._write()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Leave an unfinished bar as it is."""
        self._close()
        self._write()

    def _show(self, values: dict[str, Any]) -> None:
        texts = {name: f"{value:.4f}" for name, value in values.items() if isinstance(value, float)}
        self.bar.set_postfix(texts, refresh=False)

    def _close(self) -> None:
        if self.bar is not None:
            self.line = "" if self.moves else str(self.bar)
            if self.moves:
                self.bar.refresh()
            self.bar.close()
            self.bar = None

    def _write(self) -> None:
        if self.line and sys.stderr is not None:
            print(self.line, file=sys.stderr, flush=True)
        self.line = ""


class _Nowhere:
    """A file that keeps nothing: what a bar draws while it moves."""

    def write(self, text: str) -> None:
        """Drop it."""

    def flush(self) -> None:
        """Nothing is kept."""
