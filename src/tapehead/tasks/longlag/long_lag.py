"""Long lag: tell the second symbol of a sequence after very many that do not matter."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.longlag.largest_error import largest_error
from tapehead.tasks.losses import bit_metrics
from tapehead.tasks.task import Data, Task

BEGIN, END, X = 0, 1, 2
"""Symbols: b, e, x, y, then the distractors."""
FIRST = 4
STOP = 0.1
"""The chance with which e follows each distractor from the last of the first `q` on."""
MOST = 60
"""Most distractors beyond the first `q`; one sequence in 600 would have more."""


@dataclass(frozen=True)
class LongLag(Task):
    """Tell which of x and y came second, after very many symbols that do not matter.

    A sequence is b, then x or y, then `q` random symbols of the `p` distractors, then further
    ones: before each of these the sequence ends with a chance of 1 in 10 (so that there are 9 on
    average, at most 60); then e, after which the answer is asked for.

    - Inputs `(time, batch, p + 4)`: the symbols, one-hot: b, e, x, y, a₁ to a_p.
    - Targets `(time, batch, 2)`: at the e, which alone has weight, x or y, one-hot.

    Measures beside those of bits: `largest_error`, the larger error of the two (logistic) outputs;
    `accuracy`, whether that is below 0.2. The task is solved by 1,000 sequences with an error
    below 0.2; the paper has 10,000 (give `--evaluation-size 10000`).

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiment 2c. Its table 3
    has lags `q` of 50 to 1,000 with as many distractors, and of 1,000 with fewer.

    A worked example: the symbols of a short sequence, a distractor as a dot, and the answer.

    >>> import jax
    >>> batch = LongLag(p=3, q=4).sample(jax.random.key(2), 1)
    >>> shown = batch.inputs[:, 0].argmax(-1)[batch.mask[:, 0]]
    >>> answer = batch.targets[batch.weights > 0][0]
    >>> print("".join("bexy..."[i] for i in shown), "xy"[answer.argmax()])
    by.....e y
    """

    p: int = 100
    """How many different distractors there are."""
    q: int = 100
    """Distractors in a sequence, at least: the lag is `q + 1` or more."""

    axis: ClassVar[str] = "q"
    sizes: ClassVar[tuple[int, ...]] = (50, 100, 200)
    score: ClassVar[str] = "accuracy"

    def __post_init__(self):
        at_least("LongLag", 1, p=self.p, q=self.q)

    @property
    def input_size(self) -> int:
        """The symbols."""
        return FIRST + self.p

    @property
    def output_size(self) -> int:
        """x and y."""
        return 2

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Answers by a fair coin, distractors uniform, the end as chance has it."""
        answer_key, distractor_key, more_key = jax.random.split(key, 3)
        steps = 2 + self.q + MOST + 1
        answer = jax.random.randint(answer_key, (batch,), 0, 2)
        stops = jax.random.bernoulli(more_key, STOP, (MOST, batch))
        more = jnp.sum(jnp.cumsum(stops, axis=0) == 0, axis=0)
        time = jnp.arange(steps)[:, None]
        shown = jax.random.randint(distractor_key, (steps, batch), FIRST, FIRST + self.p)
        shown = jnp.where(time == 0, BEGIN, jnp.where(time == 1, X + answer, shown))
        last = time == 2 + self.q + more
        shown = jnp.where(last, END, shown)
        mask = time <= 2 + self.q + more
        inputs = jax.nn.one_hot(shown, self.input_size, dtype=jnp.float32)
        told = jax.nn.one_hot(answer, 2, dtype=jnp.float32)
        return Sequences(
            inputs=jnp.where(mask[..., None], inputs, 0),
            targets=jnp.where(last[..., None], told, 0),
            weights=last.astype(jnp.float32),
            mask=mask,
        )

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `bit_metrics`, `largest_error`, and `accuracy`: whether it is below 0.2."""
        worst = largest_error(outputs, sequences.targets, sequences.weights)
        right = (worst < 0.2).astype(outputs.dtype)
        return {**bit_metrics(outputs, sequences), "largest_error": worst, "accuracy": right}

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Give the second symbol back at the e."""
        shown = np.asarray(sequences.inputs).argmax(axis=-1)
        targets = np.zeros(sequences.targets.shape, np.float32)
        for b in range(shown.shape[1]):
            (end,) = np.flatnonzero(shown[:, b] == END)
            targets[end, b, shown[1, b] - X] = 1
        return targets

    def resized(self, size: int) -> "LongLag":
        """That many distractors before the end may come."""
        return dataclasses.replace(self, q=size)
