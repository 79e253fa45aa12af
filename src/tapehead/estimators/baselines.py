"""What networks are measured against."""

from collections import Counter
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


def ngram_bits(
    train: list[np.ndarray], test: list[np.ndarray], *, symbols: int, order: int
) -> float:
    """Bits by symbol of the test by an n-gram model learned from the rest.

    The probability of a symbol s after a context c of `order` − 1 symbols is that after a shorter
    one, moved towards how often it was seen: p(s | c) = (n(c, s) + p(s | shorter)) / (n(c) + 1);
    without any context, towards all symbols being as likely.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    after: Counter[tuple[int, ...]] = Counter()
    for sequence in train:
        for end in range(1, len(sequence)):
            for size in range(min(order, end + 1)):
                context = tuple(sequence[end - size : end])
                seen[(*context, sequence[end])] += 1
                after[context] += 1
    bits, count = 0.0, 0
    for sequence in test:
        for end in range(1, len(sequence)):
            chance = 1 / symbols
            for size in range(min(order, end + 1)):
                context = tuple(sequence[end - size : end])
                chance = (seen[(*context, sequence[end])] + chance) / (after[context] + 1)
            bits, count = bits - float(np.log2(chance)), count + 1
    return bits / max(count, 1)


def plain_scores(scale: Scale, sequences: list[np.ndarray]) -> np.ndarray:
    """Scores of how normal sequences are by their distance from the mean: −mean ((x − μ) / σ)².

    `scale` is that of the columns in what is normal.
    """
    with np.errstate(all="ignore"):
        return np.array([-np.nanmean(scale.apply(x) ** 2) for x in sequences])
