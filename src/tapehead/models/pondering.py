"""`Pondering`: recipes whose networks may take several sub-steps over an input."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.cells import Ponder
from tapehead.cells.halting import Kept
from tapehead.errors import among, at_least, between
from tapehead.models.model import Model

Scheme = Literal["none", "act", "pondernet", "repeat"]


@dataclass(frozen=True)
class Pondering(Model):
    """A cell inside may be made to ponder; see `Ponder` for what the settings do."""

    ponder: Scheme = "none"
    """Sub-steps over each input: none, until it halts (act, pondernet), or a fixed number."""
    ponder_cost: float = 0.01
    """What a sub-step costs (act), or what being unlike the prior does (pondernet), in nats."""
    ponder_steps: int = 20
    """The most sub-steps over one input; with repeat, always as many."""
    ponder_epsilon: float = 0.01
    """It halts when the halting probabilities add up to 1 less this."""
    ponder_keep: Kept = "mean"
    """The state that goes on: the mean over the sub-steps, or the last one's."""

    def __post_init__(self):
        super().__post_init__()
        owner = type(self).__name__
        among(owner, get_args(Scheme), ponder=self.ponder)
        among(owner, get_args(Kept), ponder_keep=self.ponder_keep)
        at_least(owner, 0, ponder_cost=self.ponder_cost)
        at_least(owner, 1, ponder_steps=self.ponder_steps)
        between(owner, 0, 1, ponder_epsilon=self.ponder_epsilon)
        if self.ponder == "none":
            self.expect_unset("ponder_", "ponder, such as act")

    def pondered(
        self, make: Callable[[int, PRNGKeyArray], Cell], input_size: int, *, key: PRNGKeyArray
    ) -> Cell:
        """The cell that `make` makes for so many features, pondering if it is to."""
        if self.ponder == "none":
            return make(input_size, key)
        inner_key, own_key = jax.random.split(key)
        return Ponder(
            make(input_size + 1, inner_key),
            halting=self.ponder,
            cost=self.ponder_cost,
            max_steps=self.ponder_steps,
            epsilon=self.ponder_epsilon,
            keep=self.ponder_keep,
            key=own_key,
        )
