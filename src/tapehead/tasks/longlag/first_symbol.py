"""First symbol: predict every next symbol, of which the last is the first again."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import among, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.longlag.largest_error import largest_error
from tapehead.tasks.losses import bit_metrics
from tapehead.tasks.task import Data, Task

Variant = Literal["2a", "2b"]


@dataclass(frozen=True)
class FirstSymbol(Task):
    """Predict every next symbol of a sequence whose last symbol is its first again.

    A sequence is x or y, then `p − 1` symbols a, then the same x or y. So it has `p + 1` symbols,
    and there are `p + 1` different ones; the last is predicted from the first across `p − 1` steps.

    - Inputs `(p, batch, p + 1)`: the symbols, one-hot: x, y, a₁ to a_{p−1}.
    - Targets `(p, batch, p + 1)`: the symbol that comes next.

    Two variants:

    - `"2a"`: the symbols between are a₁ to a_{p−1}, always in this order. A sequence is right
        (`accuracy`) if no output is off by 0.25 or more at any step (`largest_error`).
    - `"2b"`: they are drawn at random, so they cannot be predicted; nor is it known which of them
        come. A sequence is right if no output is off by 0.25 or more at the last step.

    Outputs are logistic. The task is solved by 1,000 right sequences; the paper has 10,000 (give
    `--evaluation-size 10000`). `optimal_bits` is what the best predictions pay: nothing for 2a.

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiments 2a and 2b.

    A worked example:

    >>> import jax
    >>> batch = FirstSymbol(p=4).sample(jax.random.key(1), 1)
    >>> print(batch.inputs[:, 0].argmax(-1), batch.targets[:, 0].argmax(-1))
    [1 2 3 4] [2 3 4 1]
    """

    p: int = 100
    """Symbols that are read, and as many that are predicted."""
    variant: Variant = "2a"
    """Between the first and the last symbol: always the same ones (2a), or random ones (2b)."""

    axis: ClassVar[str] = "lag"
    score: ClassVar[str] = "accuracy"
    determined: ClassVar[bool] = False

    def __post_init__(self):
        at_least("FirstSymbol", 3, p=self.p)
        among("FirstSymbol", get_args(Variant), variant=self.variant)

    @property
    def input_size(self) -> int:
        """The symbols."""
        return self.p + 1

    @property
    def output_size(self) -> int:
        """The symbols."""
        return self.p + 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """The first symbol by a fair coin; those between uniform, in 2b."""
        first_key, between_key = jax.random.split(key)
        first = jax.random.randint(first_key, (1, batch), 0, 2)
        shape = (self.p - 1, batch)
        if self.variant == "2a":
            between = jnp.broadcast_to(jnp.arange(2, self.p + 1)[:, None], shape)
        else:
            between = jax.random.randint(between_key, shape, 2, self.p + 1)
        symbols = jnp.concatenate([first, between, first])
        shown = jax.nn.one_hot(symbols, self.p + 1, dtype=jnp.float32)
        return Sequences(shown[:-1], shown[1:], jnp.ones((self.p, batch)))

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `bit_metrics`, `optimal_bits`, `largest_error` and `accuracy`; see above."""
        judged = sequences.weights
        optimal = jnp.zeros(judged.shape[1:], outputs.dtype)
        if self.variant == "2b":
            judged = judged.at[:-1].set(0)
            others = self.p - 2
            step = np.log2(others + 1) - others * np.log2(others / (others + 1))
            optimal += (self.p - 1) * step
        worst = largest_error(outputs, sequences.targets, judged)
        return {
            **bit_metrics(outputs, sequences),
            "optimal_bits": optimal,
            "largest_error": worst,
            "accuracy": (worst < 0.25).astype(outputs.dtype),
        }

    def solve(self, sequences: Sequences) -> np.ndarray:
        """The best probabilities: nearly 1 or 0 where the next symbol is known, else all alike."""
        shown = np.asarray(sequences.inputs).argmax(axis=-1)
        best = np.full(sequences.targets.shape, 1e-15)
        for b in range(shown.shape[1]):
            for t in range(self.p - 1):
                if self.variant == "2a":
                    best[t, b, t + 2] = 1 - 1e-15
                else:
                    best[t, b, 2:] = 1 / (self.p - 1)
            best[-1, b, shown[0, b]] = 1 - 1e-15
        return best
