"""Errors over all float32 inputs, in units in the last place (ULP) of the exact result.

Inputs are numbered by `key` in the order of their values: 0 is 0.0, k the k-th float above it, -k its negative; NaN has
no key.  So a range of keys is an interval, and a function that rises must rise from key to key.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

import fastnn

from .._check import Array
from .._records import Formula
from .._records._formulas import Doubles, Multiple

INFINITY = 0x7F800000  # the key of inf
CHUNK = 1 << 16  # inputs at a time: what belongs to them stays in a core's cache
VALUE_BOUND, SLOPE_BOUND, DOUBLE_BOUND = 2.0, 4.0, 4.0
TINY = 2.0**-23  # the absolute bound of derivatives computed from the result
# Where a derivative crosses 0 its terms cancel: this near to a root, and below this size, its error is bounded by 4 ULP
# of that size.  Derivatives go from 0 to 1: their scale is 1.
NEAR, SMALL = 0.25, 2.0**-4
SMALL_BOUND = SLOPE_BOUND * SMALL * 2.0**-23
DOUBLE_UNIT = 2.0**-29  # float64's ULP in float32's


def inputs(keys: Array) -> Array:
    """The floats of these keys."""
    bits = keys if keys[0] >= 0 else 0x80000000 - keys if keys[-1] < 0 else np.where(keys >= 0, keys, 0x80000000 - keys)
    return bits.astype(np.uint32).view(np.float32)


def ulps(got: Array, exact: Array) -> Array:
    """Distance of floats from exact values in ULP of these; inf where NaN or an infinity stands for a number."""
    exponent = exact.view(np.int64) >> 52
    exponent &= 0x7FF
    np.clip(exponent, 1023 + 23 - 149, 1023 + 127, out=exponent)
    per_unit = 2046 + 23 - exponent  # of 1 / ULP
    per_unit <<= 52
    error = got - exact
    np.abs(error, out=error)
    error *= per_unit.view(np.float64)
    if not np.isfinite(error.max(initial=0)) or int(exponent.max(initial=0)) == 1023 + 127:
        beyond = np.abs(exact) >= 2.0**128 - 2.0**103  # rounds to an infinity
        error[beyond] = np.where(got[beyond] == np.copysign(np.inf, exact[beyond]), 0, np.inf)
        error[~(error >= 0)] = np.inf
    return error


@dataclass
class Tally:
    """What was met: the largest errors with their inputs, how many exceed the bound, where a rising function falls."""

    bound: float
    absolute_bound: float = TINY
    inputs: int = 0
    worst: float = 0.0
    at: float = float("nan")
    over: int = 0
    absolute: float = 0.0
    absolute_at: float = float("nan")
    falls: int = 0
    sample: list[Array] = field(default_factory=list)

    def add(self, x: Array, error: Array) -> None:
        """Errors in ULP of results that are bounded so."""
        if not error.size:
            return
        self.inputs += error.size
        i = int(error.argmax())
        if error[i] > self.bound:
            self.over += int(np.count_nonzero(error > self.bound))
        if error[i] > self.worst or self.at != self.at:
            self.worst, self.at = float(error[i]), float(x[i])
        self.sample.append(error[::61])

    def add_absolute(self, x: Array, error: Array) -> None:
        """Errors of results that are bounded absolutely."""
        if not error.size:
            return
        self.inputs += error.size
        i = int(error.argmax())
        if error[i] > self.absolute:
            self.absolute, self.absolute_at = float(error[i]), float(x[i])

    def join(self, other: Tally) -> None:
        """Another part's tally too."""
        if other.worst > self.worst or self.at != self.at:
            self.worst, self.at = other.worst, other.at
        self.inputs += other.inputs
        self.over += other.over
        self.falls += other.falls
        if other.absolute > self.absolute:
            self.absolute, self.absolute_at = other.absolute, other.absolute_at
        self.sample += [np.concatenate(other.sample)[:: max(1, len(other.sample))]] if other.sample else []

    @property
    def median(self) -> float:
        """Of a sample of the errors."""
        return float(np.median(np.concatenate(self.sample))) if self.sample else float("nan")

    @property
    def fault(self) -> str:
        """What exceeds its bound, in words; empty if both bounds hold."""
        faults = []
        if self.over:
            faults.append(
                f"{self.over:,} of {self.inputs:,} results are more than {self.bound:g} ULP off, "
                f"the worst by {self.worst:.3g} ULP at x = {self.at:.9g}"
            )
        if self.absolute > self.absolute_bound:
            faults.append(
                f"an absolute error of {self.absolute:.3g} at x = {self.absolute_at:.9g} "
                f"exceeds {self.absolute_bound:.3g}"
            )
        return " and ".join(faults)

    @property
    def holds(self) -> bool:
        """Whether both bounds do.  Neighbours within them may still be in the wrong order."""
        return not self.fault


Function = Callable[[Array], Array]


