"""`Vocabulary`: which number stands for which symbol of a text."""

import codecs
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Int

from tapehead.datasets.ptb import END
from tapehead.errors import UserError, among

Level = Literal["characters", "words", "bytes"]

UNKNOWN = "<unk>"
"""The word that stands for all that are not known."""


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a text; each is known by its place.

    **Attributes:**

    - `symbols`: characters; or words, as spaces separate them, `<eos>` for the end of a line and,
        if it is among them, `<unk>` for any other word; or bytes, as the characters with their
        numbers.
    - `level`: which of the three.

    >>> letters = Vocabulary.of("abba")
    >>> letters.encode("bab").tolist(), letters.decode([0, 0, 1])
    ([1, 0, 1], 'aab')
    >>> words = Vocabulary(("the", "cat", "<unk>", "<eos>"), "words")
    >>> words.decode(words.encode("the dog\\nthe cat"))
    'the <unk> \\nthe cat '
    """

    symbols: tuple[str, ...]
    level: Level = "characters"

    def __post_init__(self):
        among("Vocabulary", get_args(Level), level=self.level)
        if not self.symbols:
            raise UserError("Vocabulary: needs at least one symbol, got none")

    @classmethod
    def of(cls, symbols: Iterable[str], level: Level = "characters") -> "Vocabulary":
        """All different symbols of a text, in order."""
        return cls(tuple(sorted(set(symbols))), level)

    @classmethod
    def of_bytes(cls) -> "Vocabulary":
        """The 256 bytes."""
        return cls(tuple(map(chr, range(256))), "bytes")

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of every symbol."""
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    @property
    def begin(self) -> int:
        """What a text may begin after: the end of a line if it is known, else the first symbol."""
        ends = (self.numbers[end] for end in (END, "\n") if end in self.numbers)
        return next(ends, 0)

    def number(self, symbols: Iterable[str]) -> Int[np.ndarray, " symbols"]:
        """The numbers of symbols. **Raises:** `UserError` for one that is not known."""
        numbers, symbols = self.numbers, list(symbols)
        unknown = numbers.get(UNKNOWN) if self.level == "words" else None
        found = [numbers.get(symbol, unknown) for symbol in symbols]
        if None in found:
            wrong = symbols[found.index(None)]
            raise UserError(
                f"vocabulary: {wrong!r} is not one of the {len(self)} {self.level} the network "
                f"knows; leave it out"
            )
        return np.array(found, np.int32)

    def encode(self, text: str) -> Int[np.ndarray, " symbols"]:
        """The numbers of a text's symbols."""
        if self.level == "bytes":
            return np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        if self.level == "characters":
            return self.number(text)
        lines = text.split("\n")
        words = [word for line in lines[:-1] for word in (*line.split(), END)]
        return self.number([*words, *lines[-1].split()])

    def decode(self, numbers: Iterable[int]) -> str:
        """The text that numbers stand for."""
        return "".join(self.stream(numbers))

    def stream(self, numbers: Iterable[int]) -> Iterator[str]:
        """The text a piece at a time, as numbers come in; bytes that are no UTF-8 become �."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for number in numbers:
            symbol = self.symbols[number]
            match self.level:
                case "bytes":
                    yield decoder.decode(symbol.encode("latin-1"))
                case "words":
                    yield "\n" if symbol == END else f"{symbol} "
                case _:
                    yield symbol
        yield decoder.decode(b"", final=True)

    def to_json(self) -> dict[str, Any]:
        """As JSON data."""
        return {"level": self.level, "symbols": list(self.symbols)}

    @classmethod
    def from_json(cls, data: Any) -> "Vocabulary":
        """From JSON data. **Raises:** `UserError` if it is not what `to_json` gives."""
        match data:
            case {"level": str(level), "symbols": list(symbols)} if all(
                isinstance(symbol, str) for symbol in symbols
            ):
                among("vocabulary", get_args(Level), level=level)
                return cls(tuple(symbols), level)  # pyright: ignore[reportArgumentType]
        raise UserError("vocabulary: expected an object with level and symbols")
