"""Optimizer, the base of all optimizers: parameter groups, state, and the arrays of one fused step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import _check, _core
from .._check import Array
from .._core import mode, observers
from ..autograd import Tensor, enable_grad, zero_gradients

Group = dict[str, Any]
Batch = list[tuple[Tensor, Array]]


class Update(NamedTuple):
    """One step of some parameters: a row of optimizers.def and its hyperparameters, by name."""

    rule: str
    hypers: dict[str, float]
    decoupled: bool = False  # weight decay shrinks the parameters, instead of being added to the gradients


class Plan(NamedTuple):
    """The planned update of some parameters of one group; everything that can fail has been computed."""

    options: Group
    step: Update
    hypers: Array
    numbers: dict[str, float]  # the numbers in the parameters' states after the step
    states: list[dict[str, Any]]
    columns: list[list[Array]]  # parameters, gradients and state arrays, if kernels can take them, or
    batch: Batch  # parameters and gradients whose arrays must be made or laid out first


class Optimizer:
    """Base class of all optimizers.

    A subclass names its options, and the arrays and numbers that it keeps for each parameter; its `_step` says which
    rule to apply.

    Parameters
    ----------
    params : iterable of Parameters, or of dicts
        A dict is a parameter group: its "params" and the options that differ from `defaults`.
    defaults : dict
        The options, by name.
    maximize : bool
        Ascend: maximize in place of minimizing.
    l1_decay : float
        After the step bring each value nearer to 0 by lr * l1_decay, and no further: the proximal step of an L1
        penalty, which makes small values exactly 0 (Parikh, Boyd 2014).
    """

    _states: ClassVar[tuple[str, ...]] = ()  # names of the arrays kept for each parameter
    _numbers: ClassVar[tuple[str, ...]] = ("step",)  # names of the numbers kept for each parameter
    _least: ClassVar[dict[str, float]] = {}  # options with a lower bound, beside lr, weight_decay and l1_decay
    _flags: ClassVar[tuple[str, ...]] = ("maximize", "amsgrad", "centered", "nesterov", "decoupled_weight_decay")

    def __init__(self, params: Any, defaults: dict[str, Any], maximize: bool = False, l1_decay: float = 0.0):
        self.defaults = defaults | {"maximize": maximize, "l1_decay": l1_decay}
        self.param_groups: list[Group] = []
        self._known: dict[tuple[Any, ...], Group] = {}
        self.state: dict[Tensor, dict[str, Any]] = {}
        if isinstance(params, (Tensor, np.ndarray)):
            raise TypeError(f"{self._name}: expected an iterable of Parameters, got a {type(params).__name__}")
        if not isinstance(params, Iterable):
            raise TypeError(f"{self._name}: expected model.parameters() or the like, got a {type(params).__name__}")
        groups = _in_order(self._name, params)
        if not groups:
            raise ValueError(f"{self._name}: expected at least one parameter, got none")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _check_group(self, group: Group) -> None:
        """Refuse options out of range; a schedule may set a rate below 0, by rounding or on purpose."""
        if "initial_lr" in group:
            _check.finite(self._name, "lr", group["lr"])
        else:
            _check.in_range(self._name, "lr", group["lr"], 0, open_high=True)
        for option, low in {"weight_decay": 0.0, "l1_decay": 0.0, **self._least}.items():
            _check.in_range(self._name, option, group.get(option, 0.0), low, open_high=True)
        for option in self._flags:
            if group.get(option, False) not in (True, False):
                raise TypeError(f"{self._name}: expected {option} to be True or False, got {group[option]!r}")

    def _checked(self, group: Group) -> Group:
        """The options as plain numbers; those that have not changed since the last step are not checked again."""
        values = (*map(group.get, self.defaults), "initial_lr" in group)
        known = self._known.get(values) if all(map(_is_fixed, values)) else None
        if known is not None:
            return known
        missing = self.defaults.keys() - group.keys()
        if missing:
            raise ValueError(f"{self._name}: expected {', '.join(sorted(missing))} in each parameter group")
        self._check_group(group)
        options = {option: _plain(group[option]) for option in self.defaults}
        if all(map(_is_fixed, values)):
            self._known = {**(self._known if len(self._known) < 8 else {}), values: options}
        return options

    def _check_pair(self, group: Group, option: str) -> tuple[float, float]:
        """An option of two numbers."""
        values = group[option]
        if not isinstance(values, (tuple, list)) or len(values) != 2:
            raise ValueError(f"{self._name}: expected two {option}, got {values}")
        first, second = (_check.real(self._name, f"each of {option}", value) for value in values)
        return first, second

    def _check_betas(self, group: Group) -> None:
        for beta in self._check_pair(group, "betas"):
            _check.in_range(self._name, "each of betas", beta, 0, 1, open_high=True)

    def _kept(self, group: Group) -> tuple[str, ...]:
        """Names of the arrays that this group's options need, in the rule's order."""
        return self._states

    def _initial(self, name: str, group: Group) -> float:
        """The initial value of a state, array or number."""
        return 0.0

    def _step(self, group: Group, numbers: dict[str, float], fresh: bool) -> Update:
        """The update of parameters with these numbers, which it advances by a step; fresh: their arrays are new."""
        raise NotImplementedError

    def _plans(self, group: Group) -> list[Plan]:
        """The planned updates of a group, one for all parameters with the same dtype and numbers."""
        options = self._checked(group)
        names = self._kept(options)
        usual = _core.plain_columns(group["params"], self.state, names, self._numbers)
        if usual is not None:
            columns, values, states = usual
            return [Plan(options, *self._plan(options, values, False), states, columns, [])]
        plans = []
        for batch in self._batches(group):
            parts: dict[tuple[Any, ...], Batch] = {}
            for member in batch:
                state = self.state.get(member[0], {})
                key = (state.get(name, self._initial(name, options)) for name in self._numbers)
                parts.setdefault((any(name not in state for name in names), *key), []).append(member)
            for (fresh, *values), part in parts.items():
                plans.append(Plan(options, *self._plan(options, values, fresh), [], [], part))
        return plans

    def _plan(self, options: Group, values: list[Any], fresh: bool) -> tuple[Update, Array, dict[str, float]]:
        """The update of parameters with these numbers, and the numbers after the step; fresh: their arrays are new."""
        numbers = {
            name: value if type(value) is float and 0 <= value < np.inf else  # valid without a further check
            _check.in_range(self._name, f"{name} in its state", value, 0, open_high=True)
            for name, value in zip(self._numbers, values, strict=True)
        }  # fmt: skip
        step = self._step(options, numbers, fresh)
        hypers = np.array([step.hypers[name] for name in _core.RULES[step.rule][1]], np.float64)
        return step, hypers, numbers

    def _carry_out(self, plan: Plan) -> None:
        options, step = plan.options, plan.step
        columns, states = plan.columns, plan.states
        if plan.batch:
            states = [self.state.setdefault(param, {}) for param, _ in plan.batch] if plan.numbers else []
            columns = self._arrays(options, plan.batch, self._kept(options))
        for state in states if plan.numbers else ():
            state.update(plan.numbers)
        lr, decay = options["lr"], options.get("weight_decay", 0.0)
        params, grads, *arrays = columns
        _core.ops.optimizer_step(
            params,
            grads,
            [each for column in arrays for each in column],
            plan.hypers,
            _core.RULES[step.rule][0],
            len(params),
            -1.0 if options["maximize"] else 1.0,
            0.0 if step.decoupled else decay,
            1 - lr * decay if step.decoupled else 1.0,
            max(lr, 0.0) * options["l1_decay"],
        )

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ValueError(f"{self._name}: expected a parameter group with 'params', got {param_group!r}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _in_order(self._name, params)
        params = [each[1] if _is_named(each) else each for each in params]
        group = {**self.defaults, **param_group, "params": params}
        known = {id(p) for other in self.param_groups for p in other["params"]}
        for param in group["params"]:
            if not isinstance(param, Tensor):
                raise TypeError(f"{self._name}: expected Parameters, got a {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(f"{self._name}: expected Parameters, got a computed Tensor of shape {param.shape}")
            if id(param) in known:
                raise ValueError(f"{self._name}: a parameter of shape {param.shape} is given twice")
            known.add(id(param))
        self._check_group(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the parameters' gradients to None, or fill those that exist with 0."""
        zero_gradients(self._params(), set_to_none)

    def _params(self) -> Iterator[Tensor]:
        return (param for group in self.param_groups for param in group["params"])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew before the step; its result is returned.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise TypeError(f"{self._name}.step: expected closure to be a function, got {type(closure).__name__}")
            with enable_grad():
                loss = closure()
        if observers and mode.observer is not None:
            mode.observer.tell(f"{self._name}.step", self._update, (), {})
        else:
            self._update()
        return loss

    def _update(self) -> None:
        plans = [plan for group in self.param_groups for plan in self._plans(group)]
        params = [param for plan in plans for param, _ in plan.batch]
        gaps = [(p, p.data) for p in params if not (_core.are_alike([p._array]) or _is_dense(p.data))]
        for param, data in gaps:  # kernels want dense memory; the values are copied back afterwards
            param.data = data.copy()
        for plan in plans:
            self._carry_out(plan)
        for param, data in gaps:
            data[...] = param.data
            param.data = data

    def _batches(self, group: Group) -> list[Batch]:
        """The group's parameters that have gradients, by dtype; everything is checked before anything changes."""
        batches: dict[Any, Batch] = {}
        for param in group["params"]:
            if param._grad is not None:
                state = self.state.get(param, {})
                kept = {name: state[name] for name in self._states if name in state}
                if not _core.are_alike([param._array, param._grad, *kept.values()]):
                    self._check_arrays(param, {"grad": param._grad, **kept})
                batches.setdefault(param._array.dtype, []).append((param, param._grad))
        return list(batches.values())

    def _check_arrays(self, param: Tensor, beside: dict[str, Any]) -> None:
        """Refuse a parameter, or an array of its state, with which no step is possible."""
        if param.dtype not in _check.FLOATS[1:]:
            raise TypeError(f"{self._name}: expected float32 or float64 parameters, got {param.dtype}")
        if not param.data.flags.writeable:
            raise ValueError(f"{self._name}: a parameter of shape {param.shape} is read-only")
        for name, array in beside.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.shape != param.shape:
                is_array = isinstance(array, np.ndarray)
                got = f"{array.dtype} of shape {array.shape}" if is_array else type(array).__name__
                raise ValueError(
                    f"{self._name}: expected {name} of floats of its parameter's shape {param.shape}, got {got}"
                )

    def _arrays(self, group: Group, batch: Batch, names: tuple[str, ...]) -> list[list[Array]]:
        """Parameters, gradients and states of the batch as kernels need them: dense, each tensor's in one layout."""
        rows = []
        for param, grad in batch:
            state = self.state.setdefault(param, {}) if names else {}
            row = [param._array, grad, *map(state.get, names)]
            if not _core.are_alike(row):
                row[1] = _check.laid_out_as(param.data, grad)
                for i, name in enumerate(names, 2):
                    row[i] = state[name] = self._state_array(param.data, state.get(name), self._initial(name, group))
            rows.append(row)
        return [list(column) for column in zip(*rows, strict=True)]

    @staticmethod
    def _state_array(like: Array, array: Array | None, initial: float) -> Array:
        """A state in its parameter's layout, new ones with their initial value."""
        if array is None:
            return np.full_like(like, initial)
        array = _check.laid_out_as(like, array)
        return array if array.flags.writeable else array.copy(order="K")

    def state_dict(self) -> dict[str, Any]:
        """Return the state by parameter number, and the groups' options: PyTorch's keys; the arrays are live."""
        numbers = {id(param): i for i, param in enumerate(self._params())}
        return {
            "state": {numbers[id(param)]: dict(state) for param, state in self.state.items()},
            "param_groups": [
                {**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state: all of it or, on any error, nothing."""
        name = f"{self._name}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f"{name}: expected a dict with 'state' and 'param_groups'")
        if not isinstance(state_dict["state"], Mapping) or not isinstance(state_dict["param_groups"], (list, tuple)):
            raise ValueError(f"{name}: expected 'state' to be a dict and 'param_groups' a list")
        groups = state_dict["param_groups"]
        for group in groups:
            if not isinstance(group, Mapping) or not isinstance(group.get("params"), (list, tuple)):
                raise ValueError(f"{name}: expected each of param_groups to be a dict with a list 'params'")
        sizes = [[len(group["params"]) for group in each] for each in (self.param_groups, groups)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"{name}: expected groups of {sizes[0]} parameters, got {sizes[1]}")
        own: dict[Any, tuple[Tensor, Group]] = {}
        for own_group, group in zip(self.param_groups, groups, strict=True):
            if "lr" not in group:
                raise ValueError(f"{name}: expected lr in each parameter group")
            options = {**self.defaults, **group}
            self._check_group(options)
            own |= {i: (param, options) for i, param in zip(group["params"], own_group["params"], strict=True)}
        if len(own) < sum(sizes[0]):
            raise ValueError(f"{name}: expected a number for each of {sum(sizes[0])} parameters, got one twice")
        state: dict[Tensor, dict[str, Any]] = {}
        for number, entries in state_dict["state"].items():
            if number not in own or not isinstance(entries, Mapping):
                raise ValueError(
                    f"{name}: expected a dict for each of the parameters {sorted(own)}, got one for {number!r}"
                )
            param, options = own[number]
            state[param] = self._entries(name, param, options, entries)
        for own_group, group in zip(self.param_groups, groups, strict=True):
            own_group.update({key: value for key, value in group.items() if key != "params"})
        self.state = state

    def _entries(self, name: str, param: Tensor, options: Group, entries: Mapping[str, Any]) -> dict[str, Any]:
        """The numbers and arrays of one parameter's loaded state, which must be exactly those that a step needs."""
        state: dict[str, Any] = {}
        for key, value in entries.items():
            if key in self._numbers:
                state[key] = _check.in_range(name, key, value, 0, open_high=True)
            elif value is not None:
                if key not in self._states:
                    known = ", ".join((*self._numbers, *self._states))
                    raise ValueError(f"{name}: expected a state of {known}, got {key}")
                array = np.array(_check.as_float(name, value, key), param.dtype, order="K")
                if array.shape != param.shape:
                    raise ValueError(f"{name}: expected {key} of shape {param.shape}, got {array.shape}")
                state[key] = array
        needed = (*self._numbers, *self._kept(options | {"amsgrad": False, "centered": False, "momentum": 0.0}))
        missing = [key for key in needed if key not in state] if state else []
        if missing:
            raise ValueError(f"{name}: expected {', '.join(missing)} in a parameter's state, got {', '.join(state)}")
        return state

    def __repr__(self) -> str:
        lines = [self._name + " ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])


def _is_dense(array: Array) -> bool:
    """Whether kernels can take the array without a copy: native, aligned, one block of memory."""
    return array.dtype.isnative and array.flags.aligned and _check.dense_order(array) is not None


def _in_order(name: str, params: Any) -> list[Any]:
    """The parameters as a list.  A state refers to them by position, so a set, whose order varies, is refused."""
    if isinstance(params, (set, frozenset)) or not isinstance(params, Iterable):
        raise TypeError(f"{name}: expected parameters in order, such as a list, got a {type(params).__name__}")
    return list(params)


def _is_named(value: Any) -> bool:
    """Whether this is one of model.named_parameters(); a pair of parameters is none."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def _is_fixed(value: Any) -> bool:
    """Whether the option is immutable."""
    kind = type(value)
    return kind is float or kind is bool or kind is int or (kind is tuple and all(map(_is_fixed, value)))


def _plain(value: Any) -> Any:
    """An option as a Python number: arithmetic with NumPy's scalars may be rounded to float32."""
    if type(value) in (float, bool, int):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    return bool(value) if isinstance(value, np.bool_) else float(value)
