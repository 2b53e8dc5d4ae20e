"""Scores of predictions, with weighted rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._check import Array


def mean(values: Array, weight: Array) -> float:
    """The weighted mean."""
    return float(np.average(values, weights=weight))


def ratio(a: float, b: float) -> float:
    """a / b, 0 where b is 0."""
    return float(a / b) if b else 0.0


def by_class(said: Array, truth: Array, weight: Array, name: str) -> dict[str, Any]:
    """Precision, recall, F1 and rows of one class; said and truth are bool (N,)."""
    hits, there = weight[said & truth].sum(), weight[truth].sum()
    precision, recall = ratio(hits, weight[said].sum()), ratio(hits, there)
    f1 = ratio(2 * precision * recall, precision + recall)
    return {"class": name, "precision": precision, "recall": recall, "f1": f1, "rows": float(there)}


def curves(positive: Array, score: Array, weight: Array) -> tuple[Any, Any, float, float]:
    """(false, true positive rates), (recall, precision), ROC AUC, average precision; None, NaN if a class is absent."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)  # equal scores are one step
    hits = np.cumsum((weight * positive)[order])[ends]
    misses = np.cumsum((weight * ~positive)[order])[ends]
    if not hits[-1] or not misses[-1]:
        return None, None, float("nan"), float("nan")
    true, false = np.append(0, hits / hits[-1]), np.append(0, misses / misses[-1])
    precision = hits / (hits + misses)
    area = float(((true[1:] + true[:-1]) / 2 * np.diff(false)).sum())
    return (false, true), (true[1:], precision), area, float((np.diff(true) * precision).sum())


def calibration(probability: Array, happened: Array, weight: Array) -> tuple[list[dict[str, float]], float]:
    """Ten bins of the probability: its mean, the share that happened, their weight; and the mean distance (ECE)."""
    place = np.minimum((probability * 10).astype(int), 9)
    total, said, true = (np.bincount(place, weight * each, 10) for each in (1, probability, happened))
    bins = [
        {"probability": float(said[i] / total[i]), "share": float(true[i] / total[i]), "rows": float(total[i])}
        for i in np.flatnonzero(total)
    ]
    return bins, float(np.abs(said - true).sum() / total.sum())


def log_loss(of_true: Array, weight: Array) -> float:
    """The mean of -log of the true classes' probabilities."""
    return mean(-np.log(np.maximum(of_true, 1e-15)), weight)


def of_numbers(guess: Array, truth: Array, weight: Array) -> dict[str, float]:
    """Root of the mean squared error, mean absolute error, R2."""
    squares, spread = mean((guess - truth) ** 2, weight), mean((truth - mean(truth, weight)) ** 2, weight)
    r2 = 1 - squares / spread if spread else float("nan")
    return {"RMSE": squares**0.5, "MAE": mean(np.abs(guess - truth), weight), "R2": r2}


def poisson_deviance(guess: Array, truth: Array, weight: Array) -> float:
    """The mean of 2 (y log(y / mu) - y + mu)."""
    logs = truth * np.log(np.maximum(truth, 1e-300) / np.maximum(guess, 1e-300))
    return 2 * mean(logs - truth + guess, weight)


def pinball(guess: Array, truth: Array, q: float, weight: Array) -> float:
    """The mean of max(q d, (q - 1) d), d = truth - guess."""
    d = truth - guess
    return mean(np.maximum(q * d, (q - 1) * d), weight)
