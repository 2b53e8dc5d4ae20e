"""Training by one call: a loop, and callbacks around it."""

from ._callback import Callback, CSVLogger, EarlyStopping, ModelCheckpoint
from ._progress import ProgressBar
from ._tensorboard import TensorBoard
from ._trainer import Trainer

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "ModelCheckpoint",
    "ProgressBar",
    "TensorBoard",
    "Trainer",
]
