"""Embedded Reber grammar: predict every next symbol of one string."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.grammar.embedded_reber import (
    SHORTEST,
    SYMBOLS,
    EmbeddedReber,
    strings,
)
from tapehead.tasks.task import Data


@dataclass(frozen=True)
class Reber(EmbeddedReber):
    """Predict every next symbol of a string of the embedded Reber grammar.

    A string is B, then T or P, then a string of the Reber grammar, then the same T or P again,
    then E; that last T or P is what has to be remembered. It has 12 symbols on average, at least
    9 and at most `longest`: the few that would be longer are brought to their end in time.

    - Inputs `(time, batch, 7)`: the symbols, one-hot in the order B, T, P, S, X, V, E.
    - Targets `(time, batch, 7)`: the symbol that comes next. Often either of two may: then no
        network can know which.

    Measures beside those of bits: `legal`, the share of steps at which the symbols that may come
    next are given more than all others; `error_free`, 1 where that is so at every step;
    `optimal_bits`, what the best predictions pay.

    The task is solved by `legal` of 1 for 1,000 fresh strings. That is the paper's criterion, but
    for the strings: it draws 256 for training and 256 for testing once and for all, and wants
    both sets right.

    Sources: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiment 1; Fahlman
    (1991); the grammar is Reber's (1967).

    A worked example: a string, and the symbols that may come after each of its symbols.

    >>> import jax
    >>> task = Reber()
    >>> batch = task.sample(jax.random.key(1), 1)
    >>> length = int(batch.mask[:, 0].sum())
    >>> print("".join(SYMBOLS[i] for i in batch.inputs[:length, 0].argmax(-1)))
    BTBPTTTTVPSET
    >>> legal = task.solve(batch)[:length, 0] > 0.1
    >>> print(*["".join(s for s, may in zip(SYMBOLS, row) if may) for row in legal])
    TP B TP TV TV TV TV TV PV SX E T E
    """

    longest: int = 32
    """Most symbols in a string."""

    def __post_init__(self):
        at_least("Reber", SHORTEST, longest=self.longest)

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Strings with each choice of two symbols made by a fair coin."""
        symbols = strings(jax.random.bernoulli(key, shape=(self.longest, batch)), end=True)
        # The second E ends the string; it is to be predicted, and nothing after it.
        ends = jnp.cumsum(symbols == SYMBOLS.index("E"), axis=0)
        return self._prediction(symbols, mask=ends[:-1] < 2)

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `bit_metrics`, `optimal_bits`, `legal` and `error_free`; see above."""
        above, measures = self._legal_above(outputs, sequences)
        return {**measures, "error_free": jnp.all(above, axis=0).astype(outputs.dtype)}
