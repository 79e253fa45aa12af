"""Bidirectional: a sequence read both ways."""

from typing import Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, State, Whole, summed
from tapehead.errors import UserError, among

Merge = Literal["concatenate", "sum"]


def mirror(
    mask: Bool[Array, "time *batch"], starts: Bool[Array, "time *batch"]
) -> Int[Array, "time *batch"]:
    """For every step, the step that takes its place when each sequence is reversed.

    The steps that are no padding change places within their sequence, the first with the last
    and so on; padding stays where it is. Doing it twice is doing nothing.

    **Arguments:**

    - `mask`, `starts`: as in `Cell.unroll`.
    """
    time = mask.shape[0]
    # Steps that are no padding, counted along time: so far, before this sequence began, and when
    # it has ended.
    count = jnp.cumsum(mask, axis=0, dtype=jnp.int32)
    before = jax.lax.cummax(jnp.where(starts, count - mask.astype(jnp.int32), 0))
    ends = jnp.concatenate([starts[1:], jnp.ones_like(starts[:1])])
    after = jax.lax.cummin(jnp.where(ends, count, time), reverse=True)
    # Where the first of them is, the second and so on.
    places = jnp.argsort(~mask, axis=0, stable=True)
    opposite = jnp.take_along_axis(places, before + after - count, axis=0)
    here = jnp.arange(time, dtype=places.dtype).reshape(time, *[1] * (mask.ndim - 1))
    return jnp.where(mask, opposite, here)


def reversed_by(index: Int[Array, "time *batch"] | None, xs: Array) -> Array:
    """Every step replaced by the one that `index` names; `None`: all of time reversed."""
    if index is None:
        return jnp.flip(xs, 0)
    spread = index.reshape(*index.shape, *[1] * (xs.ndim - index.ndim))
    return jnp.take_along_axis(xs, spread, axis=0)


class BidirectionalState(NamedTuple):
    """Where the two directions stand.

    **Attributes:**

    - `forward`: the state of the cell that reads from the first step to the last.
    - `backward`: that of the cell that reads from the last step to the first.
    """

    forward: State
    backward: State


class Bidirectional(Whole):
    """One cell reads the sequence from its beginning, another from its end: y_t = [f_t, b_t].

        f_t = forward(x_1, ..., x_t)
        b_t = backward(x_T, ..., x_t)

    Every sequence is reversed by itself: padding stays where it is, and of several that are packed
    end to end each is read from its own end. So a ragged batch gives what its sequences give one
    by one.

    The state holds one state for each direction. Each direction begins in the one it is given, at
    its own end of the sequence, and in the state that `unroll` returns each has read everything:
    the backward cell's is that after the *first* step. To go on from there with a further piece of
    the sequence would be wrong for the backward direction, so there is no `step`; see
    `tapehead.cell.Whole`.

    **Arguments:**

    - `forward`, `backward`: any two cells that take the same inputs.
    - `merge`: `"concatenate"` the two outputs, or `"sum"` them, which must then be of one size.

    **Raises:** `UserError` if the cells' sizes do not go together.

    Sources: Schuster and Paliwal, "Bidirectional recurrent neural networks" (1997); Graves and
    Schmidhuber, "Framewise phoneme classification with bidirectional LSTM" (2005).
    """

    forward: Cell
    backward: Cell
    merge: Merge = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, forward: Cell, backward: Cell, *, merge: Merge = "concatenate"):
        among("Bidirectional", get_args(Merge), merge=merge)
        taken = (forward.input_size, backward.input_size)
        if None not in taken and taken[0] != taken[1]:
            raise UserError(
                "Bidirectional: both cells must take the same inputs, got one that takes "
                f"{taken[0]} features and one that takes {taken[1]}"
            )
        self.input_size = taken[1] if taken[0] is None else taken[0]
        ahead, back = (
            self.input_size if cell.output_size is None else cell.output_size
            for cell in (forward, backward)
        )
        if ahead is None or back is None:
            raise UserError("Bidirectional: needs cells that have a size, such as LSTM")
        if merge == "sum" and ahead != back:
            raise UserError(
                "Bidirectional: to be summed, both cells must give as many features, got "
                f"{ahead} and {back}"
            )
        self.forward = forward
        self.backward = backward
        self.merge = merge
        self.output_size = ahead if merge == "sum" else ahead + back

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> BidirectionalState:
        """Both cells' own."""
        keys = (None, None) if key is None else jax.random.split(key)
        return BidirectionalState(
            self.forward.initial_state(batch, key=keys[0]),
            self.backward.initial_state(batch, key=keys[1]),
        )

    def unroll(
        self,
        state: BidirectionalState,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[BidirectionalState, Float[Array, "time *batch outputs"]]:
        """Read whole sequences both ways."""
        index, given = None, starts if mask is None else mask
        if given is not None:
            index = mirror(
                jnp.ones_like(given) if mask is None else mask,
                jnp.zeros_like(given) if starts is None else starts,
            )
        # Padding stays where it is and sequences begin where they did: mask and starts hold for
        # the reversed sequences as well.
        after, ahead = self.forward.unroll(state.forward, xs, mask=mask, starts=starts)
        before, back = self.backward.unroll(
            state.backward, reversed_by(index, xs), mask=mask, starts=starts
        )
        back = reversed_by(index, back)
        ys = ahead + back if self.merge == "sum" else jnp.concatenate([ahead, back], axis=-1)
        return BidirectionalState(after, before), ys

    def restart(self, state: BidirectionalState, batch: tuple[int, ...]) -> BidirectionalState:
        """Restart both cells."""
        return BidirectionalState(
            self.forward.restart(state.forward, batch),
            self.backward.restart(state.backward, batch),
        )

    def penalty(self, state: BidirectionalState) -> Array:
        """The sum of both cells'."""
        return self.forward.penalty(state.forward) + self.backward.penalty(state.backward)

    def metrics(self, state: BidirectionalState) -> dict[str, Array]:
        """Both cells', added up where they have the same name."""
        return summed([self.forward.metrics(state.forward), self.backward.metrics(state.backward)])
