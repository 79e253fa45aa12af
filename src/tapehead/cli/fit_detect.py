"""`tapehead fit detect`: learn what is normal, and watch the rest of a table."""

from argparse import Namespace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tapehead.cli.fit import conclude, settings
from tapehead.errors import UserError
from tapehead.estimators import AnomalyDetector
from tapehead.estimators.baselines import plain_scores
from tapehead.estimators.reading import Read, cut_table, expect_column
from tapehead.estimators.surprises import runs, scores_of
from tapehead.estimators.thresholds import THRESHOLDS, Limit
from tapehead.inspection.report.content import Tile
from tapehead.inspection.report.fitted import Timeline

NONE = "–"
SHOWN = 6
"""Sequences whose scores are drawn, those with the lowest."""


def detect(given: Namespace, table: Any, command: str) -> int:
    """Detect anomalies: learn from what is normal in the first part, and watch the rest."""
    if given.threshold == "per-day" and given.time is None:
        raise UserError("fit detect: --threshold per-day needs --time, a column of dates")
    kind = THRESHOLDS[given.threshold]
    first = "budget" if given.threshold == "per-day" else "rate"
    chosen = kind() if given.rate is None else kind(**{first: given.rate})
    model = AnomalyDetector(method=given.method, threshold=chosen, **settings(given))
    table, truth = labelled(given, table)
    train, test, truth = parted(given, table, truth)
    model.fit(train)
    # Tables to come may hold it as well, and it is not to be looked at.
    model.target_ = None if given.target is None else given.target[0]
    read = model.read(test)
    scores = [scores_of(one) for one in model.surprises(read)]
    whole = np.array([model.of_steps(one) for one in scores])
    steps, sequences = model.step_limit_, limit_of(model, "sequences")
    share = NONE if sequences is None else f"{sequences.rate:.3%}"
    rows, found = marks(model, read, whole, np.concatenate(scores), truth)
    per_day = "" if model.per_day_ is None else f", {steps.rate * model.per_day_:.3g} a day"
    tiles = [
        Tile("alarms to expect", f"{steps.rate:.3%}", f"of normal steps{per_day}"),
        *found,
        Tile("false alarms", share, "to expect of normal sequences"),
        Tile("updates", str(model.n_updates_)),
    ]
    split = (
        f"{model.parts_['learned']} steps to learn from, {model.parts_['held_out']} to stop by and "
        f"to set the threshold by ({given.threshold}), {sum(map(len, scores))} to be watched."
    )
    table = (["on the test", "expected", "found"], rows)
    shown = drawn(model, test, read, scores)
    return conclude(given, model, train, command, tiles, split, table, timelines=shown)


def labelled(given: Namespace, table: Any) -> tuple[Any, np.ndarray | None]:
    """The table without its target, and whether each row belongs to an anomaly, if that is told."""
    if given.target is None:
        if given.normal is not None:
            raise UserError("fit detect: --normal needs --target, the column that says what is")
        return table, None
    if len(given.target) != 1 or given.normal is None:
        raise UserError(
            "fit detect: --target names one column, and --normal its value in what is normal"
        )
    (target,) = given.target
    expect_column(table, target, "target")
    normal = (table[target].astype(str) == given.normal).to_numpy()
    if not normal.any():
        known = sorted({str(value) for value in table[target]})
        raise UserError(
            f"fit detect: no '{target}' is '{given.normal}' (there are {', '.join(known[:10])})"
        )
    return table.drop(columns=target), ~normal


