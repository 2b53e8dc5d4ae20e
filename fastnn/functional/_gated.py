"""One direction of a recurrent layer with other gates: any element-wise functions, learned scales, peepholes, norms."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import ops
from .._dispatch import derivative, differentiable
from . import _activation, _exponential, _parametric, _piecewise
from ._linear import _operands, _product
from ._recurrent import GATES, KINDS, NAMES, _biases, _checked, _joined, _recurrent_weight

EPS = 1e-5
GATE_ROWS = {
    "RNN": (),
    "LSTM": (0, 1, 3),
    "GRU": (0, 1),
}  # rows of the op's `scale` for gates; ACT_ROWS are those for the activation
ACT_ROWS = {"RNN": (0,), "LSTM": (2, 4, 5), "GRU": (2,)}
OWN = ("slope", "gate_scale", "act_scale", "peephole", "gain_ih", "gain_hh", "gain_c", "shift_c")


class Row(NamedTuple):
    """An element-wise function: its row of activations.def, and the row's parameters."""

    act: int
    a: float
    b: float

    @property
    def saves_y(self) -> bool:
        """Whether its derivative reads its value."""
        return _core.SAVES_Y[self.act]


def row_of(name: str, argument: str, function: Any) -> Row:
    """The row of an element-wise function by its name, with the function's own defaults as parameters."""
    if not isinstance(function, str):
        raise TypeError(f"{name}: expected {argument} to be a function's name, got {type(function).__name__}")
    row = "sigmoid" if function == "parametric_sigmoid" else function
    if row not in _core.ACTS:
        raise ValueError(f"{name}: expected {argument} to name an element-wise function, got {function!r}")
    act, values = _core.ACTS[row], []
    known = inspect.signature(_function(row)).parameters
    for parameter in _core.PARAMETERS[act]:
        if parameter not in known or known[parameter].default is inspect.Parameter.empty:
            raise ValueError(f"{name}: {argument}={function!r} needs a {parameter}, which has no default")
        values.append(float(known[parameter].default))
    return Row(act, *(*values, 0.0, 0.0)[:2])


def _function(row: str) -> Any:
    """The element-wise function of a row."""
    name = "gelu" if row == "gelu_tanh" else row
    modules = (_activation, _exponential, _parametric, _piecewise)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


class Run(NamedTuple):
    """A call's operands in its computing type, and the arrays that its backward pass reads."""

    kind: str
    reverse: bool
    batch_sizes: Array
    dtype: np.dtype[Any]
    gate: Row
    act: Row
    given: dict[str, Any]  # by the names of `recurrent` and OWN, already multiplied by `slope`
    plain: dict[str, Any]  # as they were given, without `slope`
    scale: Array
    y: Array
    gates: Array
    entered: Array | None
    inner: Array | None
    hidden: Array | None
    product: Array | None
    left: Array | None  # W x before its norm
    statistics: tuple[Array, ...]

    @property
    def family(self) -> str:
        """RNN, LSTM or GRU."""
        return self.kind.partition("_")[0]

    @property
    def units(self) -> int:
        """How many hidden units there are."""
        return len(self.given["w_hh"]) // GATES[self.kind]

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The op's last arguments."""
        n, p = self.given["h0"].shape
        own = KINDS[self.kind], len(self.batch_sizes), len(self.y), n, self.units, p, self.reverse
        learns = (self.given[each] is not None for each in OWN[1:3])
        return *own, self.gate.act, self.act.act, *learns, self.gate.a, self.gate.b, self.act.a, self.act.b, EPS


