"""TensorBoard's files, written by the tensorboardX library."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _check
from .._check import Array
from .._extras import extra
from ..autograd import value_of
from ._callback import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer

__all__ = ["TensorBoard"]

EDGE = 1e20  # of TensorBoard's bins, which fail for values beyond
LARGEST = float(np.finfo(np.float32).max)


class TensorBoard(Callback):
    """Writes scalars, histograms, images and the model's text, to be looked at with `tensorboard --logdir`.

    Parameters
    ----------
    log_dir : path-like
    histograms : int
        Histograms of parameters and their gradients are written every so many epochs; 0 for never.  Values that are
        not finite are left out and counted in a chart of their own, `nonfinite`.
    images : array_like, optional
        Pictures (N, C, H, W) or (N, H, W, C) to show at the start, such as a batch that the network learns from: bytes,
        or floats from black 0 to white 1; those that go beyond are shown from their least to their largest value.
    writer : tensorboardX.SummaryWriter, optional
        Used in place of a new one for `log_dir`; it is not closed at the end.

    Notes
    -----
    Values of training and validation stand in one chart.  Needs tensorboardX.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "runs",
        histograms: int = 1,
        images: Any = None,
        writer: Any = None,
    ):
        self.histograms = _check.count("TensorBoard", "histograms", histograms)
        self.images = None if images is None else _pictures(value_of(images))
        self.log_dir = os.fspath(log_dir)
        self.own = writer is None
        self.writer = writer
        if self.own:
            extra("TensorBoard", "tensorboardX")

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the files; show the model and the images."""
        if self.own:
            self.writer = extra("TensorBoard", "tensorboardX").SummaryWriter(self.log_dir)
        if trainer.epoch:
            return
        self.writer.add_text("model", "    " + repr(trainer.model).replace("\n", "\n    "), 0)
        if self.images is not None:
            channels_last = self.images.shape[3] in (1, 3, 4) and self.images.shape[1] not in (1, 3, 4)
            self.writer.add_images("images", self.images, 0, dataformats="NHWC" if channels_last else "NCHW")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the epoch's values, and histograms when it is time."""
        for name, value in trainer.logs.items():
            if not isinstance(value, float):
                continue
            of = "validation" if name.startswith("val_") else "training"
            tag = name if name in ("lr", "seconds") else f"{name.removeprefix('val_')}/{of}"
            self.writer.add_scalar(tag, value, trainer.epoch)
        if self.histograms and trainer.epoch % self.histograms == 0:
            for name, parameter in trainer.model.named_parameters():
                self._histogram(f"parameters/{name}", parameter.data, trainer.epoch)
                if parameter.grad is not None:
                    self._histogram(f"gradients/{name}", parameter.grad, trainer.epoch)
        self.writer.flush()

    def _histogram(self, tag: str, array: Array, epoch: int) -> None:
        values = array.astype(np.float64).reshape(-1)
        shown = values[np.abs(values) <= LARGEST]
        if shown.size < values.size:
            self.writer.add_scalar(f"nonfinite/{tag}", float(values.size - shown.size), epoch)
        if shown.size:
            within = max(-shown.min(), shown.max()) < EDGE
            self.writer.add_histogram(tag, shown, epoch, bins="tensorflow" if within else 64)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Close the files."""
        if self.own and self.writer is not None:
            self.writer.close()
            self.writer = None


def _pictures(images: Any) -> Array:
    """Images of bytes, or of floats scaled to [0, 1], as the writer takes them; others would wrap around."""
    array = np.asarray(images)
    shape = array.shape
    if len(shape) != 4 or 0 in shape or not {shape[1], shape[3]} & {1, 3, 4}:
        raise ValueError(f"TensorBoard: expected images (N, C, H, W) or (N, H, W, C), got shape {shape}")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        got = f"dtype {array.dtype}" if array.dtype.kind != "f" else "NaN or inf"
        raise ValueError(f"TensorBoard: expected images of bytes or finite floats, got {got}")
    low, high = float(array.min()), float(array.max())
    if low >= 0 and high <= 1:
        return array
    return (array - low) / ((high - low) or 1.0)
