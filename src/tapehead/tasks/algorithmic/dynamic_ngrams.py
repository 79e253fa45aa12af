"""Dynamic N-grams: learn the statistics of a sequence while reading it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.errors import UserError, within
from tapehead.sequences import Sequences
from tapehead.tasks.algorithmic.bits import check_sizes
from tapehead.tasks.length import LengthTask
from tapehead.tasks.losses import bit_metrics
from tapehead.tasks.task import Data


@dataclass(frozen=True)
class DynamicNgrams(LengthTask):
    """Predict every bit of a sequence drawn from an N-gram model of its own.

    For every sequence each of the `2^(order-1)` contexts gets a probability of a 1 from
    Beta(1/2, 1/2). The first `order - 1` bits are fair; every later one is drawn with the
    probability of its context, the `order - 1` bits before it.

    - Inputs `(time, batch, 1)`: the bit before the one to be predicted; 0 at the first step.
    - Targets `(time, batch, 1)`: the bit to be predicted. Every step has weight.

    The inputs do not determine the targets. The best prediction from what was seen so far, in a
    context `c` that was followed by `N1` ones and `N0` zeros, is

        P(B = 1 | N1, N0, c) = (N1 + 1/2) / (N1 + N0 + 1)

    and what it costs is the metric `optimal_bits`, on the very same sequences: about 133.25 of
    the 200 bits of a network that knows nothing, with the defaults, which are the paper's. The
    task counts as solved when `bits` is at most 1 above it, on average.

    Source: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014), section 4.4.

    A worked example with 3-grams, the bits in a row; contexts are the two bits before, so the
    optimal estimator starts with two guesses:

    >>> import jax
    >>> task = DynamicNgrams(order=3, length=12)
    >>> batch = task.sample(jax.random.key(0), 1)
    >>> print(batch.inputs[:, 0, 0].astype(int))
    [0 1 1 0 0 1 0 0 1 0 0 1]
    >>> print(batch.targets[:, 0, 0].astype(int))
    [1 1 0 0 1 0 0 1 0 0 1 0]
    >>> print(task.solve(batch)[:, 0, 0].round(2))
    [0.5  0.5  0.5  0.5  0.5  0.5  0.25 0.75 0.25 0.17 0.83 0.17]
    """

    order: int = 6
    """N: a bit depends on the N-1 bits before it."""
    length: int = 200
    """Bits in a sequence."""

    sizes: ClassVar[tuple[int, ...]] = (50, 100, 200, 300, 400)
    score: ClassVar[str] = "bits"
    higher_is_better: ClassVar[bool] = False
    determined: ClassVar[bool] = False

    def __post_init__(self):
        check_sizes("DynamicNgrams", order=self.order, length=self.length)
        within("DynamicNgrams", 1, 16, order=self.order)
        if self.length < self.order:
            raise UserError(
                f"DynamicNgrams: length must be at least order ({self.order}), got {self.length}"
            )

    @property
    def input_size(self) -> int:
        """One bit."""
        return 1

    @property
    def output_size(self) -> int:
        """One bit."""
        return 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """New probabilities and new bits for every sequence."""
        table_key, bits_key = jax.random.split(key)
        contexts = 2 ** (self.order - 1)
        # Beta(1/2, 1/2) is the arcsine law: sin^2 of a uniform angle.
        angle = jax.random.uniform(table_key, (batch, contexts), maxval=jnp.pi / 2)
        table = jnp.sin(angle) ** 2
        chance = jax.random.uniform(bits_key, (self.length, batch))

        def draw(
            context: Int[Array, " batch"], step: tuple[Int[Array, ""], Float[Array, " batch"]]
        ) -> tuple[Int[Array, " batch"], Int[Array, " batch"]]:
            time, u = step
            p = jnp.take_along_axis(table, context[:, None], axis=1)[:, 0]
            bit = (u < jnp.where(time < self.order - 1, 0.5, p)).astype(jnp.int32)
            return (2 * context + bit) % contexts, bit

        start = jnp.zeros(batch, jnp.int32)
        bits = jax.lax.scan(draw, start, (jnp.arange(self.length), chance))[1]
        targets = bits[..., None].astype(jnp.float32)
        return Sequences(
            inputs=jnp.pad(targets[:-1], [(1, 0), (0, 0), (0, 0)]),
            targets=targets,
            weights=jnp.ones((self.length, batch)),
        )

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Those of `bit_metrics`, and `optimal_bits`: what the optimal estimator pays."""
        bits = sequences.targets[..., 0]
        p = optimal_probabilities(bits, self.order)
        cost = -jnp.log2(jnp.where(bits > 0.5, p, 1 - p))
        optimal = jnp.sum(jnp.where(sequences.weights > 0, cost, 0), axis=0)
        return {**bit_metrics(outputs, sequences), "optimal_bits": optimal.astype(outputs.dtype)}

    def solve(self, sequences: Sequences) -> np.ndarray:
        """The optimal estimator's probability of a 1 at every step, by counting in a dictionary."""
        inputs = np.asarray(sequences.inputs)
        probabilities = np.full(inputs.shape, 0.5)
        back = self.order - 1
        for b in range(inputs.shape[1]):
            bits = [int(bit) for bit in inputs[1:, b, 0]]  # all but the last, which is not shown
            counts: dict[tuple[int, ...], list[int]] = {}
            for t in range(back, len(inputs)):
                seen = counts.setdefault(tuple(bits[t - back : t]), [0, 0])
                probabilities[t, b] = (seen[1] + 0.5) / (seen[0] + seen[1] + 1)
                if t < len(bits):
                    seen[bits[t]] += 1
        return probabilities

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """Whether a sequence costs at most 1 bit more than the optimal estimator pays for it."""
        return metrics["bits"] <= metrics["optimal_bits"] + 1.0


def optimal_probabilities(
    bits: Float[Array, "time *batch"], order: int
) -> Float[Array, "time *batch"]:
    """`(N1 + 1/2) / (N1 + N0 + 1)` before every bit, from those before it; 1/2 without context."""
    contexts = 2 ** (order - 1)
    flat = bits.reshape(bits.shape[0], -1)
    lanes = jnp.arange(flat.shape[1])

    def count(
        carry: tuple[Int[Array, " batch"], Float[Array, "batch contexts 2"]],
        step: tuple[Int[Array, ""], Float[Array, " batch"]],
    ) -> tuple[tuple[Array, Array], Float[Array, " batch"]]:
        context, counts = carry
        time, bit = step
        zeros, ones = counts[lanes, context].T
        known = time >= order - 1
        p = jnp.where(known, (ones + 0.5) / (zeros + ones + 1), 0.5)
        value = bit.astype(jnp.int32)
        counts = counts.at[lanes, context, value].add(jnp.where(known, 1.0, 0.0))
        return ((2 * context + value) % contexts, counts), p

    start = jnp.zeros(lanes.shape, jnp.int32), jnp.zeros((*lanes.shape, contexts, 2), bits.dtype)
    p = jax.lax.scan(count, start, (jnp.arange(bits.shape[0]), flat))[1]
    return p.reshape(bits.shape)
