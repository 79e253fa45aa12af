"""Backpropagation through time, whole and truncated."""

import itertools
import math
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, PRNGKeyArray

from tapehead.cell import Cell, State, expect_steps, select
from tapehead.errors import at_least
from tapehead.learning.dependence import example_input
from tapehead.learning.rule import Exactness, LearningRule, Loss, Metrics, Model
from tapehead.sequences import Sequences


def window_loss(
    model: Cell, state: State, window: Sequences, loss: Loss
) -> tuple[Array, tuple[State, Metrics]]:
    """The loss of one window begun in `state`, with the state after it and the metrics.

    [Σ w · loss + Σ what the penalties grew by] / Σ w, the last sum over the whole sequences.
    """
    after, outputs = model.unroll(state, window.inputs, mask=window.mask)
    total, metrics = cost(model, (state, after), outputs, window, loss)
    return total, (after, metrics)


def cost(
    model: Cell, states: tuple[State, State], outputs: Array, window: Sequences, loss: Loss
) -> tuple[Array, Metrics]:
    """The loss of one window, from the states before and after it and the outputs between."""
    before, after = map(model.penalty, states)
    scored = jnp.sum(window.weights * loss(outputs, window.targets))
    paid = jnp.sum(jnp.broadcast_to(after - before, window.batch))
    return scored + (paid if window.total is None else paid / window.total), Metrics(
        scored, outputs
    )


def stretches_loss(
    model: Cell, state: State, window: Sequences, loss: Loss
) -> tuple[Array, tuple[State, Metrics]]:
    """As `window_loss`, in √time stretches of which only the states between them are kept."""
    time = window.weights.shape[0]
    size = math.isqrt(time - 1) + 1

    @jax.checkpoint
    def stretch(state: State, piece: Sequences) -> tuple[State, tuple[Array, Metrics]]:
        total, (state, metrics) = window_loss(model, state, piece, loss)
        return state, (total, metrics)

    state, (totals, seen) = jax.lax.scan(stretch, state, window.windows(size))
    outputs = seen.outputs.reshape(-1, *seen.outputs.shape[2:])[:time]
    return jnp.sum(totals), (state, Metrics(jnp.sum(seen.loss), outputs))


class BPTT(LearningRule):
    """Backpropagation through time over the whole sequence.

    - *Exact for*: every cell and every loss that is a sum over steps.
    - *Biased by*: nothing. *Variance*: none beyond the batch's.
    - *Memory*: the activations of every step, `O(time)` times the state; with `checkpointing`
      `O(√time)` times. *Time*: about three forward passes; with `checkpointing` four.
    - *Cannot*: learn before the sequence has ended, or from sequences too long to be stored.

    **Arguments:**

    - `checkpointing`: whether to keep only the states between √time stretches of a sequence, and
        to run each stretch once more on the way back (default False).

    Sources: Werbos, "Backpropagation through time: what it does and how to do it" (1990); Chen, Xu,
    Zhang and Guestrin, "Training deep nets with sublinear memory cost" (2016).
    """

    exact: ClassVar[Exactness] = "sequence"
    window: int | None = eqx.field(static=True, default=None, init=False)
    checkpointing: bool = eqx.field(static=True, default=False)

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> PRNGKeyArray | None:
        """Only the key: the initial state is made inside the gradient, so that it is learned.

        **Raises:** `UserError` if checkpoints are wanted of a model that must read a sequence whole
        (`tapehead.cell.Whole`).
        """
        if self.checkpointing:
            expect_steps("BPTT with checkpointing", model, "leave checkpointing out")
        return key

    def gradient(
        self, model: Model, carry: PRNGKeyArray | None, window: Sequences, loss: Loss
    ) -> tuple[Model, PRNGKeyArray | None, Metrics]:
        """The exact gradient of the sequence's loss."""

        @eqx.filter_grad(has_aux=True)
        def gradient(model: Model) -> tuple[Array, Metrics]:
            state = model.initial_state(window.batch, key=carry)
            whole_loss = stretches_loss if self.checkpointing else window_loss
            total, (_, metrics) = whole_loss(model, state, window, loss)
            return total, metrics

        grads, metrics = gradient(model)
        return grads, carry, metrics


class Past(NamedTuple):
    """The steps before a window through which its gradient goes back.

    **Attributes:**

    - `inputs`: `(history, *batch, ...)`.
    - `mask`: `(history, *batch)`, False before a sequence began, and on padding.
    """

    inputs: Array
    mask: Bool[Array, "history *batch"]


