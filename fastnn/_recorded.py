"""The tape's derivatives of the package's own functions: each has its recorded version.

The element-wise functions of `activations.def` need none: Tensor serves them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _check, _random, functional
from ._check import Array
from .autograd import Gradients, make, recorded, value_of, wants
from .functional import _dropout, _switchable
from .functional._class_loss import target_gradient
from .functional._dropout_variants import RULES
from .functional._group_norm import group_forward, instance_forward
from .functional._layer_norm import layer_forward, rms_eps
from .functional._linear import gradients as linear_gradients
from .functional._norm import forward_with_stats
from .functional._pair import Pair, forward, gradient
from .functional._pair_loss import PAIRS
from .functional._parametric import rrelu_bounds


def _values(*arguments: Any) -> tuple[Any, ...]:
    return tuple(map(value_of, arguments))


@recorded(functional.linear, input=0, weight=1, bias=2)
def _linear(input: Any, weight: Any, bias: Any = None) -> Any:
    x, w, b = _values(input, weight, bias)
    wanted = (wants(input), wants(weight), wants(bias))
    return make(functional.linear(x, w, b), (input, weight, bias), lambda dy: linear_gradients(dy, x, w, wanted))


@recorded(functional.bilinear, input1=0, input2=1, weight=2, bias=3)
def _bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    x1, x2, w, b = _values(input1, input2, weight, bias)
    parents = (input1, input2, weight, bias)
    return make(functional.bilinear(x1, x2, w, b), parents, lambda dy: functional.bilinear_backward(dy, x1, x2, w))


@recorded(functional.embedding, weight=1)
def _embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    table, index = value_of(weight), np.array(input)  # a copy: it may change before the backward pass
    y = functional.embedding(index, table, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    options = (len(table), padding_idx, scale_grad_by_freq)
    return make(y, (weight,), lambda dy: (functional.embedding_backward(dy, index, *options),))


# -- activations ------------------------------------------------------------------------------------------------------


def _softmax_like(function: Callable[..., Any], backward: Callable[..., Any]) -> None:
    @recorded(function, input=0)
    def version(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
        y = function(input.data, dim, dtype=dtype)
        return make(y, (input,), lambda dy: (backward(dy, y, dim),))


_softmax_like(functional.softmax, functional.softmax_backward)
_softmax_like(functional.log_softmax, functional.log_softmax_backward)
_softmax_like(functional.softmin, functional.softmin_backward)


@recorded(functional.glu, input=0)
def _glu(input: Any, dim: int = -1) -> Any:
    x = input.data
    return make(functional.glu(x, dim), (input,), lambda dy: (functional.glu_backward(dy, x, dim),))


def _parametric(function: Callable[..., Any], backward: Callable[..., Any], *names: str) -> None:
    """An activation with learned parameters; what follows them is fixed."""

    @recorded(function, input=0, **{name: i for i, name in enumerate(names, 1)})
    def version(*args: Any, **kwargs: Any) -> Any:
        args += tuple(kwargs.pop(name) for name in ("input", *names)[len(args) :] if name in kwargs)
        parents, fixed = args[: len(names) + 1], args[len(names) + 1 :]
        values = _values(*parents)
        y = function(*values, *fixed, **kwargs)
        return make(y, parents, lambda dy: backward(dy, *values, *fixed, **kwargs)[: len(parents)])


_parametric(functional.prelu, functional.prelu_backward, "weight")
_parametric(functional.swish, functional.swish_backward, "beta")
_parametric(functional.parametric_elu, functional.parametric_elu_backward, "alpha")
_parametric(functional.parametric_softplus, functional.parametric_softplus_backward, "beta")
_parametric(functional.parametric_sigmoid, functional.parametric_sigmoid_backward, "a", "b")
_parametric(functional.scaled_relu, functional.scaled_relu_backward, "alpha")


@recorded(functional.rrelu, input=0)
def _rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    rng: Any = None,
) -> Any:
    x = input.data
    rrelu_bounds("rrelu", lower, upper)  # nothing is drawn for a call that is refused
    key = _random.key("rrelu", rng) if training else 0
    y = functional.rrelu(x, lower, upper, training, rng=key)
    return make(y, (input,), lambda dy: (functional.rrelu_backward(dy, x, lower, upper, training, rng=key),))


def _dropout_like(function: Callable[..., Any], training_default: bool) -> None:
    rule, span = RULES[function]
    name = function.__name__

    @recorded(function, input=0)
    def version(
        input: Any, p: float = 0.5, training: bool = training_default, inplace: bool = False, *, rng: Any = None
    ) -> Any:
        forward_rule = rule(name, p)
        span(name, input.ndim, training)  # nothing is drawn for a call that is refused
        key = _random.key(name, rng) if training else 0
        apply = _dropout.apply
        y = apply(name, "input", input.data, forward_rule, span, training, key, None)
        backward_rule = forward_rule.backward
        return make(y, (input,), lambda dy: (apply(name, "dy", dy, backward_rule, span, training, key, None),))


for _function in (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d):
    _dropout_like(_function, True)
for _function in (functional.alpha_dropout, functional.feature_alpha_dropout):
    _dropout_like(_function, False)


# -- normalization ----------------------------------------------------------------------------------------------------


@recorded(functional.batch_norm, input=0, weight=3, bias=4)
def _batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    x, w, b = _values(input, weight, bias)
    y, mean, rstd = forward_with_stats(x, running_mean, running_var, w, b, training, momentum, eps)
    return make(y, (input, weight, bias), lambda dy: functional.batch_norm_backward(dy, x, mean, rstd, w, training))


@recorded(functional.instance_norm, input=0, weight=3, bias=4)
def _instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not use_input_stats:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    x, w, b = _values(input, weight, bias)
    y, mean, rstd = instance_forward(x, running_mean, running_var, w, b, momentum, eps)
    return make(y, (input, weight, bias), lambda dy: functional.instance_norm_backward(dy, x, mean, rstd, w))


@recorded(functional.group_norm, input=0, weight=2, bias=3)
def _group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    x, w, b = _values(input, weight, bias)
    y, mean, rstd = group_forward("group_norm", x, num_groups, w, b, eps, None)
    return make(y, (input, weight, bias), lambda dy: functional.group_norm_backward(dy, x, mean, rstd, w))


@recorded(functional.layer_norm, input=0, weight=2, bias=3)
def _layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    x, w, b = _values(input, weight, bias)
    eps = _check.real("layer_norm", "eps", eps)
    y, mean, rstd = layer_forward("layer_norm", x, normalized_shape, w, b, eps, None, True)
    return make(y, (input, weight, bias), lambda dy: functional.layer_norm_backward(dy, x, mean, rstd, w))


@recorded(functional.rms_norm, input=0, weight=2)
def _rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    x, w = _values(input, weight)
    y, _, rstd = layer_forward("rms_norm", x, normalized_shape, w, None, rms_eps("rms_norm", x, eps), None, False)
    return make(y, (input, weight), lambda dy: functional.rms_norm_backward(dy, x, rstd, w))


@recorded(functional.normalize, input=0)
def _normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    x = input.data
    y = functional.normalize(x, p, dim, eps)
    return make(y, (input,), lambda dy: (functional.normalize_backward(dy, x, p, dim, eps),))


@recorded(functional.switchable_norm, input=0, weight=3, bias=4, mean_weight=5, var_weight=6)
def _switchable_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    mean_weight: Any,
    var_weight: Any,
    training: bool = False,
    momentum: float = 0.9,
    eps: float = 1e-5,
    using_bn: bool = True,
    using_moving_average: bool = True,
    unbiased: bool = True,
) -> Any:
    learned = (weight, bias, mean_weight, var_weight)
    x, *values = _values(input, *learned)
    statistics = (running_mean, running_var)
    m = _switchable.mixture("switchable_norm", x, statistics, tuple(values), training, eps, using_bn, unbiased)
    shape = np.shape(x)
    y = _switchable.finished(m, shape, *statistics, momentum, using_bn, using_moving_average)

    def backward(dy: Array) -> Gradients:
        dx, *rest = _switchable.gradients(m, np.ascontiguousarray(dy, m.x.dtype).reshape(m.x.shape))
        return dx.reshape(shape), *(
            None if value is None else d.reshape(np.shape(value)) for d, value in zip(rest, values, strict=True)
        )

    return make(y, (input, *learned), backward)


# -- losses -----------------------------------------------------------------------------------------------------------


@recorded(functional.cross_entropy, input=0, target=1)
def _cross_entropy(input: Any, target: Any, weight: Any = None, **options: Any) -> Any:
    x, t = value_of(input), np.array(value_of(target))  # a copy: it may change before the backward pass
    y = functional.cross_entropy(x, t, weight, **options)

    def backward(dy: Array) -> Gradients:
        dx = functional.cross_entropy_backward(dy, x, t, weight, **options) if wants(input) else None
        return dx, target_gradient(dy, x, t, weight, **options) if wants(target) else None

    return make(y, (input, target), backward)


@recorded(functional.nll_loss, input=0)
def _nll_loss(input: Any, target: Any, weight: Any = None, **options: Any) -> Any:
    x, t = input.data, np.array(target)
    y = functional.nll_loss(x, t, weight, **options)
    return make(y, (input,), lambda dy: (functional.nll_loss_backward(dy, x, t, weight, **options),))


def _pair(function: Callable[..., Any], checked: Callable[..., Pair]) -> None:
    name = function.__name__

    @recorded(function, input=0, target=1)
    def version(input: Any, target: Any, *args: Any, **options: Any) -> Any:
        pair = checked(name, *_values(input, target), *args, **options)

        def backward(dy: Array) -> Sequence[Array | None]:
            wanted = (wants(input), wants(target))
            return [gradient(pair, dy, of_target=bool(i)) if want else None for i, want in enumerate(wanted)]

        return make(forward(pair), (input, target), backward)


for _function, _checked in PAIRS.items():
    _pair(_function, _checked)
