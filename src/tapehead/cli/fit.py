"""`tapehead fit KIND DATA`: learn from a table, and keep the model with a page about it."""

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapehead.cli.options import NUMBER, TEXT, WHOLE, Parser, one_of
from tapehead.errors import UserError, within

KINDS = ("classify", "regress", "forecast", "detect", "cluster", "generate")


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "fit",
        "KIND DATA --out MODEL [options]",
        "Learn from a CSV or Parquet file, and write a model that `tapehead predict` reads, with a "
        "page that shows how good it is. To classify or regress, a row is a sequence whose columns "
        "are its steps, or, with --id, a step of one; to forecast, a row is a moment; to detect "
        "anomalies, any of them: without --id and with --time, all rows are one series.",
    )
    made.add_argument("kind", metavar="KIND", type=one_of(KINDS), help=", ".join(KINDS))
    made.add_argument(
        "data",
        metavar="DATA",
        type=Path,
        help="a .csv, .csv.gz or .parquet file; to generate, also .txt or .txt.gz",
    )
    made.option("--out", metavar="MODEL", type=Path, required=True, help="the model's folder")
    made.option("--target", metavar="COLUMN", nargs="+", help="what is to be told or forecast")
    made.option("--id", metavar="COLUMN", help="of which sequence or series a row is")
    made.option("--time", metavar="COLUMN", help="when a row was")
    made.option("--horizon", metavar="N", type=WHOLE, default=12, help="steps (default: 12)")
    made.option("--lookback", metavar="N", type=WHOLE, help="steps to read before a forecast")
    made.option("--segment", metavar="N", type=WHOLE, default=1, help="steps read as one")
    made.option("--season", metavar="N", type=WHOLE, default=1, help="steps in a season")
    made.option("--past", metavar="COLUMN", nargs="+", default=[], help="known up to now")
    made.option("--future", metavar="COLUMN", nargs="+", default=[], help="known ahead")
    made.option("--clusters", metavar="N", type=WHOLE, help="how many (default: by silhouette)")
    made.option(
        "--by",
        type=one_of(("line", "text")),
        default="line",
        help="whether each line of a .txt file is to be imitated, or all of it (default: line)",
    )
    made.option("--model", metavar="NAME", type=TEXT, help="lstm, gru, mingru, dnc, ...")
    made.option(
        "--size", type=one_of(("small", "medium", "large")), default="medium", help="of the network"
    )
    made.option(
        "--method",
        type=one_of(("prediction", "reconstruction")),
        default="prediction",
        help="how anomalies are detected (default: prediction)",
    )
    made.option(
        "--threshold",
        type=one_of(("quantile", "peaks", "conformal", "per-day")),
        default="quantile",
        help="how it is told from which score on something is an anomaly (default: quantile)",
    )
    made.option(
        "--rate",
        metavar="X",
        type=NUMBER,
        help="share of what is normal that may give an alarm, or, per day, how many alarms may",
    )
    made.option("--normal", metavar="VALUE", help="the target's value in what is normal")
    made.option("--updates", metavar="N", type=WHOLE, default=1500, help="at most (default: 1500)")
    made.option("--ensemble", metavar="N", type=WHOLE, default=1, help="networks (default: 1)")
    made.option(
        "--test", metavar="X", type=NUMBER, default=0.2, help="share for the scores (default: 0.2)"
    )
    made.option("--seed", metavar="N", type=WHOLE, default=0, help="decides all that is random")
    made.option("--quiet", action="store_true", help="print no learning curve")
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    within("fit", 0, 2**32 - 1, seed=given.seed)
    within("fit", 0.01, 0.9, test=given.test)
    from tapehead.estimators.files import expect_replaceable
    from tapehead.estimators.tables import read_table

    expect_replaceable(given.out)
    command = shlex.join(["tapehead", "fit", *args])
    if given.kind == "generate":
        from tapehead.cli.fit_generate import generate

        return generate(given, command)
    table = read_table(given.data)
    if given.kind == "cluster":
        from tapehead.cli.fit_cluster import cluster

        return cluster(given, table, command)
    if given.kind == "forecast":
        from tapehead.cli.fit_forecast import forecast

        return forecast(given, table, command)
    if given.kind == "detect":
        from tapehead.cli.fit_detect import detect

        return detect(given, table, command)
    return answer(given, table, command)


