"""`tapehead predict MODEL [DATA]`: what a fitted model says about a table."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import WHOLE, Parser
from tapehead.errors import UserError


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "predict",
        "MODEL [DATA] [options]",
        "Print what a model of `tapehead fit` says about each sequence of a table, as CSV; a "
        "forecaster goes on from the end of the table, or of what it was fitted with; a detector "
        "of a long table gives the score of each row.",
    )
    made.add_argument("model", metavar="MODEL", type=Path, help="the model's folder")
    made.add_argument("data", metavar="DATA", type=Path, nargs="?", help="a CSV or Parquet file")
    made.option("--future", metavar="FILE", type=Path, help="future covariates of a forecast")
    made.option("--paths", metavar="N", type=WHOLE, default=0, help="sample paths of a forecast")
    made.option("--seed", metavar="N", type=WHOLE, default=0, help="of the paths (default: 0)")
    made.option("--out", metavar="FILE", type=Path, help="a CSV file instead of stdout")
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    import numpy as np
    import pandas as pd

    from tapehead.estimators import (
        AnomalyDetector,
        Forecaster,
        SequenceClassifier,
        SequenceClusterer,
        SequenceGenerator,
        load,
    )
    from tapehead.estimators.tables import read_table, written

    model = load(given.model)
    table = None if given.data is None else read_table(given.data)
    if isinstance(model, Forecaster):
        future = None if given.future is None else read_table(given.future)
        found = model.forecast(table, future, paths=given.paths, random_state=given.seed)
        print(written(found, given.out), end="")
        return 0
    if isinstance(model, SequenceGenerator):
        raise UserError(
            f"predict: {given.model} makes up sequences: run tapehead generate {given.model}"
        )
    for name in ("future", "paths"):
        if getattr(given, name):
            raise UserError(f"predict: --{name} is for forecasters")
    if table is None:
        raise UserError("predict: DATA is missing: which table is to be told about?")
    keys = model.read(table).keys
    first = {"row": np.arange(1, len(table) + 1)} if keys is None else {str(model.id): keys}
    if isinstance(model, SequenceClassifier):
        chances = model.predict_proba(table)
        told = {"prediction": model.classes_[chances.argmax(axis=1)]}
        told |= {f"p({name})": chances[:, n] for n, name in enumerate(model.classes_)}
    elif isinstance(model, SequenceClusterer):
        apart = model.transform(table)
        told = {"cluster": apart.argmin(axis=1), "distance": apart.min(axis=1)}
    elif isinstance(model, AnomalyDetector) and keys is not None:
        from tapehead.cli.fit_detect import of_rows

        print(written(of_rows(model, table), given.out), end="")
        return 0
    elif isinstance(model, AnomalyDetector):
        scores = model.score_samples(table)
        told = {"prediction": np.where(scores < model.offset_, -1, 1), "score": scores}
    else:
        told = {"prediction": model.predict(table)}
    print(written(pd.DataFrame(first | told), given.out), end="")
    return 0
