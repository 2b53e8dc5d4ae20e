"""Gradients by differences, and arrays and sums with known values."""

import math

import numpy as np


def slope(f, x, dy, h=1e-4):
    """Gradient of sum(dy f(x)) by a fourth-order difference."""
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        g[i] = (dy * (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step)))).sum() / (12 * h)
    return g


def waves(shape, a, b):
    """sin(a i + b) in C order."""
    return np.sin(a * np.arange(math.prod(shape)) + b).reshape(shape)


def checksum(values):
    values = np.asarray(values).ravel()
    return float(values @ np.cos(0.37 * np.arange(values.size)))


def near(got, *expected):
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)
