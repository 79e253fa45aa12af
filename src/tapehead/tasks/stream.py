"""`StreamTask`: long streams of symbols, of which every update sees the next piece."""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from tapehead.errors import UserError, at_least, within
from tapehead.sequences import Sequences
from tapehead.tasks.task import Data, Task, Turn, expect_data

LANES = 20
"""Parts into which a held-out stream is cut, to be read side by side."""


@dataclass(frozen=True)
class StreamTask(Task):
    """Predict every next symbol of a long stream.

    Training cuts the stream into as many equal parts as a batch has sequences, and reads all of
    them side by side, `length` symbols an update. What the network carries is kept from one
    update to the next (under a rule with windows, such as truncated backpropagation through time)
    until the parts end; then they begin anew. At every update what is carried of a few parts is
    forgotten, so that networks learn to begin in the middle of a text.

    - Inputs `(time, batch)`: symbols.
    - Targets `(time, batch)`: the symbol after each. All steps have weight.

    Held-out streams are read once from end to end, in 20 parts side by side, each begun without
    anything remembered.
    """

    length: int = 64
    """Symbols of each part that an update sees."""
    forgotten: float = 0.02
    """Share of the parts of which at each update all that was read before is forgotten."""

    output_kind = "classes"
    higher_is_better: ClassVar[bool] = False
    streams: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 32, "rule": "truncated-bptt", "rule.window": 64, "stop_when_solved": False}
    )

    def __post_init__(self):
        super().__post_init__()
        at_least(type(self).__name__, 1, length=self.length)
        within(type(self).__name__, 0, 1, forgotten=self.forgotten)

    @abc.abstractmethod
    def data(self) -> Int[np.ndarray, " symbols"]:
        """The stream."""

    @property
    def output_size(self) -> int:
        """The symbols."""
        return self.input_size

    @property
    def tokens(self) -> bool:
        """Inputs are symbols."""
        return True

    def _cut(self, data: Data, starts: Int[Array, " batch"], length: int) -> Sequences:
        """`length` symbols from each of `starts` on, each with the one after it."""
        found = data[starts + jnp.arange(length + 1)[:, None]].astype(jnp.int32)
        weights = jnp.ones((length, starts.shape[0]))
        return Sequences(inputs=found[:-1], targets=found[1:], weights=weights)

    def _updates(self, batch: int, data: Data) -> int:
        """How many updates read the parts from end to end."""
        updates = (len(data) // batch - 1) // self.length
        if updates < 1:
            raise UserError(
                f"{type(self).__name__}: a stream of {len(data):,} symbols cannot be cut into "
                f"{batch} parts of {self.length + 1}: lower batch or task.length"
            )
        return updates

    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Pieces of `length` symbols from anywhere in the stream."""
        expect_data(type(self).__name__, data)
        self._updates(1, data)
        starts = jax.random.randint(key, (batch,), 0, len(data) - self.length)
        return self._cut(data, starts, self.length)

    def draw(self, turn: Turn, batch: int, data: Data = (), bucket: int = 0) -> Sequences:
        """The next piece of every part."""
        position = turn.number % self._updates(batch, data) * self.length
        parts = jnp.arange(batch) * (len(data) // batch)
        return self._cut(data, parts + position, self.length)

    def begins(self, turn: Turn, batch: int, data: Data) -> Bool[Array, " batch"]:
        """All parts where they are read from their beginnings; elsewhere a few of them."""
        few = jax.random.bernoulli(turn.key, self.forgotten, (batch,))
        return few | (turn.number % self._updates(batch, data) == 0)

    def size(self, data: Data) -> int:
        """The parts of a held-out stream."""
        return min(LANES, len(data) - 1)

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """Whole parts of the stream, as equal as can be; the longer ones come first."""
        scored = len(data) - 1
        parts = self.size(data)
        short, longer = divmod(scored, parts)
        length = math.ceil(scored / parts)
        starts = indices * short + jnp.minimum(indices, longer)
        # The shorter parts are read from one symbol before: all have one length.
        whole = indices < longer if longer else jnp.ones(indices.shape, bool)
        sequences = self._cut(data, jnp.where(whole, starts, starts - 1), length)
        first = jnp.arange(length)[:, None] == 0
        return sequences._replace(weights=jnp.where(first & ~whole, 0.0, 1.0))
