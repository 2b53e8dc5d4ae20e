"""What the estimators do after each epoch."""

from __future__ import annotations

from typing import Any

from .._check import Array
from ..training import Callback, Trainer


class Watch(Callback):
    """What scikit-learn does after each epoch: records, learning rates, and whether to go on."""

    def __init__(self, estimator: Any, held_out: tuple[Any, ...] | None, samples: int):
        self.estimator, self.held_out, self.samples = estimator, held_out, samples
        self.stuck = 0
        self.best: dict[str, Array] = {}

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Judge the epoch."""
        estimator = self.estimator
        estimator.loss_ = trainer.history["loss"][-1]
        estimator.loss_curve_.append(estimator.loss_)
        estimator.n_iter_ += 1
        estimator.t_ += self.samples
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        gained = self._validated(trainer) if self.held_out else self._trained()
        self.stuck = 0 if gained else self.stuck + 1
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            self._rate(trainer, estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t)
        if self.stuck > estimator.n_iter_no_change:
            rate = trainer.optimizer.param_groups[0]["lr"]
            if estimator.solver == "sgd" and estimator.learning_rate == "adaptive" and rate > 1e-6:
                self._rate(trainer, rate / 5)
                self.stuck = 0
            else:
                trainer.stop = True

    def _rate(self, trainer: Trainer, rate: float) -> None:
        for group in trainer.optimizer.param_groups:
            group["lr"] = rate

    def _trained(self) -> bool:
        estimator = self.estimator
        gained = bool(estimator.loss_ <= estimator.best_loss_ - estimator.tol)
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
        return gained

    def _validated(self, trainer: Trainer) -> bool:
        estimator = self.estimator
        X, y, weight = self.held_out or ()
        score = estimator._score_of(X, y, weight)
        estimator.validation_scores_.append(score)
        if estimator.verbose:
            print(f"Validation score: {score:f}")
        gained = bool(score >= estimator.best_validation_score_ + estimator.tol)  # which NaN is not
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            self.best = {name: array.copy() for name, array in trainer.model.state_dict().items()}
        return gained

    def on_fit_end(self, trainer: Trainer) -> None:
        """Bring the best weights back."""
        if self.best:
            trainer.model.load_state_dict(self.best)
