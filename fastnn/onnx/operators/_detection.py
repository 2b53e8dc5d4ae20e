"""Selection of bounding boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._check import Array
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
