"""One direction of a recurrent layer: RNN, LSTM or GRU, over sequences of any lengths."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from ._linear import _operands, _product

KINDS = {"RNN_TANH": 0, "RNN_RELU": 1, "LSTM": 2, "GRU": 3}  # the kinds' numbers in C
FEW = 8  # rows; packing a weight takes longer than the product of fewer
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


class Run(NamedTuple):
    """A call's operands in its computing type, and the arrays that its backward pass reads."""

    kind: str
    reverse: bool
    batch_sizes: Array
    dtype: np.dtype[Any]  # of the results
    x: Array
    h0: Array
    c0: Array | None
    w_ih: Array
    w_hh: Array
    b_ih: Array | None
    b_hh: Array | None
    w_hr: Array | None
    y: Array
    gates: Array
    inner: Array | None
    hidden: Array | None

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The op's last arguments."""
        units = len(self.w_hh) // GATES[self.kind]
        n, p = self.h0.shape
        return KINDS[self.kind], len(self.batch_sizes), len(self.x), n, units, p, self.reverse


@differentiable
def recurrent(
    input: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    w_hr: Any = None,
    *,
    batch_sizes: Any,
    kind: str,
    reverse: bool = False,
    name: str = "recurrent",
    out: Array | None = None,
) -> tuple[Array, ...]:
    """Run sequences, sorted from the longest, through one direction of a layer; `nn.LSTM` and others have the formulas.

    Parameters
    ----------
    input : array_like, (rows, in)
        Step by step: step t has the rows of the first batch_sizes[t] sequences.
    h0, c0 : array_like, (N, P), (N, H)
        The first states; c0 is None but for an LSTM.
    w_ih, w_hh : array_like, (gates H, in), (gates H, P)
    b_ih, b_hh : array_like, (gates H,), or None
        Both or neither.
    w_hr : array_like, (P, H), or None
        An LSTM's projection.
    batch_sizes : array of int64
        Never growing, their sum is the number of rows.
    kind : one of "RNN_TANH", "RNN_RELU", "LSTM", "GRU"
    reverse : bool
        Walk each sequence from its own last step.
    name : str
        What is called, for errors.
    out : ndarray, (rows, P), optional
        Where to put y.

    Returns
    -------
    y : ndarray, (rows, P)
    h : ndarray, (N, P)
        Each sequence's state after the last step that it walked.
    c : ndarray, (N, H)
        Of an LSTM.

    Examples
    --------
    >>> y, h = recurrent([[1.0], [2.0]], [[0.0]], None, [[1.0]], [[1.0]], batch_sizes=[1, 1], kind="RNN_RELU")
    >>> y.ravel(), h
    (array([1., 3.]), array([[3.]]))
    """
    return _without_way_back((input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr), batch_sizes, kind, reverse, name, out)


def _checked(name: str, given: dict[str, Any], batch_sizes: Array, gates: int, kind: str) -> None:
    x, h0, w_hh = (given[each] for each in ("input", "h0", "w_hh"))
    for argument, array in (("input", x), ("h0", h0), ("w_hh", w_hh)):
        if array is None or array.ndim != 2:
            raise ValueError(f"{name}: expected {argument} of 2 dimensions, got shape {np.shape(array)}")
    units, (n, p) = len(w_hh) // gates, h0.shape
    if (batch_sizes > n).any() or (np.diff(batch_sizes) > 0).any() or (batch_sizes < 0).any():
        raise ValueError(f"{name}: expected batch_sizes that never grow, from {n} down, got {batch_sizes.tolist()}")
    expected: dict[str, tuple[int, ...]] = {
        "input": (int(batch_sizes.sum()), x.shape[1]),
        "h0": (n, p if given["w_hr"] is not None else units),
        "w_ih": (gates * units, x.shape[1]),
        "w_hh": (gates * units, p),
        "b_ih": (gates * units,),
        "b_hh": (gates * units,),
        "w_hr": (p, units),
        "c0": (n, units),
    }
    for argument, array in given.items():
        if array is not None and array.shape != expected[argument]:
            raise ValueError(f"{name}: expected {argument} of shape {expected[argument]}, got {array.shape}")
    if (given["b_ih"] is None) != (given["b_hh"] is None):
        raise ValueError(f"{name}: expected both biases or neither, got one")
    if (given["c0"] is None) == (kind == "LSTM") or (given["w_hr"] is not None and kind != "LSTM"):
        raise ValueError(f"{name}: c0 and w_hr belong to an LSTM, c0 always; kind is {kind}")


