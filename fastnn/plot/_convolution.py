"""Inside a convolutional network: its filters, and what they find in an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _check, nn
from .._check import Array
from ._figure import hide_rest, make_figure
from ._network import outputs_of

MOST = 64  # pictures in one figure
DIVERGING = "RdBu_r"  # red above 0, blue below


def _pictures(values: list[Array], titles: list[str], colored: list[bool], limits: list[float]) -> Any:
    """A grid of small images; colours between -limit and limit, or red, green and blue as they are."""
    columns = math.ceil(math.sqrt(len(values)))
    rows = math.ceil(len(values) / columns)
    figure, axes = make_figure(1.1 * columns, 1.2 * rows, rows, columns)
    for each, value, title, color, limit in zip(axes.flat, values, titles, colored, limits, strict=False):
        if color:
            each.imshow(
                0.5 + 0.5 * np.nan_to_num(value / limit).clip(-1, 1).transpose(1, 2, 0), interpolation="nearest"
            )
        else:
            aspect = "auto" if len(value) == 1 else "equal"  # filters over one dimension are bars
            each.imshow(value, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest", aspect=aspect)
        each.set_title(title, fontsize=7, pad=2)
        each.set_xticks([])
        each.set_yticks([])
        each.spines[:].set_visible(False)
    hide_rest(axes, len(values))
    return figure


def _limit(values: Array) -> float:
    """The largest finite magnitude, or 1 where there is none above 0."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _layer(name: str, model: nn.Module, layer: str | None) -> tuple[str, nn.Module]:
    """A convolution of a model, the first one for None."""
    kinds = nn.Conv1d, nn.Conv2d
    found = {path: module for path, module in model.named_modules() if isinstance(module, kinds)}
    if not found:
        raise ValueError(f"{name}: expected a model with a Conv1d or Conv2d, got {type(model).__name__}")
    if layer is None:
        return next(iter(found.items()))
    if layer not in found:
        shown = ", ".join(map(repr, list(found)[:8])) + (", ..." if len(found) > 8 else "")
        raise ValueError(f"{name}: expected layer to be one of {shown}, got {layer!r}")
    return layer, found[layer]


def filters(model: nn.Module, layer: str | None = None) -> Any:
    """Draw the filters of a convolution, at most 64 of them.

    Parameters
    ----------
    model : Module
    layer : str, optional
        The path of a `Conv2d` or `Conv1d` in the model; the first one without it.

    Returns
    -------
    matplotlib.figure.Figure
        A filter over three channels is a picture in red, green and blue, grey where it is 0, each by its own largest
        weight.  Of others each picture is an output channel's weights of one input channel, red above 0 and blue
        below, all on one scale.

    Raises
    ------
    ValueError
        If the model has no such layer.

    Examples
    --------
    >>> from fastnn import models, plot
    >>> len(plot.filters(models.resnet20()).axes)
    16
    """
    path, module = _layer("plot.filters", model, layer)
    weight = np.asarray(module.weight.data, np.float64)
    weight = weight[:, :, np.newaxis] if weight.ndim == 3 else weight
    outputs, inputs = weight.shape[:2]
    if inputs == 3:
        values = list(weight[:MOST])
        titles, limits = [str(k) for k in range(len(values))], [_limit(each) for each in values]
    else:
        places = [(k, c) for k in range(outputs) for c in range(inputs)][:MOST]
        values = [weight[place] for place in places]
        titles = [str(k) if inputs == 1 else f"{k} from {c}" for k, c in places]
        limits = [_limit(weight)] * len(values)
    figure = _pictures(values, titles, [inputs == 3] * len(values), limits)
    figure.suptitle(f"{path or type(module).__name__} {tuple(module.weight.shape)}", fontsize=9)
    return figure


def feature_maps(model: nn.Module, input: Any, layer: str | None = None) -> Any:
    """Draw what a layer finds in one image: a picture of each of its output's channels, at most 64.

    Parameters
    ----------
    model : Module
    input : array_like, (C, H, W) or (1, C, H, W)
        As the model takes it, with a batch of one or without.
    layer : str, optional
        The path of any layer in the model whose output is (1, channels, H, W); the first convolution without it.

    Returns
    -------
    matplotlib.figure.Figure
        Red above 0 and blue below, all on one scale; the model is in evaluation mode meanwhile.

    Raises
    ------
    ValueError
        If there is no such layer, it is not called, or its output is no image.

    Examples
    --------
    >>> from fastnn import models, plot
    >>> image = np.zeros((3, 32, 32), np.float32)
    >>> len(plot.feature_maps(models.resnet20(), image, "layer1.0.act2").axes)
    16
    """
    name = "plot.feature_maps"
    path = _layer(name, model, None)[0] if layer is None else layer
    x = _check.as_array(name, input, "input")
    x = x[np.newaxis] if x.ndim == 3 else x
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"{name}: expected one image (C, H, W) or (1, C, H, W), got shape {x.shape}")
    modules = dict(model.named_modules())
    if path not in modules:
        raise ValueError(f"{name}: expected layer to be the path of a layer, such as 'layer1.0', got {path!r}")
    found = outputs_of(model, x, modules[path])
    if found is None or found.ndim != 4:
        got = "it is not called" if found is None else f"shape {found.shape}"
        raise ValueError(f"{name}: expected an output (1, channels, H, W) of {path!r}, got {got}")
    values = list(found[0, :MOST].astype(np.float64))
    titles = [str(k) for k in range(len(values))]
    figure = _pictures(values, titles, [False] * len(values), [_limit(np.stack(values))] * len(values))
    figure.suptitle(f"{path or type(model).__name__} {tuple(found.shape[1:])}", fontsize=9)
    return figure
