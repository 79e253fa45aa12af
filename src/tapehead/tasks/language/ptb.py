"""The Penn Treebank, by words and by characters."""

import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from tapehead.datasets.ptb import END, load_ptb
from tapehead.tasks.language.text import TextTask
from tapehead.tasks.stream import StreamTask
from tapehead.tasks.vocabulary import Vocabulary


@functools.cache
def _words() -> Vocabulary:
    return Vocabulary.of(load_ptb("train"), "words")


def _plain(symbol: str) -> str:
    """A symbol of the data set as the character it stands for."""
    return {"_": " ", END: "\n"}.get(symbol, symbol)


@functools.cache
def _characters() -> Vocabulary:
    return Vocabulary.of(map(_plain, set(load_ptb("train", "characters"))))


@dataclass(frozen=True)
class PtbWords(TextTask):
    """Predict every next word of the Wall Street Journal.

    929,589 words of 10,000 kinds for training, 73,760 for validation, 82,430 as the test; `<unk>`
    stands for rare words, `N` for numbers, `<eos>` for the end of a line. Knowing nothing is a
    perplexity of 10,000.

    Source: Mikolov et al., "Recurrent neural network based language model" (2010).

    A worked example, on a stream of numbers in place of the text:

    >>> import jax
    >>> task = PtbWords(length=4)
    >>> batch = task.sample(jax.random.key(0), 1, jax.numpy.arange(10000))
    >>> bool((batch.targets == batch.inputs + 1).all()), batch.inputs.shape, task.input_size
    (True, (4, 1), 10000)
    """

    length: int = 35
    """Words of each part that an update sees."""

    score: ClassVar[str] = "perplexity"
    defaults: ClassVar[MappingProxyType[str, Any]] = MappingProxyType(
        {**StreamTask.defaults, "batch": 20, "rule.window": 35}
    )

    @property
    def input_size(self) -> int:
        """The words."""
        return 10_000

    def vocabulary(self) -> Vocabulary:
        """All words of the training part."""
        return _words()

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The words of the split; see `tapehead.datasets.load_ptb`."""
        return self.vocabulary().number(load_ptb(self.split))


@dataclass(frozen=True)
class PtbCharacters(TextTask):
    """Predict every next character of the Wall Street Journal.

    5,017,482 characters of 50 kinds for training, 393,042 for validation, 442,423 as the test.
    Knowing nothing costs 5.64 bits a character.

    Source: Mikolov et al., "Subword language modeling with neural networks" (2012).

    A worked example, on a stream of numbers in place of the text:

    >>> import jax
    >>> task = PtbCharacters(length=4)
    >>> batch = task.sample(jax.random.key(0), 1, jax.numpy.arange(50))
    >>> bool((batch.targets == batch.inputs + 1).all()), batch.inputs.shape, task.input_size
    (True, (4, 1), 50)
    """

    @property
    def input_size(self) -> int:
        """The characters."""
        return 50

    def vocabulary(self) -> Vocabulary:
        """All characters of the training part."""
        return _characters()

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The characters of the split; see `tapehead.datasets.load_ptb`."""
        return self.vocabulary().number(map(_plain, load_ptb(self.split, "characters")))
