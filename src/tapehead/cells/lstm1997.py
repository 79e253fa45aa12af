"""The LSTM as it was published in 1997: blocks of cells, no forget gate, a truncated gradient."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features, select
from tapehead.cells.linear_recurrence import recurrence
from tapehead.errors import UserError, above, at_least


class LSTM1997State(NamedTuple):
    """What an `LSTM1997` carries.

    **Attributes:**

    - `internal`: s, `(*batch, cells)`, what the constant error carousels hold.
    - `units`: u, `(*batch, cells + gates)`: what the cells and the gates last gave.
    """

    internal: Float[Array, "*batch cells"]
    units: Float[Array, "*batch units"]


def _schedule(owner: str, name: str, value: float | Sequence[float], blocks: int) -> list[float]:
    """A bias for every block, from one number or one for each."""
    values = [float(v) for v in np.atleast_1d(np.asarray(value, float))]
    if len(values) not in (1, blocks):
        raise UserError(
            f"{owner}: {name} must be one number or one for each of the {blocks} blocks, got "
            f"{len(values)}"
        )
    return values * blocks if len(values) == 1 else values


def _hold(values: Array) -> tuple[Array, Array]:
    """The coefficients of a linear recurrence that keeps what it has."""
    return jnp.ones_like(values), jnp.zeros_like(values)


class LSTM1997(Cell):
    """Blocks of memory cells that share an input and an output gate; the output is y^c.

        net_t = W [x_t; u_{t−1}] + b                 for all cells and gates
        y^in = σ(net^in)        y^out = σ(net^out)   one of each for a block
        s_t = s_{t−1} + y^in g(net^c)                g(x) = 4 σ(x) − 2, in [−2, 2]
        y^c = y^out h(s_t)                           h(x) = 2 σ(x) − 1, in [−1, 1]
        u_t = (y^c, y^in, y^out)

    The hidden layer is fully connected: cells and gates see the inputs and all that cells and
    gates gave. There is nothing that forgets; s holds what it once took until its sequence ends.
    With `forget_gates` (2000) each block has one more gate, y^φ, which is part of u too, and
    s_t = y^φ s_{t−1} + y^in g(net^c).

    **The truncated gradient.** Errors that reach a gate or a cell's input change the weights there
    and go no further back in time: u_{t−1} counts as constant in net_t. Only s carries errors
    back. So the gradient can be computed forwards at a constant cost per weight, and neither
    vanishes nor explodes on the way through s.

    **Attributes:**

    - `weight`: W, `(units, input_size + units)`, the rows (and the columns of u) of the cells,
        block by block, then of the input gates, the output gates and the forget gates; drawn
        uniformly from ±`spread` (default 0.1, the paper's for its longer lags).
    - `bias`: b, `(units,)`; 0 for cells.
    - `blocks`, `block_size`: how many blocks, and of how many cells each.
    - `truncated`: whether the gradient is truncated; `False` for all of it.

    **Arguments:**

    - `input_bias`, `output_bias`, `forget_bias`: the first bias of the gates, one number or one
        for each block, such as `(-1, -2, -3)`: gates that are nearly closed at first open one
        after the other, so that cells are not all taken for the same thing.

    **Raises:** `UserError` if a size is below 1, or there are not as many biases as blocks.

    Sources: Hochreiter and Schmidhuber, "Long short-term memory" (1997), section 4 and appendix
    A.1; Gers, Schmidhuber and Cummins, "Learning to forget: continual prediction with LSTM"
    (2000).
    """

    weight: Float[Array, "units columns"]
    bias: Float[Array, " units"]
    blocks: int = eqx.field(static=True)
    block_size: int = eqx.field(static=True)
    forget_gates: bool = eqx.field(static=True)
    truncated: bool = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        blocks: int,
        block_size: int = 1,
        *,
        truncated: bool = True,
        forget_gates: bool = False,
        input_bias: float | Sequence[float] = 0.0,
        output_bias: float | Sequence[float] = 0.0,
        forget_bias: float | Sequence[float] = 1.0,
        spread: float = 0.1,
        key: PRNGKeyArray,
    ):
        at_least("LSTM1997", 1, input_size=input_size, blocks=blocks, block_size=block_size)
        above("LSTM1997", 0, spread=spread)
        cells = blocks * block_size
        biases = [0.0] * cells
        biases += _schedule("LSTM1997", "input_bias", input_bias, blocks)
        biases += _schedule("LSTM1997", "output_bias", output_bias, blocks)
        if forget_gates:
            biases += _schedule("LSTM1997", "forget_bias", forget_bias, blocks)
        units = len(biases)
        self.weight = jax.random.uniform(
            key, (units, input_size + units), jnp.float32, -spread, spread
        )
        self.bias = jnp.asarray(biases, jnp.float32)
        self.blocks = blocks
        self.block_size = block_size
        self.forget_gates = forget_gates
        self.truncated = truncated
        self.input_size = input_size
        self.output_size = cells

    @property
    def _cells(self) -> int:
        return self.blocks * self.block_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTM1997State:
        """Zeros, for the gates too: nothing has been given yet."""
        units = jnp.zeros((*batch, *self.bias.shape), self.bias.dtype)
        return LSTM1997State(units[..., : self._cells], units)

    def _gates(self, state: LSTM1997State, x: Array) -> tuple[Array, Array]:
        """g(net^c) of every cell, and all gates, `(*batch, kinds · blocks)`."""
        before = jax.lax.stop_gradient(state.units) if self.truncated else state.units
        inputs, units = self._split
        return self._squash(x @ inputs.T + before @ units.T + self.bias)

    @property
    def _split(self) -> tuple[Array, Array]:
        """The weights of the inputs, and those of what cells and gates gave."""
        inputs = self.weight.shape[1] - self.weight.shape[0]
        return self.weight[:, :inputs], self.weight[:, inputs:]

    def _squash(self, net: Array) -> tuple[Array, Array]:
        squashed = jax.nn.sigmoid(net)
        return 4 * squashed[..., : self._cells] - 2, squashed[..., self._cells :]

    def _each(self, gate: Array) -> Array:
        """A block's gate for each of its cells."""
        return jnp.repeat(gate, self.block_size, axis=-1)

    def step(
        self, state: LSTM1997State, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTM1997State, Float[Array, "*batch cells"]]:
        """One step of the equations above."""
        expect_features("LSTM1997", x, self.weight.shape[1] - self.weight.shape[0])
        return self._advance(state.internal, *self._gates(state, x))

    def _advance(
        self, internal: Array, entering: Array, gates: Array
    ) -> tuple[LSTM1997State, Array]:
        """The state and the output, from s before the step, g(net^c) and the gates."""
        enter, leave, *forget = jnp.split(gates, 2 + self.forget_gates, axis=-1)
        kept = self._each(forget[0]) * internal if forget else internal
        return self._give(kept + self._each(enter) * entering, leave, gates)

    def _give(self, internal: Array, leave: Array, gates: Array) -> tuple[LSTM1997State, Array]:
        """The state and the output, from s after the step."""
        given = self._each(leave) * (2 * jax.nn.sigmoid(internal) - 1)
        units = jnp.concatenate([given, gates], axis=-1)
        return LSTM1997State(internal, units), given

    def unroll(
        self,
        state: LSTM1997State,
        xs: Float[Array, "time *batch inputs"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[LSTM1997State, Float[Array, "time *batch cells"]]:
        """As `Cell.unroll`; the truncated gradient all steps at once (in reverse mode only).

        A first pass in turn, which no gradient goes through, finds what cells and gates give. With
        that as a constant all nets are one product, and s is a linear recurrence.
        """
        expect_features("LSTM1997", xs, self.weight.shape[1] - self.weight.shape[0])
        if not self.truncated or xs.shape[0] == 0:
            return super().unroll(state, xs, mask=mask, starts=starts)
        if mask is not None:
            # Padding may hold anything, NaN included.
            xs = select(mask, xs, jnp.zeros_like(xs))
        inputs, units = self._split
        nets = xs @ inputs.T + self.bias
        fresh = jax.tree.map(jnp.zeros_like, state)

        def body(state: LSTM1997State, step: Any) -> tuple[LSTM1997State, Array]:
            net, mask, start = step
            if start is not None:
                state = select(start, fresh, state)
            after, _ = self._advance(state.internal, *self._squash(net + state.units @ frozen.T))
            return after if mask is None else select(mask, after, state), state.units

        frozen, begin, driven = jax.lax.stop_gradient((units, state, nets))
        before = jax.lax.stop_gradient(jax.lax.scan(body, begin, (driven, mask, starts))[1])
        entering, gates = self._squash(nets + before @ units.T)
        enter, leave, *forget = jnp.split(gates, 2 + self.forget_gates, axis=-1)
        added = self._each(enter) * entering
        kept = self._each(forget[0]) if forget else jnp.ones_like(added)
        if mask is not None:
            kept, added = select(mask, (kept, added), _hold(added))
        if starts is not None:
            kept = select(starts, jnp.zeros_like(kept), kept)
        internal = recurrence(kept, added, state.internal)
        after, ys = self._give(internal, leave, gates)
        given = after.units
        if mask is not None:
            ys = select(mask, ys, jnp.zeros_like(ys))
            # What was given at the last step that was no padding, or since when it began anew.
            kept, added = select(mask, (jnp.zeros_like(given), given), _hold(given))
            if starts is not None:
                kept = select(starts, jnp.zeros_like(kept), kept)
            given = recurrence(kept, added, state.units)
        return LSTM1997State(internal[-1], given[-1]), ys

    def observe(self, state: LSTM1997State, x: Array) -> dict[str, Any]:
        """The gates of every block, and what would enter the cells."""
        entering, gates = self._gates(state, x)
        names = ("input_gate", "output_gate", "forget_gate")
        parts = jnp.split(gates, 2 + self.forget_gates, axis=-1)
        return {**dict(zip(names, parts, strict=False)), "candidate": entering}
