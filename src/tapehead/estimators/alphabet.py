"""`Alphabet`: of which symbols sequences are made, and which number stands for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from tapehead.estimators.schema import WORDS, Text, symbols_of
from tapehead.tasks.language.tokenize import most_frequent
from tapehead.tasks.vocabulary import UNKNOWN, Vocabulary

END = 0
"""The number of what stands before and behind every sequence."""

Kind = Literal["text", "symbols", "numbers"]


@dataclass
class Alphabet:
    """Sequences as numbers of symbols, and back.

    **Attributes:**

    - `kind`: of what sequences are: texts, lists of symbols, or numbers.
    - `text`: what texts are made of.
    - `vocabulary`: the symbols; the first is `END`, the second any that is not known.
    - `values`: of numbers, what each symbol stands for: a value, or the mean of those between two
        edges.
    - `edges`: between those, rising; none where every value is a symbol of its own.
    """

    kind: Kind
    text: Text
    vocabulary: Vocabulary
    values: list[float] = field(default_factory=list)
    edges: list[float] = field(default_factory=list)

    @classmethod
    def learn(cls, kind: Kind, sequences: Sequence[Any], *, text: Text, levels: int) -> "Alphabet":
        """All symbols of some sequences; of numbers with more than `levels` values, that many."""
        if kind != "numbers":
            made = [symbols_of(x, text) if kind == "text" else list(x) for x in sequences]
            return cls(kind, text, most_frequent(made, WORDS))
        everything = np.concatenate([np.asarray(x, float) for x in sequences])
        values, edges = np.unique(everything), np.zeros(0)
        if len(values) > levels:
            inner = np.arange(1, levels) / levels
            edges = np.unique(np.quantile(everything, inner))
            places = np.searchsorted(edges, everything)
            kept = np.unique(places)
            edges = edges[: len(edges) if kept[-1] == len(edges) else kept[-1]]
            places = np.searchsorted(edges, everything)
            values = np.array([everything[places == n].mean() for n in range(len(edges) + 1)])
        names = [str(n) for n in range(len(values))]
        vocabulary = Vocabulary((*most_frequent([], 2).symbols, *names), "words")
        return cls(kind, text, vocabulary, values.tolist(), edges.tolist())

    def __len__(self) -> int:
        return len(self.vocabulary)

    @property
    def symbols(self) -> list[Any]:
        """What each number stands for: `None` for the end, `"<unk>"` for any that is not known."""
        known = self.values if self.kind == "numbers" else self.vocabulary.symbols[2:]
        return [None, UNKNOWN, *known]

    def encode(self, sequence: Any) -> Int[np.ndarray, " symbols"]:
        """The numbers of a sequence's symbols."""
        if self.kind == "text":
            return self.vocabulary.number(symbols_of(sequence, self.text) if sequence else [])
        if self.kind == "symbols":
            return self.vocabulary.number(list(sequence))
        given = np.asarray(sequence, float)
        if self.edges:
            return (2 + np.searchsorted(self.edges, given)).astype(np.int32)
        values = np.array(self.values)
        places = np.minimum(np.searchsorted(values, given), len(values) - 1)
        return np.where(values[places] == given, places + 2, 1).astype(np.int32)

    def decode(self, numbers: Iterable[int]) -> Any:
        """What symbols stand for: a text, a list of symbols or an array of numbers."""
        if self.kind == "numbers":
            known = np.array([np.nan, np.nan, *self.values])
            return known[np.array(list(numbers), int)]
        symbols = [self.vocabulary.symbols[number] for number in numbers]
        if self.kind == "symbols":
            return symbols
        return ("" if self.text == "characters" else " ").join(symbols)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "kind": self.kind,
            "text": self.text,
            "vocabulary": self.vocabulary.to_json(),
            "values": self.values,
            "edges": self.edges,
        }

    @classmethod
    def from_json(cls, data: Any) -> "Alphabet":
        """From JSON data."""
        vocabulary = Vocabulary.from_json(data["vocabulary"])
        return cls(data["kind"], data["text"], vocabulary, data["values"], data["edges"])
