"""`tapehead inspect MODEL`: what a fitted model is, and what it wants."""

from collections.abc import Sequence
from pathlib import Path

from tapehead.cli.options import Parser


def parser() -> Parser:
    """The parser of this command."""
    made = Parser("inspect", "MODEL", "Print what a model of `tapehead fit` is, and what it reads.")
    made.add_argument("model", metavar="MODEL", type=Path, help="the model's folder")
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)
    from tapehead.cli.tables import plain_table, show
    from tapehead.estimators import (
        AnomalyDetector,
        Forecaster,
        SequenceClusterer,
        SequenceGenerator,
        load,
    )

    model = load(given.model)
    size = sum(x.size for x in model.weights_.values())
    rows = [
        ["estimator", type(model).__name__],
        ["network", model.recipe_name()],
        ["parameters", f"{size:,}"],
        ["networks", str(len(model.networks()))],
        ["updates", f"{model.n_updates_}, best {model.best_update_}"],
    ]
    if isinstance(model, Forecaster):
        rows += [
            ["series", ", ".join(one.name for one in model.series_[:10])],
            ["horizon", str(model.horizon)],
            ["looks back on", str(model.lookback_)],
            ["quantiles", ", ".join(map(str, model.levels))],
        ]
    elif isinstance(model, SequenceGenerator):
        rows += [["reads", model.alphabet_.kind], ["symbols", str(len(model.alphabet_) - 2)]]
    else:
        schema = model.schema_
        rows += [["reads", schema.form], ["columns", ", ".join(schema.names[:30])]]
        rows += [[f"categories of {n}", ", ".join(c)] for n, c in schema.categories.items()]
        if hasattr(model, "classes_"):
            rows.append(["classes", ", ".join(map(str, model.classes_))])
        if isinstance(model, SequenceClusterer):
            rows.append(["clusters", str(model.n_clusters_)])
    if isinstance(model, AnomalyDetector):
        from tapehead.cli.fit_detect import limit_of

        for name in ("sequences", "steps"):
            if (limit := limit_of(model, name)) is None:
                continue
            shown = f"scores below {limit.value:.6g}, {limit.rate:.3%} of what is normal"
            rows.append([f"alarms for {name}", shown])
    changed = {k: v for k, v in model.get_params().items() if v is not None}
    rows += [[f"setting {name}", str(value)] for name, value in changed.items()]
    show(plain_table(["", "value"], rows))
    return 0
