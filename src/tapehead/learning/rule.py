"""The protocol of learning rules: how the gradient of a sequence's loss is obtained."""

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, select
from tapehead.sequences import Sequences

Model = TypeVar("Model", bound=Cell)
Carry = Any
Loss = Callable[[Array, Array], Array]
"""`(outputs, targets) -> (time, *batch)`: the loss of every step by itself."""


Exactness = Literal["sequence", "window", "average", "nothing"]


class Metrics(NamedTuple):
    """What a call of a rule saw: the window's weighted loss and the model's outputs."""

    loss: Float[Array, ""]
    outputs: Float[Array, "time *batch outputs"]


class Extended(eqx.Module):
    """A network, and what a rule learns beside it: one tree for one optimiser.

    **Attributes:**

    - `network`: what is to be trained, evaluated and saved.
    - `helper`: what the rule needs for that, such as a predictor of gradients.
    """

    network: Cell
    helper: Any


def as_vector(model: Model) -> tuple[Float[Array, " parameters"], Callable[[Array], Model]]:
    """All that is trained in one vector, and the way back to the model with other parameters."""
    parameters, rest = eqx.partition(model, eqx.is_inexact_array)
    vector, unravel = ravel_pytree(parameters)
    return vector, lambda vector: eqx.combine(unravel(vector), rest)


def network_of(model: Any) -> Any:
    """The network of an `Extended` model, or of a tree like one; others are networks."""
    return model.network if isinstance(model, Extended) else model


class Rule(eqx.Module):
    """What a run asks of whatever makes networks better: a `LearningRule`, or a search.

    **Attributes:**

    - `window`: how many steps it sees at a time; `None` for whole sequences.
    """

    window: eqx.AbstractVar[int | None]

    def extend(self, model: Cell, *, key: PRNGKeyArray) -> Any:
        """What is trained: `model`, or an `Extended` one if the rule learns more than a network.

        **Arguments:**

        - `model`: the network.
        - `key`: draws the initial parameters of what is added.

        **Raises:** `UserError` if the rule cannot serve the network.
        """
        return model

    @abc.abstractmethod
    def begin(self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None) -> Carry:
        """What to carry into the first window: the model's state and the rule's own memory."""


class LearningRule(Rule):
    """How the gradient of a sequence's loss is obtained, as a value.

    A sequence is learned from by `begin`, then `gradient` once per window, adding up the
    gradients. The loss of a window is

        [Σ w · loss(outputs, targets) + Σ penalties] / Σ w

    where the sums in brackets run over the window's steps and sequences, a penalty being what
    `Cell.penalty` grew by in the window, and Σ w over the whole sequences: weights are normalised
    beforehand, and `Sequences.total` says what they came to. So the windows' losses add up to the
    sequences', and a penalty of 1 counts as much as a loss of 1 at one scored step, whatever the
    batch and the length (in Graves 2016, L + τ P).

    **Attributes:**

    - `window`: how many steps one call of `gradient` sees; `None` for the whole sequence.
    - `exact`: what the sum of the windows' gradients is exact for: `"sequence"` (every sequence),
        `"window"` (sequences of one window, and cells that carry nothing from one to the next),
        `"average"` (every sequence, in the mean over what the rule draws from its key) or
        `"nothing"` (it is an estimate). `tapehead.testing.check_rule` holds the rule to it.
    """

    exact: ClassVar[Exactness]

    def renew(self, carry: Carry, begun: Carry, lanes: Bool[Array, "*batch"]) -> Carry:
        """`carry`, but with the sequences in `lanes` begun anew, as `begun` has them.

        By default every leaf of a carry leads with the batch axes.
        """
        return select(lanes, begun, carry)

    @abc.abstractmethod
    def gradient(
        self, model: Model, carry: Carry, window: Sequences, loss: Loss
    ) -> tuple[Model, Carry, Metrics]:
        """The gradient of one window's loss, shaped like the model's trainable arrays."""


def sequence_gradient(
    rule: LearningRule,
    model: Model,
    sequences: Sequences,
    loss: Loss,
    *,
    key: PRNGKeyArray | None = None,
) -> tuple[Model, Metrics]:
    """The gradient of a whole batch's loss: `begin`, then the sum of `gradient` over the windows.

    **Arguments:**

    - `rule`, `model`: how, and of what.
    - `sequences`: the batch; its weights are normalised here, so that the loss is a mean over
        everything that is scored.
    - `loss`: of every step by itself.
    - `key`: puts the model into training mode (dropout); `None` for a deterministic one.

    **Returns:** the gradient, `None` at leaves that are not trained, and the metrics of the whole.
    """
    carry = rule.begin(model, sequences.batch, key=key)
    grads, _, metrics = stream_gradient(rule, model, carry, sequences, loss)
    return grads, metrics


def stream_gradient(
    rule: LearningRule, model: Model, carry: Carry, sequences: Sequences, loss: Loss
) -> tuple[Model, Carry, Metrics]:
    """As `sequence_gradient`, for sequences that go on where those before them ended.

    `carry` is what the rule carried away from those, or what `begin` gave; **returns** also what
    to carry into the next. A rule without windows sees every part of a stream by itself.
    """
    sequences = sequences.normalised()
    time = sequences.weights.shape[0]
    if rule.window is None or rule.window >= time:
        return rule.gradient(model, carry, sequences, loss)

    def body(before: tuple[Carry, Model], window: Sequences) -> tuple[tuple[Carry, Model], Metrics]:
        carry, total = before
        grads, carry, metrics = rule.gradient(model, carry, window, loss)
        return (carry, jax.tree.map(jnp.add, total, grads)), metrics

    zeros = jax.tree.map(jnp.zeros_like, eqx.filter(model, eqx.is_inexact_array))
    windows = sequences.windows(rule.window)
    (carry, grads), metrics = jax.lax.scan(body, (carry, zeros), windows)
    outputs = metrics.outputs.reshape(-1, *metrics.outputs.shape[2:])[:time]
    return grads, carry, Metrics(jnp.sum(metrics.loss), outputs)
