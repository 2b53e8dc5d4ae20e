"""Gradients by differences."""

import numpy as np


def slope(f, x, dy, h=1e-4):
    """Gradient of sum(dy f(x)) by a fourth-order difference."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = (dy * (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step)))).sum() / (12 * h)
    return g
