"""`Layered`: what recipes of several layers have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.cells import Beside, Dropout, Linear, RunningMax, RunningMean
from tapehead.errors import UserError, among, at_least
from tapehead.models.model import Model
from tapehead.networks import Bidirectional
from tapehead.networks.bidirectional import Merge

Pool = Literal["none", "mean", "max", "both"]


@dataclass(frozen=True)
class Layered(Model):
    """Layers of one kind, of one size, with dropout; in one direction or in both."""

    hidden: int = 128
    """Units in each layer."""
    layers: int = 1
    """Layers, each reading the one below."""
    dropout: float = 0.0
    """Probability with which each of a layer's outputs is dropped in training."""
    dropout_per_sequence: bool = False
    """Drop the same outputs at all steps of a sequence; otherwise they are drawn at every step."""
    bidirectional: bool = False
    """Give each layer a second half, as large, that reads the sequence from its end."""
    pool: Pool = "none"
    """What the readout sees: the last layer now, or its mean, maximum or both over all steps."""

    def __post_init__(self):
        super().__post_init__()
        owner = type(self).__name__
        at_least(owner, 1, hidden=self.hidden, layers=self.layers)
        if not 0 <= self.dropout < 1:
            raise UserError(f"{owner}: dropout must be at least 0 and below 1, got {self.dropout}")
        if self.dropout_per_sequence and not self.dropout:
            raise UserError(f"{owner}: dropout_per_sequence needs dropout above 0, such as 0.3")
        among(owner, get_args(Pool), pool=self.pool)

    def directed(
        self, make: Callable[[PRNGKeyArray], Cell], *, merge: Merge, key: PRNGKeyArray
    ) -> Cell:
        """The cell that `make` makes, or two of them that read both ways."""
        if not self.bidirectional:
            return make(key)
        ahead, back = jax.random.split(key)
        return Bidirectional(make(ahead), make(back), merge=merge)

    def dropped(self) -> list[Cell]:
        """Dropout after a layer, if there is any."""
        rate, whole = self.dropout, self.dropout_per_sequence
        return [Dropout(rate, per_sequence=whole)] if rate else []

    def readout(self, size: int, output_size: int, *, key: PRNGKeyArray) -> list[Cell]:
        """What pools the last layer's `size` features, if anything does, and a linear map."""
        if self.pool == "none":
            return [Linear(size, output_size, key=key)]
        mean, largest = RunningMean(size), RunningMax(size)
        pool = {"mean": mean, "max": largest, "both": Beside(mean, largest)}[self.pool]
        return [pool, Linear(pool.output_size, output_size, key=key)]
