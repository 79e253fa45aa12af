"""Tiny Shakespeare, by characters."""

import functools
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Int

from tapehead.datasets.registry import Split
from tapehead.datasets.tinyshakespeare import load_tiny_shakespeare
from tapehead.tasks.language.text import TextTask
from tapehead.tasks.vocabulary import Vocabulary


@functools.cache
def _vocabulary() -> Vocabulary:
    return Vocabulary.of("".join(load_tiny_shakespeare(split) for split in get_args(Split)))


@dataclass(frozen=True)
class Shakespeare(TextTask):
    """Predict every next character of Shakespeare's plays.

    1,115,394 characters of 65 kinds: the first twentieth for validation, the last tenth as the test
    and all between for training. Knowing nothing costs 6.02 bits a character.

    Source: Karpathy, "The unreasonable effectiveness of recurrent neural networks" (2015).

    A worked example, on a stream of numbers in place of the text:

    >>> import jax
    >>> task = Shakespeare(length=4)
    >>> batch = task.sample(jax.random.key(0), 1, jax.numpy.arange(65))
    >>> bool((batch.targets == batch.inputs + 1).all()), batch.inputs.shape, task.input_size
    (True, (4, 1), 65)
    """

    @property
    def input_size(self) -> int:
        """The characters."""
        return 65

    def vocabulary(self) -> Vocabulary:
        """All characters of the plays."""
        return _vocabulary()

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The characters of the split; see `tapehead.datasets.load_tiny_shakespeare`."""
        return self.vocabulary().encode(load_tiny_shakespeare(self.split))
