"""`save`: models to ONNX files."""

from __future__ import annotations

import os
from typing import Any

from .._replace import replacing


def save(model: Any, path: str | os.PathLike[str], example: Any, dynamic_batch: bool = True, opset: int = 18) -> None:
    """Write a model, as it predicts, to an ONNX file.

    Parameters
    ----------
    model : Module, Frozen, or estimator of fastnn.sklearn
        It is exported in evaluation mode, and left as it is.
    path : path-like
        Written under another name first, then renamed.
    example : array_like or tuple
        What the model is called with, once: an array, or a tuple of the arguments, of which the last may be a dict of
        those by name.  What counts is its structure, dtypes and shapes.
    dynamic_batch : bool
        Whether the first dimension of the inputs (the second of recurrent states) may have any size, called "N".
        All other sizes are the example's.
    opset : int
        The version of ONNX's operators, 13 to 28.

    Raises
    ------
    NotImplementedError
        For what ONNX's operators cannot do, all of it at once, before anything is written; also if the forward pass
        asks for values, or, with dynamic_batch, for the batch size.
    ValueError
        If the opset is another one, or the file would be larger than 2 GB, as much as one can hold.

    Notes
    -----
    Inputs have the names of the forward pass's arguments; outputs are "output", "output0", "output1", ..., or the keys
    of a dict; the parameters' names are the state_dict's keys, except in recurrent layers, whose weights ONNX
    orders otherwise.  An estimator has the input "X" and the outputs of skl2onnx: "label" and "probabilities", or
    "variable".

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, fastnn
    >>> path = os.path.join(tempfile.mkdtemp(), "model.onnx")
    >>> model = fastnn.nn.Sequential(fastnn.nn.Linear(3, 4), fastnn.nn.ReLU())
    >>> fastnn.onnx.save(model, path, np.ones((1, 3), np.float32))
    >>> [(each.name, each.shape) for each in fastnn.onnx.load(path).outputs]
    [('output', ['N', 4])]
    """
    from .export import export

    pieces = export(model, example, dynamic_batch, opset).pieces()
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.writelines(pieces)
