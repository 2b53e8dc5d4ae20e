"""Inside a network: its weights, what its layers put out, and units that never fire."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from .._check import Array
from ..autograd import no_grad, value_of
from ..nn._modes import evaluating
from ._figure import COLORS, GRID, grid_of, hide_rest, make_figure


def _histograms(values: dict[str, Array], color: str) -> Any:
    rows, columns = grid_of(len(values))
    figure, axes = make_figure(3.3 * columns, 2.5 * rows, rows, columns)
    for each, (name, array) in zip(axes.flat, values.items(), strict=False):
        finite = array[np.isfinite(array)]
        each.hist(finite, bins=min(60, max(5, finite.size // 4)), color=color)
        lost = array.size - finite.size
        spread = f"mean {finite.mean():.3g}, std {finite.std():.3g}" if finite.size else "nothing finite"
        each.set_title(name, fontsize=10)
        each.set_xlabel(spread + (f", {lost} not finite" if lost else ""), fontsize=8.5)
        each.set_yticks([])
        each.spines["left"].set_visible(False)
        each.grid(axis="x", **GRID)
    hide_rest(axes, len(values))
    return figure


def weights(model: nn.Module) -> Any:
    """Draw a histogram of each parameter.

    Parameters
    ----------
    model : Module

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import nn, plot
    >>> [axes.get_title() for axes in plot.weights(nn.Linear(8, 4)).axes]
    ['weight (4, 8)', 'bias (4,)']
    """
    values = {f"{name} {p.shape}": p.data.ravel() for name, p in model.named_parameters() if p.size}
    if not values:
        raise ValueError(f"plot.weights: expected a model with parameters, got {type(model).__name__}")
    return _histograms(values, COLORS[0])


def _outputs(model: nn.Module, input: Any, kinds: Any = nn.Module) -> dict[str, Array]:
    """What each innermost module of these kinds returns in evaluation mode, by its path, at each of its calls."""
    found: dict[str, Array] = {}
    calls: dict[str, int] = {}
    handles = []
    for path, module in model.named_modules():
        if isinstance(module, kinds) and not any(True for _ in module.children()):
            title = f"{path} {type(module).__name__}".strip()

            def keep(_: Any, __: Any, output: Any, title: str = title) -> None:
                calls[title] = calls.get(title, 0) + 1  # a layer may be called several times
                found[title if calls[title] == 1 else f"{title} ({calls[title]})"] = np.asarray(value_of(output))

            handles.append(module.register_forward_hook(keep))
    try:
        with evaluating(model):
            model(input)
    finally:
        for handle in handles:
            handle.remove()
    return found


def outputs_of(model: nn.Module, input: Any, module: nn.Module) -> Array | None:
    """What one module returns first when the model is called in evaluation mode; None if it is not called."""
    found: list[Array] = []

    def keep(_: Any, __: Any, output: Any) -> None:
        found.append(np.asarray(value_of(output)))

    handle = module.register_forward_hook(keep)
    try:
        with evaluating(model), no_grad():
            model(input)
    finally:
        handle.remove()
    return found[0] if found else None


def activations(model: nn.Module, input: Any) -> Any:
    """Draw a histogram of what each layer puts out for an input, in evaluation mode.

    Parameters
    ----------
    model : Module
    input : array_like
        A batch.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import nn, plot
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> [axes.get_title() for axes in plot.activations(model, np.ones((3, 4))).axes]
    ['0 Linear', '1 ReLU']
    """
    values = {name: array.ravel() for name, array in _outputs(model, input).items() if array.size}
    return _histograms(values, COLORS[2])


def dead_relus(model: nn.Module, input: Any) -> Any:
    """Draw how often the units of each ReLU fire, from the most silent; those that never do are dead.

    Parameters
    ----------
    model : Module
    input : array_like
        A batch, the larger the better: a unit is dead that is 0 for all of it.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> from fastnn import nn, plot
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> model[0].bias.data[...] = [-9, -9, 9, 9, 9, 9, 9, 9]
    >>> plot.dead_relus(model, np.ones((3, 4))).axes[0].get_title()
    '1 ReLU: 2 of 8 dead (25 %)'
    """
    outputs = _outputs(model, input, (nn.ReLU, nn.ReLU6))
    if not outputs:
        raise ValueError(f"plot.dead_relus: expected a model with ReLU layers, got {type(model).__name__}")
    if not all(array.size for array in outputs.values()):
        raise ValueError("plot.dead_relus: expected a batch of at least one sample")
    rows, columns = grid_of(len(outputs), 3)
    figure, axes = make_figure(4.2 * columns, 2.9 * rows, rows, columns)
    for each, (name, array) in zip(axes.flat, outputs.items(), strict=False):
        fires = np.sort((array > 0).reshape(len(array), -1).mean(0))
        dead = int((fires == 0).sum())
        units = np.arange(1, len(fires) + 1)
        each.fill_between(units, 100 * fires, step="mid", color=COLORS[0], alpha=0.85)
        if dead:
            each.axvspan(0.5, dead + 0.5, color=COLORS[3], alpha=0.25)
        each.set_title(f"{name}: {dead} of {len(fires)} dead ({100 * dead / len(fires):.0f} %)", fontsize=10)
        each.set_xlabel("units, from the most silent", fontsize=9)
        each.set_ylabel("fires for % of the batch", fontsize=9)
        each.set_xlim(0.5, len(fires) + 0.5)
        each.set_ylim(0, 100)
        each.grid(axis="y", **GRID)
    hide_rest(axes, len(outputs))
    return figure
