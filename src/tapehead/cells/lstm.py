"""Long short-term memory."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import expect_features
from tapehead.cells import fused
from tapehead.cells.initialization import beginning, lasting_bias, uniform
from tapehead.errors import at_least


class LSTMState(NamedTuple):
    """What an `LSTM` carries.

    **Attributes:**

    - `hidden`: h, `(*batch, hidden_size)`.
    - `cell`: c, `(*batch, hidden_size)`.
    """

    hidden: Float[Array, "*batch hidden"]
    cell: Float[Array, "*batch hidden"]


class LSTMWeights(NamedTuple):
    """W, U and b of an `LSTM`."""

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]


def draw_weights(
    input_size: int,
    hidden_size: int,
    *,
    seen: int | None = None,
    gates: int = 4,
    forget: int = 1,
    forget_bias: float,
    key: PRNGKeyArray,
) -> LSTMWeights:
    """W, U and b, uniform in ±1/√hidden_size; then `forget_bias` is added to b_f.

    **Arguments:**

    - `seen`: features of what U sees, if not the `hidden_size` cells.
    - `gates`: how many kinds of gates there are, `forget` the number of the forget gate's.
    """
    rows = gates * hidden_size
    input_key, hidden_key, bias_key = jax.random.split(key, 3)
    bias = uniform(bias_key, (rows,), hidden_size)
    return LSTMWeights(
        uniform(input_key, (rows, input_size), hidden_size),
        uniform(hidden_key, (rows, hidden_size if seen is None else seen), hidden_size),
        bias.at[forget * hidden_size : (forget + 1) * hidden_size].add(forget_bias),
    )


class LSTMGates(fused.Gates[LSTMWeights, LSTMState]):
    """The step of an `LSTM` and its gradient."""

    def forward(
        self, weights: LSTMWeights, state: LSTMState, x: Array
    ) -> tuple[LSTMState, tuple[Array, ...]]:
        """The new state; keeps the gates."""
        # One product over the joined vector: two products and a sum were slower.
        joined = jnp.concatenate([x, state.hidden], axis=-1)
        # Turned before they are joined: a compiled loop then has the matrix as its products want
        # it, and need not turn it at every step.
        weight = jnp.concatenate([weights.input_weight.T, weights.hidden_weight.T])
        i, f, g, o = jnp.split(joined @ weight + weights.bias, 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        cell = f * state.cell + i * g
        return LSTMState(o * jnp.tanh(cell), cell), (i, f, g, o)

    def backward(
        self,
        weights: LSTMWeights,
        gradient: LSTMState,
        before: LSTMState,
        after: LSTMState,
        kept: tuple[Array, ...],
    ) -> tuple[LSTMState, Array]:
        """The chain rule through the equations of `LSTM`, last to first."""
        i, f, g, o = kept
        squashed = jnp.tanh(after.cell)
        of_cell = gradient.cell + gradient.hidden * o * (1 - squashed * squashed)
        of_nets = jnp.concatenate(
            [
                of_cell * g * i * (1 - i),
                of_cell * before.cell * f * (1 - f),
                of_cell * i * (1 - g * g),
                gradient.hidden * squashed * o * (1 - o),
            ],
            axis=-1,
        )
        return LSTMState(of_nets @ weights.hidden_weight, of_cell * f), of_nets

    def collect(
        self,
        weights: LSTMWeights,
        nets: Array,
        xs: Array,
        before: LSTMState,
        kept: tuple[Array, ...],
    ) -> tuple[LSTMWeights, Array]:
        """One product over all steps, again with the joined vectors."""
        joined = jnp.concatenate([xs, before.hidden], axis=-1)
        of_input, of_hidden = jnp.split(nets.T @ joined, [xs.shape[-1]], axis=1)
        of_weights = LSTMWeights(of_input, of_hidden, jnp.sum(nets, axis=0))
        return of_weights, nets @ weights.input_weight


GATES = LSTMGates()


class LSTM(fused.GatedCell):
    """Long short-term memory with a forget gate; the output is h_t.

        i_t = σ(W_i x_t + U_i h_{t−1} + b_i)        f_t = σ(W_f x_t + U_f h_{t−1} + b_f)
        g_t = tanh(W_g x_t + U_g h_{t−1} + b_g)     o_t = σ(W_o x_t + U_o h_{t−1} + b_o)
        c_t = f_t ∘ c_{t−1} + i_t ∘ g_t             h_t = o_t ∘ tanh(c_t)

    **Attributes:**

    - `input_weight`: W, `(4 · hidden_size, input_size)`, the rows of the gates i, f, g, o in turn.
    - `hidden_weight`: U, `(4 · hidden_size, hidden_size)`, likewise.
    - `bias`: b, `(4 · hidden_size,)`. All three are drawn uniformly from ±1/√hidden_size; then
        `forget_bias` (default 1) is added to b_f, so that the cell begins by remembering. With
        `chrono`, the longest dependency to expect in steps (default `None`), b_f is instead drawn
        as log u with u uniform in [1, chrono − 1], and b_i = −b_f: cells that forget at any rate
        up to that.
    - `initial`: the learned state before the first step, with leaves of `(hidden_size,)` that
        begin at zero; `None` if that state is fixed at zero.

    **Raises:** `UserError` if a size is below 1, or `chrono` not above 2.

    Sources: Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers, Schmidhuber and
    Cummins, "Learning to forget" (2000) for the forget gate; Jozefowicz et al., "An empirical
    exploration of recurrent network architectures" (2015) for its bias of 1; Tallec and Ollivier,
    "Can recurrent neural networks warp time?" (2018) for `chrono`.
    """

    input_weight: Float[Array, "gates inputs"]
    hidden_weight: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]
    initial: LSTMState | None
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        learned_initial_state: bool = False,
        forget_bias: float = 1.0,
        chrono: float | None = None,
        key: PRNGKeyArray,
    ):
        at_least("LSTM", 1, input_size=input_size, hidden_size=hidden_size)
        self.input_weight, self.hidden_weight, self.bias = draw_weights(
            input_size, hidden_size, forget_bias=forget_bias, key=key
        )
        if chrono is not None:
            lasting = lasting_bias("LSTM", chrono, hidden_size, jax.random.fold_in(key, 0))
            self.bias = self.bias.at[: 2 * hidden_size].set(jnp.concatenate([-lasting, lasting]))
        zeros = jnp.zeros(hidden_size, jnp.float32)
        self.initial = LSTMState(zeros, zeros) if learned_initial_state else None
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> LSTMState:
        """Zeros, or the learned state."""
        learned = self.initial or (None, None)
        return LSTMState(*(beginning(leaf, self.hidden_weight, batch) for leaf in learned))

    def parts(self) -> tuple[LSTMGates, LSTMWeights]:
        """The step in its parts, and the weights it takes."""
        return GATES, LSTMWeights(self.input_weight, self.hidden_weight, self.bias)

    def step(
        self, state: LSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[LSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("LSTM", x, self.input_weight.shape[1])
        gates, weights = self.parts()
        state, _ = gates.forward(weights, state, x)
        return state, state.hidden

    def unroll(
        self,
        state: LSTMState,
        xs: Float[Array, "time *batch inputs"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[LSTMState, Float[Array, "time *batch hidden"]]:
        """As `Cell.unroll`, with a faster gradient (reverse mode only)."""
        expect_features("LSTM", xs, self.input_weight.shape[1])
        fresh = None if starts is None else self.initial_state(xs.shape[1:-1])
        return fused.unroll(*self.parts(), state, fresh, xs, mask, starts)

    def observe(self, state: LSTMState, x: Array) -> dict[str, Any]:
        """The gates."""
        gates, weights = self.parts()
        _, (i, f, g, o) = gates.forward(weights, state, x)
        return {"input_gate": i, "forget_gate": f, "candidate": g, "output_gate": o}
