"""aⁿbⁿ: a context-free language that takes one counter."""

from dataclasses import dataclass
from typing import ClassVar

from tapehead.tasks.grammar.counting import Counting


@dataclass(frozen=True)
class AnBn(Counting):
    """Say after every symbol of aⁿbⁿ which symbols may come next.

    The strings are one for every n from `min_n` to `max_n`. Training draws n uniformly;
    tests pass over every string once. A string takes `2 n + 1` steps; batches are padded.

    - Inputs `(time, batch, 3)`: the marker, then the string, one-hot: marker, a, b.
    - Targets `(time, batch, 3)`: 1 for each symbol that may come next: a after the marker; a or b
        after an a; b after a b, but after the last, which has to be counted, the marker.

    A string is accepted (`sequence_accuracy`) if all symbols are right after all its steps; a
    network generalises to n if it accepts all strings up to n. The task is solved when it accepts
    those of training. The paper wants the last 1,000 sequences of training accepted, and errors
    below 0.49 (of logistic outputs) where 0.5 decides here.

    Source: Gers and Schmidhuber, "LSTM recurrent networks learn simple context-free and
    context-sensitive languages" (2001).

    A worked example: aabb, where `#` is the marker.

    >>> import jax.numpy as jnp
    >>> batch = AnBn().batch_at(jnp.array([1]), ())
    >>> for shown, wanted, asked in zip(batch.inputs[:, 0], batch.targets[:, 0], batch.weights):
    ...     if asked:
    ...         print("#ab"[shown.argmax()], "→", *(s for s, w in zip("#ab", wanted) if w))
    # → a
    a → a b
    a → a b
    b → b
    b → #
    """

    letters: ClassVar[int] = 2
