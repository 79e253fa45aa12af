"""Data as people have it, read as a list of sequences."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tapehead.errors import UserError, nearest

Form = Literal["scalars", "steps", "table", "text"]
"""How sequences were given: as rows of numbers, each number a step; as matrices `(time, columns)`;
as tables whose columns have names; as text."""

Raw = np.ndarray | pd.DataFrame | str
"""One sequence as it was given: a matrix `(time, columns)`, a table or a text."""


@dataclass
class Read:
    """Sequences as they were given.

    **Attributes:**

    - `form`: what they are.
    - `sequences`: one after another.
    - `rows`: where sequences were cut out of one table, the positions of their rows in it, in order
        of time.
    - `keys`: the ids of those.
    """

    form: Form
    sequences: list[Any]
    rows: list[np.ndarray] | None = None
    keys: list[Any] | None = None


def one_line(error: Exception) -> UserError:
    """Somebody else's message as ours."""
    return UserError(" ".join(str(error).split()))


def expect_column(table: pd.DataFrame, name: Any, what: str) -> None:
    """Refuse a table that lacks the column `name`, which is its `what`."""
    if name not in table.columns:
        known = [str(column) for column in table.columns]
        raise UserError(
            f"table: has no column '{name}' for the {what}{nearest(str(name), known)} "
            f"(it has {', '.join(known[:20])}{', ...' if len(known) > 20 else ''})"
        )


def stamps(table: pd.DataFrame, time: Any) -> pd.Series:
    """The time column as numbers or dates. **Raises:** `UserError` naming what is neither."""
    column: Any = table[time]
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            column = pd.to_datetime(column, errors="coerce", format="mixed")
    wrong = column.isna().to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"table: '{table[time].iloc[row]}' in column '{time}', row {row + 1}, is neither a "
            "number nor a date"
        )
    return column


def cut_table(table: pd.DataFrame, id: Any, time: Any) -> tuple[list[Any], list[np.ndarray]]:
    """The ids in a long table, in the order they first occur, and the rows of each, by time.

    Rows that are not in order of time are put in order, and steps of time that differ are let
    pass; a warning names the first of either. Without an `id` all rows are one sequence, without
    a `time` their order is kept.

    **Raises:** `UserError` for columns that are missing, rows without id, and two rows of one id
    with one time.
    """
    if not len(table):
        raise UserError("table: has no rows")
    if id is None:
        keys, groups = [None], [np.arange(len(table))]
    else:
        expect_column(table, id, "id")
        codes, found = pd.factorize(table[id])
        if (codes < 0).any():
            raise UserError(f"table: row {int((codes < 0).argmax()) + 1} has no '{id}'")
        keys = list(found)
        order = np.argsort(codes, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    if time is None:
        return keys, list(groups)
    expect_column(table, time, "time")
    when = stamps(table, time).to_numpy()
    unsorted, uneven, made = [], [], []
    for key, rows in zip(keys, groups, strict=True):
        here = when[rows]
        who = f"'{key}'" if id is not None else "the table"
        if (here[1:] < here[:-1]).any():
            unsorted.append(who)
            rows = rows[np.argsort(here, kind="stable")]
            here = when[rows]
        steps = np.diff(here)
        if len(steps) and (steps == 0 * steps).any():
            twice = here[1:][steps == 0 * steps][0]
            raise UserError(f"table: {who} has two rows at time {_shown(twice)}; keep one of them")
        if len(steps) and steps.max() != steps.min() and frequency(here) is None:
            uneven.append(f"{who} (from {_shown(steps.min())} to {_shown(steps.max())})")
        made.append(rows)
    if unsorted:
        warnings.warn(
            f"table: rows are not in order of '{time}' in {_some(unsorted)}; they were sorted",
            stacklevel=2,
        )
    if uneven:
        warnings.warn(
            f"table: steps of '{time}' differ in {_some(uneven)}; they are taken as equal",
            stacklevel=2,
        )
    return keys, made


def frequency(times: np.ndarray) -> Any:
    """The rule by which dates follow one another, such as months or working days, or `None`."""
    if not np.issubdtype(times.dtype, np.datetime64) or len(times) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas announces that the kind of the result will change
        return pd.infer_freq(pd.DatetimeIndex(times))


def _shown(value: Any) -> str:
    if isinstance(value, np.timedelta64):
        return str(pd.Timedelta(value))
    if isinstance(value, np.datetime64):
        return str(pd.Timestamp(value))
    return f"{value:g}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def is_text(X: Any) -> bool:
    """Whether these are texts."""
    if isinstance(X, pd.Series):
        X = X.to_numpy()
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and (X.dtype.kind == "U" or (len(X) > 0 and isinstance(X[0], str)))
    return isinstance(X, list | tuple) and len(X) > 0 and isinstance(X[0], str)


def is_ragged(X: Any) -> bool:
    """Whether this is a list of arrays or tables rather than one array."""
    if isinstance(X, pd.Series):
        X = X.to_numpy()
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and X.dtype == object and len(X) > 0 and not np.isscalar(X[0])
    if not isinstance(X, list | tuple) or not len(X):
        return False
    if all(isinstance(x, pd.DataFrame | pd.Series) for x in X):
        return True
    if all(isinstance(x, np.ndarray) for x in X):
        return any(x.ndim > 1 for x in X) or len({x.shape for x in X}) > 1
    if all(isinstance(x, list | tuple) for x in X):
        return len({len(x) for x in X}) > 1 or any(
            isinstance(x[0], list | tuple | np.ndarray) for x in X if len(x)
        )
    return any(isinstance(x, np.ndarray | pd.DataFrame) for x in X)


def texts(X: Any) -> list[str]:
    """A list of texts. **Raises:** `UserError` naming what is none."""
    given = list(X)
    for number, text in enumerate(given):
        if not isinstance(text, str):
            raise UserError(f"X: sequence {number} should be text, got {text!r}")
        if not text.strip():
            raise UserError(f"X: text {number} is empty")
    return given


def matrices(X: Any) -> tuple[Form, list[Any]]:
    """Each sequence as a matrix `(time, columns)` in float64, or as a table.

    **Raises:** `UserError` naming the sequence that is none, or unlike the first.
    """
    if isinstance(X, np.ndarray) and X.ndim > 3:
        raise UserError(f"X: expected (samples, time, columns) at most, got shape {X.shape}")
    given = list(X.to_numpy() if isinstance(X, pd.Series) else X)
    if not given:
        raise UserError("X: has no sequences")
    if isinstance(given[0], pd.DataFrame):
        for number, table in enumerate(given):
            if not isinstance(table, pd.DataFrame):
                raise UserError(f"X: sequence {number} is no table, as the first is")
            if not len(table):
                raise UserError(f"X: sequence {number} is empty")
        return "table", given
    made = []
    for number, one in enumerate(given):
        try:
            array = np.asarray(one)
            if np.iscomplexobj(array):
                raise UserError(f"X: Complex data not supported, as in sequence {number}")
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"X: sequence {number} is not an array of numbers") from None
        if array.ndim == 1:
            array = array[:, None]
        if array.ndim != 2:
            raise UserError(
                f"X: sequence {number} should be (time, columns), got shape {array.shape}"
            )
        if not len(array):
            raise UserError(f"X: sequence {number} is empty")
        if made and array.shape[1] != made[0].shape[1]:
            raise UserError(
                f"X: sequence {number} has {array.shape[1]} columns where sequence 0 has "
                f"{made[0].shape[1]}"
            )
        made.append(array)
    if not made[0].shape[1]:
        raise UserError("X: sequences have no columns")
    return "steps", made
