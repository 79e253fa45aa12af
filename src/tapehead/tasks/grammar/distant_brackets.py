"""Distant brackets: what stands in brackets comes again, in brackets, a while later."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.losses import NATS_PER_BIT, class_metrics
from tapehead.tasks.task import Data, Task

BREAK, LEFT, RIGHT = 0, 1, 2
"""The symbols beside the letters, which come after them."""


@dataclass(frozen=True)
class DistantBrackets(Task):
    """Predict every next symbol of lines in which what was in brackets comes in brackets again.

    A line is a left bracket, `kept` random letters, a right bracket, `between` random letters, then
    the first bracket with the same letters in it once more, and a line break. A sequence is a line
    break and `lines` such lines, that is `lines (2 kept + between + 5)` symbols to predict.

    - Inputs `(time, batch, letters + 3)`: the symbols, one-hot: line break, brackets, letters.
    - Targets `(time, batch)`: the number of the symbol that comes next. All steps have weight.

    Measures beside those of classes: `bits`, what a sequence's predictions pay in all;
    `optimal_bits`, what the best ones pay, `(kept + between) lines log2(letters)`: 1.66 a symbol
    with the defaults, of 3.70 that knowing nothing costs. The task is solved within 1 % of that.

    Source: Tallec and Ollivier, "Unbiased online recurrent optimization" (2018), section 5, where
    kept, between and letters are s, k and a.

    A worked example: a line, and how many symbols the best predictions hold possible after each.

    >>> import jax
    >>> task = DistantBrackets(lines=1)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print("".join("|[]abcdefghij"[i] for i in batch.targets[:, 0]))
    [j]acdbh[j]|
    >>> print(*(task.solve(batch)[:, 0] > 0.01).sum(axis=-1))
    1 10 1 10 10 10 10 10 1 1 1 1
    """

    kept: int = 1
    """Letters in brackets (s)."""
    between: int = 5
    """Letters from one pair of brackets to the other (k)."""
    letters: int = 10
    """Different letters (a)."""
    lines: int = 10
    """Lines in a sequence."""

    axis: ClassVar[str] = "between"
    sizes: ClassVar[tuple[int, ...]] = (5, 10, 20, 50)
    score: ClassVar[str] = "bits"
    higher_is_better: ClassVar[bool] = False
    output_kind = "classes"
    determined: ClassVar[bool] = False

    def __post_init__(self):
        at_least("DistantBrackets", 1, kept=self.kept, between=self.between, lines=self.lines)
        at_least("DistantBrackets", 2, letters=self.letters)

    @property
    def input_size(self) -> int:
        """The line break, two brackets and the letters."""
        return self.letters + 3

    @property
    def output_size(self) -> int:
        """The same symbols."""
        return self.input_size

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Letters uniform and independent of each other."""
        shape = (self.lines, self.kept + self.between, batch)
        drawn = jax.random.randint(key, shape, RIGHT + 1, self.input_size)
        kept, between = drawn[:, : self.kept], drawn[:, self.kept :]
        one = jnp.ones((self.lines, 1, batch), drawn.dtype)
        bracketed = [LEFT * one, kept, RIGHT * one]
        line = jnp.concatenate([*bracketed, between, *bracketed, BREAK * one], axis=1)
        targets = line.reshape(-1, batch)
        shown = jnp.pad(targets[:-1], [(1, 0), (0, 0)], constant_values=BREAK)
        return Sequences(
            inputs=jax.nn.one_hot(shown, self.input_size, dtype=jnp.float32),
            targets=targets,
            weights=jnp.ones(targets.shape),
        )

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `class_metrics`, `bits` and `optimal_bits`; see above."""
        measures = class_metrics(outputs, sequences)
        free = (self.kept + self.between) * self.lines
        return {
            **measures,
            "bits": measures["loss"] * len(sequences.weights) / NATS_PER_BIT,
            "optimal_bits": jnp.full_like(measures["loss"], free * np.log2(self.letters)),
        }

    def solve(self, sequences: Sequences) -> np.ndarray:
        """The best probabilities `(time, batch, symbols)`, by reading symbol for symbol."""
        shown = np.asarray(sequences.inputs).argmax(axis=-1)
        best = np.full((*shown.shape, self.input_size), 1e-15)
        for b in range(shown.shape[1]):
            line: list[int] = []
            for t in range(len(shown)):
                line = [*line, int(shown[t, b])] if shown[t, b] != BREAK else []
                possible = self._possible(line)
                best[t, b, possible] = (1 - 1e-15) / len(possible)
        return best

    def _possible(self, line: list[int]) -> list[int]:
        """Which symbols may come after these of a line."""
        brackets = [t for t, symbol in enumerate(line) if symbol in (LEFT, RIGHT)]
        if not brackets:
            return [LEFT]
        letters = len(line) - 1 - brackets[-1]
        any_letter = list(range(RIGHT + 1, self.input_size))
        match len(brackets):
            case 1:
                return any_letter if letters < self.kept else [RIGHT]
            case 2:
                return any_letter if letters < self.between else [LEFT]
            case 3:
                return [line[1 + letters]] if letters < self.kept else [RIGHT]
        return [BREAK]

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """Whether predictions pay at most 1 % more than the best ones."""
        return metrics["bits"] <= 1.01 * metrics["optimal_bits"]

    def resized(self, size: int) -> "DistantBrackets":
        """Lines with so many letters between the brackets."""
        return dataclasses.replace(self, between=size)

    def evaluations(self) -> dict[str, Task]:
        """Twice as many letters between the brackets."""
        return {f"between {2 * self.between}": self.resized(2 * self.between)}
