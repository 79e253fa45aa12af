"""Adding: the sum of the two marked numbers of a long sequence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.errors import among, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.length import LengthTask
from tapehead.tasks.longlag.marked import marked_numbers
from tapehead.tasks.task import Data

Form = Literal["1997", "uniform"]


@dataclass(frozen=True)
class Adding(LengthTask):
    """Add the two marked numbers of a long sequence.

    - Inputs `(time, batch, 2)`: a random number and its mark at every step.
    - Targets `(time, batch, 1)`: at the last step, which alone has weight, the answer.

    Two forms:

    - `"1997"`: numbers from [−1, 1]; a sequence has `length` to `1.1 length` steps; the first mark
        is on one of the first ten numbers, the second on another of the first `length / 2 − 1`;
        a mark is 1, that of the first and of the last step is −1, every other is 0; the answer is
        `0.5 + (a + b) / 4`. Where the first step would be marked, its number counts as 0.
    - `"uniform"`: numbers from [0, 1]; exactly `length` steps; one mark of 1 in each half; the
        answer is `a + b`.

    A step is right within 0.04. The task is solved when the mean error is below 0.01 and at most 1
    of 1,000 sequences is wrong. Always answering the mean has a squared error of 1/24 in the first
    form and of 1/6 in the second.

    Sources: Hochreiter and Schmidhuber, "Long short-term memory" (1997), experiment 4; Le, Jaitly
    and Hinton (2015) for the second form.

    A worked example of the second form, numbers above and marks below:

    >>> import jax
    >>> batch = Adding(4, "uniform").sample(jax.random.key(0), 1)
    >>> batch.inputs.shape, batch.inputs[:, 0, 1].sum().item()
    ((4, 1, 2), 2.0)
    >>> sum = (batch.inputs[:, 0, 0] * batch.inputs[:, 0, 1]).sum()
    >>> bool(abs(batch.targets[-1, 0, 0] - sum) < 1e-6)
    True
    """

    length: int = 100
    """Steps of the shortest sequence."""
    form: Form = "1997"
    """The numbers, marks and answer of the LSTM paper, or those used since 2015."""

    sizes: ClassVar[tuple[int, ...]] = (50, 100, 200)
    score: ClassVar[str] = "accuracy"
    output_kind = "values"

    def __post_init__(self):
        at_least("Adding", 4, length=self.length)
        among("Adding", get_args(Form), form=self.form)

    @property
    def input_size(self) -> int:
        """A number and its mark."""
        return 2

    @property
    def output_size(self) -> int:
        """The answer."""
        return 1

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Numbers, marks and lengths, all uniform."""
        if self.form == "1997":
            drawn = marked_numbers(key, batch, length=self.length, low=-1.0)
            counted = jnp.sum(jnp.where(drawn.counted, drawn.inputs[..., 0], 0), axis=0)
            inputs, last, mask, answer = drawn.inputs, drawn.last, drawn.mask, 0.5 + counted / 4
        else:
            number_key, first_key, second_key = jax.random.split(key, 3)
            numbers = jax.random.uniform(number_key, (self.length, batch))
            half = self.length // 2
            first = jax.random.randint(first_key, (batch,), 0, half)
            second = jax.random.randint(second_key, (batch,), half, self.length)
            time = jnp.arange(self.length)[:, None]
            marked = (time == first) | (time == second)
            answer = jnp.sum(jnp.where(marked, numbers, 0), axis=0)
            inputs = jnp.stack([numbers, marked.astype(jnp.float32)], axis=-1)
            last, mask = jnp.broadcast_to(time == self.length - 1, numbers.shape), None
        return Sequences(
            inputs=inputs,
            targets=jnp.where(last, answer, 0)[..., None],
            weights=last.astype(jnp.float32),
            mask=mask,
        )

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """The paper's criterion: mean error below 0.01, and next to none above 0.04."""
        return metrics["error"] < 0.01 and metrics["accuracy"] >= 0.999

    def solve(self, sequences: Sequences) -> np.ndarray:
        """Add up what is marked."""
        inputs = np.asarray(sequences.inputs)
        targets = np.zeros(sequences.targets.shape, np.float32)
        for b in range(inputs.shape[1]):
            end = inputs.shape[0]
            if sequences.mask is not None:
                end = int(np.sum(np.asarray(sequences.mask)[:, b]))
            numbers, marks = inputs[:end, b, 0], inputs[:end, b, 1]
            total = sum(n for n, mark in zip(numbers, marks, strict=True) if mark == 1)
            targets[end - 1, b, 0] = 0.5 + total / 4 if self.form == "1997" else total
        return targets
