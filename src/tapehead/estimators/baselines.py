"""What networks are measured against."""

from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from tapehead.estimators.schema import Scale


def summary(x: np.ndarray) -> np.ndarray:
    """A sequence `(time, columns)` in a few numbers.

    Of each column its mean, deviation, ends and quartiles, first and last value, slope, and mean
    change from step to step; and the length. What is missing is left out.
    """
    with np.errstate(all="ignore"):
        filled = np.where(np.isnan(x), np.nanmean(np.where(np.isnan(x).all(0), 0, x), axis=0), x)
    steps = np.diff(filled, axis=0) if len(x) > 1 else np.zeros_like(filled)
    slope = np.polyfit(np.arange(len(x)), filled, 1)[0] if len(x) > 1 else np.zeros(x.shape[1])
    quartiles = np.quantile(filled, [0, 0.25, 0.5, 0.75, 1], axis=0).ravel()
    parts = [filled.mean(0), filled.std(0), quartiles, filled[0], filled[-1], slope]
    return np.concatenate([*parts, np.abs(steps).mean(0), [len(x)]])


def scores(
    train: list[np.ndarray],
    y: Any,
    test: list[np.ndarray],
    y_test: Any,
    *,
    classes: bool,
    numbers: bool = True,
) -> dict[str, float]:
    """Accuracy or R² of baselines on the test, learned from the rest, by name.

    Where not all columns are `numbers`, of which summary features could be made, only the one that
    looks at none.
    """
    features, asked = ([summary(x) for x in part] for part in (train, test))
    made: dict[str, Any] = {}
    if numbers:
        boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        made["gradient boosting on summary features"] = boosting(random_state=0)
    if classes:
        made["the most frequent class"] = DummyClassifier()
    else:
        made["the mean"] = DummyRegressor()
    return {name: model.fit(features, y).score(asked, y_test) for name, model in made.items()}


def plain_scores(scale: Scale, sequences: list[np.ndarray]) -> np.ndarray:
    """Scores of how normal sequences are by their distance from the mean: −mean ((x − μ) / σ)².

    `scale` is that of the columns in what is normal.
    """
    with np.errstate(all="ignore"):
        return np.array([-np.nanmean(scale.apply(x) ** 2) for x in sequences])
