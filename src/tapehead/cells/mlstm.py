"""mLSTM: a matrix memory behind exponential gates, trained in parallel over time."""

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features, select
from tapehead.cells.initialization import uniform
from tapehead.cells.slstm import FAR_BELOW
from tapehead.errors import at_least, multiple_of

LARGEST_EXPONENT = 80.0
"""exp of more than this is not finite in float32."""


class MLSTMState(NamedTuple):
    """What an `MLSTM` carries, for every head; `units` are hidden_size / heads.

    **Attributes:**

    - `memory`: C divided by exp(m), `(*batch, heads, units, units)`, values by keys.
    - `normalizer`: n divided by exp(m), `(*batch, heads, units)`.
    - `stabilizer`: m, `(*batch, heads)`, a logarithm that keeps both in range.
    """

    memory: Float[Array, "*batch heads values keys"]
    normalizer: Float[Array, "*batch heads keys"]
    stabilizer: Float[Array, "*batch heads"]


class _Stretch(NamedTuple):
    """What some consecutive steps do: all before them decays by exp(`decay`), and this is added."""

    decay: Array
    added: MLSTMState


def _after(before: MLSTMState, stretch: _Stretch) -> MLSTMState:
    """The state after a stretch that follows `before`."""
    decayed = before.stabilizer + stretch.decay
    stabilizer = jnp.maximum(decayed, stretch.added.stabilizer)
    old = jnp.exp(decayed - stabilizer)[..., None]
    new = jnp.exp(stretch.added.stabilizer - stabilizer)[..., None]
    return MLSTMState(
        old[..., None] * before.memory + new[..., None] * stretch.added.memory,
        old * before.normalizer + new * stretch.added.normalizer,
        stabilizer,
    )


def at_once(steps: _Stretch, state: MLSTMState) -> MLSTMState:
    """The states after all steps, by `jax.lax.associative_scan`."""

    def compose(first: _Stretch, second: _Stretch) -> _Stretch:
        return _Stretch(first.decay + second.decay, _after(first.added, second))

    before = _Stretch(jnp.zeros_like(state.stabilizer), state)
    stretches = jax.tree.map(lambda one, all: jnp.concatenate([one[None], all]), before, steps)
    return jax.tree.map(lambda s: s[1:], jax.lax.associative_scan(compose, stretches).added)


def in_turn(steps: _Stretch, state: MLSTMState) -> MLSTMState:
    """The same, one step after the other."""

    def step(state: MLSTMState, one: _Stretch) -> tuple[MLSTMState, MLSTMState]:
        state = _after(state, one)
        return state, state

    return jax.lax.scan(step, state, steps)[1]


