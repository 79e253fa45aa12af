"""`tapehead fit forecast DATA`: a forecaster, with a page about it."""

from argparse import Namespace
from typing import Any

PATHS = 5
"""Sample paths that are drawn in a picture."""


def forecast(given: Namespace, table: Any, command: str) -> int:
    """Forecast."""
    import numpy as np

    from tapehead.cli.fit import conclude, settings
    from tapehead.estimators import Forecaster, backtest
    from tapehead.estimators.forecast_baselines import BASELINES, available
    from tapehead.inspection.report.content import Tile
    from tapehead.inspection.report.fitted import Fan

    model = Forecaster(
        horizon=given.horizon,
        lookback=given.lookback,
        segment=given.segment,
        target=given.target,
        past=tuple(given.past),
        future=tuple(given.future),
        **settings(given),
    )
    series = model.read(table)
    parts = [one.until(int(len(one) * (1 - given.test))) for one in series]
    model.fit_series(parts)
    marks = backtest(
        model,
        table,
        start=1 - given.test,
        season=given.season,
        baselines=available(),
        fitted=True,
    )
    whole = marks[marks.series == "all"].drop(columns="series").set_index("by")
    shown = [
        [by, *("–" if np.isnan(value) else f"{value:.4g}" for value in row)]
        for by, row in whole.iterrows()
    ]
    fans, rng = [], np.random.RandomState(given.seed)
    for one, part in list(zip(series, parts, strict=True))[:6]:
        end = min(len(part), len(one) - model.horizon)
        if end < model.lookback_:
            continue
        fan = model.ahead(one, np.array([end]))[0]
        before = one.values[max(0, end - 3 * model.horizon) : end]
        after = one.values[end : end + model.horizon]
        paths = np.zeros((0, model.horizon))
        if model.calibration_.errors_known:
            paths = model.paths_after(one.until(end), PATHS, rng)
        fans.append(Fan(one.name, before, after, fan, model.levels.index(0.5), paths))
    mine, naive = whole.loc["model", "MAE"], whole.loc["seasonal naive", "MAE"]
    tiles = [
        Tile("MAE", f"{mine:.4g}", f"seasonal naive {naive:.4g}"),
        Tile("coverage", f"{whole.loc['model', 'coverage']:.0%}", "of the 80 % intervals"),
        Tile("series", str(len(series))),
        Tile("steps looked back on", str(model.lookback_)),
    ]
    split = (
        f"The first {1 - given.test:.0%} of each series to learn from and stop by; forecasts of "
        f"{given.horizon} steps from origins in the rest."
    )
    if (networks := len(model.best_update_) // model.ensemble) > 1:
        split += f" {networks} networks each leave out another part of the former to stop by."
    # What the model goes on from is the end of the data, which it has not been taught.
    model.series_ = series
    scored = verdict(whole)
    lacking = [name for name in BASELINES if name not in whole.index]
    if lacking:
        scored += f" Not shown: {lacking[0]} (pip install 'tapehead[baselines]')."
    print(scored)
    scores = (["by", *map(str, whole.columns)], shown)
    return conclude(given, model, table, command, tiles, split, scores, fans=fans, scored=scored)


def verdict(scores: Any) -> str:
    """What forecasts are worth beside baselines, in words.

    **Arguments:**

    - `scores`: of a backtest, a row for the model and each baseline.
    """
    beside = scores.drop(index="model")
    lower = beside["MAE"] > scores.loc["model", "MAE"]
    sure = beside["DM"] >= 2
    said = ["On what was neither learned from nor stopped by."]
    for chosen, words in (
        (lower & sure, "The network errs less than {}."),
        (lower & ~sure, "It errs less than {} too, but by less than two standard errors (DM)."),
        (~lower, "The network is no better than {}."),
    ):
        if chosen.any():
            said.append(words.format(", ".join(beside.index[chosen])))
    return " ".join(said)
