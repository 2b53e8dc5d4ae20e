"""How the polynomials of src_c/kernels/math_f32.inc and math_f64.inc were found: minimax fits by Remez' exchange.

Prints the coefficients, lowest power first, and the largest relative error.  Needs mpmath.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 60
HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.01")

Function = Callable[[mp.mpf], mp.mpf]


def remez(f: Function, low: float, high: float, degree: int, weight: Function) -> tuple[list[mp.mpf], mp.mpf]:
    """Polynomial p of this degree with the least max |weight (p - f)| on [low, high], and that maximum."""
    low, high = mp.mpf(low), mp.mpf(high)
    size = degree + 2

    def chebyshev(count: int) -> list[mp.mpf]:
        return [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]

    def w(x: mp.mpf) -> mp.mpf:
        return max(abs(mp.mpf(weight(x))), mp.mpf("0.003"))  # a root of the weight would leave the system singular

    nodes, grid = chebyshev(size), chebyshev(60 * size + 1)
    for _ in range(8):
        rows = [[x**j for j in range(degree + 1)] + [(-1) ** i / w(x)] for i, x in enumerate(nodes)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([f(x) for x in nodes]))
        p = [solution[j] for j in range(degree + 1)]
        errors = [w(x) * (mp.polyval(p[::-1], x) - f(x)) for x in grid]
        extremes: list[int] = []
        for i, error in enumerate(errors):
            if not extremes or (error > 0) != (errors[extremes[-1]] > 0):
                extremes.append(i)
            elif abs(error) > abs(errors[extremes[-1]]):
                extremes[-1] = i
        if len(extremes) < size:
            break
        while len(extremes) > size:
            extremes.pop(0 if abs(errors[extremes[0]]) < abs(errors[extremes[-1]]) else -1)
        nodes = [grid[i] for i in extremes]
    return p, max(map(abs, errors))


def continued(f: Function, limit: float) -> Function:
    """F with its value at 0 filled in, and digits to spare near it."""

    def g(x: mp.mpf) -> mp.mpf:
        with mp.workdps(100):
            return mp.mpf(limit) if abs(x) < mp.mpf("1e-15") else f(mp.mpf(x))

    return g


def mills(k: float) -> Function:
    """Phi(-a) exp(a^2 / 2) (a + k) / 2 k of t = (a - k) / (a + k)."""

    def g(t: mp.mpf) -> mp.mpf:
        a = k * (1 + t) / (1 - t)
        return mp.erfc(a / mp.sqrt(2)) / 2 * mp.exp(a * a / 2) * (a + k) / (2 * k)

    return g


exp_rest = continued(lambda r: (mp.expm1(r) - r) / r**2, 0.5)
log1p_rest = continued(lambda m: (mp.log1p(m) - m) / m**2, -0.5)
atanh_rest = continued(lambda z: (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z * 2, mp.mpf(2) / 3)
tanh_bracket = continued(lambda s: (1 - mp.tanh(mp.sqrt(s)) / mp.sqrt(s)) / s, mp.mpf(1) / 3)
tanh_rest = continued(lambda s: (mp.mpf(1) / 3 - tanh_bracket(s)) / s, mp.mpf(2) / 15)


def fit_mills(k: float, largest: float, degree: int) -> tuple[list[mp.mpf], mp.mpf]:
    """Fit on 0 <= a <= largest, relative error."""
    f = mills(k)
    return remez(f, -1, mp.mpf(largest - k) / (largest + k), degree, lambda t: 1 / f(t))


def rounded(fit: tuple[list[mp.mpf], mp.mpf], f: Function, low: float, high: float) -> tuple[list[mp.mpf], mp.mpf]:
    """The fit with coefficients that are floats, chosen together: each rounded by itself, their errors add up."""
    points = np.cos(np.linspace(0, np.pi, 1500)) * (high - low) / 2 * (1 - 1e-7) + (high + low) / 2
    exact = np.array([np.longdouble(mp.nstr(f(mp.mpf(point)), 25)) for point in points])
    powers = np.vander(points.astype(np.longdouble), len(fit[0]), increasing=True)

    def error(coefficients: np.ndarray) -> float:
        return float(np.abs(powers @ coefficients.astype(np.longdouble) / exact - 1).max())

    rng = np.random.default_rng(0)
    best = np.array([np.float32(float(c)) for c in fit[0]])
    least = error(best)
    for _ in range(60_000):
        trial = best.copy()
        chosen = rng.choice(np.arange(1, len(best)), rng.integers(1, 5), replace=False)
        for _ in range(rng.integers(1, 3)):
            trial[chosen] = np.nextafter(trial[chosen], rng.choice([-np.inf, np.inf], chosen.size).astype(np.float32))
        if error(trial) <= least:
            best, least = trial, error(trial)
    return [mp.mpf(float(c)) for c in best], mp.mpf(least)


MILLS_K = 3.25390625
MILLS_END = (14.5 - MILLS_K) / (14.5 + MILLS_K)

FITS = {
    "exp_poly_f32": lambda: remez(exp_rest, -HALF_LN2, HALF_LN2, 5, lambda r: r * r),
    "exp_poly_f64": lambda: remez(exp_rest, -HALF_LN2, HALF_LN2, 10, lambda r: r * r),
    "log1p_poly_f32": lambda: remez(log1p_rest, -0.25, 0.5, 8, lambda m: m),
    "log1p_poly_f64": lambda: remez(atanh_rest, 0, 0.0401, 8, lambda z: z),
    "tanh_poly_f32": lambda: remez(tanh_rest, 0, 0.82, 6, lambda s: s / tanh_bracket(s)),
    "tanh_poly_f64": lambda: remez(tanh_rest, 0, 0.82, 15, lambda s: s / tanh_bracket(s)),
    "mills_poly_f32": lambda: rounded(fit_mills(MILLS_K, 14.5, 9), mills(MILLS_K), -1, MILLS_END),
    "mills_poly_f64": lambda: fit_mills(5.265625, 39, 23),
}

if __name__ == "__main__":
    for name, fit in FITS.items():
        coefficients, error = fit()
        print(f"{name}: error 2^{float(mp.log(error, 2)):.1f}")
        for c in coefficients:
            print("   ", float(np.float32(float(c)) if name.endswith("f32") else c).hex())