@differentiable
def gated(
    input: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    w_hr: Any = None,
    slope: Any = None,
    gate_scale: Any = None,
    act_scale: Any = None,
    peephole: Any = None,
    gain_ih: Any = None,
    gain_hh: Any = None,
    gain_c: Any = None,
    shift_c: Any = None,
    *,
    batch_sizes: Any,
    kind: str,
    gates: str = "sigmoid",
    activation: str = "tanh",
    reverse: bool = False,
    name: str = "recurrent",
) -> tuple[Array, ...]:
    """`recurrent` with functions of any names in place of sigmoid and tanh, and with options.

    Parameters
    ----------
    input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr
        As of `recurrent`; c0 is None but for an LSTM.
    slope : array_like, (gates H,), optional
        Multiplies the argument of each row's function.
    gate_scale : array_like, (2 H,) of a GRU, (3 H,) of an LSTM, optional
        Multiplies each gate's value.
    act_scale : array_like, (H,), or (3 H,) of an LSTM, optional
        Multiplies the activation's value: of an LSTM that of g, that of c, and that function's argument.
    peephole : array_like, (3 H,), optional
        The weights of c in an LSTM's i, f, o.
    gain_ih, gain_hh : array_like, (gates H,), optional
        The gains of layer norms of W x and U h, whose shifts are the biases; both or neither.
    gain_c, shift_c : array_like, (H,), optional
        Gain and shift of a norm of an LSTM's c, before its activation.
    batch_sizes, kind, reverse, name
        As of `recurrent`.
    gates, activation : str
        Names of element-wise functions.

    Returns
    -------
    tuple of ndarray
        y, h and, of an LSTM, c, as of `recurrent`.

    Examples
    --------
    >>> y, h = gated([[1.0]], [[0.0]], None, [[3.0]], [[0.0]], batch_sizes=[1], kind="RNN_TANH", activation="hardtanh")
    >>> h
    array([[1.]])
    """
    values = (
        input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, slope, gate_scale, act_scale, peephole, gain_ih, gain_hh, gain_c,
        shift_c,
    )  # fmt: skip
    return forward(values, batch_sizes, kind, gates, activation, reverse, name)[0]


def _arguments(name: str, values: tuple[Any, ...], sizes: Array, kind: str) -> tuple[dict[str, Any], np.dtype[Any]]:
    """All arrays in one type, their shapes checked."""
    names = (*NAMES, *OWN)
    present = {key: value for key, value in zip(names, values, strict=True) if value is not None}
    arrays, dtype = _operands(name, present)
    given: dict[str, Any] = dict.fromkeys(names) | dict(zip(present, map(_check.contiguous, arrays), strict=True))
    _checked(name, {key: given[key] for key in NAMES}, sizes, GATES[kind], kind)
    units, family = len(given["w_hh"]) // GATES[kind], kind.partition("_")[0]
    expected = {
        "slope": GATES[kind], "gate_scale": len(GATE_ROWS[family]), "act_scale": len(ACT_ROWS[family]),
        "peephole": 3, "gain_ih": GATES[kind], "gain_hh": GATES[kind], "gain_c": 1, "shift_c": 1,
    }  # fmt: skip
    for argument, count in expected.items():
        array = given[argument]
        if array is not None and array.shape != (count * units,):
            raise ValueError(f"{name}: expected {argument} of shape ({count * units},), got {array.shape}")
    if family != "LSTM" and any(given[each] is not None for each in ("peephole", "gain_c", "shift_c")):
        raise ValueError(f"{name}: peephole, gain_c and shift_c belong to an LSTM; kind is {kind}")
    if (given["gain_ih"] is None) != (given["gain_hh"] is None):
        raise ValueError(f"{name}: expected both gain_ih and gain_hh or neither, got one")
    return given, dtype


def _multiplied(given: dict[str, Any]) -> list[str]:
    """The operands that a slope of the functions' arguments multiplies: with norms the gains, not the matrices."""
    matrices = ["w_ih", "w_hh"] if given["gain_ih"] is None else ["gain_ih", "gain_hh"]
    return [key for key in (*matrices, "b_ih", "b_hh", "peephole") if given[key] is not None]


def _own_slope(slope: Array, key: str) -> Array:
    """The slope in the shape of an operand: a peephole has no row of g."""
    units = len(slope) // 4
    slope = np.concatenate([slope[: 2 * units], slope[3 * units :]]) if key == "peephole" else slope
    return slope[:, None] if key.startswith("w_") else slope


def _sloped(given: dict[str, Any]) -> dict[str, Any]:
    return given | {key: given[key] * _own_slope(given["slope"], key) for key in _multiplied(given)}


def _through_slope(run: Run, found: dict[str, Any]) -> None:
    """Turn gradients of operands that were multiplied by the slope into the operands', and add the slope's."""
    slope = run.given["slope"]
    dslope = np.zeros(slope.shape)
    for key in _multiplied(run.given):
        products = found[key] * run.plain[key]
        sums = products.sum(1, dtype=np.float64) if products.ndim == 2 else products
        units = len(slope) // 4
        if key == "peephole":
            sums = np.concatenate([sums[: 2 * units], np.zeros(units), sums[2 * units :]])
        dslope += sums
        found[key] = found[key] * _own_slope(slope, key)
    found["slope"] = dslope.astype(slope.dtype)


