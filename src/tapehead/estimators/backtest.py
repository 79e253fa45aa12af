"""`backtest`: how good forecasts would have been."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tapehead.errors import UserError, at_least
from tapehead.estimators.forecast_baselines import BASELINES
from tapehead.estimators.forecaster import Forecaster
from tapehead.estimators.measures import (
    coverage,
    diebold_mariano,
    mae,
    mse,
    naive_error,
    pinball,
    smape,
)
from tapehead.estimators.series import filled


def backtest(
    forecaster: Forecaster,
    X: Any,
    *,
    start: float = 0.8,
    every: int | None = None,
    season: int = 1,
    baselines: Sequence[str] = ("seasonal naive",),
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
    - `season`: steps in a season, for the baselines, and for MASE.
    - `baselines`: what stands beside, learns from the same beginnings and forecasts from the same
        origins: names of `BASELINES`, "seasonal naive", "constant", "exponential smoothing" (which
        needs statsmodels) and "gradient boosting".
    - `standardised`: measure errors in deviations of the part that was learned from, as papers on
        long horizons do.
    - `fitted`: `forecaster` has seen the beginnings already, and is not fitted anew.

    **Returns:** a table with a row for each series, one for all together, and as much for each
    baseline: `origins`, `MSE`, `MAE`, `sMAPE`, `MASE` of the median, where there are quantiles
    `pinball`, their mean loss, and `coverage` between the lowest and highest; and of a baseline
    `DM`, the Diebold-Mariano statistic of the network's gain over it: by how many standard errors
    its scaled absolute error at an origin, the mean over series, is below the baseline's.

    **Raises:** `UserError` if a series is too short, for an unknown baseline or one whose library
    is missing.
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
    beside = {name: BASELINES[name](model, parts, season) for name in baselines}
    gains: dict[str, list[pd.Series]] = {name: [] for name in beside}
    overlap = math.ceil(model.horizon / step) - 1
    for number, (one, part, first) in enumerate(zip(series, parts, firsts, strict=True)):
        origins = np.arange(max(first, model.lookback_), len(one) - model.horizon + 1, step)
        if not len(origins):
            raise UserError(f"backtest: {one.name} has no {model.horizon} steps after its start")
        one.unit = part.unit
        truth = one.values[origins[:, None] + np.arange(model.horizon)]
        whole = np.isfinite(truth).all(axis=1)
        if not whole.any():
            raise UserError(f"backtest: {one.name} has no {model.horizon} known steps in a row")
        origins, truth = origins[whole], truth[whole]
        history = filled(part.values)
        centre, unit = (history.mean(), history.std() or 1.0) if standardised else (0.0, 1.0)
        error = naive_error(history, season)
        found = {"model": model.ahead(one, origins)}
        found |= {name: ahead(number, one, origins)[..., None] for name, ahead in beside.items()}
        off = {
            name: np.abs(truth - made[..., middle if name == "model" else 0]).mean(axis=1) / error
            for name, made in found.items()
        }
        for name, made in found.items():
            marks = _marks(
                (truth - centre) / unit,
                (made - centre) / unit,
                model.levels if name == "model" else (0.5,),
                middle if name == "model" else 0,
            )
            marks["MASE"] = float(off[name].mean())
            if name != "model":
                gain = pd.Series(off[name] - off["model"], index=origins - len(one))
                gains[name].append(gain)
                marks["DM"] = diebold_mariano(gain.to_numpy(), overlap)
            rows.append({"series": one.name, "by": name, "origins": len(origins), **marks})
    table = pd.DataFrame(rows)
    by: Any = table.groupby("by", sort=False)
    means = by.mean(numeric_only=True).reset_index()
    means["origins"] = by["origins"].sum().to_numpy()
    for name, apart in gains.items():
        # Series are not independent of one another: what they say of one moment is one number.
        together = pd.concat(apart, axis=1).mean(axis=1).sort_index().to_numpy()
        means.loc[means.by == name, "DM"] = diebold_mariano(together, overlap)
    return pd.concat([table, means.assign(series="all")], ignore_index=True)


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
