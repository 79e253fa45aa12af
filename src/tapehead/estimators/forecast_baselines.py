"""Forecasts that need no network, to measure one against.

Each learns from the beginnings of series, and then forecasts from any origin in them, for which it
is told all that was known there, but is not fitted anew: as a network is.
"""

import importlib.util
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.ensemble import HistGradientBoostingRegressor

from tapehead.estimators.forecaster import Forecaster
from tapehead.estimators.requirements import expect_installed
from tapehead.estimators.series import Series, filled, measured
from tapehead.registry import Registry

LAGS = 48
"""Last values that gradient boosting looks at, at most."""
ROWS = 100_000
"""Steps of windows that it learns from, or forecasts at a time, at most."""

Ahead = Callable[[int, Series, np.ndarray], Float[np.ndarray, "origins horizon"]]
"""What comes after the origins in the series of this number."""
Baseline = Callable[[Forecaster, list[Series], int], Ahead]
"""Learns from the parts of series, for the horizon of a forecaster and a season."""


def seasonal_naive(model: Forecaster, parts: list[Series], season: int) -> Ahead:
    """The value of the last season that was known; a season of 1: the last value."""

    def ahead(number: int, series: Series, origins: np.ndarray) -> np.ndarray:
        return _last_season(
            filled(series.values), origins[:, None], np.arange(model.horizon), season
        )

    return ahead


def constant(model: Forecaster, parts: list[Series], season: int) -> Ahead:
    """The median of what was learned from; for a forecaster of least squares its mean."""
    middle = np.nanmean if model.quantiles is None else np.nanmedian
    values = [float(middle(one.values)) for one in parts]

    def ahead(number: int, series: Series, origins: np.ndarray) -> np.ndarray:
        return np.full((len(origins), model.horizon), values[number])

    return ahead


def exponential_smoothing(model: Forecaster, parts: list[Series], season: int) -> Ahead:
    """Exponential smoothing with a damped trend and an additive season, by statsmodels.

    Of positive values the logarithm is smoothed where that has the lower AIC, counted in the units
    of the values. Without two whole seasons to learn from there is none. At an origin t the
    forecast of step h is l_t + (φ + … + φ^h) b_t + s, with the states that the parameters learned
    from the beginning give there.

    Source: Hyndman et al., "Forecasting with exponential smoothing: the state space approach"
    (2008).

    **Raises:** `UserError` if statsmodels is missing.
    """
    expect_installed("baselines", "statsmodels")
    found = [_smoothed(filled(part.values), season) for part in parts]

    def ahead(number: int, series: Series, origins: np.ndarray) -> np.ndarray:
        lowest, seasons, params = found[number]
        values = filled(series.values)
        values = values if lowest is None else np.log(np.maximum(values, lowest))
        states = _states(values, seasons).smooth(params)
        steps = np.arange(1, model.horizon + 1)
        last = origins[:, None] - 1
        slopes = np.cumsum(states.damping_trend**steps) * np.asarray(states.slope)[last]
        made = np.asarray(states.level)[last] + slopes
        if seasons is not None:
            made += _last_season(np.asarray(states.season), origins[:, None], steps - 1, seasons)
        return made if lowest is None else np.exp(made)

    return ahead


def _states(values: np.ndarray, seasons: int | None) -> Any:
    from statsmodels.tsa.exponential_smoothing.ets import (  # pyright: ignore[reportMissingImports]
        ETSModel,
    )

    return ETSModel(
        values,
        trend="add",
        damped_trend=True,
        seasonal=None if seasons is None else "add",
        seasonal_periods=seasons,
        initialization_method="heuristic",
    )


def _smoothed(values: np.ndarray, season: int) -> tuple[float | None, int | None, np.ndarray]:
    """The lowest value if logarithms are taken, the steps of a season if any, the parameters."""
    seasons = season if 1 < season <= (len(values) - 10) // 2 else None

    def fitted(x: np.ndarray) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where the search ends is good enough for a baseline
            return _states(x, seasons).fit(disp=False)

    plain = fitted(values)
    if not (values > 0).all():
        return None, seasons, plain.params
    logs = fitted(np.log(values))
    if logs.aic + 2 * np.log(values).sum() >= plain.aic:
        return None, seasons, plain.params
    return float(values.min()), seasons, logs.params


def gradient_boosting(model: Forecaster, parts: list[Series], season: int) -> Ahead:
    """Gradient boosting on lags, by scikit-learn's `HistGradientBoostingRegressor`.

    One model for all series and steps, with its defaults: it is told the last values, the value of
    the last season at the step that is asked for, the window's mean, the number of the step, past
    covariates at the origin, and what is known of the step. Windows are measured as the network's
    are, and the loss is that of the network's forecast: absolute error for a median, squared error
    otherwise.
    """

    def features(
        series: Series, origins: np.ndarray, which: np.ndarray, steps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the asked steps after `origins[which]`; and the level and unit of each window."""
        windows, level, unit = measured(series, origins, model.lookback_)
        end, level, unit = origins[which], level[which], unit[which]
        before = _last_season(filled(series.values), end, steps, season)[:, None]
        known = series.known[np.minimum(end + steps, len(series.known) - 1)]
        parts = [
            windows[which, -LAGS:],
            windows.mean(axis=1)[which, None],
            (before - level) / unit,
            steps[:, None],
            series.past[end - 1],
            known,
        ]
        return np.concatenate(parts, axis=1, dtype=np.float32), level[:, 0], unit[:, 0]

    rng = np.random.default_rng(0)
    asked = [
        (one, np.arange(model.lookback_, len(one) - model.horizon + 1), model.horizon)
        for one in parts
    ]
    share = min(1, ROWS / sum(len(ends) * horizon for _, ends, horizon in asked))
    rows, wanted = [], []
    for one, ends, horizon in asked:
        drawn = np.flatnonzero(rng.random(len(ends) * horizon) < share)
        which, steps = np.divmod(drawn, horizon)
        truth = one.values[ends[which] + steps]
        known = np.isfinite(truth)
        made, level, unit = features(one, ends, which[known], steps[known])
        rows.append(made)
        wanted.append((truth[known] - level) / unit)
    loss = "squared_error" if model.quantiles is None else "absolute_error"
    trees = HistGradientBoostingRegressor(loss=loss, random_state=0)
    trees.fit(np.concatenate(rows), np.concatenate(wanted))

    def ahead(number: int, series: Series, origins: np.ndarray) -> np.ndarray:
        made = []
        for chunk in np.array_split(origins, math.ceil(len(origins) * model.horizon / ROWS)):
            which, steps = np.divmod(np.arange(len(chunk) * model.horizon), model.horizon)
            read, level, unit = features(series, chunk, which, steps)
            made.append((trees.predict(read) * unit + level).reshape(len(chunk), -1))
        return np.concatenate(made)

    return ahead


def _last_season(
    values: np.ndarray, origins: np.ndarray, steps: np.ndarray, season: int
) -> np.ndarray:
    """The value a season before each step from an origin on, or as many seasons as it takes.

    `origins` and `steps` have one shape, or make one by broadcasting.
    """
    return values[np.maximum(origins + steps - season * (steps // season + 1), 0)]


BASELINES: Registry[Baseline] = Registry(
    "baseline",
    {
        "seasonal naive": seasonal_naive,
        "constant": constant,
        "exponential smoothing": exponential_smoothing,
        "gradient boosting": gradient_boosting,
    },
)


def available() -> tuple[str, ...]:
    """The baselines whose libraries are installed."""
    lacking = importlib.util.find_spec("statsmodels") is None
    return tuple(n for n in BASELINES if not (lacking and n == "exponential smoothing"))