def _scales(given: dict[str, Any], units: int, family: str) -> Array:
    """The op's `scale`: 1 where no scale is given."""
    count = len(GATE_ROWS[family]) + len(ACT_ROWS[family])
    scale = np.ones((count, units), given["input"].dtype)
    for key, places in zip(OWN[1:], (GATE_ROWS, ACT_ROWS), strict=False):
        if given[key] is not None:
            scale[list(places[family])] = given[key].reshape(-1, units)
    return scale.reshape(-1)


def forward(
    values: tuple[Any, ...], batch_sizes: Any, kind: str, gates: str, activation: str, reverse: bool, name: str
) -> tuple[tuple[Array, ...], Run]:
    """The results of `gated`, and the arrays that its backward pass reads."""
    _check.choice(name, "kind", kind, tuple(KINDS))
    gate, act = row_of(name, "gates", gates), row_of(name, "activation", activation)
    sizes = np.array(batch_sizes, np.int64).reshape(-1)
    given, dtype = _arguments(name, values, sizes, kind)
    plain = given
    if given["slope"] is not None:
        given = _sloped(given)
    x, w = given["input"], given["w_hh"]
    rows, units, family, compute = len(x), len(w) // GATES[kind], kind.partition("_")[0], x.dtype
    wide = (rows, GATES[kind] * units)
    left, b_hn = None, None
    statistics: tuple[Array, ...] = ()
    if given["gain_hh"] is None:
        bias, b_hn = _joined(given["b_ih"], given["b_hh"], units, kind)
        entries = _product(x, given["w_ih"].T, bias)
    else:
        left, entries = _product(x, given["w_ih"].T), _core.empty(wide, compute)
        statistics = np.empty(rows), np.empty(rows)
        ops.group_norm(entries, *statistics, left, given["gain_ih"], given["b_ih"], rows, 1, wide[1], 1, True, EPS)
    h, c = given["h0"].copy(), None if given["c0"] is None else given["c0"].copy()
    rows_read = not (act.saves_y and (family == "RNN" or gate.saves_y))
    run = Run(
        kind, bool(reverse), sizes, dtype, gate, act, given, plain, _scales(given, units, family),
        _core.empty((rows, h.shape[1]), compute), entries,
        _core.empty(wide, compute) if rows_read else None,
        None if family == "RNN" else _core.empty((rows, units), compute),
        None if given["w_hr"] is None else _core.empty((rows, units), compute),
        None if given["gain_hh"] is None else _core.empty(wide, compute), left, statistics,
    )  # fmt: skip
    if rows:
        shift = given["b_hh"] if given["gain_hh"] is not None else None
        ops.gated(
            run.y, h, c, run.gates, run.entered, run.inner, run.hidden, run.product, w, given["w_hr"], b_hn,
            run.scale, given["peephole"], given["gain_hh"], shift, given["gain_c"], given["shift_c"], sizes,
            *run.sizes,
        )  # fmt: skip
    results = (run.y, h) if c is None else (run.y, h, c)
    return tuple(_check.finish(each, dtype, None) for each in results), run