def settings(given: Namespace) -> dict[str, Any]:
    """What all estimators are told."""
    chosen = {} if given.model is None else {"model": given.model}
    return chosen | {
        "size": given.size,
        "id": given.id,
        "time": given.time,
        "max_updates": given.updates,
        "ensemble": given.ensemble,
        "random_state": given.seed,
        "verbose": 0 if given.quiet else 1,
    }


def answer(given: Namespace, table: Any, command: str) -> int:
    """Classify or regress."""
    import numpy as np
    from sklearn.metrics import confusion_matrix
    from sklearn.model_selection import train_test_split

    from tapehead.estimators import SequenceClassifier, SequenceRegressor, baselines
    from tapehead.estimators.reading import cut_table, expect_column
    from tapehead.inspection.report.content import Tile

    if given.target is None or len(given.target) != 1:
        raise UserError(f"fit {given.kind}: --target names one column, what is to be told")
    target = given.target[0]
    expect_column(table, target, "target")
    if table[target].isna().any():
        raise UserError(f"table: the target '{target}' is missing in some rows; leave them out")
    classes = given.kind == "classify"
    kind = SequenceClassifier if classes else SequenceRegressor
    model: Any = kind(**settings(given))
    if given.id is None:
        keys = np.arange(len(table))
        of_row, answers = keys, table[target]
    else:
        cut_table(table, given.id, None)  # refuses rows without one
        answers = table.groupby(given.id, sort=False)[target].first()
        keys, of_row = answers.index.to_numpy(), table[given.id].to_numpy()
    if len(keys) < 5:
        raise UserError(f"fit {given.kind}: {len(keys)} sequences are too few; at least 5 needed")
    try:
        learned, asked = train_test_split(
            keys,
            test_size=given.test,
            random_state=given.seed,
            stratify=answers if classes else None,
        )
    except ValueError:  # a class with one example
        learned, asked = train_test_split(keys, test_size=given.test, random_state=given.seed)
    train, test = (table[np.isin(of_row, part)] for part in (learned, asked))
    model.fit(train, target)
    score = model.score(test, target)

    parts = []
    for part in (train, test):
        read = model.read(part.drop(columns=target))
        truth = model.told(part[target], read)
        parts += [[model.schema_.numbers(x) for x in read.sequences], truth]
    rows = {f"the network ({model.recipe_name()})": score}
    rows |= baselines.scores(*parts, classes=classes, numbers=not model.schema_.categories)
    measure = "accuracy" if classes else "R²"
    tiles = [
        Tile(measure, f"{score:.3f}", f"on {len(asked)} sequences"),
        Tile("sequences", str(len(keys))),
        Tile("updates", str(model.n_updates_)),
    ]
    confusion: list[list[int]] = []
    names = [str(c) for c in model.classes_] if isinstance(model, SequenceClassifier) else []
    # A class with one example may be in the test alone.
    if len(names) <= 30 and classes and np.isin(parts[3], model.classes_).any():
        found = model.predict(test.drop(columns=target))
        confusion = confusion_matrix(parts[3], found, labels=model.classes_).tolist()
    split = (
        f"{model.parts_['learned']} sequences to learn from, {model.parts_['held_out']} to stop "
        f"by, {len(asked)} to be tested on."
    )
    scores = (["on the test", measure], [[name, f"{value:.4f}"] for name, value in rows.items()])
    return conclude(
        given, model, table, command, tiles, split, scores, confusion=confusion, classes=names
    )


def conclude(
    given: Namespace,
    model: Any,
    table: Any,
    command: str,
    tiles: list[Any],
    split: str,
    scores: Any,
    **more: Any,
) -> int:
    """Print the scores, and write the model with its page."""
    from tapehead.cli.tables import plain_table, show
    from tapehead.estimators.tables import described
    from tapehead.inspection.report.fitted import Fitting, fitted_page

    page = Fitting(
        name=f"{given.data.name}, {given.kind}",
        kicker=f"tapehead fit, {model.recipe_name()}",
        outcome=f"{tiles[0].label} {tiles[0].value} {tiles[0].note}",
        tiles=tiles,
        data=described(table),
        split=split,
        curve=model.curve_,
        scores=scores,
        command=command,
        settings={name: str(value) for name, value in model.get_params().items()},
        **more,
    )
    model.save(given.out, report_html=fitted_page(page).encode())
    show(plain_table(*scores))
    print(f"model: {given.out}")
    print(f"report: {given.out / 'report.html'}")
    return 0