def parted(given: Namespace, table: Any, truth: Any) -> tuple[Any, Any, np.ndarray | None]:
    """What to learn from, what to watch, and which sequences of that are anomalies, if known.

    Of several sequences some are watched, and all that are known to be anomalies; of one series
    the end.
    """
    if given.id is None and given.time is not None:
        if truth is not None:
            raise UserError("fit detect: --target tells sequences apart, and this is one series")
        _, (rows,) = cut_table(table, None, given.time)
        cut = int(len(rows) * (1 - given.test))
        if cut < 2 or cut == len(rows):
            raise UserError(f"fit detect: {len(rows)} rows are too few")
        return table.iloc[rows[:cut]], table.iloc[rows[cut:]], None
    if given.id is None:
        codes, count = np.arange(len(table)), len(table)
    else:
        keys, groups = cut_table(table, given.id, None)
        codes, count = np.zeros(len(table), int), len(keys)
        for number, rows in enumerate(groups):
            codes[rows] = number
    wrong = np.zeros(count, bool)
    if truth is not None:
        np.logical_or.at(wrong, codes, truth)
    normal = np.flatnonzero(~wrong)
    if len(normal) < 5:
        raise UserError(
            f"fit detect: {len(normal)} normal sequences are too few; at least 5 needed"
        )
    kept = max(1, int(len(normal) * given.test))
    out = np.random.RandomState(given.seed).permutation(normal)[:kept]
    watched = wrong.copy()
    watched[out] = True
    asked = watched[codes]
    return table[~asked], table[asked], None if truth is None else wrong[watched]


def limit_of(model: AnomalyDetector, level: Any) -> Limit | None:
    """The limit of sequences or steps, if what is known of normal ones is enough for it."""
    try:
        return model.limit(level)
    except UserError:
        return None


def marks(
    model: AnomalyDetector, read: Read, whole: np.ndarray, steps: np.ndarray, truth: Any
) -> tuple[list[list[str]], list[Tile]]:
    """Rows of the table of scores, and a tile: of alarms, or of how anomalies are told apart."""

    def alarms(name: str, level: str, scores: np.ndarray) -> list[str]:
        limit = limit_of(model, level)
        if limit is None:
            return [name, NONE, NONE]
        return [name, f"{limit.rate:.3%}", f"{np.mean(scores < limit.value):.3%}"]

    if truth is None:
        rows = [alarms("alarms for steps", "steps", steps)]
        if len(whole) > 1:
            rows.append(alarms("alarms for sequences", "sequences", whole))
        return rows, [Tile("alarms found", rows[0][2], "of the steps watched")]
    rows = [
        alarms("alarms for normal sequences", "sequences", whole[~truth]),
        alarms("alarms for anomalies", "sequences", whole[truth]),
    ]
    rows[1][1] = NONE
    if not truth.any():
        return rows[:1], [Tile("alarms found", rows[0][2], "of normal sequences")]
    areas = {f"the network ({model.recipe_name()})": whole}
    if model.schema_.numeric:
        numbers = [model.schema_.numbers(one) for one in read.sequences]
        areas["distance from the mean"] = plain_scores(model.schema_.scale, numbers)
    for name, scores in areas.items():
        area = float(roc_auc_score(truth, -np.nan_to_num(scores)))
        rows.append([f"area under the ROC curve, {name}", NONE, f"{area:.4f}"])
    return rows, [Tile("ROC area", rows[2][2], f"{int(truth.sum())} anomalies")]


def of_rows(model: AnomalyDetector, table: Any) -> pd.DataFrame:
    """For each row of a long table, in its order, its score and whether that is an anomaly."""
    read = model.read(table)
    assert read.rows is not None
    limit, names = model.step_limit_.value, np.array(model.schema_.names, object)
    scores, columns = np.full(len(table), np.nan), np.full(len(table), "", object)
    for rows, surprise in zip(read.rows, model.surprises(read), strict=True):
        scores[rows] = scores_of(surprise)
        columns[rows] = names[np.nan_to_num(surprise, nan=-1).argmax(axis=1)]
    told: Any = table[[name for name in (model.id, model.time) if name is not None]].copy()
    told["score"] = scores
    told["prediction"] = np.where(scores < limit, -1, 1)
    told["column"] = columns
    return told


def drawn(
    model: AnomalyDetector, test: Any, read: Read, scores: list[np.ndarray]
) -> list[Timeline]:
    """The scores of the sequences that were least normal."""
    limit = model.step_limit_.value
    lowest = [np.nanmin(one, initial=0) for one in scores]
    made = []
    for number in np.argsort(lowest, kind="stable")[:SHOWN]:
        name = "the series" if read.keys in (None, [None]) else str(read.keys[number])
        if read.keys is None:
            name = f"row {test.index[number] + 1}"
        values = model.schema_.numbers(read.sequences[number])
        below = runs(scores[number] < limit)
        made.append(Timeline(name, values, -scores[number], -limit, below))
    return made
