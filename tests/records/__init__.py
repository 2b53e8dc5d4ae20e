"""What is known of every function and optimizer: one record each, in the file of its family.

The tests, the hashes, the comparison with PyTorch and the benchmarks take their calls from here and from nowhere else.
Element-wise functions, whose records the accuracy certificate reads too, stand in the package.  A function without a record
fails tests/test_records.py.
"""

from __future__ import annotations

from fastnn._records import ACTIVATIONS, FORMULAS, GATES, LEARNED, Activation, Formula
from fastnn._records._record import COMPANIONS, IN_TABLE, NO_KERNEL, Call, LayerCall, Record, Wrong, is_float

from . import attention, conv, dropout, image, linear, norm, pool, recurrent, row_loss, softmax_loss, switchable
from .optimizers import OPTIMIZERS, Rule
from .pair_loss import LOSSES, THREE, PairLoss

__all__ = [
    "ACTIVATIONS",
    "BY_NAME",
    "COMPANIONS",
    "FORMULAS",
    "IN_TABLE",
    "LEARNED",
    "LOSSES",
    "NO_KERNEL",
    "OPTIMIZERS",
    "RECORDS",
    "Activation",
    "Call",
    "Formula",
    "LayerCall",
    "PairLoss",
    "Record",
    "Rule",
    "Wrong",
    "is_float",
]

RECORDS = [
    *(activation.record for activation in [*ACTIVATIONS, *LEARNED]),
    *GATES,
    *norm.RECORDS,
    *switchable.RECORDS,
    *linear.RECORDS,
    *conv.RECORDS,
    *pool.RECORDS,
    *image.RECORDS,
    *attention.RECORDS,
    *softmax_loss.RECORDS,
    *(loss.record for loss in LOSSES),
    *THREE,
    *row_loss.RECORDS,
    *dropout.RECORDS,
    *recurrent.RECORDS,
]
BY_NAME = {record.name: record for record in RECORDS}
