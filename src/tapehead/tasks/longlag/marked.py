"""Sequences of numbers of which two are marked, as in experiments 4 and 5 of the LSTM paper."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray


class Marked(NamedTuple):
    """A batch of them.

    **Attributes:**

    - `inputs`: `(time, batch, 2)`, the numbers and their marks, 0 on padding.
    - `counted`: the numbers that count: those marked, but for one on the first step, which bears
        another mark already.
    - `last`: the last step of each sequence.
    - `mask`: False on padding.
    """

    inputs: Float[Array, "time batch 2"]
    counted: Bool[Array, "time batch"]
    last: Bool[Array, "time batch"]
    mask: Bool[Array, "time batch"]


def marked_numbers(key: PRNGKeyArray, batch: int, *, length: int, low: float) -> Marked:
    """Numbers from [low, 1], `length` to `1.1 length` of them.

    The first mark is on one of the first ten numbers, the second on another of the first
    `length / 2 - 1`. A mark is 1, that of the first and of the last step is -1, every other is 0.
    """
    number_key, first_key, second_key, length_key = jax.random.split(key, 4)
    steps = length + length // 10
    numbers = jax.random.uniform(number_key, (steps, batch), jnp.float32, low, 1.0)
    lengths = jax.random.randint(length_key, (batch,), length, steps + 1)
    early = max(length // 2 - 1, 2)
    first = jax.random.randint(first_key, (batch,), 0, min(10, early))
    second = jax.random.randint(second_key, (batch,), 0, early - 1)
    second = jnp.where(second >= first, second + 1, second)
    time = jnp.arange(steps)[:, None]
    marked = (time == first) | (time == second)
    last = time == lengths - 1
    mask = time < lengths
    marks = jnp.where((time == 0) | last, -1.0, marked.astype(jnp.float32))
    inputs = jnp.stack([numbers, marks], axis=-1)
    return Marked(jnp.where(mask[..., None], inputs, 0), marked & (time > 0), last, mask)
