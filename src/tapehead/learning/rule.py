"""The protocol of learning rules: how the gradient of a sequence's loss is obtained."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.sequences import Sequences

Model = TypeVar("Model", bound=Cell)
Carry = Any
Loss = Callable[[Array, Array], Array]
"""`(outputs, targets) -> (time, *batch)`: the loss of every step by itself."""


class Metrics(NamedTuple):
    """What a call of a rule saw: the window's weighted loss and the model's outputs."""

    loss: Float[Array, ""]
    outputs: Float[Array, "time *batch outputs"]


class LearningRule(eqx.Module):
    """How the gradient of a sequence's loss is obtained, as a value.

    A sequence is learned from by `begin`, then `gradient` once per window, adding up the
    gradients. The loss of a window is `sum(weights * loss(outputs, targets))` plus the mean over
    the batch of what `Cell.penalty` grew by; weights are normalised over the whole sequence
    beforehand, so that the windows' losses add up to the sequence's.

    **Attributes:**

    - `window`: how many steps one call of `gradient` sees; `None` for the whole sequence.
    """

    window: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def begin(self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None) -> Carry:
        """What to carry into the first window: the model's state and the rule's own memory."""

    @abc.abstractmethod
    def gradient(
        self, model: Model, carry: Carry, window: Sequences, loss: Loss
    ) -> tuple[Model, Carry, Metrics]:
        """The gradient of one window's loss, shaped like the model's trainable arrays."""
