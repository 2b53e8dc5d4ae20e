"""Predictions: which classes are taken for which, and images with what was said of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..autograd import value_of
from ._figure import COLORS, grid_of, hide_rest, make_figure

MOST_CELLS = 40  # classes of a confusion matrix whose cells can be read


def confusion_matrix(counts: Any, classes: Sequence[str] = ()) -> Any:
    """Draw how often each class (row) was taken for each (column), coloured by the share of the row.

    Parameters
    ----------
    counts : array_like (classes, classes)
        As `fastnn.metrics.ConfusionMatrix` gives it.
    classes : sequence of str, optional
        Their names.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import plot
    >>> figure = plot.confusion_matrix([[48, 2], [5, 45]], ["cat", "dog"])
    >>> figure.axes[0].get_title()
    '93 of 100 right (93.0 %)'
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"plot.confusion_matrix: expected a square of counts, got shape {counts.shape}")
    n = len(counts)
    names = [str(name) for name in classes] or [str(i) for i in range(n)]
    if len(names) != n:
        raise ValueError(f"plot.confusion_matrix: expected {n} classes, got {len(names)}")
    crowded = n > MOST_CELLS  # no room for numbers and names
    side = 2.2 + 0.5 * min(max(n, 4), MOST_CELLS)
    figure, axes = make_figure(side + 0.6, side, 1, 1)
    each = axes[0, 0]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    each.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.argwhere(counts) if not crowded else ():
        color = "white" if share[i, j] > 0.55 else "#333333"
        each.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=8, color=color)
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 3 else {}
    if not crowded:
        each.set_xticks(range(n), names, fontsize=9, **turned)
        each.set_yticks(range(n), names, fontsize=9)
    each.set_xlabel("predicted", fontsize=10)
    each.set_ylabel("true", fontsize=10)
    each.spines[:].set_visible(False)
    each.tick_params(length=0)
    total, hits = int(counts.sum()), int(np.trace(counts))
    each.set_title(f"{hits:,} of {total:,} right ({100 * hits / max(total, 1):.1f} %)", fontsize=11)
    return figure


def least_certain(output: Any, count: int) -> Any:
    """Return the indices of the predictions whose best class is the least probable, from the least.

    Parameters
    ----------
    output : array_like (N, C)
        What the network returned, before the softmax.
    count : int

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> from fastnn import plot
    >>> plot.least_certain([[9.0, 0.0], [0.1, 0.0], [0.0, 2.0]], 2)
    array([1, 2])
    """
    from ..functional import softmax

    return softmax(np.asarray(value_of(output), np.float64), 1).max(1).argsort(kind="stable")[:count]


def predictions(images: Any, output: Any, target: Any = None, classes: Sequence[str] = ()) -> Any:
    """Draw images with the class that was predicted, its probability, and the true one where it is another.

    Parameters
    ----------
    images : array_like (N, H, W), (N, H, W, C) or (N, C, H, W)
        Bytes, or floats, which are scaled to the range of each image.
    output : array_like (N, C)
        What the network returned, before the softmax.
    target : array_like (N,), optional
        The true classes.
    classes : sequence of str, optional
        Their names.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import plot
    >>> figure = plot.predictions(np.zeros((2, 8, 8)), [[0.0, 3.0], [2.0, 0.0]], [1, 1], ["cat", "dog"])
    >>> [axes.get_title() for axes in figure.axes[:2]]
    ['dog 95 %', 'cat 88 %, is dog']
    """
    from ..functional import softmax

    pictures, scores = np.asarray(value_of(images)), np.asarray(value_of(output), np.float64)
    if pictures.ndim not in (3, 4) or scores.ndim != 2 or len(scores) != len(pictures):
        raise ValueError(
            f"plot.predictions: expected images (N, H, W, C) and output (N, classes), got shapes {pictures.shape} and "
            f"{scores.shape}"
        )
    if pictures.ndim == 4 and pictures.shape[1] in (1, 3, 4) and pictures.shape[3] not in (1, 3, 4):
        pictures = pictures.transpose(0, 2, 3, 1)
    probability = softmax(scores, 1)
    guess = probability.argmax(1)
    names = [str(name) for name in classes] or [str(i) for i in range(scores.shape[1])]
    truth = guess if target is None else np.asarray(value_of(target))
    if len(names) != scores.shape[1]:
        raise ValueError(f"plot.predictions: expected {scores.shape[1]} classes, got {len(names)}")
    if truth.shape != guess.shape or truth.dtype.kind not in "iu" or not ((truth >= 0) & (truth < len(names))).all():
        raise ValueError(
            f"plot.predictions: expected target ({len(guess)},) of classes below {len(names)}, got {target!r}"
        )
    rows, columns = grid_of(len(pictures), 8)
    figure, axes = make_figure(1.55 * columns, 1.85 * rows, rows, columns)
    for i, (each, picture) in enumerate(zip(axes.flat, pictures, strict=False)):
        if picture.dtype.kind == "f":
            low, high = picture.min(), picture.max()
            picture = (picture - low) / (high - low if high > low else 1)
        each.imshow(picture, cmap="gray" if picture.ndim == 2 or picture.shape[-1] == 1 else None)
        each.set_axis_off()
        right = truth[i] == guess[i]
        title = f"{names[guess[i]]} {100 * probability[i, guess[i]]:.0f} %"
        if not right:
            title += f", is {names[truth[i]]}"
        each.set_title(title, fontsize=7.5, color="#222222" if right else COLORS[3])
    hide_rest(axes, len(pictures))
    return figure
