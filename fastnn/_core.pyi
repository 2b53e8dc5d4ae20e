from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

class Kernel:
    """A function of a fused type: index it by "float" or "double"."""

    def __getitem__(self, name: str) -> Callable[..., Any]: ...

ACTS: dict[str, int]
SAVES_Y: tuple[bool, ...]
LOSSES: dict[str, int]

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

def norm_work(n: int, c: int, s: int) -> int: ...

def reciprocal_std(var: Array, eps: float) -> Array: ...

norm_stats: Kernel
norm_forward: Kernel
norm_backward: Kernel
softmax: Kernel
softmax_backward: Kernel
nll: Kernel
nll_backward: Kernel

def loss_work(n: int) -> int: ...

loss: Kernel
loss_sum: Kernel
loss_backward: Kernel
dropout: Kernel

def dropout_mask(mask: Array, key: int, threshold: int) -> None: ...

gemm: Kernel
column_sums: Kernel

def sgd(
    p: list[Array],
    buffers: list[Array],
    grads: list[Array],
    single: bool,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first: bool,
) -> None: ...
def adam(
    p: list[Array],
    m: list[Array],
    v: list[Array],
    vmax: list[Array],
    grads: list[Array],
    single: bool,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
    step: float,
) -> None: ...
