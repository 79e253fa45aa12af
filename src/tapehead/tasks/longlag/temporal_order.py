"""Temporal order: which of two symbols came when, long ago."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.errors import UserError, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.length import LengthTask
from tapehead.tasks.task import Data

START, TRIGGER, DISTRACTORS, FIRST = 0, 1, 2, 6
"""Symbols: E and B, then a, b, c, d, then X and Y."""

PLACES = {2: (0.1, 0.5), 3: (0.1, 0.33, 0.66)}
"""Where each relevant symbol may come, as shares of the length; a tenth of it is the range."""


@dataclass(frozen=True)
class TemporalOrder(LengthTask):
    """Name the order in which two or three relevant symbols came among many that do not matter.

    A sequence begins with E, ends with B (which asks for the answer) and is `length` to
    `1.1 length` steps long. In between are random symbols a, b, c, d; only at two (or three)
    random places there is an X or a Y: with two, in steps `0.1 length` to `0.2 length` and `0.5
    length` to `0.6 length`; with three, in steps 0.1 to 0.2, 0.33 to 0.43 and 0.66 to 0.76.

    - Inputs `(time, batch, 8)`: the symbol, one-hot: E, B, a, b, c, d, X, Y.
    - Targets `(time, batch)`: at the last step, which alone has weight, the order: XX, XY, YX, YY
        are 0 to 3; with three, XXX to YYY are 0 to 7.

    Knowing nothing is right in 1 of 4 (or 8) sequences. The task is solved by 1,000 sequences
    without an error.

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiments 6a and 6b.

    A worked example: the symbols of a short sequence, and the answer.

    >>> import jax
    >>> batch = TemporalOrder(10).sample(jax.random.key(0), 1)
    >>> shown = "".join("EBabcdXY"[i] for i in batch.inputs[:, 0].argmax(-1)[batch.mask[:, 0]])
    >>> shown[0], shown[-1]
    ('E', 'B')
    >>> ["XX", "XY", "YX", "YY"][batch.targets[-1, 0]] == "".join(s for s in shown if s in "XY")
    True
    """

    length: int = 100
    """Steps of the shortest sequence."""
    symbols: Literal[2, 3] = 2
    """Relevant symbols: 2 as in experiment 6a, 3 as in 6b."""

    sizes: ClassVar[tuple[int, ...]] = (50, 100, 200)
    score: ClassVar[str] = "accuracy"
    output_kind = "classes"

    def __post_init__(self):
        at_least("TemporalOrder", 10, length=self.length)
        if self.symbols not in PLACES:
            raise UserError(f"TemporalOrder: symbols must be 2 or 3, got {self.symbols}")

    @property
    def input_size(self) -> int:
        """The symbols."""
        return FIRST + 2

    @property
    def output_size(self) -> int:
        """The orders."""
        return 2**self.symbols

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Places, relevant symbols, distractors and lengths, all uniform."""
        place_key, relevant_key, distractor_key, length_key = jax.random.split(key, 4)
        steps = self.length + self.length // 10
        lengths = jax.random.randint(length_key, (batch,), self.length, steps + 1)
        time = jnp.arange(steps)[:, None]
        shown = jax.random.randint(distractor_key, (steps, batch), DISTRACTORS, FIRST)
        shown = jnp.where(time == 0, START, shown)
        shown = jnp.where(time == lengths - 1, TRIGGER, shown)
        answer = jnp.zeros(batch, jnp.int32)
        relevant = jax.random.randint(relevant_key, (self.symbols, batch), 0, 2)
        for number, share in enumerate(PLACES[self.symbols]):
            low = max(round(share * self.length), 1)
            high = max(round((share + 0.1) * self.length), low)
            place = jax.random.randint(
                jax.random.fold_in(place_key, number), (batch,), low, high + 1
            )
            shown = jnp.where(time == place, FIRST + relevant[number], shown)
            answer = 2 * answer + relevant[number]
        mask = time < lengths
        last = time == lengths - 1
        inputs = jax.nn.one_hot(shown, self.input_size, dtype=jnp.float32)
        return Sequences(
            inputs=jnp.where(mask[..., None], inputs, 0),
            targets=jnp.broadcast_to(answer, shown.shape),
            weights=last.astype(jnp.float32),
            mask=mask,
        )

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Read the relevant symbols off."""
        shown = np.asarray(sequences.inputs).argmax(-1)
        some = np.asarray(sequences.inputs).sum(-1) > 0
        targets = np.zeros(shown.shape, np.int32)
        for b in range(shown.shape[1]):
            relevant = [s - FIRST for s in shown[some[:, b], b] if s >= FIRST]
            targets[:, b] = int("".join(map(str, relevant)), 2)
        return targets

    def class_name(self, number: int) -> str:
        """The order, such as XY."""
        return f"{number:0{self.symbols}b}".translate({ord("0"): "X", ord("1"): "Y"})