def gradients(run: Run, dys: tuple[Array | None, ...], wanted: tuple[bool, ...]) -> list[Array | None]:
    """The gradients of the arguments of `gated`, from `dys`, None for a result that has no gradient."""
    given, compute, rows = run.given, run.y.dtype, len(run.y)
    dy, dh, dc = (*dys, None)[:3]
    dy = np.zeros_like(run.y) if dy is None else _check.contiguous(dy, compute)
    dh = np.zeros_like(given["h0"]) if dh is None else np.array(dh, compute, order="C")
    if given["c0"] is not None:
        dc = np.zeros_like(given["c0"]) if dc is None else np.array(dc, compute, order="C")
    dgates, before = _core.empty_like(run.gates), _core.empty_like(run.y)
    dinner = _core.empty_like(run.inner) if run.kind == "GRU" and run.inner is not None else None
    dout = None if given["w_hr"] is None else _core.empty_like(run.y)
    dnorm = None if run.product is None else _core.empty_like(run.gates)
    n, width = len(given["h0"]), run.gates.shape[1]
    sums = {  # of each sequence
        key: None if given[key] is None else np.zeros((n, *given[key].shape), dtype)
        for key, dtype in (("peephole", compute), ("gain_hh", np.float64), ("gain_c", np.float64))
    }
    dscale = np.zeros((n, len(run.scale)), compute)
    shifts = {key: None if sums[key] is None else np.zeros_like(sums[key]) for key in ("gain_hh", "gain_c")}
    if rows:
        ops.gated_backward(
            dgates, dinner, dh, dc, before, dout, dnorm, dscale, sums["peephole"], sums["gain_hh"],
            shifts["gain_hh"], sums["gain_c"], shifts["gain_c"], dy, run.y, given["h0"], given["c0"], run.gates,
            run.entered, run.inner, run.product, given["w_hh"], given["w_hr"], run.scale, given["peephole"],
            given["gain_hh"], given["gain_c"], given["shift_c"], run.batch_sizes, *run.sizes,
        )  # fmt: skip
    found: dict[str, Any] = {"h0": dh, "c0": dc, **{key: _whole(each, compute) for key, each in sums.items()}}
    rows_of_scale = np.asarray(_whole(dscale, compute)).reshape(-1, run.units)
    for key, places in zip(OWN[1:], (GATE_ROWS, ACT_ROWS), strict=False):
        found[key] = rows_of_scale[list(places[run.family])].reshape(-1)
    found["shift_c"] = _whole(shifts["gain_c"], compute)
    found["b_ih"], found["b_hh"] = _biases(dgates, dinner)
    dentries = dgates  # gradients of the values before the norms
    if dnorm is not None:
        found["b_hh"] = _whole(shifts["gain_hh"], compute)
        dleft = _core.empty_like(run.gates)
        found["gain_ih"] = np.zeros(width, compute)
        if rows:
            beta = np.empty_like(found["gain_ih"])
            given_rows = dgates, run.left, *run.statistics, given["gain_ih"], rows, 1, width, 1, True
            ops.group_norm_backward(dleft, found["gain_ih"], beta, *given_rows)
        dgates = dleft
    order = {name: i for i, name in enumerate((*NAMES, *OWN))}
    if wanted[order["input"]]:
        found["input"] = _product(dgates, given["w_ih"])
    sloped = run.given["slope"] is not None
    if wanted[order["w_ih"]] or sloped:
        found["w_ih"] = _product(dgates.T, given["input"])
    if wanted[order["w_hh"]] or sloped:
        own = None if dnorm is None else _product(dnorm.T, before)
        found["w_hh"] = _recurrent_weight(given["w_hh"], dentries, dinner, before) if own is None else own
    if dout is not None and run.hidden is not None:
        found["w_hr"] = _product(dout.T, run.hidden)
    if sloped:
        _through_slope(run, found)
    return [
        _check.finish(found[key], run.dtype, None) if wanted[i] and given[key] is not None else None
        for key, i in order.items()
    ]


def _whole(parts: Array | None, dtype: Any) -> Array | None:
    """The sum over the sequences, in their order."""
    return None if parts is None else parts.sum(0, dtype=np.float64).astype(dtype)


@derivative(gated, *NAMES, *OWN)
def _gated(
    wanted: tuple[bool, ...],
    input: Any,
    h0: Any,
    c0: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    w_hr: Any = None,
    slope: Any = None,
    gate_scale: Any = None,
    act_scale: Any = None,
    peephole: Any = None,
    gain_ih: Any = None,
    gain_hh: Any = None,
    gain_c: Any = None,
    shift_c: Any = None,
    *,
    batch_sizes: Any,
    kind: str,
    gates: str = "sigmoid",
    activation: str = "tanh",
    reverse: bool = False,
    name: str = "recurrent",
) -> Any:
    values = (
        input, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, slope, gate_scale, act_scale, peephole, gain_ih, gain_hh, gain_c,
        shift_c,
    )  # fmt: skip
    results, run = forward(values, batch_sizes, kind, gates, activation, reverse, name)
    return results, lambda *dys: gradients(run, dys, wanted)
