"""Agreement of predicted Kellgren-Lawrence probabilities with a reader's grades: kappa, calibration, accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, grades: int = 5) -> np.ndarray:
    """Counts [grades, grades]; rows are the reader's grade, columns the predicted one."""
    table = np.zeros((grades, grades), np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def quadratic_kappa(confusion: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968) of a confusion matrix; NaN when chance disagreement is zero."""
    count = confusion.sum()
    distance = np.subtract.outer(np.arange(len(confusion)), np.arange(len(confusion))).astype(np.float64) ** 2
    chance = np.outer(confusion.sum(axis=1), confusion.sum(axis=0)) / count
    expected = (distance * chance).sum()
    return float(1 - (distance * confusion).sum() / expected) if expected else float("nan")


def expected_calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 10) -> float:
    """Mean distance between confidence and accuracy over equally wide confidence bins (Guo et al. 2017), in [0, 1]."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for bin_index in np.unique(index):
        inside = index == bin_index
        total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(total)


def grade_agreement(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Measures of agreement of probabilities [N, 5] with grades [N].

    ``balanced_accuracy`` is the mean recall over the grades that occur; ``mean_absolute_error`` is in grades, of the
    most probable grade or of the expected one; ``log_loss`` is the mean negative log probability of the reader's grade.
    """
    truth = np.asarray(truth, dtype=np.int64)
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or len(probabilities) != len(truth) or not len(truth):
        raise ValueError(f"expected probabilities [{len(truth)}, grades], got shape {probabilities.shape}")
    predicted = probabilities.argmax(axis=1)
    expected = probabilities @ np.arange(probabilities.shape[1])
    table = confusion_matrix(truth, predicted, probabilities.shape[1])
    present = table.sum(axis=1) > 0
    return {
        "count": len(truth),
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": float((table.diagonal()[present] / table.sum(axis=1)[present]).mean()),
        "within_one_grade": float((np.abs(predicted - truth) <= 1).mean()),
        "quadratic_kappa": quadratic_kappa(table),
        "mean_absolute_error": float(np.abs(predicted - truth).mean()),
        "mean_absolute_error_of_expectation": float(np.abs(expected - truth).mean()),
        "log_loss": float(-np.log(probabilities[np.arange(len(truth)), truth].clip(1e-12)).mean()),
        "calibration_error": expected_calibration_error(truth, probabilities),
        "confusion": table.tolist(),
    }
