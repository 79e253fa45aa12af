"""`TextTask`: predict every next symbol of a text; and texts of your own."""

import abc
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from tapehead.datasets.reading import parts, read_text
from tapehead.errors import UserError
from tapehead.tasks.held_out import HeldOutTask
from tapehead.tasks.losses import NATS_PER_BIT
from tapehead.tasks.stream import StreamTask
from tapehead.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class TextTask(HeldOutTask, StreamTask):
    """Predict every next character, word or byte of a text.

    Judged on the validation part while training and on the test part at the end. By characters
    and bytes the score is `bits_per_character` (of the UTF-8 bytes: per byte), by words it is
    `perplexity`, `exp` of the mean loss in nats per word. Both are less for better networks.
    """

    score: ClassVar[str] = "bits_per_character"

    @abc.abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The symbols, the same for all splits."""

    @abc.abstractmethod
    def data(self) -> Int[np.ndarray, " symbols"]:
        """The symbols of the split."""

    def summary(self, means: Mapping[str, float]) -> dict[str, float]:
        """The means, and the score that follows from the loss."""
        if self.score == "perplexity":
            return {**means, "perplexity": math.exp(min(means["loss"], 700))}
        return {**means, "bits_per_character": means["loss"] / NATS_PER_BIT}


@functools.lru_cache(maxsize=4)
def _read(path: str, changed: int) -> tuple[str, Vocabulary]:
    """A file's text and its characters; read again where the file has `changed`."""
    text = read_text(path)
    if len(text) < 100:
        raise UserError(f"{path}: expected a text of at least 100 characters, got {len(text)}")
    return text, Vocabulary.of(text)


@dataclass(frozen=True)
class TextFile(TextTask):
    """Predict every next character of a text file of yours, in UTF-8, gzipped or not.

    Its first twentieth is for validation, its last tenth is the test, and all between is for
    training.

    A worked example:

    >>> import tempfile, jax
    >>> with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
    ...     _ = file.write("to be or not to be, that is the question. " * 10)
    ...     file.flush()
    ...     task = TextFile(file=file.name, length=8)
    ...     batch = task.sample(jax.random.key(0), 1, jax.numpy.asarray(task.data()))
    ...     shown, wanted = (task.vocabulary().decode(x[:, 0]) for x in batch[:2])
    >>> shown[1:] == wanted[:-1]
    True
    """

    file: str = ""
    """The file to learn from."""

    def _text(self) -> tuple[str, Vocabulary]:
        if not self.file:
            raise UserError("TextFile: needs a text to learn from: give --task.file PATH")
        path = Path(self.file).expanduser()
        try:
            changed = path.stat().st_mtime_ns
        except OSError as error:
            raise UserError(f"TextFile: cannot read {path}: {error.strerror}") from None
        return _read(str(path), changed)

    @property
    def input_size(self) -> int:
        """The different characters of the file."""
        return len(self.vocabulary())

    def vocabulary(self) -> Vocabulary:
        """All characters of the file."""
        return self._text()[1]

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The characters of the split."""
        text, vocabulary = self._text()
        return vocabulary.encode(parts(text)[self.split])