class MLSTM(Cell):
    """The matrix LSTM of xLSTM: each head stores values under keys in a matrix C.

        q_t = W_q x_t      k_t = W_k x_t / √units      v_t = W_v x_t      o_t = σ(W_o x_t + b_o)
        ĩ_t = w_i · x_t + b_i        f̃_t = w_f · x_t + b_f        for each head
        C_t = σ(f̃_t) C_{t−1} + exp(ĩ_t) v_t k_tᵀ        n_t = σ(f̃_t) n_{t−1} + exp(ĩ_t) k_t
        h_t = o_t ∘ C_t q_t / max(|n_t · q_t|, 1)

    C and n are kept divided by exp(m_t), m_t = max(log σ(f̃_t) + m_{t−1}, ĩ_t), so that neither
    overflows. Nothing depends on h_{t−1}: `unroll` makes gates, keys and values of all
    steps together, and goes through them at once on an accelerator, in turn on a CPU. It holds C
    for each of them.

    **Attributes:**

    - `weight`: W_q, W_k, W_v, W_o in turn, `(4 · hidden_size, input_size)`.
    - `bias`: b_o, `(hidden_size,)`.
    - `gate_weight`, `gate_bias`: w_i of all heads, then w_f, `(2 · heads, input_size)`, with
        `(2 · heads,)`. All are drawn uniformly from ±1/√input_size; then `forget_bias`
        (default 3) is added to b_f, so that a head begins by remembering.

    **Raises:** `UserError` if a size is below 1, or `hidden_size` is not a multiple of `heads`.

    Source: Beck et al., "xLSTM: extended long short-term memory" (2024), section 2.3 and
    appendix A.3.
    """

    weight: Float[Array, "rows inputs"]
    bias: Float[Array, " hidden"]
    gate_weight: Float[Array, "gates inputs"]
    gate_bias: Float[Array, " gates"]
    heads: int = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        heads: int = 1,
        forget_bias: float = 3.0,
        key: PRNGKeyArray,
    ):
        at_least("MLSTM", 1, input_size=input_size, hidden_size=hidden_size, heads=heads)
        multiple_of("MLSTM", "heads", heads, hidden_size=hidden_size)
        weight_key, bias_key, gate_key, gate_bias_key = jax.random.split(key, 4)
        self.weight = uniform(weight_key, (4 * hidden_size, input_size), input_size)
        self.bias = uniform(bias_key, (hidden_size,), input_size)
        self.gate_weight = uniform(gate_key, (2 * heads, input_size), input_size)
        gate_bias = uniform(gate_bias_key, (2 * heads,), input_size)
        self.gate_bias = gate_bias.at[heads:].add(forget_bias)
        self.heads = heads
        self.input_size = input_size
        self.output_size = hidden_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> MLSTMState:
        """Zeros, and a stabilizer far below."""
        units = self.bias.shape[0] // self.heads
        zeros = jnp.zeros((*batch, self.heads, units, units), self.bias.dtype)
        return MLSTMState(zeros, zeros[..., 0], zeros[..., 0, 0] + FAR_BELOW)

    def _gates(self, xs: Array) -> tuple[Array, Array]:
        """ĩ and log σ(f̃)."""
        enter, forget = jnp.split(xs @ self.gate_weight.T + self.gate_bias, 2, axis=-1)
        return enter, jax.nn.log_sigmoid(forget)

    def _asked(self, xs: Array) -> tuple[Array, Array, Array, Array]:
        """q, k and v of every head, and o."""
        q, k, v, o = jnp.split(xs @ self.weight.T, 4, axis=-1)
        q, k, v = (x.reshape(*x.shape[:-1], self.heads, -1) for x in (q, k, v))
        return q, k / math.sqrt(k.shape[-1]), v, jax.nn.sigmoid(o + self.bias)

    def _stretch(self, xs: Array, k: Array, v: Array) -> _Stretch:
        """What single steps do."""
        enter, forget = self._gates(xs)
        return _Stretch(forget, MLSTMState(v[..., :, None] * k[..., None, :], k, enter))

    def _emit(self, state: MLSTMState, q: Array, o: Array) -> Array:
        found = jnp.einsum("...vk,...k->...v", state.memory, q)
        weight = jnp.abs(jnp.einsum("...k,...k->...", state.normalizer, q))
        least = jnp.exp(jnp.minimum(-state.stabilizer, LARGEST_EXPONENT))
        h = found / jnp.maximum(weight, least)[..., None]
        return o * h.reshape(o.shape)

    def step(
        self, state: MLSTMState, x: Float[Array, "*batch inputs"]
    ) -> tuple[MLSTMState, Float[Array, "*batch hidden"]]:
        """One step of the equations above."""
        expect_features("MLSTM", x, self.weight.shape[1])
        q, k, v, o = self._asked(x)
        state = _after(state, self._stretch(x, k, v))
        return state, self._emit(state, q, o)

    def unroll(
        self,
        state: MLSTMState,
        xs: Float[Array, "time *batch inputs"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[MLSTMState, Float[Array, "time *batch hidden"]]:
        """As `Cell.unroll`, all steps at once."""
        expect_features("MLSTM", xs, self.weight.shape[1])
        if mask is not None:
            # Padding may hold anything, NaN included.
            xs = select(mask, xs, jnp.zeros_like(xs))
        q, k, v, o = self._asked(xs)
        steps = self._stretch(xs, k, v)
        empty = self.initial_state(xs.shape[:-1])
        if mask is not None:
            steps = select(mask, steps, _Stretch(jnp.zeros_like(steps.decay), empty))
        if starts is not None:
            # Where a sequence begins, what came before counts for nothing.
            alone = _Stretch(jnp.full_like(steps.decay, 4 * FAR_BELOW), _after(empty, steps))
            steps = select(starts, alone, steps)
        through = in_turn if jax.default_backend() == "cpu" else at_once
        states = through(steps, state)
        ys = self._emit(states, q, o)
        last = jax.tree.map(lambda s: s[-1], states)
        return last, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))

    def observe(self, state: MLSTMState, x: Array) -> dict[str, Any]:
        """The gates before their exponential, the key, the value and the question."""
        enter, forget = self._gates(x)
        q, k, v, o = self._asked(x)
        return {
            "log_input_gate": enter,
            "log_forget_gate": forget,
            "query": q,
            "key": k,
            "value": v,
            "output_gate": o,
        }
