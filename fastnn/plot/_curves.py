"""Curves: activations with their derivatives, and the course of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .. import functional, nn
from ..autograd import Tensor, enable_grad, value_of
from ._figure import COLORS, GRID, hide_rest, make_figure


def _named(name: str) -> Any:
    """The function of this name if it needs nothing but x, else the layer if it needs nothing at all."""
    layers = {each.lower(): getattr(nn, each) for each in nn.__all__}
    for found, given in (
        (getattr(functional, name, None), ([0.0],)),
        (layers.get(name.lower().replace("_", "").replace("-", "")), ()),
    ):
        try:
            if callable(found):
                result = found(*given)
                return result if isinstance(result, nn.Module) else found
        except TypeError:  # it needs more
            continue
    known = hasattr(functional, name) or name.lower() in layers
    raise ValueError(
        f"plot.activation: expected activations or their names, got {name!r}" + ", which needs more than x" * known
    )


def _curve(given: Any, x: Any) -> tuple[str, Any, Any]:
    """Name, values and derivative of a function, a layer, or either's name."""
    function = _named(given) if isinstance(given, str) else given
    if not callable(function):
        raise ValueError(f"plot.activation: expected activations or their names, got {given!r}")
    if isinstance(function, nn.Module):
        title = repr(function) if len(repr(function)) < 40 else type(function).__name__
    else:
        title = getattr(function, "__name__", repr(function))
    point = Tensor(x.reshape(-1, 1), requires_grad=True)
    with enable_grad():
        y = function(point)
        y.backward(np.ones_like(value_of(y)))
    return title, value_of(y).ravel(), point.grad.ravel() if point.grad is not None else np.zeros_like(x)


def activation(*functions: Any, low: float = -6.0, high: float = 6.0) -> Any:
    """Draw activations, each with its derivative.

    Parameters
    ----------
    *functions : str, callable or Module
        Such as "gelu", `fastnn.mish`, `nn.LeakyReLU(0.1)`; one picture for each.
    low, high : float
        The range of x.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a name is not known.

    Examples
    --------
    >>> from fastnn import nn, plot
    >>> figure = plot.activation("gelu", nn.LeakyReLU(0.1))
    >>> [axes.get_title() for axes in figure.axes]
    ['gelu', 'LeakyReLU(negative_slope=0.1)']
    """
    x = np.linspace(low, high, 1201)
    count = max(1, len(functions))
    columns = min(count, 3)
    rows = -(-count // columns)
    figure, axes = make_figure(4.2 * columns, 3.1 * rows, rows, columns)
    for each, given in zip(axes.flat, functions, strict=False):
        title, y, slope = _curve(given, x)
        each.axhline(0, color="#999999", linewidth=0.7)
        each.axvline(0, color="#999999", linewidth=0.7)
        each.plot(x, y, color=COLORS[0], linewidth=2, label="f(x)")
        jumps = np.abs(np.diff(slope, prepend=slope[0])) > 0.1  # a line through a jump would be a lie
        each.plot(x, np.where(jumps, np.nan, slope), color=COLORS[1], linewidth=1.6, linestyle="--", label="df/dx")
        bottom, top = max(min(y.min(), slope.min(), 0), -3.0), max(min(y.max(), 3.0), slope.max())
        each.set_ylim(bottom - 0.06 * (top - bottom), top + 0.06 * (top - bottom))
        each.set_xlim(low, high)
        each.set_title(title, fontsize=11)
        each.grid(**GRID)
    axes.flat[0].legend(frameon=False, fontsize=9, loc="upper left")
    hide_rest(axes, len(functions))
    return figure


def _label_ends(axes: Any, ends: list[tuple[float, int, str, str]]) -> None:
    """Write each curve's last value beside it, the higher one above the lower, however close they are."""
    for place, (value, epoch, label, color) in enumerate(sorted(ends)):
        axes.annotate(
            f"{label} {value:.4g}",
            (epoch, value),
            xytext=(5, 0),
            textcoords="offset points",
            va=("top", "bottom")[place] if len(ends) == 2 else "center",
            fontsize=9,
            color=color,
            annotation_clip=False,
        )


def history(history: Mapping[str, Sequence[float]]) -> Any:
    """Draw the course of a training: loss on the left, metrics on the right, training and validation in one.

    Parameters
    ----------
    history : mapping of str to sequence of float
        As `Trainer.fit` returns it.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import plot
    >>> figure = plot.history({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.8]})
    >>> [axes.get_title() for axes in figure.axes]
    ['loss', 'accuracy']
    """
    curves = {
        name: values
        for name, values in history.items()
        if name not in ("lr", "seconds") and len(values) and np.ndim(values[0]) == 0
    }
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves))
    if not names:
        raise ValueError(f"plot.history: expected values of epochs, got {dict(history)!r}")
    figure, axes = make_figure(4.8 * len(names), 3.4, 1, len(names))
    for each, name in zip(axes.flat, names, strict=True):
        ends = []  # of the curves: value, epoch, label, colour
        for key, label, color in ((name, "training", COLORS[0]), (f"val_{name}", "validation", COLORS[1])):
            values = np.asarray(curves.get(key, ()), float)
            measured = np.flatnonzero(np.isfinite(values))
            if len(measured):
                marker = "o" if len(measured) < 3 else ""
                epochs = np.arange(1, len(values) + 1)
                each.plot(epochs, values, color=color, linewidth=1.8, marker=marker, markersize=4)
                ends.append((values[measured[-1]], epochs[measured[-1]], label, color))
        _label_ends(each, ends)
        each.set_title(name, fontsize=11)
        each.set_xlabel("epoch", fontsize=9)
        each.grid(**GRID)
        each.xaxis.get_major_locator().set_params(integer=True)
    return figure
