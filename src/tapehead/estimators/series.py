"""Series to be forecast, as people have them."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from tapehead.errors import UserError
from tapehead.estimators.reading import cut_table, expect_column, frequency, stamps

DAY = np.timedelta64(1, "D")


@dataclass
class Series:
    """One series with what is known beside it.

    **Attributes:**

    - `name`: the column, and the id where there is one.
    - `values`: `(time,)`, NaN where one is missing.
    - `past`: `(time, columns)`, known up to now only.
    - `known`: `(time or more, columns)`, known ahead as well.
    - `times`: dates or numbers, `(time,)`; `None` if there are none.
    - `unit`: their deviation, or 1 if they are constant.
    """

    name: str
    values: Float[np.ndarray, " time"]
    past: Float[np.ndarray, "time columns"]
    known: Float[np.ndarray, "longer columns"]
    times: np.ndarray | None = None
    unit: float = 0.0

    def __post_init__(self):
        self.unit = self.unit or float(np.nanstd(self.values)) or 1.0

    def __len__(self) -> int:
        return len(self.values)

    def until(self, end: int) -> "Series":
        """The part before step `end`; what is known ahead stays known."""
        times = None if self.times is None else self.times[:end]
        return dataclasses.replace(
            self, values=self.values[:end], past=self.past[:end], times=times
        )

    def followed_by(self, values: Float[np.ndarray, " more"]) -> "Series":
        """The series with values that came after it, by which time nothing else had changed."""
        return dataclasses.replace(
            self,
            values=np.concatenate([self.values, values]),
            past=np.concatenate([self.past, np.repeat(self.past[-1:], len(values), axis=0)]),
        )


def filled(values: Float[np.ndarray, " time"]) -> Float[np.ndarray, " time"]:
    """The values, each missing one that before it; those before the first known one, that one."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return values[np.where(last < 0, int(known.argmax()), last)]


def measured(
    series: Series, ends: np.ndarray, lookback: int
) -> tuple[
    Float[np.ndarray, "windows lookback"],
    Float[np.ndarray, "windows 1"],
    Float[np.ndarray, "windows 1"],
]:
    """The windows before `ends`, from their last value in units of their own deviation.

    Returns them, that level and that unit; the unit has a floor, a tenth of the series' own.
    """
    values = filled(series.values)[ends[:, None] + np.arange(-lookback, 0)]
    level = values[:, -1:]
    unit = np.sqrt(values.var(axis=1, keepdims=True) + (0.1 * series.unit) ** 2)
    return (values - level) / unit, level, unit


def calendar(times: np.ndarray) -> Float[np.ndarray, "time features"]:
    """Sine and cosine of the hour, the weekday and the day of the year, where dates tell them.

    Hours where dates are less than a day apart, weekdays where they are less than a week apart.
    """
    when = pd.DatetimeIndex(times)
    step = np.median(np.diff(when.to_numpy())) if len(when) > 1 else DAY
    phases = [when.day_of_year.to_numpy() / 365.25]
    if step < DAY:
        phases.append((when.hour.to_numpy() + when.minute.to_numpy() / 60) / 24)
    if step < 7 * DAY:
        phases.append(when.day_of_week.to_numpy() / 7)
    turns = 2 * np.pi * np.stack(phases, axis=1)
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)


def times_ahead(times: np.ndarray, steps: int) -> np.ndarray:
    """The times of the next steps, as far apart as those before.

    Months go on as months, whatever their length.
    """
    rule = frequency(times)
    if rule is not None:
        return pd.date_range(times[-1], periods=steps + 1, freq=rule)[1:].to_numpy()
    step = np.median(np.diff(times)) if len(times) > 1 else 1
    return times[-1] + step * np.arange(1, steps + 1)


def _numbers(table: pd.DataFrame, names: Sequence[Any], what: str) -> np.ndarray:
    made = []
    for name in names:
        expect_column(table, name, what)
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise UserError(f"table: the {what} '{name}' is not numbers")
        made.append(table[name].to_numpy(np.float64, na_value=np.nan))
    return np.stack(made, axis=1) if made else np.zeros((len(table), 0))


def read_series(
    X: Any,
    *,
    id: Any = None,
    time: Any = None,
    target: Any = None,
    past: Sequence[Any] = (),
    future: Sequence[Any] = (),
    dates: bool = True,
    least: int = 1,
) -> list[Series]:
    """The series in an array, a list of arrays or a table; see `Forecaster.fit`.

    **Raises:** `UserError` for what is no series, or shorter than `least` steps.
    """
    found = _of_table(X, id, time, target, past, future) if isinstance(X, pd.DataFrame) else None
    if found is None:
        if past or future or target is not None or id is not None or time is not None:
            raise UserError(
                f"series: columns are named, so a table is expected, got {type(X).__name__}"
            )
        found = _of_arrays(X)
    for one in found:
        if len(one) < least:
            raise UserError(f"series: {one.name} has {len(one)} steps, at least {least} are needed")
        if dates and one.times is not None and np.issubdtype(one.times.dtype, np.datetime64):
            one.known = np.concatenate([one.known, calendar(one.times)], axis=1)
    return found


def _checked(name: str, values: np.ndarray) -> np.ndarray:
    if np.isinf(values).any():
        raise UserError(f"series: {name} contains infinity")
    if np.isnan(values).all():
        raise UserError(f"series: {name} is missing throughout")
    return values


def _of_arrays(X: Any) -> list[Series]:
    if isinstance(X, pd.Series):
        X = X.to_numpy()
    lists = isinstance(X, list | tuple) and len(X) > 0 and np.ndim(X[0]) > 0
    try:
        if lists:
            columns = [np.asarray(x, np.float64) for x in X]
        else:
            array = np.asarray(X, np.float64)
            if array.ndim not in (1, 2):
                raise UserError(
                    f"series: expected (time,) or (time, series), got shape {array.shape}"
                )
            columns = list(array.T) if array.ndim == 2 else [array]
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError("series: expected arrays of numbers") from None
    made = []
    for number, values in enumerate(columns):
        if values.ndim != 1 or not len(values):
            raise UserError(f"series: series {number} should be (time,), got {values.shape}")
        none = np.zeros((len(values), 0))
        name = f"series {number}"
        made.append(Series(name, _checked(name, values), none, none))
    if not made:
        raise UserError("series: there are none")
    return made


def _of_table(
    X: pd.DataFrame, id: Any, time: Any, target: Any, past: Sequence[Any], future: Sequence[Any]
) -> list[Series]:
    keys, rows = cut_table(X, id, time)
    if target is None:
        others = {id, time, *past, *future}
        targets = [c for c in X.columns if c not in others and pd.api.types.is_numeric_dtype(X[c])]
        if not targets:
            raise UserError("table: has no column of numbers to forecast")
    else:
        targets = [target] if isinstance(target, str) or np.isscalar(target) else list(target)
    values = _numbers(X, targets, "target")
    behind, known = _numbers(X, past, "past covariate"), _numbers(X, future, "future covariate")
    for names, matrix in ((past, behind), (future, known)):
        wrong = ~np.isfinite(matrix).all(axis=0)
        if wrong.any():
            raise UserError(f"table: covariate '{names[int(wrong.argmax())]}' has missing values")
    when = None if time is None else stamps(X, time).to_numpy()
    made = []
    for key, part in zip(keys, rows, strict=True):
        for number, column in enumerate(targets):
            name = str(column) if id is None else f"{column} of {key}"
            times = None if when is None else when[part]
            own = _checked(name, values[part, number])
            made.append(Series(name, own, behind[part], known[part], times))
    return made
