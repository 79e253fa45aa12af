"""`Forecaster`: what comes next in series, and how sure that is."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tapehead.errors import UserError, at_least
from tapehead.estimators.calibration import Calibration
from tapehead.estimators.export import forecasts
from tapehead.estimators.export.function import Ways, What
from tapehead.estimators.network import recipe
from tapehead.estimators.schema import Scale
from tapehead.estimators.series import Series, calendar, measured, read_series, times_ahead
from tapehead.estimators.trained import Trained, read_through
from tapehead.tasks.given import Examples, Given, GivenQuantiles, GivenValues

WINDOWS = 20_000
"""Windows to learn from, at most; of more, evenly spaced ones are taken."""
LEAST = 24
"""Steps that are looked back on, at least, where the user does not say."""
FEW = 10
"""Stretches of what is forecast at once that are too few to calibrate by."""
FOLDS = 5
"""Parts that short series are cut into."""


class Forecaster(Trained):
    """Forecast many series at once by one recurrent network.

    ```python
    model = Forecaster(horizon=12, time="Month").fit(table)
    model.forecast()
    ```

    The network reads the last `lookback` steps of a series, and gives the quantiles of the next
    `at_once` steps in one go; a longer horizon is reached by reading its own medians (direct for
    `at_once=None`, recursive for 1). Each window is measured from its last value in units of its
    own deviation, so that levels and trends of any size are alike to it. All series, and all
    columns to be forecast, share the network.

    **Arguments:**

    - `model`, `size`: as of `SequenceClassifier`.
    - `horizon`: steps to forecast.
    - `lookback`: steps to read; `None`: three times what is forecast at once, at least 24, but no
      more than half of the shortest series.
    - `at_once`: steps that are given in one go; `None`: all of the horizon.
    - `segment`: consecutive steps that the network reads as one, so that it takes fewer of them
      over a long past (Lin et al., "SegRNN", 2023).
    - `quantiles`: levels of the quantiles, 0.5 among them; `None`: a single forecast of least
      squared error.
    - `id`, `time`, `target`, `past`, `future`: columns of a table: whose a row is, when it was,
      what is to be forecast (`None`: all other columns of numbers), what is known up to now, and
      what is known ahead.
    - `dates`: whether the network is told the hour, weekday and day of the year of dates.
    - `held_out`: the share of windows, the last in time, by which training is stopped and the
      quantiles are shifted to hold as often as they should (`Calibration`).
    - `folds`: 1 for that; a larger number cuts the windows into as many parts in time, and trains
      a network for each that does not learn from it, is stopped by it and calibrated by it. The
      forecast is the mean of these networks ("cross-conformal", Vovk 2015; Barber et al.,
      "Predictive inference with the jackknife+", 2021). `None`: 5 where the held-out share would
      be less than 10 stretches of what is forecast at once, else 1. Without `held_out`, none.
    - the others as of `SequenceClassifier`.
    """

    kind = "forecaster"

    def __init__(
        self,
        model: Any = "gru",
        *,
        horizon: int = 12,
        lookback: int | None = None,
        at_once: int | None = None,
        segment: int = 1,
        quantiles: Sequence[float] | None = (0.1, 0.5, 0.9),
        id: Any = None,
        time: Any = None,
        target: Any = None,
        past: Sequence[Any] = (),
        future: Sequence[Any] = (),
        dates: bool = True,
        size: str = "medium",
        held_out: float = 0.15,
        folds: int | None = None,
        max_updates: int = 1500,
        batch: int = 64,
        learning_rate: float = 3e-3,
        dropout: float = 0.0,
        patience: int = 10,
        ensemble: int = 1,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.model = model
        self.horizon = horizon
        self.lookback = lookback
        self.at_once = at_once
        self.segment = segment
        self.quantiles = quantiles
        self.id = id
        self.time = time
        self.target = target
        self.past = past
        self.future = future
        self.dates = dates
        self.size = size
        self.held_out = held_out
        self.folds = folds
        self.max_updates = max_updates
        self.batch = batch
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.patience = patience
        self.ensemble = ensemble
        self.random_state = random_state
        self.verbose = verbose

    # -- settings -----------------------------------------------------------------------------

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the quantiles; of a single forecast 0.5, in the middle."""
        return (0.5,) if self.quantiles is None else tuple(self.quantiles)

    @property
    def _block(self) -> int:
        """Steps that are given in one go."""
        return self.horizon if self.at_once is None else min(self.at_once, self.horizon)

    def _check_settings(self) -> None:
        super()._check_settings()
        at_least("Forecaster", 1, horizon=self.horizon, segment=self.segment)
        if self.at_once is not None:
            at_least("Forecaster", 1, at_once=self.at_once)
        if self.folds is not None:
            at_least("Forecaster", 1, folds=self.folds)
        levels = self.levels
        if list(levels) != sorted(set(levels)) or not all(0 < q < 1 for q in levels):
            raise UserError(f"Forecaster: quantiles must rise, between 0 and 1, got {list(levels)}")
        if 0.5 not in levels:
            raise UserError(f"Forecaster: 0.5 must be among the quantiles, got {list(levels)}")

    def read(self, X: Any, least: int = 1) -> list[Series]:
        """The series in `X`, each of at least so many steps."""
        return read_series(
            X,
            id=self.id,
            time=self.time,
            target=self.target,
            past=self.past,
            future=self.future,
            dates=self.dates,
            least=least,
        )

    # -- windows ------------------------------------------------------------------------------

    def _windows(
        self, series: Series, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The inputs `(windows, steps, features)` before `ends`, and each window's level and unit.

        At each step stand the value and the past covariates, and what is known ahead of it and of
        the step `at_once` later: over the last steps the network so hears all that is known of
        those it is to forecast.
        """
        steps = ends[:, None] + np.arange(-self.lookback_, 0)
        values, level, unit = measured(series, ends, self.lookback_)
        parts = [values[..., None]]
        if series.past.shape[1]:
            parts.append(self.past_scale_.apply(series.past[steps]))
        if series.known.shape[1]:
            known = self.known_scale_.apply(series.known)
            later = np.minimum(steps + self._block, len(known) - 1)
            parts += [known[steps], known[later]]
        inputs = np.concatenate(parts, axis=-1)
        shape = (len(ends), self.lookback_ // self.segment, -1)
        return inputs.reshape(shape).astype(np.float32), level, unit

    def task(self) -> Given:
        """The steps to come, or their quantiles, after a window."""
        if self.quantiles is None:
            return GivenValues(self.features_, self._block)
        return GivenQuantiles(self.features_, self._block * len(self.levels), levels=self.levels)

    def _examples(
        self, series: list[Series], ends: list[np.ndarray]
    ) -> tuple[Examples, np.ndarray]:
        """Windows and what follows them, in each window's own units.

        A window counts as its unit does among those of its series, for an absolute error; squared
        for a squared one: so what is learned is to err little in the units of the series.
        """
        inputs, targets, counts = [], [], []
        for one, at in zip(series, ends, strict=True):
            if not len(at):
                continue
            read, level, unit = self._windows(one, at)
            after = one.values[at[:, None] + np.arange(self._block)]
            inputs.append(read)
            targets.append((after - level) / unit)
            counts.append((unit[:, 0] / one.unit) ** (2 if self.quantiles is None else 1))
        read, wanted, count = (np.concatenate(parts) for parts in (inputs, targets, counts))
        ones = np.ones(read.shape[:2])
        last = np.zeros(read.shape[:2])
        last[:, -1] = count / count.mean()
        made = Examples.of(list(read), list(ones), list(wanted[:, None]), list(last))
        return made, wanted

    # -- learning -----------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from series.

        **Arguments:**

        - `X`: an array `(time,)` or `(time, series)`, a list of arrays `(time,)`, or a table whose
          columns `id`, `time`, `target`, `past` and `future` name.
        - `y`: not used.

        **Raises:** `UserError` for what cannot be learned from; `Diverged` if a number became NaN
        or infinite.
        """
        return self.fit_series(self.read(X))

    def fit_series(self, series: list[Series]) -> Self:
        """As `fit`, for series that have been read."""
        self._check_settings()
        shortest = min(map(len, series))
        most = shortest - 2 * self._block
        if most < 1:
            raise UserError(
                f"Forecaster: a series has {shortest} steps, too few to learn to forecast "
                f"{self._block} at once; at least {2 * self._block + 1} are needed"
            )
        back = max(3 * self._block, LEAST) if self.lookback is None else self.lookback
        if self.lookback is None:
            back = max(self.segment, min(back, most, max(1, shortest // 2)))
            back -= back % self.segment
        at_least("Forecaster", self.segment, lookback=back)
        if back % self.segment:
            raise UserError(
                f"Forecaster: lookback must be a multiple of segment, got {back} and {self.segment}"
            )
        if back > most:
            raise UserError(
                f"Forecaster: a series has {shortest} steps, too few to look back on {back} and "
                f"forecast {self._block}"
            )
        self.lookback_ = back
        self.past_scale_ = Scale.of(np.concatenate([one.past for one in series]))
        self.known_scale_ = Scale.of(np.concatenate([one.known for one in series]))
        rng = check_random_state(self.random_state)

        self.recipe_ = recipe(self.model, self.size, pool="none", dropout=self.dropout)
        # The learning curve that is kept is that of the last part in time.
        folds = self._folds(series)
        weights, best, checked = [], [], []
        for fold in range(folds):
            learned, held = self._ends(series, fold, folds)
            examples, _ = self._examples(series, learned)
            test, truth = self._examples(series, held) if any(map(len, held)) else (None, None)
            self.features_ = examples.inputs.shape[-1]
            self._train((examples,), None if test is None else (test,), seed=rng.randint(2**31 - 1))
            weights.append(self.weights_)
            best += self.best_update_
            if test is not None:
                checked.append((self._answered(test.inputs[: int(test.size)]), truth))
        self.weights_ = {name: np.concatenate([w[name] for w in weights]) for name in weights[0]}
        self.best_update_ = best
        self.calibration_ = Calibration.none(self.levels, self._block)
        if checked and self.quantiles is not None:
            found, truth = (np.concatenate(part) for part in zip(*checked, strict=True))
            self.calibration_ = Calibration.of(self.levels, found, truth)
        # What the next forecast begins from, and the scale of each series.
        self.series_ = series
        return self

    def _folds(self, series: list[Series]) -> int:
        """Parts that the windows are cut into; see `folds`."""
        windows = [len(one) - self.lookback_ - self._block + 1 for one in series]
        if self.folds is not None and self.folds > max(windows):
            raise UserError(
                f"Forecaster: {max(windows)} windows are too few for folds={self.folds}"
            )
        if not self.held_out:
            return 1
        if self.folds is not None:
            return self.folds
        few = self.held_out * sum(windows) < FEW * self._block
        return FOLDS if few and min(windows) >= 2 * FOLDS else 1

    def _ends(
        self, series: list[Series], fold: int, folds: int
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Where windows to learn from end in each series, and windows to stop by.

        The latter are the last ones, or the part of this number.
        """
        learned, held = [], []
        total = sum(max(0, len(one) - self.lookback_ - self._block + 1) for one in series)
        stride = math.ceil(total / WINDOWS)
        for one in series:
            ends = np.arange(self.lookback_, len(one) - self._block + 1)
            whole = np.isfinite(one.values)
            after = np.all(np.lib.stride_tricks.sliding_window_view(whole, self._block), axis=1)
            count = len(ends)
            first, last = count - int(count * self.held_out), count
            if folds > 1:
                first, last = (count * n // folds for n in (fold, fold + 1))
            # No step that is learned to be forecast is among those that are held out.
            gap = self._block - 1 if count - (last - first) > 3 * self._block else 0
            gap = gap if last > first else 0
            early = np.concatenate([ends[: max(0, first - gap)], ends[last + gap :]])[::stride]
            late = ends[first:last:stride]
            learned.append(early[after[early]])
            held.append(late[after[late]])
        if not any(map(len, learned)):
            raise UserError("Forecaster: no window of the series is whole; too much is missing")
        return learned, held

    # -- answering ----------------------------------------------------------------------------

    def _answered(self, inputs: np.ndarray) -> Float[np.ndarray, "windows steps levels"]:
        """The quantiles of what follows each window, in its own units."""
        made, whole = np.zeros((len(inputs), self._block * len(self.levels))), [True] * len(inputs)
        for number, outputs in read_through(self.networks(), list(inputs), whole):
            made[number] = outputs[:, -1].mean(axis=0)
        return made.reshape(len(inputs), self._block, len(self.levels))

    def _next(self, series: Series, ends: np.ndarray) -> np.ndarray:
        """The quantiles of the steps after `ends`, `(ends, at_once, levels)`, in order."""
        return self._told(*self._windows(series, ends))

    def _told(self, inputs: np.ndarray, level: np.ndarray, unit: np.ndarray) -> np.ndarray:
        """The quantiles of what follows windows, in the units of the series."""
        found = self.calibration_.apply(self._answered(inputs))
        return found * unit[..., None] + level[..., None]

    def _extended(self, series: Series, future: Any) -> Series:
        """The series with what is known of the steps to come."""
        if not series.known.shape[1]:
            return series
        lacking = len(series) + self.horizon - len(series.known)
        if lacking <= 0:
            return series
        parts = []
        if self.future:
            if future is None or len(future) < lacking:
                raise UserError(
                    f"Forecaster: future covariates of {lacking} steps are needed; give a table of "
                    f"{', '.join(map(str, self.future))} as future="
                )
            parts.append(future[list(self.future)].to_numpy(np.float64)[:lacking])
        if self.dates and series.times is not None and series.known.shape[1] > len(self.future):
            whole = np.concatenate([series.times, times_ahead(series.times, lacking)])
            parts.append(calendar(whole)[-lacking:])
        known = np.concatenate([series.known, np.concatenate(parts, axis=1)])
        return dataclasses.replace(series, known=known)

    def ahead(self, series: Series, ends: np.ndarray) -> Float[np.ndarray, "ends horizon levels"]:
        """The forecasts that are made at each of the `ends`, from what was known there."""
        if self._block >= self.horizon:
            return self._next(series, ends)[:, : self.horizon]
        made, middle = [], self.levels.index(0.5)
        for end in ends:
            until, parts = series.until(int(end)), []
            while sum(map(len, parts)) < self.horizon:
                block = self._next(until, np.array([len(until)]))[0]
                parts.append(block)
                until = until.followed_by(block[:, middle])
            made.append(np.concatenate(parts)[: self.horizon])
        return np.stack(made)

    def paths_after(
        self, series: Series, count: int, rng: np.random.RandomState
    ) -> Float[np.ndarray, "count horizon"]:
        """Ways on which a series may go on from its end; see `sample_paths`."""
        if len(self.levels) < 2:
            raise UserError(
                "Forecaster: sample paths want quantiles beside 0.5, as (0.1, 0.5, 0.9)"
            )
        if not self.calibration_.errors_known:
            raise UserError(
                "Forecaster: sample paths want windows that were held out; set held_out above 0"
            )
        ways, parts = [series], []
        while True:
            windows = [self._windows(way, np.array([len(way)])) for way in ways]
            found = self._told(*(np.concatenate(part) for part in zip(*windows, strict=True)))
            found = np.broadcast_to(found, (count, *found.shape[1:]))
            parts.append(self.calibration_.paths(found, rng))
            if len(parts) * self._block >= self.horizon:
                return np.concatenate(parts, axis=1)[:, : self.horizon]
            ways = ways * (count // len(ways))
            ways = [way.followed_by(part) for way, part in zip(ways, parts[-1], strict=True)]

    def predict_quantiles(
        self, X: Any = None, future: Any = None
    ) -> Float[np.ndarray, "series horizon levels"]:
        """The quantiles of the steps after the end of each series.

        **Arguments:**

        - `X`: series as in `fit`, at least as long as what is looked back on; `None`: those of
          `fit`.
        - `future`: a table of the future covariates' next steps, the same for all series.
        """
        return np.stack([found for _, found in self._forecasts(X, future)])

    def _forecasts(self, X: Any, future: Any) -> list[tuple[Series, np.ndarray]]:
        """Each series with the quantiles of the steps after its end, `(horizon, levels)`."""
        return [
            (one, self.ahead(one, np.array([len(one)]))[0]) for one in self._going_on(X, future)
        ]

    def _going_on(self, X: Any, future: Any) -> list[Series]:
        """The series to be forecast, with what is known of the steps to come."""
        check_is_fitted(self, "weights_")
        made = []
        for one in self.series_ if X is None else self.read(X, least=self.lookback_):
            self._expect_alike(one)
            made.append(self._extended(one, future))
        return made

    def _expect_alike(self, series: Series) -> None:
        if series.known.shape[1] != len(self.known_scale_.mean):
            raise UserError(
                f"Forecaster: {series.name} has {series.known.shape[1]} columns that are known "
                f"ahead, dates included, where fit had {len(self.known_scale_.mean)}"
            )

    def predict(self, X: Any = None, future: Any = None) -> Float[np.ndarray, "series horizon"]:
        """The median of the steps after the end of each series; see `predict_quantiles`."""
        return self.predict_quantiles(X, future)[..., self.levels.index(0.5)]

    def sample_paths(
        self, n: int = 100, X: Any = None, future: Any = None, *, random_state: Any = None
    ) -> Float[np.ndarray, "series n horizon"]:
        """Ways on which each series may go on, all equally likely.

        Quantiles say how far each step may stray, by itself; paths how far the steps stray
        together, as it takes to know the spread of a sum, of a maximum or of the moment at which a
        level is passed. They are drawn by a Gaussian copula of what was missed on the windows that
        were held out; see `Calibration`. Where the horizon takes several blocks (`at_once`), each
        block is drawn after the path so far, so that paths spread on, which the bands of such a
        forecast do not. Series are drawn independently of one another.

        **Arguments:**

        - `n`: paths of each series.
        - `X`, `future`: as of `predict_quantiles`.
        - `random_state`: of the draw; `None`: that of the forecaster.

        **Raises:** `UserError` if there are no quantiles beside 0.5, or nothing was held out.
        """
        at_least("Forecaster", 1, n=n)
        rng = check_random_state(self.random_state if random_state is None else random_state)
        return np.stack([self.paths_after(one, n, rng) for one in self._going_on(X, future)])

    def forecast(
        self, X: Any = None, future: Any = None, *, paths: int = 0, random_state: Any = None
    ) -> pd.DataFrame:
        """The forecasts as a table: `series`, `time` or `step`, and a column for each quantile.

        With `paths`, columns of as many sample paths follow; see `sample_paths`.
        """
        drawn = self.sample_paths(paths, X, future, random_state=random_state) if paths else None
        tables = []
        for number, (one, quantiles) in enumerate(self._forecasts(X, future)):
            steps = np.arange(1, self.horizon + 1)
            when = (
                {"step": steps}
                if one.times is None
                else {"time": times_ahead(one.times, len(steps))}
            )
            columns = {f"q{level:g}": quantiles[:, k] for k, level in enumerate(self.levels)}
            if drawn is not None:
                columns |= {f"path {k + 1}": path for k, path in enumerate(drawn[number])}
            tables.append(pd.DataFrame({"series": one.name, **when, **columns}))
        return pd.concat(tables, ignore_index=True)

    # -- files --------------------------------------------------------------------------------

    def functions(self, what: What) -> Ways:
        """Windows to quantiles."""
        return forecasts.ways(self, what)

    def legend(self) -> dict[str, Any]:
        """What goes in beside values, in which order, and the unit of each series."""
        return forecasts.legend(self)

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data; of the series only their ends."""
        check_is_fitted(self, "weights_")

        def tail(one: Series) -> dict[str, Any]:
            keep = slice(-2 * self.lookback_ - 2, None)
            times = None if one.times is None else one.times[keep]
            dated = times is not None and np.issubdtype(times.dtype, np.datetime64)
            return {
                "name": one.name,
                "values": [None if np.isnan(x) else float(x) for x in one.values[keep]],
                "past": one.past[keep].tolist(),
                "known": one.known[: len(one)][keep].tolist(),
                "unit": one.unit,
                "dated": dated,
                "times": None if times is None else times.astype(str if dated else float).tolist(),
            }

        return {
            **super().learned(),
            "features": self.features_,
            "lookback": self.lookback_,
            "past_scale": self.past_scale_.to_json(),
            "known_scale": self.known_scale_.to_json(),
            "calibration": self.calibration_.to_json(),
            "series": [tail(one) for one in self.series_],
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.features_ = int(data["features"])
        self.lookback_ = int(data["lookback"])
        self.past_scale_ = Scale.from_json(data["past_scale"])
        self.known_scale_ = Scale.from_json(data["known_scale"])
        self.calibration_ = Calibration.from_json(data["calibration"])
        self.series_ = [
            Series(
                str(one["name"]),
                np.array(one["values"], float),
                np.array(one["past"], float).reshape(len(one["values"]), -1),
                np.array(one["known"], float).reshape(len(one["values"]), -1),
                None
                if one["times"] is None
                else np.array(one["times"], "datetime64[ns]" if one["dated"] else float),
                float(one["unit"]),
            )
            for one in data["series"]
        ]
