"""`Schema`: what a network's inputs are made from, learned from examples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from tapehead.errors import UserError, among, nearest
from tapehead.estimators.reading import Form, Raw
from tapehead.tasks.language.tokenize import most_frequent, words
from tapehead.tasks.vocabulary import UNKNOWN, Vocabulary

Missing = Literal["mean", "indicator", "refuse"]
Text = Literal["words", "characters"]

WORDS = 20_000
"""How many different symbols of texts are told apart."""


def symbols_of(text: str, level: Text) -> list[str]:
    """The words or characters of a text; one unknown word if there are none."""
    return (words(text) if level == "words" else list(text)) or [UNKNOWN]


@dataclass
class Scale:
    """Columns brought to mean 0 and deviation 1, `(x − mean) / deviation`.

    A column that is constant has deviation 1.
    """

    mean: Float[np.ndarray, " columns"]
    deviation: Float[np.ndarray, " columns"]

    @classmethod
    def of(
        cls, values: Float[np.ndarray, "rows columns"], weights: np.ndarray | None = None
    ) -> "Scale":
        """The scale of the values that are not missing, each row counting by its weight."""
        known = ~np.isnan(values)
        weight = known * (1.0 if weights is None else weights[:, None])
        total = np.maximum(weight.sum(axis=0), 1e-300)
        filled = np.where(known, values, 0)
        mean = (weight * filled).sum(axis=0) / total
        apart = np.where(known, values - mean, 0)
        deviation = np.sqrt((weight * apart**2).sum(axis=0) / total)
        # What is left by rounding is no deviation.
        flat = deviation <= 1e-10 * np.maximum(np.abs(mean), 1e-300)
        return cls(mean, np.where(flat, 1.0, deviation))

    def apply(self, values: Any) -> Any:
        """The values on this scale, in NumPy or in JAX."""
        xp = values.__array_namespace__()
        return (values - xp.asarray(self.mean)) / xp.asarray(self.deviation)

    def undo(self, values: Any) -> Any:
        """The values as they were, in NumPy or in JAX."""
        xp = values.__array_namespace__()
        return values * xp.asarray(self.deviation) + xp.asarray(self.mean)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, data: Any) -> "Scale":
        """From JSON data."""
        return cls(np.array(data["mean"], float), np.array(data["deviation"], float))


@dataclass
class Schema:
    """How sequences become inputs.

    - Numbers are brought to mean 0 and deviation 1, column by column; rows of a 2-D array are
      sequences of one column.
    - Columns of categories become an indicator for each category; an unknown one is none of them.
    - What is missing becomes the mean, with `missing="indicator"` beside a column of its own that
      is 1 where something is missing.
    - Text becomes the numbers of its words or characters.

    **Attributes:**

    - `form`: how sequences were given.
    - `names`: of the columns.
    - `categories`: of those columns that have categories.
    - `scale`: of the others, in their order.
    - `missing`, `text`: as above.
    - `vocabulary`: of texts.
    """

    form: Form
    missing: Missing = "mean"
    text: Text = "words"
    names: list[str] = field(default_factory=list)
    categories: dict[str, list[str]] = field(default_factory=dict)
    scale: Scale = field(default_factory=lambda: Scale(np.zeros(0), np.ones(0)))
    vocabulary: Vocabulary | None = None

    def __post_init__(self):
        among("missing", get_args(Missing), missing=self.missing)
        among("text", get_args(Text), text=self.text)

    @classmethod
    def learn(
        cls,
        form: Form,
        sequences: Sequence[Any],
        *,
        missing: Missing,
        text: Text,
        weights: np.ndarray | None = None,
    ) -> "Schema":
        """From the sequences of the training part, each of which counts by its weight.

        **Raises:** `UserError` for a column that is missing throughout, and for columns that are
        neither numbers nor categories.
        """
        made = cls(form, missing, text)
        if form == "text":
            made.vocabulary = most_frequent([symbols_of(t, text) for t in sequences], WORDS)
            return made
        if form == "table":
            made._learn_columns(sequences)
        else:
            made.names = [f"column {number}" for number in range(sequences[0].shape[1])]
        values = np.concatenate([made.numbers(sequence) for sequence in sequences])
        empty = np.isnan(values).all(axis=0)
        if empty.any():
            raise UserError(f"X: {made.numeric[int(empty.argmax())]} is missing throughout")
        lengths = [len(sequence) for sequence in sequences]
        made.scale = Scale.of(values, None if weights is None else np.repeat(weights, lengths))
        return made

    def _learn_columns(self, tables: Sequence[pd.DataFrame]) -> None:
        """Which columns there are, and the categories of those that are not numbers."""
        self.names = [str(name) for name in tables[0].columns]
        if len(set(self.names)) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise UserError(f"table: has two columns '{twice}'")
        if not self.names:
            raise UserError("table: has no columns to learn from")
        for name, given in zip(self.names, tables[0].columns, strict=True):
            kinds = [table[given] for table in tables]
            if all(pd.api.types.is_numeric_dtype(column) for column in kinds):
                continue
            if any(pd.api.types.is_datetime64_any_dtype(column) for column in kinds):
                raise UserError(
                    f"table: column '{name}' holds dates; name it as the time, or drop it"
                )
            whole = pd.concat([column.astype(object) for column in kinds]).dropna()
            found = sorted({str(value) for value in whole})
            if len(found) > 1000:
                raise UserError(
                    f"table: column '{name}' has {len(found)} different texts, too many for "
                    "categories; drop it, or name it as the id"
                )
            self.categories[name] = found

    @property
    def numeric(self) -> list[str]:
        """The names of the columns that are numbers."""
        return [name for name in self.names if name not in self.categories]

    @property
    def tokens(self) -> bool:
        """Whether the inputs are symbols."""
        return self.form == "text"

    @property
    def features(self) -> int:
        """Features of an input, or symbols."""
        if self.vocabulary is not None:
            return len(self.vocabulary)
        indicators = len(self.numeric) if self.missing == "indicator" else 0
        return len(self.numeric) + sum(map(len, self.categories.values())) + indicators

    @property
    def places(self) -> list[slice]:
        """Where the features of each column are among those of an input."""
        made, number, category = [], 0, len(self.numeric)
        for name in self.names:
            if name in self.categories:
                made.append(slice(category, category + len(self.categories[name])))
                category = made[-1].stop
            else:
                made.append(slice(number, number + 1))
                number += 1
        return made

    def _matched(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the columns that were learned from, in their order."""
        found = {str(name): name for name in table.columns}
        for name in self.names:
            if name not in found:
                raise UserError(f"table: has no column '{name}'{nearest(name, found)}")
        for name in found:
            if name not in self.names:
                raise UserError(
                    f"table: has a column '{name}' that there was none of in fit"
                    f"{nearest(name, self.names)}"
                )
        matched: Any = table[[found[name] for name in self.names]]
        return matched

    def numbers(self, sequence: Raw) -> Float[np.ndarray, "time columns"]:
        """The columns that are numbers, NaN where one is missing. Raises `UserError` otherwise."""
        if isinstance(sequence, pd.DataFrame):
            table = self._matched(sequence)
            taken = [
                column
                for name, column in zip(self.names, table.columns, strict=True)
                if name not in self.categories
            ]
            try:
                values = table[taken].to_numpy(np.float64, na_value=np.nan)
            except (TypeError, ValueError):
                read: list[Any] = [
                    pd.to_numeric(table[name].dropna(), errors="coerce") for name in taken
                ]
                wrong = taken[[bool(one.isna().any()) for one in read].index(True)]
                raise UserError(
                    f"table: column '{wrong}' held numbers in fit, and now text"
                ) from None
        else:
            values = np.asarray(sequence)
            if values.shape[1] != len(self.names):
                raise UserError(
                    f"X: has {values.shape[1]} columns, where fit had {len(self.names)}"
                )
        if np.isinf(values).any():
            name = self.numeric[int(np.isinf(values).any(axis=0).argmax())]
            raise UserError(f"X: contains infinity, in {name}")
        if self.missing == "refuse" and np.isnan(values).any():
            name = self.numeric[int(np.isnan(values).any(axis=0).argmax())]
            raise UserError(f"X: contains NaN, in {name}; set missing='mean' to let it pass")
        return values

    def absent(self, sequence: Raw) -> Bool[np.ndarray, "time columns"]:
        """Where values are missing, column by column."""
        if isinstance(sequence, pd.DataFrame):
            return self._matched(sequence).isna().to_numpy()
        return np.isnan(sequence)

    def encode(self, sequence: Raw) -> tuple[np.ndarray, Bool[np.ndarray, " time"]]:
        """A sequence as inputs, and in which of its steps anything is known.

        Inputs are `(time, features)` in float32, or `(time,)` symbols.
        """
        if isinstance(sequence, str):
            assert self.vocabulary is not None
            numbers = self.vocabulary.number(symbols_of(sequence, self.text))
            return numbers, np.ones(len(numbers), bool)
        values, known = self.coded(self.columns(sequence))
        return values.astype(np.float32), known

    def columns(self, sequence: Raw) -> Float[np.ndarray, "time columns"]:
        """All columns as numbers, NaN where something is missing.

        A category is its place among those of its column, or -1 if it is none of them.
        """
        numbers = self.numbers(sequence)
        if not self.categories:
            return numbers
        assert isinstance(sequence, pd.DataFrame)
        table, rest, made = self._matched(sequence), iter(numbers.T), []
        for name, column in zip(self.names, table.columns, strict=True):
            if name not in self.categories:
                made.append(next(rest))
                continue
            given: Any = table[column]
            text = np.where(given.isna(), "", given.astype(object).map(str))
            places = {category: place for place, category in enumerate(self.categories[name])}
            found = np.array([places.get(one, -1) for one in text], np.float64)
            made.append(np.where(given.isna(), np.nan, found))
        return np.stack(made, axis=1)

    def coded(self, values: Any) -> tuple[Any, Any]:
        """Inputs from `columns`, and where anything is known, `(*axes,)`; in NumPy or in JAX."""
        xp = values.__array_namespace__()
        columns = xp.split(values, len(self.names), axis=-1) if self.categories else []
        parts = [c for n, c in zip(self.names, columns, strict=False) if n not in self.categories]
        numbers, known = values, xp.any(~xp.isnan(values), axis=-1)
        if self.categories:
            numbers = xp.concatenate(parts, axis=-1) if parts else values[..., :0]
        absent = xp.isnan(numbers)
        parts = [xp.where(absent, 0.0, self.scale.apply(numbers))]
        for name, column in zip(self.names, columns, strict=False):
            if name in self.categories:
                places = xp.arange(len(self.categories[name]), dtype=values.dtype)
                parts.append(xp.asarray(column == places, dtype=values.dtype))
        if self.missing == "indicator":
            parts.append(xp.asarray(absent, dtype=values.dtype))
        return xp.concatenate(parts, axis=-1), known

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "form": self.form,
            "missing": self.missing,
            "text": self.text,
            "names": self.names,
            "categories": self.categories,
            "scale": self.scale.to_json(),
            "vocabulary": None if self.vocabulary is None else self.vocabulary.to_json(),
        }

    @classmethod
    def from_json(cls, data: Any) -> "Schema":
        """From JSON data."""
        known = data["vocabulary"]
        return cls(
            data["form"],
            data["missing"],
            data["text"],
            data["names"],
            data["categories"],
            Scale.from_json(data["scale"]),
            None if known is None else Vocabulary.from_json(known),
        )
