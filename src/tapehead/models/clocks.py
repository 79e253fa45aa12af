"""Two networks at different speeds, as a recipe."""

from dataclasses import dataclass

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import LSTM, Linear, TwoClocks
from tapehead.errors import UserError, at_least
from tapehead.models.model import Model


@dataclass(frozen=True)
class TwoClocksModel(Model):
    """Two LSTMs, of which the second reads the first one's messages, a step every few of its."""

    hidden: int = 64
    """Units of the fast LSTM."""
    slow_hidden: int = 32
    """Units of the slow one."""
    message: int = 8
    """Features of a message."""
    period: int = 5
    """Steps of the fast one for one of the slow one."""
    answers: int = 1
    """How many of the outputs, the first ones, are answers of the fast one."""

    def __post_init__(self):
        super().__post_init__()
        owner = type(self).__name__
        at_least(owner, 1, hidden=self.hidden, slow_hidden=self.slow_hidden)
        at_least(owner, 1, message=self.message, period=self.period)
        at_least(owner, 0, answers=self.answers)

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """A `TwoClocks` of two LSTMs, each with a linear readout."""
        if self.answers >= output_size:
            raise UserError(
                f"TwoClocksModel: answers must leave some of the {output_size} outputs to the "
                f"slow network, got {self.answers}"
            )
        keys = jax.random.split(key, 4)
        fast = Chain(
            LSTM(input_size, self.hidden, key=keys[0]),
            Linear(self.hidden, self.answers + self.message, key=keys[1]),
        )
        slow = Chain(
            LSTM(self.message, self.slow_hidden, key=keys[2]),
            Linear(self.slow_hidden, output_size - self.answers, key=keys[3]),
        )
        return TwoClocks(fast, slow, self.period)
