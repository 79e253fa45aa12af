"""Continual embedded Reber grammar: predict a stream of strings that is never cut."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import at_least
from tapehead.sequences import Sequences
from tapehead.tasks.grammar.embedded_reber import EmbeddedReber, strings
from tapehead.tasks.length import LengthTask
from tapehead.tasks.task import Data, Task


@dataclass(frozen=True)
class ContinualReber(LengthTask, EmbeddedReber):
    """Predict every next symbol of a stream of embedded Reber strings, one after the other.

    Nothing but the symbols E and B says where a string ends and the next begins: the network is
    not reset there, and has to learn to forget by itself. A sequence is the first `length + 1`
    symbols of a stream.

    - Inputs `(time, batch, 7)`: the symbols, one-hot in the order B, T, P, S, X, V, E.
    - Targets `(time, batch, 7)`: the symbol that comes next.

    Measures beside those of bits: `legal`, the share of steps at which the symbols that may come
    next are given more than all others; `error_free`, 1 where that is so at every step;
    `until_error`, how many symbols are predicted so before the first that is not; `close`, the
    share of steps whose squared errors are all below 0.49, which is the paper's test of a step;
    `optimal_bits`, what the best predictions pay.

    The task is solved by `legal` of 1 over 1,000 fresh streams. The paper's solution is a stream
    of a million symbols whose every step is close in its sense. Ours is stricter about a step: to
    give both T and P one half, where it was one of them that had to be remembered, is close.

    Source: Gers, Schmidhuber and Cummins, "Learning to forget: continual prediction with LSTM"
    (2000).

    A worked example: the beginning of a stream.

    >>> import jax
    >>> batch = ContinualReber(40).sample(jax.random.key(1), 1)
    >>> print("".join("BTPSXVE"[i] for i in batch.inputs[:, 0].argmax(-1)))
    BTBPTTTTVPSETEBTBPTVVETEBTBPVVETEBTBTXXT
    >>> batch.mask is None, bool((batch.inputs[1:] == batch.targets[:-1]).all())
    (True, True)
    """

    length: int = 200
    """Symbols of a stream that are read, and as many that are predicted."""

    sizes: ClassVar[tuple[int, ...]] = (100, 1000, 10_000)

    def __post_init__(self):
        at_least("ContinualReber", 1, length=self.length)

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Streams with each choice of two symbols made by a fair coin."""
        chance = jax.random.bernoulli(key, shape=(self.length + 1, batch))
        return self._prediction(strings(chance, end=False))

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `bit_metrics` and `optimal_bits`, and the measures above."""
        above, measures = self._legal_above(outputs, sequences)
        errors = (jax.nn.sigmoid(outputs) - sequences.targets) ** 2
        close = jnp.all(errors < 0.49, axis=-1)
        right_so_far = jnp.cumprod(above.astype(outputs.dtype), axis=0)
        return {
            **measures,
            "close": jnp.mean(close.astype(outputs.dtype), axis=0),
            "until_error": jnp.sum(right_so_far, axis=0),
            "error_free": right_so_far[-1],
        }

    def evaluations(self) -> dict[str, Task]:
        """Streams of 10,000 symbols."""
        return {"length 10000": self.resized(10_000)}
