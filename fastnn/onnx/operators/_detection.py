"""Bounding boxes: selection, and pooling inside of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._check import Array
from ._elementwise import in_float32
from ._table import operator


def _overlap(box: Array, others: Array) -> Array:
    """Intersection over union of one box and others, each (y1, x1, y2, x2)."""
    height = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    width = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = np.maximum(0, height) * np.maximum(0, width)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = (box[2] - box[0]) * (box[3] - box[1]) + areas - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@operator("NonMaxSuppression")
def non_max_suppression(
    boxes: Array, scores: Array, most: Array | None = None, overlap: Array | None = None, least: Array | None = None,
    *, center_point_box: int = 0,
) -> Any:  # fmt: skip
    """Return (sample, class, box) of the kept boxes, by falling score in each class."""
    limit = 0 if most is None else int(np.asarray(most).reshape(-1)[0])
    bound = 0.0 if overlap is None else float(np.asarray(overlap).reshape(-1)[0])
    wide = boxes.astype(np.float64)
    if center_point_box:
        x, y, w, h = (wide[..., i] for i in range(4))
        wide = np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], -1)
    else:  # any two opposite corners
        wide = np.concatenate([np.minimum(wide[..., :2], wide[..., 2:]), np.maximum(wide[..., :2], wide[..., 2:])], -1)
    found: list[list[int]] = []
    for n, classes in enumerate(scores):
        for c, values in enumerate(classes):
            order = np.argsort(-values, kind="stable")
            if least is not None:
                order = order[values[order] > np.asarray(least).reshape(-1)[0]]
            kept: list[int] = []
            while order.size and len(kept) < limit:
                kept.append(int(order[0]))
                order = order[1:][_overlap(wide[n, order[0]], wide[n, order[1:]]) <= bound]
            found += [[n, c, box] for box in kept]
    return np.array(found, np.int64).reshape(-1, 3)


@operator("MaxRoiPool")
@in_float32
def max_roi_pool(x: Array, rois: Array, *, pooled_shape: Any, spatial_scale: float = 1.0) -> Any:
    """Return the maxima of each box's bins; a box is (sample, x1, y1, x2, y2), an empty bin gives 0."""
    y = np.zeros((len(rois), x.shape[1], *pooled_shape), x.dtype)
    for i, (sample, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (math.floor(each * spatial_scale + 0.5) for each in corners)
        rows = _bins(y1, y2, pooled_shape[0], x.shape[2])
        columns = _bins(x1, x2, pooled_shape[1], x.shape[3])
        for place in np.ndindex(*pooled_shape):
            part = x[int(sample), :, rows[place[0]], columns[place[1]]]
            if part.size:
                y[i, :, place[0], place[1]] = part.max((1, 2))
    return y


def _bins(first: int, last: int, count: int, length: int) -> list[slice]:
    """Return the bins of pixels first to last, inside of length; neighbours may share a pixel."""
    size = max(last - first + 1, 1) / count
    edges = [(math.floor(i * size) + first, math.ceil((i + 1) * size) + first) for i in range(count)]
    return [slice(min(max(a, 0), length), min(max(b, 0), length)) for a, b in edges]
