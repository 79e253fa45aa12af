"""IMDB: is a movie review praise or blame?"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from tapehead.datasets.imdb import load_imdb
from tapehead.datasets.registry import Split
from tapehead.errors import UserError, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.finite import FiniteTask
from tapehead.tasks.held_out import HeldOutTask
from tapehead.tasks.language.tokenize import most_frequent, words
from tapehead.tasks.lengths import by_length
from tapehead.tasks.task import Data
from tapehead.tasks.vocabulary import Vocabulary


class Bucket(NamedTuple):
    """Reviews of about one length: their words, padded with 0, how many these are, the labels."""

    words: Int[Array, "reviews longest"]
    lengths: Int[Array, " reviews"]
    labels: Int[Array, " reviews"]


@functools.lru_cache(maxsize=3)
def _words(split: Split) -> tuple[list[list[str]], np.ndarray]:
    texts, labels = load_imdb(split)
    return [words(text) for text in texts], labels


@functools.lru_cache(maxsize=3)
def _vocabulary(size: int) -> Vocabulary:
    return most_frequent(_words("train")[0], size)


def buckets(
    texts: list[Int[np.ndarray, " words"]], labels: Int[np.ndarray, " reviews"], count: int
) -> tuple[Bucket, ...]:
    """Reviews sorted by length into at most `count` buckets of about as many words each.

    Reviews of one length are in one bucket; each bucket is padded to its own longest review. A
    text without a word is read as one unknown word.

    **Raises:** `UserError` if there is no text, or not a label for each.
    """
    if not texts or len(texts) != len(labels):
        raise UserError(
            f"buckets: expected a label for each text, got {len(texts)} texts and "
            f"{len(labels)} labels"
        )
    lengths = np.array([max(len(text), 1) for text in texts])
    made = []
    for group in by_length(lengths, count):
        filled = np.zeros((len(group), lengths[group].max()), np.int32)
        for row, index in zip(filled, group, strict=True):
            row[: len(texts[index])] = texts[index]
            row[: lengths[index]] = np.where(row[: lengths[index]] == 0, 1, row[: lengths[index]])
        arrays = filled, lengths[group].astype(np.int32), labels[group].astype(np.int32)
        made.append(Bucket(*map(jnp.asarray, arrays)))
    return tuple(made)


@dataclass(frozen=True)
class Imdb(HeldOutTask, FiniteTask):
    """Tell after the last word of a movie review whether it is praise.

    - Inputs `(time, batch)`: words by their frequency in the training reviews, 0 for padding, 1
        for those that are not among the most frequent.
    - Targets `(time, batch)`: 0 for blame, 1 for praise; the last word alone has weight.

    22,500 reviews for training, 2,500 for validation, 25,000 as the test, half of each praise. Of
    longer reviews the last `longest` words are read. Training batches are of reviews of like
    length, in a few shapes. By chance 1 of 2 is right.

    Source: Maas et al., "Learning word vectors for sentiment analysis" (2011).

    A worked example, on two made-up reviews of the words 2 to 4:

    >>> import jax, numpy as np
    >>> data = buckets([np.array([2, 3, 4]), np.array([4])], np.array([1, 0]), 1)
    >>> batch = Imdb().batch_at(jax.numpy.arange(2), data)
    >>> batch.inputs.T.tolist(), batch.targets[-1].tolist()
    ([[2, 3, 4], [4, 0, 0]], [1, 0])
    >>> batch.weights.T.tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    words: int = 20_000
    """Words that are told apart, padding and the unknown one included."""
    longest: int = 256
    """Words of a review that are read, its last."""
    shapes: int = 4
    """Lengths to which batches are padded; each is compiled."""

    score: ClassVar[str] = "accuracy"
    output_kind = "classes"
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 64, "updates": 2000, "stop_when_solved": False}
    )

    def __post_init__(self):
        super().__post_init__()
        at_least("Imdb", 3, words=self.words)
        at_least("Imdb", 1, longest=self.longest, shapes=self.shapes)

    @property
    def input_size(self) -> int:
        """The words."""
        return self.words

    @property
    def output_size(self) -> int:
        """Blame and praise."""
        return 2

    def class_name(self, number: int) -> str:
        """Blame or praise."""
        return ("blame", "praise")[number]

    @property
    def tokens(self) -> bool:
        """Inputs are words."""
        return True

    def vocabulary(self) -> Vocabulary:
        """The most frequent words of the training reviews."""
        return _vocabulary(self.words)

    def data(self) -> tuple[Bucket, ...]:
        """The reviews of the split in buckets; see `tapehead.datasets.load_imdb`."""
        texts, labels = _words(self.split)
        vocabulary = self.vocabulary()
        numbers = [vocabulary.number(text[-self.longest :]) for text in texts]
        return buckets(numbers, labels, self.shapes)

    def size(self, data: Data) -> int:
        """How many reviews the split has."""
        return sum(self.bucket_sizes(data))

    def bucket_sizes(self, data: Data) -> tuple[int, ...]:
        """How many reviews there are of each length."""
        return tuple(len(bucket.labels) for bucket in data)

    def bucket_at(self, bucket: int, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """Reviews of one bucket, padded to its longest."""
        read, lengths, labels = (x[indices] for x in data[bucket])
        time = jnp.arange(read.shape[1])[:, None]
        return Sequences(
            inputs=read.T,
            targets=jnp.broadcast_to(labels, read.T.shape),
            weights=(time == lengths - 1).astype(jnp.float32),
            mask=time < lengths,
        )

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """Reviews of all lengths, bucket by bucket, padded to the longest of all."""
        longest = max(bucket.words.shape[1] for bucket in data)
        fill = [((0, 0), (0, longest - bucket.words.shape[1])) for bucket in data]
        padded = [b._replace(words=jnp.pad(b.words, f)) for b, f in zip(data, fill, strict=True)]
        whole = Bucket(*(jnp.concatenate(parts) for parts in zip(*padded, strict=True)))
        return self.bucket_at(0, indices, (whole,))
