"""`Method`: what a detector's network reads of a sequence, and what it is to give."""

import abc
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Method(abc.ABC):
    """From sequences to a network's inputs, and from its outputs to what was expected."""

    window: int
    """Steps of the windows in which long sequences are learned."""

    ahead: ClassVar[bool]
    """Whether each step is expected from those before it, so that it can be streamed."""
    marks: ClassVar[int] = 0
    """Features that are read beside those of the sequence."""

    @abc.abstractmethod
    def inputs(self, values: np.ndarray) -> np.ndarray:
        """What is read of a sequence `(time, features)`, `(longer, features + marks)`."""

    @abc.abstractmethod
    def wanted(self, steps: np.ndarray) -> np.ndarray:
        """Something of each step `(time, ...)` where the network is to give it, `(longer, ...)`."""

    @abc.abstractmethod
    def expected(self, outputs: np.ndarray) -> np.ndarray:
        """What was expected of each step, `(time, features)`, from outputs `(longer, features)`."""

    @abc.abstractmethod
    def pieces(self, steps: int) -> list[tuple[int, int]]:
        """Where the parts begin and end in which a sequence of so many steps is read."""


class Prediction(Method):
    """Each step after the one before."""

    ahead = True

    def inputs(self, values: np.ndarray) -> np.ndarray:
        """The sequence, one step late."""
        return np.concatenate([np.zeros_like(values[:1]), values[:-1]])

    def wanted(self, steps: np.ndarray) -> np.ndarray:
        """Each at its step."""
        return steps

    def expected(self, outputs: np.ndarray) -> np.ndarray:
        """All of them."""
        return outputs

    def pieces(self, steps: int) -> list[tuple[int, int]]:
        """The whole."""
        return [(0, steps)]


class Reconstruction(Method):
    """All of a window backwards, after it was read."""

    ahead = False
    marks = 1

    def inputs(self, values: np.ndarray) -> np.ndarray:
        """The window and then as many blanks, with how much is left to be written.

        That is told in windows; without it the network would have to count.
        """
        left = np.arange(len(values), 0, -1) / self.window
        mark = np.concatenate([np.zeros_like(left), left]).astype(np.float32)[:, None]
        return np.concatenate([np.concatenate([values, np.zeros_like(values)]), mark], axis=1)

    def wanted(self, steps: np.ndarray) -> np.ndarray:
        """The last first, after the window."""
        return np.concatenate([np.zeros_like(steps), steps[::-1]])

    def expected(self, outputs: np.ndarray) -> np.ndarray:
        """The second half, backwards."""
        return outputs[: len(outputs) // 2 - 1 : -1]

    def pieces(self, steps: int) -> list[tuple[int, int]]:
        """Windows; the last ends with the sequence, and is read over the one before."""
        size = min(self.window, steps)
        starts = sorted({*range(0, steps - size + 1, size), steps - size})
        return [(start, start + size) for start in starts]


METHODS: dict[str, type[Method]] = {"prediction": Prediction, "reconstruction": Reconstruction}
