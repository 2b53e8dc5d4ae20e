from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
Array = np.ndarray[Any, np.dtype[Any]]

class Kernel:
    """A function of a fused type: index it by "float" or "double"."""

    def __getitem__(self, name: str) -> Callable[..., Any]: ...

ACTS: dict[str, int]
SAVES_Y: tuple[bool, ...]
LEARNS: tuple[int, ...]
RULES: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]]
LOSSES: dict[str, int]

def empty_like(array: Array) -> Array: ...
def empty(shape: tuple[int, ...], dtype: Any, order: str = "C") -> Array: ...
def memory_stats(reset_peak: bool = False) -> dict[str, int]: ...
def memory_empty() -> None: ...
def memory_limit(bytes: int) -> None: ...

class Node:
    parents: tuple[TensorBase | None, ...]
    backward: Callable[[Array], Sequence[Array | None]]
    number: int

class TensorBase:
    _data: Array
    _grad: Array | None
    _node: Node | None
    _requires_grad: bool
    def _elementwise(self, act: int, out: Any, a: float, b: float) -> Any: ...  # the Tensor's

class Mode:
    enabled: bool
    tracer: Callable[..., Any] | None
    watcher: Any

mode: Mode

def set_tape(tensor: type, versions: dict[Callable[..., Any], Any]) -> None: ...
def watch(change: int) -> int: ...
def wants(value: Any) -> bool: ...
def value_of(value: Any) -> Any: ...
def tracks(*values: Any) -> bool: ...
def make(data: Any, parents: Sequence[Any], backward: Callable[[Array], Sequence[Array | None]]) -> Any: ...
def differentiable(function: Callable[P, R]) -> Callable[P, R]: ...
def recorded_call(name: str, rule: Any, args: Any, kwargs: Any) -> Any: ...
def flat(values: Any) -> list[Any]: ...
def run_backward(root: TensorBase, grad: Array) -> None: ...
def select_isa(name: str | None) -> bool: ...
def isa() -> str: ...
def isa_tiers() -> list[tuple[str, bool]]: ...
def build_config() -> dict[str, Any]: ...
def select_team(name: str | None) -> bool: ...
def team() -> str: ...
def team_size() -> int: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def set_thread_limit(n: int) -> int: ...
def set_general(forward: Callable[..., Any], backward: Callable[..., Any]) -> None: ...
def unary(act: int, x: Any, out: Any = None, a: float = 0.0, b: float = 0.0) -> Array: ...
def unary_backward(act: int, dy: Any, saved: Any, out: Any = None, a: float = 0.0, b: float = 0.0) -> Array: ...

unary_rows: Kernel
unary_backward_rows: Kernel
channels: Kernel
channels_backward: Kernel
channels_params: Kernel

def norm_work(n: int, c: int, s: int) -> int: ...

def reciprocal_std(var: Array, eps: float) -> Array: ...

norm_stats: Kernel
norm_forward: Kernel
norm_backward: Kernel
norm_mix: Kernel

def group_norm_work(rows: int, g: int, k: int, s: int) -> int: ...

group_norm: Kernel
group_norm_backward: Kernel
unit_rows: Kernel
unit_rows_backward: Kernel
softmax: Kernel
softmax_backward: Kernel
nll: Kernel
nll_backward: Kernel
soft_nll: Kernel
soft_nll_backward: Kernel
soft_nll_target: Kernel

def loss_work(n: int) -> int: ...

loss: Kernel
loss_sum: Kernel
loss_backward: Kernel
dropout: Kernel

def dropout_mask(mask: Array, key: int, threshold: int) -> None: ...

gemm: Kernel
column_sums: Kernel

glu: Kernel
glu_backward: Kernel
ordered_sum: Kernel
scatter_add: Kernel
pick: Kernel
pick_backward: Kernel

# None for whatever is not plain
def plain_linear(x: Any, w: Any, bias: Any) -> Array | None: ...
def plain_linear_backward(
    dy: Any, x: Any, w: Any, wanted: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None] | None: ...
def plain_batch_norm(
    x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, training: bool, momentum: float, eps: float
) -> tuple[Array, Array, Array] | None: ...
def plain_batch_norm_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, training: bool
) -> tuple[Array, Array, Array] | None: ...
def plain_layer_norm(
    x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float, centre: bool
) -> tuple[Array, Array, Array] | None: ...
def plain_layer_norm_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, centre: bool
) -> tuple[Array, Array, Array] | None: ...
def plain_softmax(x: Any, dim: Any, log: bool) -> Array | None: ...
def plain_softmax_backward(dy: Any, y: Any, dim: Any, log: bool) -> Array | None: ...
def plain_learned(row: str, x: Any, params: tuple[Any, ...], fixed: float) -> Array | None: ...
def plain_learned_backward(
    row: str, dy: Any, x: Any, params: tuple[Any, ...], fixed: float
) -> tuple[Array, ...] | None: ...
def plain_cross_entropy(x: Any, target: Any) -> float | None: ...
def plain_cross_entropy_backward(dy: float, x: Any, target: Any) -> Array | None: ...
def plain_dropout(
    x: Any, key: int, threshold: int, scale: float, shift: float, dropped: float
) -> Array | None: ...


PLAN_KINDS: dict[str, int]

class Program:
    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    def __init__(
        self,
        dtype: Any,
        inputs: Sequence[tuple[int, ...]],
        sizes: Sequence[int],
        output: tuple[int, ...],
        steps: Sequence[tuple[str, dict[str, Any]]],
    ) -> None: ...
    def __call__(self, *xs: Any) -> Array | None: ...

def pack(w: Array) -> Array: ...
def are_alike(arrays: list[Any]) -> bool: ...
def gather(
    params: list[Any], states: dict[Any, dict[str, Any]], names: tuple[str, ...], numbers: tuple[str, ...]
) -> tuple[list[list[Array]], list[Any], list[dict[str, Any]]] | None: ...
def optimizer_step(
    rule: int,
    params: list[Array],
    grads: list[Array],
    states: list[list[Array]],
    hyper: Array,
    single: bool,
    sign: float,
    weight_decay: float,
    keep: float,
    l1: float,
) -> None: ...
