"""What the estimators have in common: scikit-learn's parameters, its fit, its attributes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from .. import _check, nn, optim
from .._check import Array
from ..autograd import no_grad, value_of
from ..training import Callback, Trainer
from ..training._mlp import OPTIMIZERS
from ._going_on import refuse_another_network, same_weights, settings, unchanged_on_error
from ._network import Batches, Objective, Plan, dense, make_network, minimize
from ._watch import Watch

ADVICE = "the samples may need to be scaled, or learning_rate_init to be lower"


class MLP(BaseEstimator):
    _loss: Callable[..., Any]
    best_loss_: Any  # None with early stopping, the next two without
    best_validation_score_: Any
    validation_scores_: Any

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        batch_norm: bool = False,
        layer_norm: bool = False,
        dropout: float = 0.0,
        callbacks: Sequence[Callback] | None = None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.batch_norm = batch_norm
        self.layer_norm = layer_norm
        self.dropout = dropout
        self.callbacks = callbacks

    def _sizes(self) -> list[int]:
        """The hidden layers' sizes, after a look at all parameters."""
        name = type(self).__name__
        _check.choice(name, "solver", self.solver, ("lbfgs", *OPTIMIZERS))
        _check.choice(name, "learning_rate", self.learning_rate, ("constant", "invscaling", "adaptive"))
        for argument in ("alpha", "learning_rate_init", "tol", "epsilon", "power_t"):
            _check.in_range(name, argument, getattr(self, argument), 0, open_high=True)
        for argument in ("momentum", "validation_fraction", "dropout", "beta_1", "beta_2"):
            _check.in_range(name, argument, getattr(self, argument), 0, 1, open_high=argument != "momentum")
        for argument in ("max_iter", "n_iter_no_change", "max_fun"):
            value = getattr(self, argument)
            if value != float("inf") or argument == "max_iter":
                _check.count(name, argument, value, 1)
        for argument in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "batch_norm", "layer_norm"):
            value = getattr(self, argument)
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError(f"{name}: expected {argument} to be True or False, got {value!r}")
        if self.batch_size != "auto":
            _check.count(name, "batch_size", self.batch_size, 1)
        if self.solver == "lbfgs" and (self.early_stopping or self.dropout):
            raise ValueError(f"{name}: expected another solver than lbfgs for early stopping and dropout")
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=object)).tolist()
        return [_check.count(name, "each of hidden_layer_sizes", size, 1) for size in sizes]

    def _start(self, features: int, outputs: int, dtype: Any) -> None:
        """A new network and optimizer."""
        self._rng = self._chance()
        sizes = [features, *self._sizes(), outputs]
        self.model_ = self._make_network(sizes, dtype)
        self.n_layers_, self.n_outputs_ = len(sizes), outputs
        self.t_, self.best_loss_ = 0, np.inf
        self.loss_curve_: list[float] = []
        self._optimizer = self._make_optimizer()

    def _chance(self) -> np.random.Generator:
        """A generator that follows from random_state."""
        return np.random.default_rng(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _make_network(self, sizes: list[int], dtype: Any) -> nn.Sequential:
        return make_network(
            type(self).__name__,
            sizes,
            self.activation,
            batch_norm=self.batch_norm,
            layer_norm=self.layer_norm,
            dropout=self.dropout,
            dtype=dtype,
            rng=self._rng,
        )

    def _go_on(self, anew: bool) -> None:
        """The network there is, with today's settings; anew: its optimizer starts anew, as in scikit-learn's fit."""
        now, then = settings(self), self._settings
        refuse_another_network(self, now)
        if now["random_state"] is not then["random_state"] and now["random_state"] != then["random_state"]:
            self._rng.bit_generator.state = self._chance().bit_generator.state
        if any(now[name] != then[name] for name in ("activation", "dropout")):
            linears = self._linears()
            sizes = [linears[0].in_features, *(layer.out_features for layer in linears)]
            same_activations = now["activation"] == then["activation"]
            self.model_ = same_weights(self.model_, self._make_network(sizes, self._dtype), same_activations)
            anew = anew or not same_activations
        if anew or now["solver"] != then["solver"] or self._optimizer is None:
            self._optimizer = self._make_optimizer()
        elif now["options"] != then["options"]:
            changed = {name: value for name, value in now["options"].items() if value != then["options"][name]}
            for group in self._optimizer.param_groups:
                group.update(changed)

    def _options(self) -> dict[str, Any]:
        """The optimizer's options."""
        options: dict[str, Any] = {"lr": self.learning_rate_init}
        if self.solver == "sgd":
            options |= {"momentum": self.momentum, "nesterov": self.nesterovs_momentum and self.momentum > 0}
        elif "adam" in self.solver:
            options |= {"betas": (self.beta_1, self.beta_2), "eps": self.epsilon}
        return options

    def _make_optimizer(self) -> optim.Optimizer | None:
        if self.solver == "lbfgs":
            return None
        weights = [layer.weight for layer in self._linears()]
        held = {id(weight) for weight in weights}
        others = [p for p in self.model_.parameters() if id(p) not in held]
        groups = [{"params": weights, "weight_decay": 0.0}, {"params": others, "weight_decay": 0.0}]
        return OPTIMIZERS[self.solver](groups, **self._options())

    @property
    def _dtype(self) -> np.dtype[Any]:
        """The network's dtype, in which fits go on whatever X's is."""
        return self._linears()[0].weight.dtype

    def _linears(self) -> list[nn.Linear]:
        return [layer for layer in self.model_ if isinstance(layer, nn.Linear)]

    @property
    def coefs_(self) -> list[Array]:
        """The weights of each layer, (inputs, outputs)."""
        check_is_fitted(self)
        return [layer.weight.data.T for layer in self._linears()]

    @property
    def intercepts_(self) -> list[Array]:
        """The biases of each layer."""
        check_is_fitted(self)
        return [layer.bias.data for layer in self._linears()]

    def _prepared(self, X: Any, y: Any, sample_weight: Any, goes_on: bool, **options: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def _fit(self, X: Any, y: Any, sample_weight: Any, again: bool, epochs: int | None = None, **options: Any) -> Any:
        """Train `epochs` epochs or until it converges; again: go on with the network there is, if there is one."""
        goes_on = again and hasattr(self, "model_")
        with unchanged_on_error(self, goes_on):
            self._sizes()
            X, y, weight = self._prepared(X, y, sample_weight, goes_on, **options)
            if weight is not None and not weight.all():  # a weight of 0 is as good as not being there
                X, y, weight = X[weight > 0], y[weight > 0], weight[weight > 0]
            if not X.shape[0]:
                raise ValueError(f"{type(self).__name__}: expected at least one sample of positive weight")
            if goes_on:
                self._go_on(anew=epochs is None)
            else:
                self._start(X.shape[1], self._outputs(y), X.dtype)
            self._settings = settings(self)
            self._train(X, y, weight, epochs)
            if not all(np.isfinite(p.data).all() for p in self.model_.parameters()):
                raise ValueError(f"{type(self).__name__}: the weights are no longer finite; {ADVICE}")
        self._plan = Plan(self.model_)
        return self

    def _train(self, X: Any, y: Array, weight: Array | None, epochs: int | None) -> None:
        self.n_iter_ = 0
        held_out = None
        if self.early_stopping and epochs is None:
            X, y, weight, held_out = self._hold_out(X, y, weight)
            self.best_validation_score_, self.validation_scores_, self.best_loss_ = -np.inf, [], None
        else:
            self.best_validation_score_ = self.validation_scores_ = None
            self.best_loss_ = np.inf if self.best_loss_ is None else self.best_loss_
        linears = [layer.weight for layer in self._linears()]
        group = self._optimizer.param_groups[0] if self._optimizer else {"params": linears}
        objective = Objective(self._loss, y, weight, self.alpha, group)
        if self._optimizer is None:
            self._minimize(X, objective)
            return
        try:
            self._descend(X, objective, self._optimizer, held_out, epochs)
        except FloatingPointError as error:
            raise ValueError(f"{type(self).__name__}: {error} ({ADVICE})") from error

    def _minimize(self, X: Any, objective: Objective) -> None:
        result = minimize(self.model_.train(), X, objective, self.max_iter, self.max_fun, self.tol)
        self.n_iter_, self.loss_, self.t_ = result.nit, float(result.fun), self.t_ + X.shape[0] * result.nit
        self.best_loss_ = self.loss_
        if not np.isfinite(self.loss_):
            text = f"lbfgs stopped after {result.nit} iterations with a loss of {self.loss_}; {ADVICE}"
        elif result.success:
            return
        elif result.nit >= self.max_iter:
            text = f"lbfgs did not converge in {result.nit} iterations"
        else:
            text = f"lbfgs stopped after {result.nit} iterations, before it converged: {result.message}"
        warnings.warn(text, ConvergenceWarning, stacklevel=6)

    def _descend(
        self, X: Any, objective: Objective, optimizer: optim.Optimizer, held_out: Any, epochs: int | None
    ) -> None:
        n = X.shape[0]
        size = min(200 if self.batch_size == "auto" else self.batch_size, n)
        watch = Watch(self, held_out, n)
        trainer = Trainer(self.model_, objective, optimizer, callbacks=[*(self.callbacks or ()), watch], progress=False)
        least = 2 if self.batch_norm else 1  # of one sample there is no deviation
        trainer.fit(Batches(X, size, self._rng if self.shuffle else None, least), epochs or self.max_iter)
        if trainer.interrupted:
            warnings.warn("training was interrupted", stacklevel=6)
        elif epochs is None and not trainer.stop and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"{type(self).__name__}: {self.max_iter} epochs are over and it has not converged; "
                "raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=6,
            )

    def _hold_out(self, X: Any, y: Array, weight: Array | None) -> tuple[Any, ...]:
        """Training samples, and (X, y, weight) to stop by."""
        parts = train_test_split(
            X,
            y,
            np.ones(len(y), X.dtype) if weight is None else weight,
            test_size=self.validation_fraction,
            random_state=int(self._rng.integers(2**31)),
            stratify=self._strata(y),
        )
        X, X_held, y, y_held, w, w_held = parts
        if len(y_held) < 2:
            raise ValueError(f"{type(self).__name__}: the validation set is too small; raise validation_fraction")
        return X, y, None if weight is None else w, (X_held, y_held, None if weight is None else w_held)

    def _outputs_of(self, X: Any) -> Array:
        """What the network returns, before any link; a sparse matrix is made dense by a thousand rows."""
        self.model_.eval()
        parts = [dense(X[part]) for part in gen_batches(X.shape[0], 1000)] if issparse(X) else [X]
        with no_grad():
            return np.concatenate([np.asarray(value_of(self.model_(part))) for part in parts])

    def _predicted(self, X: Any) -> Array:
        """The same from the plan that `fit` left, as long as nobody has changed the network since."""
        plan = vars(self).get("_plan")
        if plan is None or issparse(X) or not plan.holds(self.model_):
            return self._outputs_of(X)
        return np.asarray(plan.predict(X.astype(self._dtype, copy=False)))

    def __getstate__(self) -> Any:
        """Leave the plan out: it holds the network once more."""
        state = dict(super().__getstate__())
        if "_plan" in state:
            state["_plan"] = None
        return state

    def __setstate__(self, state: Any) -> None:
        """Make the plan anew."""
        super().__setstate__(state)
        if "_plan" in vars(self):
            self._plan = Plan(self.model_)

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=False)

    def __sklearn_tags__(self) -> Any:
        """Say that sparse samples are fine."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _outputs(self, y: Array) -> int:
        return 1 if y.ndim == 1 else y.shape[1]

    def _strata(self, y: Array) -> Array | None:
        return None

    def _score_of(self, X: Array, y: Array, weight: Array | None) -> float:
        raise NotImplementedError

    def _samples(self, X: Any, y: Any, goes_on: bool, **options: Any) -> tuple[Any, Array]:
        """X and y checked, X in the dtype to compute in."""
        dtypes = (np.float64, np.float32)
        X, y = validate_data(
            self, X, y, accept_sparse="csr", multi_output=True, dtype=dtypes, reset=not goes_on, **options
        )
        return (X.astype(self._dtype, copy=False) if goes_on else X), y

    def _weights(self, sample_weight: Any, X: Array) -> Array | None:
        if sample_weight is None:
            return None
        return _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)


def by_batches(estimator: MLP) -> bool:
    """Whether the solver can go on with other samples; else the method is not there, as scikit-learn has it."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit: expected another solver than lbfgs, which takes all samples at once")
    return True
