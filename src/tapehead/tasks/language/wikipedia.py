"""The first 100 million bytes of Wikipedia: text8 and enwik8."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from tapehead.datasets.text8 import load_enwik8, load_text8
from tapehead.tasks.language.text import TextTask
from tapehead.tasks.vocabulary import Vocabulary

LETTERS = Vocabulary.of(" abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Text8(TextTask):
    """Predict every next letter of Wikipedia, cleaned of all but a to z and the space.

    The first 90 million characters for training, 5 for validation and 5 as the test. Knowing
    nothing costs 4.75 bits a character.

    Source: Mahoney, "About the test data" (2006).

    A worked example, on a stream of numbers in place of the text:

    >>> import jax
    >>> task = Text8(length=4)
    >>> batch = task.sample(jax.random.key(0), 1, jax.numpy.arange(27))
    >>> bool((batch.targets == batch.inputs + 1).all()), batch.inputs.shape, task.input_size
    (True, (4, 1), 27)
    """

    @property
    def input_size(self) -> int:
        """The letters and the space."""
        return len(LETTERS)

    def vocabulary(self) -> Vocabulary:
        """The space, then a to z."""
        return LETTERS

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The letters of the split; see `tapehead.datasets.load_text8`."""
        codes = np.frombuffer(load_text8(self.split).encode("ascii"), np.uint8)
        return np.where(codes == ord(" "), 0, codes - ord("a") + 1).astype(np.uint8)


@dataclass(frozen=True)
class Enwik8(TextTask):
    """Predict every next byte of Wikipedia with its markup.

    The first 90 million bytes for training, 5 for validation and 5 as the test. Knowing nothing
    costs 8 bits a byte.

    Source: Mahoney, "About the test data" (2006).

    A worked example, on a stream of numbers in place of the text:

    >>> import jax
    >>> task = Enwik8(length=4)
    >>> batch = task.sample(jax.random.key(0), 1, jax.numpy.arange(256))
    >>> bool((batch.targets == batch.inputs + 1).all()), batch.inputs.shape, task.input_size
    (True, (4, 1), 256)
    """

    @property
    def input_size(self) -> int:
        """The bytes."""
        return 256

    def vocabulary(self) -> Vocabulary:
        """The 256 bytes."""
        return Vocabulary.of_bytes()

    def data(self) -> Int[np.ndarray, " symbols"]:
        """The bytes of the split; see `tapehead.datasets.load_enwik8`."""
        return np.frombuffer(load_enwik8(self.split), np.uint8)