def value_of(formula: Formula) -> Function:
    """The library's function of an array."""
    function = getattr(fastnn, formula.name)
    return lambda x: function(x, **formula.parameters)


def slope_of(formula: Formula) -> Function:
    """The library's derivative."""
    value, backward = value_of(formula), getattr(fastnn, formula.name + "_backward")

    def slope(x: Array) -> Array:
        result = backward(np.ones_like(x), value(x) if formula.activation.saves_y else x, **formula.parameters)
        return result[0] if isinstance(result, tuple) else result

    return slope


def tally_for(formula: Formula, slope: bool, double: bool = False) -> Tally:
    """An empty tally with the bounds that hold."""
    absolute = TINY if formula.activation.saves_y else SMALL_BOUND
    if double:
        return Tally(DOUBLE_BOUND, absolute * DOUBLE_UNIT)
    return Tally(SLOPE_BOUND if slope else VALUE_BOUND, absolute)


def near_root(formula: Formula, x: Array, exact: Array) -> Array:
    """Where the derivative `exact` is next to 0 by cancellation."""
    near = np.zeros(np.shape(x), bool)
    for root in formula.activation.roots:
        near |= np.abs(x - root) < NEAR
    return near & (np.abs(exact) < SMALL)


def tally_part(formula: Formula, function: Function, slope: bool, keys: Array) -> Tally:
    """The errors of a function at some inputs, which are in order."""
    x = inputs(keys)
    with np.errstate(all="ignore"):
        got = function(x)
        wide = x.astype(np.float64)
        infinite = np.isinf(wide)
        wide[infinite] = np.copysign(1e300, wide[infinite])  # where formulas take their limits
        exact = np.asarray((formula.slope if slope else formula.value)(Doubles, wide), np.float64)
        tally = tally_for(formula, slope)
        if slope and formula.activation.saves_y:
            tally.add_absolute(x, np.nan_to_num(np.abs(got - exact), nan=np.inf))
            return tally
        error = ulps(got, exact)
        if slope:
            near = near_root(formula, x, exact)
            if near.any():
                tally.add_absolute(x[near], np.nan_to_num(np.abs(got[near] - exact[near]), nan=np.inf))
                x, error = x[~near], error[~near]
            tally.add(x, error)
        else:
            tally.add(x, error)
            if not formula.activation.falls:
                tally.falls = int(np.count_nonzero(got[1:] < got[:-1]))
    return tally


def starts(stride: int) -> range:
    """Where the chunks of keys begin, in strides."""
    last = INFINITY // stride
    return range(-last, last + 1, CHUNK)


def tally(formula: Formula, function: Function, slope: bool, stride: int, step: Callable[[int], object]) -> Tally:
    """The errors over every stride-th float32 and the infinities, by all threads; `step` hears of chunks."""
    last = INFINITY // stride

    def work(start: int) -> Tally:
        # neighbours share a key, so that a fall between them is seen
        keys = np.arange(start, min(start + CHUNK, last) + 1, dtype=np.int64) * stride
        with fastnn.threads(1):
            return tally_part(formula, function, slope, keys)

    total = tally_part(formula, function, slope, np.array([-INFINITY, INFINITY]))
    with ThreadPoolExecutor(fastnn.get_num_threads()) as pool:
        for done in pool.map(work, starts(stride)):
            total.join(done)
            step(1)
    return total


def double_points(count: int) -> Array:
    """Float64 inputs: the neighbourhood of 0 and 1, tails, subnormals."""
    rng = np.random.default_rng(0)
    third = count // 3
    sizes = np.concatenate([10 ** rng.uniform(-308, 2.9, third), rng.uniform(0, 12, third), rng.uniform(0, 760, third)])
    special = [5e-324, 2.2250738585072014e-308, 1.0, 3.0, 20.0, 710.0, 745.5, 1e300]
    x = np.concatenate([sizes, special, [0.0]])
    return np.sort(np.concatenate([x, -x[:-1]]))


def tally_double(formula: Formula, slope: bool, count: int) -> Tally:
    """The errors of the float64 kernels at some points against multiple precision."""
    multiple = Multiple()
    x = double_points(count)
    result = tally_for(formula, slope, double=True)
    with np.errstate(all="ignore"):
        got = (slope_of(formula) if slope else value_of(formula))(x)
    for i, number in enumerate(x):
        exact = (formula.slope if slope else formula.value)(multiple, multiple.context.mpf(float(number)))
        error = abs(multiple.context.mpf(float(got[i])) - exact)
        if slope and (formula.activation.saves_y or near_root(formula, x[i : i + 1], np.array([float(exact)]))):
            result.add_absolute(x[i : i + 1], np.nan_to_num([float(error)], nan=np.inf))
            continue
        size = float(abs(exact))
        unit = multiple.context.mpf(2) ** (max(np.frexp(size)[1] - 53, -1074) if size else -1074)
        result.add(x[i : i + 1], np.array([float(error / unit)]))
    return result
