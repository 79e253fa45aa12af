"""`SequenceMapper`: what all estimators have in common that make something of each sequence."""

import abc
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from tapehead.errors import UserError
from tapehead.estimators.export import answers
from tapehead.estimators.export.function import Ways, What
from tapehead.estimators.network import recipe
from tapehead.estimators.reading import Read
from tapehead.estimators.schema import symbols_of
from tapehead.estimators.sequential import SequenceReader
from tapehead.estimators.trained import read_through
from tapehead.models import Model
from tapehead.models.layered import Pool
from tapehead.tasks.given import Examples, Given


class Answers(NamedTuple):
    """What is wanted of a network, sequence by sequence.

    **Attributes:**

    - `targets`: for each sequence `(time or 1, ...)`, as the task's loss has them.
    - `counts`: for each sequence `(time or 1,)`, how much each of these answers counts by itself.
    - `strata`: by what examples are held out evenly; `None` if by nothing.
    """

    targets: list[np.ndarray]
    counts: list[np.ndarray]
    strata: np.ndarray | None = None


class SequenceMapper(SequenceReader):
    """A network from sequences to values, one for each sequence or for each of its steps.

    Subclasses say what it is taught, and what its outputs mean.
    """

    each_step: bool
    text: Any
    pool: ClassVar[Pool] = "mean"  # what one answer to a whole sequence is read from

    @abc.abstractmethod
    def _task(self, features: int, symbols: bool) -> Given:
        """The task of the network."""

    @abc.abstractmethod
    def _examples(
        self, read: Read, wanted: Answers, weights: list[np.ndarray], part: np.ndarray
    ) -> Examples:
        """The padded arrays of some of the sequences, and what is wanted of them."""

    @abc.abstractmethod
    def decoded(self, outputs: Any) -> Any:
        """Answers from the networks' outputs `(networks, *batch, outputs)`, in NumPy or in JAX."""

    def task(self) -> Given:
        """The task of which the answers are the targets."""
        return self._task(self.schema_.features, self.schema_.tokens)

    def functions(self, what: What) -> Ways:
        """Sequences, or steps of streams, to answers."""
        return answers.ways(self, what)

    # -- learning -----------------------------------------------------------------------------

    def _lengths(self, read: Read) -> list[int]:
        """The steps of each sequence."""
        if read.form != "text":
            return [len(sequence) for sequence in read.sequences]
        return [len(symbols_of(text, self.text)) for text in read.sequences]

    def _parts(
        self, count: int, rng: np.random.RandomState, strata: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which sequences to learn from, and which to stop by; none if that would be too few."""
        everything = np.arange(count)
        held = self._held(count)
        if not held:
            return everything, everything[:0]
        seed = rng.randint(2**31 - 1)
        try:
            learned, held_out = train_test_split(
                everything, test_size=held, random_state=seed, stratify=strata
            )
        except ValueError:  # a class with one example
            learned, held_out = train_test_split(everything, test_size=held, random_state=seed)
        return np.sort(learned), np.sort(held_out)

    def _recipe(self) -> Model:
        """The network's, whose readout pools where there is one answer to a whole sequence."""
        pool = "none" if self.each_step else self.pool
        return recipe(self.model, self.size, pool=pool, dropout=self.dropout)

    def _learn(
        self,
        read: Read,
        wanted: Answers,
        weights: list[np.ndarray],
        parts: tuple[np.ndarray, np.ndarray],
        *,
        seed: int,
        again: bool = False,
    ) -> None:
        """Train the networks on one part, in buckets of like length, and stop by the other.

        If `again`, they begin with the weights that there are.
        """
        self.recipe_ = self._recipe()
        learned, held = parts
        groups = self._alike(np.array(self._lengths(read))[learned])
        data = tuple(self._examples(read, wanted, weights, learned[group]) for group in groups)
        test = (self._examples(read, wanted, weights, held),) if len(held) else None
        self._train(data, test, seed=seed, arrays=self._arrays() if again else None)
        self.parts_ = {"learned": len(learned), "held_out": len(held)}

    # -- answering ----------------------------------------------------------------------------

    def _outputs(self, X: Any) -> tuple[Read, list[np.ndarray]]:
        """What was read, and for each sequence the outputs `(networks, time or 1, outputs)`."""
        read = self.read(X)
        coded = [self.schema_.encode(sequence) for sequence in read.sequences]
        masks = [np.ones_like(known) if self.each_step else readable(known) for _, known in coded]
        found: list[Any] = [None] * len(coded)
        values = [one for one, _ in coded]
        for number, outputs in read_through(self.networks(), values, masks):
            last = [np.flatnonzero(masks[number])[-1]]
            found[number] = outputs if self.each_step else outputs[:, last]
        return read, found

    def _gathered(self, answers: list[np.ndarray]) -> Any:
        """Answers for sequences: an array if there is one each, or all are as long; else a list."""
        if not self.each_step:
            return np.array([one[0] for one in answers])
        if len({len(one) for one in answers}) == 1:
            return np.array(answers)
        return answers


def weighed(counts: list[np.ndarray], whole: np.ndarray) -> list[np.ndarray]:
    """The weight of each answer, where sequences count as a `whole` too; they are 1 on average."""
    answer = [w * c for w, c in zip(whole, counts, strict=True)]
    total = sum(float(a.sum()) for a in answer)
    asked = sum(int((a > 0).sum()) for a in answer)
    if not asked:
        raise UserError("y: asks for nothing: no answer has weight")
    return [a * asked / total for a in answer]


def readable(known: np.ndarray) -> np.ndarray:
    """Which steps are read: those in which anything is known, or the last if nothing is."""
    if known.any():
        return known
    last = np.zeros(len(known), bool)
    last[-1] = True
    return last
