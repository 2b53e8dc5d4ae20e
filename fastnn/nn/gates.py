"""Options of recurrent layers' gates: functions by name, learned or not, peepholes, layer norm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..functional._gated import gated, row_of
from ..functional._recurrent import GATES, recurrent
from ._module import Module, Parameter

__all__: list[str] = []

PARAMETRIC = "parametric_sigmoid"
ROWS = {
    "LSTM": "ifgo",
    "GRU": "rzn",
    "RNN": "h",
}  # the order of gates in the weights; the activation applies to g, n, h, and to an LSTM's c
_GATES = """\
    gates : str
        In place of the sigmoid: the name of an element-wise function of `fastnn.functional`, with its own
        defaults, or "parametric_sigmoid", a sigmoid(b x) with a and b learned for each unit of each gate.
"""
_NORM = """\
    layer_norm : bool
        Normalize W x and U h, each over all gates together (Ba, Kiros, Hinton 2016); the biases shift the results{}.
"""
GRU_OPTIONS = f"""\
{_GATES}\
    activation : str
        In place of tanh, likewise.
{_NORM.format("")}"""
LSTM_OPTIONS = f"""\
{_GATES}\
    activation : str
        In place of both tanhs, likewise; a and b are learned for each of the two.
    peephole : bool
        i and f see c too, o sees c' (Gers, Schmidhuber 2000).
{_NORM.format(". c' is normalized before its tanh")}"""
RNN_OPTIONS = f"""\
    activation : str, optional
        In place of `nonlinearity`: the name of an element-wise function of `fastnn.functional`, with its defaults, or
        "parametric_sigmoid", a sigmoid(b x) with a and b learned for each unit.
{_NORM.format("")}"""


class Gates(NamedTuple):
    """The checked options of one layer or cell."""

    kind: str
    gates: str
    activation: str
    peephole: bool
    layer_norm: bool
    bias: bool

    @property
    def family(self) -> str:
        """RNN, LSTM or GRU."""
        return self.kind.partition("_")[0]

    @property
    def plain(self) -> bool:
        """Whether all options are those that PyTorch has."""
        usual = "sigmoid", self.kind.partition("_")[2].lower() or "tanh", False, False
        return (self.gates, self.activation, self.peephole, self.layer_norm) == usual

    def shapes(self, units: int) -> dict[str, int]:
        """The sizes of the parameters beyond PyTorch's, by name."""
        found: dict[str, int] = {}
        lstm, gates = self.family == "LSTM", ROWS[self.family]
        if self.gates == PARAMETRIC and self.family != "RNN":
            found |= dict.fromkeys(("gate_a", "gate_b"), len(gates) - 1)
        if self.activation == PARAMETRIC:
            found |= dict.fromkeys(("activation_a", "activation_b"), 1 + lstm)
        if self.peephole:
            found["peephole"] = 3
        if self.layer_norm:
            found |= {"norm_ih": len(gates), "norm_hh": len(gates)}
            if lstm:
                found |= {"norm_c": 1} | ({"norm_c_bias": 1} if self.bias else {})
        return {name: count * units for name, count in found.items()}

    def add(self, layer: Module, units: int, suffix: str, dtype: Any) -> None:
        """Register these parameters."""
        for name, size in self.shapes(units).items():
            layer.register_parameter(name + suffix, Parameter(np.empty(size, dtype)))

    def run(self) -> Callable[..., Any]:
        """The function that runs one direction on the values that `weights` gives."""
        return recurrent if self.plain else partial(gated, gates=self.gates, activation=self.activation)

    def weights(self, get: Callable[[str], Any]) -> list[Any]:
        """The arguments, after the states, of the function that `run` returns; `get` finds parameters by name."""
        usual = [get(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")]
        if self.plain:
            return usual
        peephole, *gains = (get(name) for name in ("peephole", "norm_ih", "norm_hh", "norm_c", "norm_c_bias"))
        gate_a, gate_b, act_a, act_b = (get(name) for name in ("gate_a", "gate_b", "activation_a", "activation_b"))
        units = usual[1].shape[0] // GATES[self.kind]
        learned = gate_b is not None or act_b is not None
        slope = self._slopes(gate_b, act_b, units, usual[1].dtype) if learned else None
        if self.family == "LSTM" and act_b is not None:
            act_a = np.concatenate([act_a, act_b[units:]])
        return [*usual, slope, gate_a, act_a, peephole, *gains]

    def _slopes(self, gate: Any, activation: Any, units: int, dtype: Any) -> Any:
        """The slope b for each row of the weights, 1 where none is learned."""
        parts, taken = [], {"gate": 0, "activation": 0}
        for row in ROWS[self.family]:
            kind = "activation" if row in "gnh" else "gate"
            array, i = activation if kind == "activation" else gate, taken[kind]
            parts.append(np.ones(units, dtype) if array is None else array[i * units : (i + 1) * units])
            taken[kind] += 1
        return np.concatenate(parts)

    @property
    def text(self) -> str:
        """The options that are not the defaults."""
        usual = {"gates": "sigmoid", "activation": "tanh", "peephole": False, "layer_norm": False}
        if self.family == "RNN":
            usual["activation"] = self.kind.partition("_")[2].lower()
        return "".join(f", {key}={getattr(self, key)}" for key, value in usual.items() if getattr(self, key) != value)


def checked(
    name: str, kind: str, bias: bool, gates: Any, activation: Any, peephole: Any = False, layer_norm: Any = False
) -> Gates:
    """The options, checked."""
    row_of(name, "gates", gates)
    row_of(name, "activation", activation)
    for argument, value in (("peephole", peephole), ("layer_norm", layer_norm)):
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name}: expected {argument} to be True or False, got {value!r}")
    return Gates(kind, gates, activation, bool(peephole), bool(layer_norm), bias)
