"""Networks that tick at different speeds: `Every`, `Slowed` and `TwoClocks`."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, Composite, State, expect_features, select
from tapehead.errors import UserError, at_least


def ticks(
    steps: Int[Array, "*batch"], period: int
) -> tuple[Int[Array, "*batch"], Bool[Array, "*batch"]]:
    """The steps since the last tick once another one is made, and whether that is a tick."""
    now = steps + 1 >= period
    return jnp.where(now, 0, steps + 1), now


class EveryState(NamedTuple):
    """What an `Every` carries.

    **Attributes:**

    - `steps`: steps since the last input that was let through, `(*batch,)`.
    """

    steps: Int[Array, "*batch"]


class Every(Cell):
    """Lets the last of every `period` inputs through: y_t = x_t if t is a multiple of it, else 0.

    **Raises:** `UserError` for a period below 1.
    """

    period: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, period: int):
        at_least("Every", 1, period=period)
        self.period = period
        self.input_size = None
        self.output_size = None

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> EveryState:
        """No step yet."""
        return EveryState(jnp.zeros(batch, jnp.int32))

    def step(
        self, state: EveryState, x: Float[Array, "*batch features"]
    ) -> tuple[EveryState, Float[Array, "*batch features"]]:
        """The input, or zeros."""
        steps, now = ticks(state.steps, self.period)
        return EveryState(steps), select(now, x, jnp.zeros_like(x))


class SlowedState(NamedTuple):
    """What a `Slowed` carries.

    **Attributes:**

    - `steps`: steps since its cell's last one, `(*batch,)`.
    - `inner`: the cell's state.
    - `output`: what the cell gave last; zeros before its first step.
    """

    steps: Int[Array, "*batch"]
    inner: State
    output: Float[Array, "*batch outputs"]


class Slowed(Cell):
    """A cell that makes a step at the last of every `period` steps, and holds its output between.

        (s_t, y_t) = cell(s_{t−1}, x_t)     if t is a multiple of the period
        (s_t, y_t) = (s_{t−1}, y_{t−1})     otherwise: x_t is not looked at

    **Arguments:**

    - `cell`: any cell that has an output size of its own.
    - `period`: steps for one of the cell's, at least 1.

    **Raises:** `UserError` for a period below 1, or a cell without an output size.
    """

    cell: Cell
    period: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, cell: Cell, period: int):
        at_least("Slowed", 1, period=period)
        if cell.output_size is None:
            raise UserError(
                f"Slowed: {type(cell).__name__} must have an output size of its own, so that "
                "there is an output before its first step; end it in a Linear"
            )
        self.cell = cell
        self.period = period
        self.input_size = cell.input_size
        self.output_size = cell.output_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> SlowedState:
        """The cell's, before any step."""
        return self._begun(self.cell.initial_state(batch, key=key), batch)

    def step(
        self, state: SlowedState, x: Float[Array, "*batch features"]
    ) -> tuple[SlowedState, Float[Array, "*batch outputs"]]:
        """A step of the cell where it is time for one."""
        steps, now = ticks(state.steps, self.period)
        before = (state.inner, state.output)

        def tick() -> tuple[State, Array]:
            return select(now, self.cell.step(state.inner, x), before)

        # Nothing is computed at steps at which no sequence of the batch has a tick.
        inner, output = jax.lax.cond(jnp.any(now), tick, lambda: before)
        return SlowedState(steps, inner, output), output

    def restart(self, state: SlowedState, batch: tuple[int, ...]) -> SlowedState:
        """As at the beginning; the cell's random streams go on."""
        return self._begun(self.cell.restart(state.inner, batch), batch)

    def penalty(self, state: SlowedState) -> Array:
        """The cell's."""
        return self.cell.penalty(state.inner)

    def metrics(self, state: SlowedState) -> dict[str, Array]:
        """The cell's."""
        return self.cell.metrics(state.inner)

    def _begun(self, inner: State, batch: tuple[int, ...]) -> SlowedState:
        leaves = jax.tree.leaves(eqx.filter(self.cell, eqx.is_inexact_array))
        dtype = leaves[0].dtype if leaves else jnp.float32
        output = jnp.zeros((*batch, self.output_size or 0), dtype)
        return SlowedState(jnp.zeros(batch, jnp.int32), inner, output)


class TwoClocks(Composite):
    """Two networks that tick at different speeds; the fast one sends messages to the slow one.

        [a_t, m_t] = fast(x_t)
        b_t = slow(m_t)         if t is a multiple of the period, else b_{t−1}
        y_t = [a_t, b_t]

    Both may answer: the fast one at every step, the slow one at its own. What the rule `Decoupled`
    cuts are the messages, so that neither has to wait for the other.

    **Arguments:**

    - `fast`: any cell, which gives its answers and then the message.
    - `slow`: any cell that takes the message.
    - `period`: steps of the fast one for one of the slow one, at least 1.

    **Raises:** `UserError` for a period below 1, or sizes that do not fit.

    Source: Jaderberg et al., "Decoupled neural interfaces using synthetic gradients" (2017),
    section 3.2.
    """

    cells: tuple[Cell, ...]
    message: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, fast: Cell, slow: Cell, period: int):
        gives, takes = fast.output_size, slow.input_size
        if gives is None or takes is None or gives < takes:
            raise UserError(
                "TwoClocks: the fast cell must give the message that the slow one takes, and its "
                f"answers before it; got {gives} features for a message of {takes}"
            )
        self.cells = (fast, Every(period), Slowed(slow, period))
        self.message = takes
        self.input_size = fast.input_size
        self.output_size = gives - takes + (slow.output_size or 0)

    def connect(self, member: Callable[[int, Array], Array], x: Array) -> Array:
        """The fast one, its message when it is time, the slow one."""
        if self.input_size is not None:
            expect_features("TwoClocks", x, self.input_size)
        given = member(0, x)
        answers = given.shape[-1] - self.message
        slow = member(2, member(1, given[..., answers:]))
        return jnp.concatenate([given[..., :answers], slow], axis=-1)
