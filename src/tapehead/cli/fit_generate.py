"""`tapehead fit generate`: learn to make up texts, or rows of numbers."""

from argparse import Namespace
from typing import Any

from tapehead.errors import UserError

SAMPLES = 8
"""Sequences on the page."""


def read(given: Namespace) -> tuple[Any, Any]:
    """The sequences, and a table that says what they are."""
    import pandas as pd

    from tapehead.datasets.reading import lines, read_text
    from tapehead.estimators.reading import expect_column
    from tapehead.estimators.tables import read_table

    if given.id is not None or given.time is not None:
        raise UserError("fit generate: takes texts or rows of numbers, and no --id or --time")
    if given.data.name.endswith((".txt", ".txt.gz")):
        if given.target is not None:
            raise UserError("fit generate: --target is for tables; a .txt file has no columns")
        whole = read_text(given.data)
        if not whole.strip():
            raise UserError(f"{given.data}: is empty")
        if given.by == "text":
            return whole, pd.DataFrame({"characters": [len(whole)]})
        kept = [line for line in lines(whole) if line.strip()]
        return kept, pd.DataFrame({"line": kept})
    table = read_table(given.data)
    if given.target is None:
        return table, table
    if len(given.target) != 1:
        raise UserError("fit generate: --target names one column, the texts")
    expect_column(table, given.target[0], "texts")
    column = table[given.target[0]].dropna().astype(str)
    return [text for text in column if text.strip()], table[given.target]


def generate(given: Namespace, command: str) -> int:
    """Learn from most of the sequences; tell bits by symbol on the others."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    from tapehead.cli.fit import conclude, settings
    from tapehead.estimators import SequenceGenerator
    from tapehead.estimators.alphabet import END
    from tapehead.estimators.baselines import ngram_bits
    from tapehead.inspection.report.content import Tile

    sequences, table = read(given)
    one = isinstance(sequences, str)
    if one:
        cut = int(len(sequences) * (1 - given.test))
        train, test = [sequences[:cut]], [sequences[cut:]]
        if not (train[0].strip() and test[0].strip()):
            raise UserError(f"{given.data}: {len(sequences)} characters are too few")
    else:
        if len(sequences) < 5:
            raise UserError(
                f"fit generate: {len(sequences)} sequences are too few; at least 5 needed, or "
                "--by text for one long text"
            )
        train, test = train_test_split(
            sequences, test_size=given.test, random_state=given.seed, shuffle=True
        )
    chosen = {k: v for k, v in settings(given).items() if k not in ("id", "time")}
    if chosen.pop("ensemble") != 1:
        raise UserError("fit generate: --ensemble is not for it; a generator is one network")
    model = SequenceGenerator(**chosen).fit(train)

    bits = -model.score(test) / np.log(2)
    of_text = model.alphabet_.kind == "text"
    unit = "bits per character" if of_text else "bits per number"
    coded = [
        [np.concatenate([[END], model.alphabet_.encode(x), [END]]) for x in model.read(part)]
        for part in (train, test)
    ]
    rows = [[f"the network ({model.recipe_name()})", f"{bits:.4f}"]]
    for order in (1, 3, 5):
        found = ngram_bits(*coded, symbols=len(model.alphabet_) - 1, order=order)
        rows.append([f"{order}-grams", f"{found:.4f}"])
    made = model.generate(3 if one else SAMPLES, length=500, random_state=given.seed)
    samples = [x if of_text else ", ".join(f"{v:.4g}" for v in x) for x in made]
    tiles = [
        Tile(unit, f"{bits:.3f}", "on the test"),
        Tile("symbols", str(len(model.alphabet_) - 2)),
        Tile("updates", str(model.n_updates_)),
    ]
    parts = "The first part" if one else f"{len(train)} sequences"
    split = (
        f"{parts} to learn from, {1 if one else len(test)} to be tested on: in pieces of at most "
        f"{model.window} symbols, {model.parts_['learned']} to learn from and "
        f"{model.parts_['held_out']} to stop by."
    )
    return conclude(
        given, model, table, command, tiles, split, (["on the test", unit], rows), samples=samples
    )
