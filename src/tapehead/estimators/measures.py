"""How good forecasts are."""

import numpy as np
from jaxtyping import Float

from tapehead.errors import UserError


def mse(truth: np.ndarray, forecast: np.ndarray) -> float:
    """The mean squared error."""
    return float(np.mean((truth - forecast) ** 2))


def mae(truth: np.ndarray, forecast: np.ndarray) -> float:
    """The mean absolute error."""
    return float(np.mean(np.abs(truth - forecast)))


def smape(truth: np.ndarray, forecast: np.ndarray) -> float:
    """The symmetric mean absolute percentage error, 200 |y − f| / (|y| + |f|), from 0 to 200.

    Where both are 0 it is 0. Source: Makridakis and Hibon, "The M3-competition" (2000).

    >>> smape(np.array([1.0, 0.0]), np.array([3.0, 0.0]))
    50.0
    """
    total = np.abs(truth) + np.abs(forecast)
    apart = np.abs(truth - forecast)
    return float(200 * np.mean(np.where(total > 0, apart / np.where(total > 0, total, 1), 0)))


def naive_error(history: Float[np.ndarray, " time"], season: int) -> float:
    """The mean absolute error of the seasonal naive forecast of one step inside a history.

    **Raises:** `UserError` if the history is not longer than a season, or that error is 0.
    """
    if len(history) <= season:
        raise UserError(f"mase: needs a history longer than the season of {season} steps")
    error = float(np.nanmean(np.abs(history[season:] - history[:-season])))
    if not error > 0:
        raise UserError("mase: is not defined where the history repeats itself exactly")
    return error


def mase(
    truth: np.ndarray, forecast: np.ndarray, history: Float[np.ndarray, " time"], season: int = 1
) -> float:
    """The mean absolute error, scaled by that of the seasonal naive forecast in the history.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy" (2006).

    >>> mase(np.array([4.0, 5.0]), np.array([4.0, 7.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    return mae(truth, forecast) / naive_error(history, season)


def pinball(truth: np.ndarray, quantile: np.ndarray, level: float) -> float:
    """The mean pinball loss of a quantile forecast, max(τ (y − q), (τ − 1) (y − q)).

    Source: Koenker and Bassett, "Regression quantiles" (1978).

    >>> pinball(np.array([1.0, 1.0]), np.array([0.0, 2.0]), 0.9)
    0.5
    """
    error = truth - quantile
    return float(np.mean(np.maximum(level * error, (level - 1) * error)))


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The share of values that lie in their intervals, ends included."""
    return float(np.mean((low <= truth) & (truth <= high)))


def diebold_mariano(gains: Float[np.ndarray, " origins"], overlap: int = 0) -> float:
    """The mean gain of one forecast over another, in its own standard errors.

    `gains` are the differences of their losses at origins in order of time, each of which depends
    on the next `overlap`: the variance of the mean counts autocovariances up to there, with
    Bartlett's weights 1 − k / (overlap + 1). About normal if there is no difference; below 2 in
    size it may well be chance. NaN for a single origin.

    Source: Diebold and Mariano, "Comparing predictive accuracy" (1995).

    >>> diebold_mariano(np.array([1.0, 2.0, 3.0]))
    3.4641016151377544
    """
    count, apart = len(gains), gains - np.mean(gains)
    if count < 2:
        return float("nan")
    variance = float(apart @ apart)
    for lag in range(1, min(overlap, count - 1) + 1):
        variance += 2 * (1 - lag / (overlap + 1)) * float(apart[lag:] @ apart[:-lag])
    error = (max(variance, 0.0) / (count - 1) / count) ** 0.5
    return float(np.mean(gains)) / error if error > 0 else float("nan")
