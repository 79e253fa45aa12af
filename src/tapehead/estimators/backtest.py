"""`backtest`: how good forecasts would have been."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tapehead.errors import UserError, at_least
from tapehead.estimators.forecaster import Forecaster, filled
from tapehead.estimators.measures import coverage, mae, mse, naive_error, pinball, smape


def backtest(
    forecaster: Forecaster,
    X: Any,
    *,
    start: float = 0.8,
    every: int | None = None,
    season: int = 1,
    standardised: bool = False,
    fitted: bool = False,
) -> pd.DataFrame:
    """Fit on the beginning of each series, and forecast from origin after origin in the rest.

    At each origin everything before it is known; the network is not trained anew.

    **Arguments:**

    - `forecaster`: is cloned, not changed.
    - `X`: the series, as for its `fit`.
    - `start`: the share of each series that is learned from.
    - `every`: steps between origins; `None`: the horizon.
    - `season`: steps in a season, for the seasonal naive forecast that stands beside, and for MASE.
    - `standardised`: measure errors in deviations of the part that was learned from, as papers on
        long horizons do.
    - `fitted`: `forecaster` has seen the beginnings already, and is not fitted anew.

    **Returns:** a table with a row for each series, one for all together, and as much for the
    seasonal naive forecast: `origins`, `MSE`, `MAE`, `sMAPE`, `MASE` of the median, and, where
    there are quantiles, `pinball`, their mean loss, and `coverage` between the lowest and highest.

    **Raises:** `UserError` if a series is too short.
    """
    if not 0 < start < 1:
        raise UserError(f"backtest: start must be between 0 and 1, got {start}")
    at_least("backtest", 1, season=season)
    model: Any = forecaster if fitted else clone(forecaster)
    series = model.read(X)
    firsts = [int(len(one) * start) for one in series]
    parts = [one.until(first) for one, first in zip(series, firsts, strict=True)]
    for one in parts:
        one.unit = float(np.nanstd(one.values)) or 1.0
    if not fitted:
        model.fit_series(parts)
    step = model.horizon if every is None else every
    at_least("backtest", 1, every=step)
    rows, middle = [], model.levels.index(0.5)
    for one, part, first in zip(series, parts, firsts, strict=True):
        origins = np.arange(max(first, model.lookback_), len(one) - model.horizon + 1, step)
        if not len(origins):
            raise UserError(f"backtest: {one.name} has no {model.horizon} steps after its start")
        one.unit = part.unit
        found = model.ahead(one, origins)
        truth = one.values[origins[:, None] + np.arange(model.horizon)]
        known = np.isfinite(truth).all(axis=1)
        history = filled(part.values)
        plain = _naive(filled(one.values), origins, model.horizon, season)[..., None]
        scale = (history.mean(), history.std() or 1.0) if standardised else (0.0, 1.0)
        for name, forecast in (("model", found), ("seasonal naive", plain)):
            marks = _marks(
                (truth[known] - scale[0]) / scale[1],
                (forecast[known] - scale[0]) / scale[1],
                model.levels if name == "model" else (0.5,),
                middle if name == "model" else 0,
            )
            error = naive_error(history, season) / scale[1]
            marks["MASE"] = marks["MAE"] / error
            rows.append({"series": one.name, "by": name, "origins": int(known.sum()), **marks})
    table = pd.DataFrame(rows)
    by: Any = table.groupby("by", sort=False)
    means = by.mean(numeric_only=True).reset_index()
    means["origins"] = by["origins"].sum().to_numpy()
    return pd.concat([table, means.assign(series="all")], ignore_index=True)


def _naive(values: np.ndarray, origins: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """The value of the last season that was known, at each step to come."""
    steps = np.arange(horizon)
    back = season * (steps // season + 1)
    return values[np.maximum(origins[:, None] + steps - back, 0)]


def _marks(
    truth: np.ndarray, found: np.ndarray, levels: tuple[float, ...], middle: int
) -> dict[str, float]:
    best = found[..., middle]
    marks = {"MSE": mse(truth, best), "MAE": mae(truth, best), "sMAPE": smape(truth, best)}
    if len(levels) > 1:
        losses = [pinball(truth, found[..., k], level) for k, level in enumerate(levels)]
        marks["pinball"] = float(np.mean(losses))
        marks["coverage"] = coverage(truth, found[..., 0], found[..., -1])
    return marks