NAMES = ("input", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr")


def _given(
    values: tuple[Any, ...], batch_sizes: Any, kind: str, name: str
) -> tuple[dict[str, Any], Array, np.dtype[Any]]:
    """The arrays by name in the type to compute in, checked; the batch sizes; the results' type."""
    _check.choice(name, "kind", kind, tuple(KINDS))
    present = {key: value for key, value in zip(NAMES, values, strict=True) if value is not None}
    arrays, dtype = _operands(name, present)
    given: dict[str, Any] = dict.fromkeys(NAMES) | dict(zip(present, map(_check.contiguous, arrays), strict=True))
    sizes = np.array(batch_sizes, np.int64).reshape(-1)
    _checked(name, given, sizes, GATES[kind], kind)
    return given, sizes, dtype


def _without_way_back(
    values: tuple[Any, ...], batch_sizes: Any, kind: str, reverse: bool, name: str, out: Array | None
) -> tuple[Array, ...]:
    """The results alone, without arrays that only backward reads."""
    given, sizes, dtype = _given(values, batch_sizes, kind, name)
    x, w_ih, w_hh, h0, c0 = (given[each] for each in ("input", "w_ih", "w_hh", "h0", "c0"))
    rows, units = len(x), len(w_hh) // GATES[kind]
    bias, b_hn = _joined(given["b_ih"], given["b_hh"], units, kind)
    h, c = _core.empty_like(h0), None if c0 is None else _core.empty_like(c0)
    _check.check_out(name, out, (rows, h.shape[1]), dtype)
    y = out if out is not None and _fits(out, x.dtype, given) else _core.empty((rows, h.shape[1]), x.dtype)
    kept: tuple[Array | None, ...] = (None, None, None)
    if rows < FEW:
        kept = (_product(x, w_ih.T, bias), *_between(rows, units, kind, given))
    ops.recurrent(
        y, h, c, *kept, x if kept[0] is None else None, h0, c0, w_ih, bias, w_hh, given["w_hr"], b_hn, None, None, None,
        None, sizes, KINDS[kind], len(sizes), rows, len(h), units, h.shape[1], reverse, False, x.shape[1],
    )  # fmt: skip
    results = [_check.finish(y, dtype, out)]
    return (*results, *(_check.finish(each, dtype, None) for each in (h, c) if each is not None))


def _between(rows: int, units: int, kind: str, given: dict[str, Any]) -> tuple[Array | None, Array | None]:
    """Memory for values between gates and outputs: `inner` and `hidden` of the op."""
    dtype = given["input"].dtype
    inner = _core.empty((rows, units), dtype) if kind in ("LSTM", "GRU") else None
    return inner, None if given["w_hr"] is None else _core.empty((rows, units), dtype)


def _fits(out: Array, dtype: Any, given: dict[str, Any]) -> bool:
    """Whether rows may be written to `out` at once: it is dense, of the computing type, and no argument's memory."""
    dense = out.dtype == dtype and out.dtype.isnative and out.flags.aligned and out.strides[1] == out.itemsize
    return dense and not any(each is not None and np.may_share_memory(out, each) for each in given.values())


def forward(
    values: tuple[Any, ...], batch_sizes: Any, kind: str, reverse: bool, name: str = "recurrent"
) -> tuple[tuple[Array, ...], Run]:
    """The results of `recurrent` for the values of NAMES, and the arrays that its backward pass reads."""
    given, sizes, dtype = _given(values, batch_sizes, kind, name)
    x, w, w_hr, c0 = (given[each] for each in ("input", "w_hh", "w_hr", "c0"))
    rows, units = len(x), len(w) // GATES[kind]
    bias, b_hn = _joined(given["b_ih"], given["b_hh"], units, kind)
    h, c = _core.empty_like(given["h0"]), None if c0 is None else _core.empty_like(c0)
    y, w_ih = _core.empty((rows, h.shape[1]), x.dtype), given["w_ih"]
    joined = len(h) >= FEW * _core.get_num_threads()  # then each step computes W x together with U h
    gates = _core.empty((rows, len(w)), x.dtype) if joined else _product(x, w_ih.T, bias)
    inner, hidden = _between(rows, units, kind, given)
    saved = {"x": given.pop("input"), **given, "y": y, "gates": gates, "inner": inner, "hidden": hidden}
    run = Run(kind, bool(reverse), sizes, dtype, **saved)
    ops.recurrent(
        y, h, c, gates, inner, hidden, x if joined else None, run.h0, c0, w_ih if joined else None, bias, w, w_hr, b_hn,
        None, None, None, None, sizes, *run.sizes, False, x.shape[1],
    )  # fmt: skip
    results = (y, h) if c is None else (y, h, c)
    return tuple(_check.finish(each, dtype, None) for each in results), run


def _joined(b_ih: Array | None, b_hh: Array | None, units: int, kind: str) -> tuple[Array | None, Array | None]:
    """The bias of W x, and a GRU's bias of U_n h, which the reset gate multiplies."""
    if b_ih is None or b_hh is None:
        return None, None
    if kind != "GRU":
        return b_ih + b_hh, None
    bias = b_ih.copy()
    bias[: 2 * units] += b_hh[: 2 * units]
    return bias, b_hh[2 * units :]


def gradients(run: Run, dys: tuple[Array | None, ...], wanted: tuple[bool, ...]) -> list[Array | None]:
    """The gradients of the arguments of `recurrent`, from `dys`, None for a result that has no gradient."""
    dtype, rows = run.x.dtype, len(run.x)
    dy, dh, dc = (*dys, None)[:3]
    dy = np.zeros_like(run.y) if dy is None else _check.contiguous(dy, dtype)
    dh = np.zeros_like(run.h0) if dh is None else np.array(dh, dtype, order="C")
    if run.c0 is not None:
        dc = np.zeros_like(run.c0) if dc is None else np.array(dc, dtype, order="C")
    dgates, before = _core.empty_like(run.gates), _core.empty_like(run.y)
    dinner = _core.empty_like(run.inner) if run.kind == "GRU" and run.inner is not None else None
    dout = None if run.w_hr is None else _core.empty_like(run.y)
    if rows:
        ops.recurrent_backward(
            dgates, dinner, dh, dc, before, dout, dy, run.y, run.h0, run.c0, run.gates, run.inner, run.w_hh, run.w_hr,
            run.batch_sizes, *run.sizes,
        )  # fmt: skip
    found: list[Array | None] = [None, dh, dc, None, None, None, None, None]
    if wanted[0]:
        found[0] = _product(dgates, run.w_ih)
    if wanted[3]:
        found[3] = _product(dgates.T, run.x)
    if wanted[4]:
        found[4] = _recurrent_weight(run.w_hh, dgates, dinner, before)
    if run.b_ih is not None and (wanted[5] or wanted[6]):
        found[5], found[6] = _biases(dgates, dinner)
    if dout is not None and run.hidden is not None and wanted[7]:
        found[7] = _product(dout.T, run.hidden)
    return [
        None if each is None or not want else _check.finish(each, run.dtype, None)
        for each, want in zip(found, wanted, strict=True)
    ]


def _recurrent_weight(w_hh: Array, dgates: Array, dinner: Array | None, before: Array) -> Array:
    """The gradient of w_hh; a GRU's last gate takes a separate product."""
    if dinner is None:
        return _product(dgates.T, before)
    joint = dgates.shape[1] - dinner.shape[1]
    dw = _core.empty(w_hh.shape, dgates.dtype)
    _product(dgates[:, :joint].T, before, out=dw[:joint])
    _product(dinner.T, before, out=dw[joint:])
    return dw


def _biases(dgates: Array, dinner: Array | None) -> tuple[Array, Array]:
    """The gradients of b_ih and b_hh, sums over the rows."""
    sums = []
    for each in (dgates, dinner):
        if each is not None:
            sums.append(_core.empty(each.shape[1:], each.dtype))
            ops.column_sums(sums[-1], each, *each.shape)
    db_hh = sums[0].copy()
    if dinner is not None:
        db_hh[-len(sums[1]) :] = sums[1]
    return sums[0], db_hh


@derivative(recurrent, *NAMES)
def _recurrent(
    wanted: tuple[bool, ...],
    input: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    w_hr: Any = None,
    *,
    batch_sizes: Any,
    kind: str,
    reverse: bool = False,
    name: str = "recurrent",
) -> Any:
    results, run = forward((input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr), batch_sizes, kind, reverse, name)
    return results, lambda *dys: gradients(run, dys, wanted)