class TruncatedCarry(NamedTuple):
    """What `TruncatedBPTT` carries.

    **Attributes:**

    - `state`: the model's state before the `past`.
    - `past`: the last steps that were seen; `None` if the rule has no `history`.
    - `first`: of which sequences `state` is the initial one.
    - `key`: what the initial state was made with, so that its gradient can be taken.
    """

    state: State
    past: Past | None
    first: Bool[Array, "*batch"]
    key: PRNGKeyArray | None


class TruncatedBPTT(LearningRule):
    """Backpropagation through time inside windows; the state is carried over, its gradient is not.

    With a `history` of h steps the gradient of a window of w steps goes back through the h steps
    before it as well, so that even the window's first loss reaches h steps back. Those are run
    again, under the parameters of now.

    - *Exact for*: dependencies that lie within one window, or within w + h steps up to the last
      one of a window; equal to `BPTT` where window or history cover the sequence.
    - *Biased by*: whatever reaches further back. *Variance*: none beyond the batch's.
    - *Memory*: the activations of w + h steps. *Time*: 1 + h / w times that of `BPTT`.
    - *Cannot*: assign credit across that border; train what must read a sequence whole.

    **Arguments:**

    - `window`: w, steps between two calls, at least 1 (default 20).
    - `history`: h, steps before them, at least 0 (default 0).

    Source: Williams and Peng, "An efficient gradient-based algorithm for on-line training of
    recurrent network trajectories" (1990).
    """

    exact: ClassVar[Exactness] = "window"
    # Narrower than in the base class: this rule always has windows.
    window: int = eqx.field(static=True, default=20)  # pyright: ignore[reportIncompatibleVariableOverride]
    history: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        at_least("TruncatedBPTT", 1, window=self.window)
        at_least("TruncatedBPTT", 0, history=self.history)

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> TruncatedCarry:
        """The initial state, marked as the first window's.

        **Raises:** `UserError` if the model must read a sequence whole (`tapehead.cell.Whole`).
        """
        expect_steps("TruncatedBPTT", model, "take bptt, or a network of one direction")
        past = None
        if self.history:
            x, steps = example_input(model), (self.history, *batch)
            past = Past(jnp.zeros((*steps, *x.shape), x.dtype), jnp.zeros(steps, bool))
        return TruncatedCarry(model.initial_state(batch, key=key), past, jnp.ones(batch, bool), key)

    def renew(
        self, carry: TruncatedCarry, begun: TruncatedCarry, lanes: Bool[Array, "*batch"]
    ) -> TruncatedCarry:
        """The states in `lanes` are marked as the first windows', and made in `gradient`."""
        past = carry.past
        if past is not None:
            past = past._replace(mask=past.mask & ~lanes)
        return TruncatedCarry(carry.state, past, carry.first | lanes, begun.key)

    def gradient(
        self, model: Model, carry: TruncatedCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, TruncatedCarry, Metrics]:
        """The gradient within this window, and within the history before it."""
        past, size = carry.past, window.weights.shape[0]
        border, end = self.history, self.history + size
        inputs, mask = window.inputs, window.mask
        if past is not None:
            now = jnp.ones(window.weights.shape, bool) if mask is None else mask
            mask = jnp.concatenate([past.mask, now])
            inputs = jnp.concatenate([past.inputs.astype(inputs.dtype), inputs])

        @eqx.filter_grad(has_aux=True)
        def gradient(model: Model) -> tuple[Array, tuple[State, Metrics]]:
            initial = model.initial_state(window.batch, key=carry.key)
            states = {0: select(carry.first, initial, jax.lax.stop_gradient(carry.state))}
            pieces = []
            # The next call begins where this one's first `size` steps end.
            for start, stop in itertools.pairwise(sorted({0, border, size, end})):
                real = None if mask is None else mask[start:stop]
                states[stop], ys = model.unroll(states[start], inputs[start:stop], mask=real)
                pieces.append(ys)
            outputs = jnp.concatenate(pieces)[border:]
            total, metrics = cost(model, (states[border], states[end]), outputs, window, loss)
            return total, (states[size], metrics)

        grads, (state, metrics) = gradient(model)
        first = jnp.zeros(window.batch, bool)
        if past is not None and mask is not None:
            first = carry.first & ~jnp.any(mask[:size], axis=0)
            past = Past(inputs[size:].astype(past.inputs.dtype), mask[size:])
        return grads, TruncatedCarry(state, past, first, carry.key), metrics
