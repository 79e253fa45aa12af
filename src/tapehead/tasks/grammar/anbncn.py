"""aⁿbⁿcⁿ: a context-sensitive language that takes two counters."""

from dataclasses import dataclass
from typing import ClassVar

from tapehead.tasks.grammar.counting import Counting


@dataclass(frozen=True)
class AnBnCn(Counting):
    """Say after every symbol of aⁿbⁿcⁿ which symbols may come next.

    As `AnBn`, with a third letter: after the last b comes c, and after the last c the marker. A
    string takes `3 n + 1` steps.

    - Inputs `(time, batch, 4)`: the marker, then the string, one-hot: marker, a, b, c.
    - Targets `(time, batch, 4)`: 1 for each symbol that may come next.

    Source: Gers and Schmidhuber, "LSTM recurrent networks learn simple context-free and
    context-sensitive languages" (2001).

    A worked example: aabbcc, where `#` is the marker.

    >>> import jax.numpy as jnp
    >>> batch = AnBnCn().batch_at(jnp.array([1]), ())
    >>> for shown, wanted, asked in zip(batch.inputs[:, 0], batch.targets[:, 0], batch.weights):
    ...     if asked:
    ...         print("#abc"[shown.argmax()], "→", *(s for s, w in zip("#abc", wanted) if w))
    # → a
    a → a b
    a → a b
    b → b
    b → c
    c → c
    c → #
    """

    letters: ClassVar[int] = 3
