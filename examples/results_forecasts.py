"""Forecasts of real series beside baselines, which learn and forecast from the same origins.

python examples/results_forecasts.py airline --seeds 3
python examples/results_forecasts.py etth1 --horizon 96
"""

import argparse
import time

import numpy as np
import pandas as pd

from tapehead.datasets import load_series
from tapehead.estimators import Forecaster, backtest
from tapehead.estimators.forecast_baselines import BASELINES

# Horizon, steps looked back on, season, and the share that is learned from.
SETTINGS = {
    "airline": (12, 36, 12, 0.75),
    "sunspots": (24, 264, 132, 0.8),
    "temperatures": (14, 56, 365, 0.8),
    "pollution": (24, 168, 24, 0.8),
    "sp500": (5, 60, 1, 0.8),
}
# The 12, 4 and 4 months of the papers on long horizons.
TRAIN, VALIDATION, TEST = 8640, 2880, 2880
SHOWN = ["MSE", "MAE", "MASE", "pinball", "coverage", "DM"]


def one(name, seed, verbose, beside):
    """A single series; of the pollution what the weather was is known."""
    horizon, lookback, season, start = SETTINGS[name]
    series = load_series(name)
    names = {"horizon": horizon, "lookback": lookback}
    if name == "sp500":
        X = 100 * np.diff(np.log(series.values[:, 3]))
    else:
        X = pd.DataFrame(
            {"time": series.times, **dict(zip(series.columns, series.values.T, strict=True))}
        )
        names |= {"time": "time", "target": series.columns[0], "past": series.columns[1:]}
    model = Forecaster(**names, random_state=seed, verbose=verbose)
    return backtest(model, X, start=start, season=season, baselines=beside)


def etth1(horizon, bands, seed, verbose, beside):
    """All seven columns, one network; errors in deviations of the training months."""
    values = load_series("etth1").values[: TRAIN + VALIDATION + TEST]
    values = (values - values[:TRAIN].mean(axis=0)) / values[:TRAIN].std(axis=0)
    model = Forecaster(
        horizon=horizon,
        lookback=336,
        segment=24,
        held_out=VALIDATION / (TRAIN + VALIDATION),
        random_state=seed,
        verbose=verbose,
        **({} if bands else {"quantiles": None}),
    )
    start = (TRAIN + VALIDATION) / len(values)
    return backtest(model, values, start=start, every=1, season=24, baselines=beside)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", choices=[*SETTINGS, "etth1"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--horizon", type=int, default=96, help="of etth1")
    parser.add_argument("--bands", action="store_true", help="quantiles of etth1")
    parser.add_argument("--alone", action="store_true", help="without baselines")
    parser.add_argument("--verbose", type=int, default=0)
    given = parser.parse_args()
    found = []
    for seed in range(given.seeds):
        began = time.perf_counter()
        beside = () if seed or given.alone else tuple(BASELINES)
        if given.data == "etth1":
            marks = etth1(given.horizon, given.bands, seed, given.verbose, beside)
        else:
            marks = one(given.data, seed, given.verbose, beside)
        marks = marks[marks.series == "all"].set_index("by")
        found.append(marks.loc["model"])
        shown = marks[[name for name in SHOWN if name in marks]]
        print(shown.to_string(float_format=lambda x: f"{x:.4f}", na_rep="–"))
        print(f"{given.data}, seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    over = pd.DataFrame(found)
    for name in [n for n in SHOWN if n in over and n != "DM"]:
        values = over[name].to_numpy(float)
        low, middle, high = np.quantile(values, [0, 0.5, 1])
        print(f"{name}: median {middle:.4f} (lowest {low:.4f}, highest {high:.4f})")


if __name__ == "__main__":
    main()
