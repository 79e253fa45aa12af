"""Stateless layers as cells: `Linear`, `Embedding`, `LayerNorm`, `ReLU`, ...; and `Dropout`."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, Stateless, expect_features
from tapehead.cells.initialization import uniform
from tapehead.errors import UserError, at_least


class Linear(Stateless):
    """An affine map: y = W x + b.

    **Attributes:**

    - `weight`: W, `(output_size, input_size)`, drawn uniformly from ±1/√input_size.
    - `bias`: b, `(output_size,)`, drawn likewise; `None` without bias.

    **Raises:** `UserError` if a size is below 1.
    """

    weight: Float[Array, "outputs inputs"]
    bias: Float[Array, " outputs"] | None
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self, input_size: int, output_size: int, *, use_bias: bool = True, key: PRNGKeyArray
    ):
        at_least("Linear", 1, input_size=input_size, output_size=output_size)
        weight_key, bias_key = jax.random.split(key)
        self.weight = uniform(weight_key, (output_size, input_size), input_size)
        self.bias = uniform(bias_key, (output_size,), input_size) if use_bias else None
        self.input_size = input_size
        self.output_size = output_size

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """W x + b over the last axis."""
        expect_features("Linear", x, self.weight.shape[1])
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


class Embedding(Stateless):
    """A vector for each of `symbols` integer tokens: y = E[x].

    Inputs have no feature axis: `(time, *batch)` integers in [0, symbols). Others are not refused
    but read as JAX indexes: negative ones from the end, those too large as the last symbol.

    **Attributes:**

    - `table`: E, `(symbols, output_size)`, drawn from a standard normal distribution.
    """

    table: Float[Array, "symbols outputs"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, symbols: int, output_size: int, *, key: PRNGKeyArray):
        at_least("Embedding", 1, symbols=symbols, output_size=output_size)
        self.table = jax.random.normal(key, (symbols, output_size), jnp.float32)
        self.input_size = None
        self.output_size = output_size

    def __call__(self, x: Int[Array, "*batch"]) -> Float[Array, "*batch outputs"]:
        """Look up the rows of `x`."""
        if not jnp.issubdtype(x.dtype, jnp.integer):
            raise UserError(f"Embedding: expected integer tokens, got {x.dtype}")
        return self.table[x]


class LayerNorm(Stateless):
    """Standardise the features, then scale and shift: y = γ ∘ (x − mean) / √(var + ε) + β.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016).
    """

    scale: Float[Array, " features"]
    shift: Float[Array, " features"]
    epsilon: float = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, size: int, *, epsilon: float = 1e-5):
        at_least("LayerNorm", 1, size=size)
        self.scale = jnp.ones(size, jnp.float32)
        self.shift = jnp.zeros(size, jnp.float32)
        self.epsilon = epsilon
        self.input_size = size
        self.output_size = size

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Normalise over the last axis."""
        expect_features("LayerNorm", x, self.scale.shape[0])
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        variance = jnp.mean(centred**2, axis=-1, keepdims=True)
        return self.scale * centred * jax.lax.rsqrt(variance + self.epsilon) + self.shift


class ReLU(Stateless):
    """Rectify every feature: y = max(x, 0)."""

    input_size: int | None = eqx.field(static=True, default=None)
    output_size: int | None = eqx.field(static=True, default=None)

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """max(x, 0), feature by feature."""
        return jax.nn.relu(x)


class GatedGELU(Stateless):
    """A squashing that gates itself: y = u ∘ σ(W u + b) with u = GELU(x).

    **Attributes:**

    - `weight`: W, `(size, size)`, and `bias`: b, `(size,)`; drawn uniformly from ±1/√size.

    **Raises:** `UserError` if the size is below 1.

    Source: Smith, Warrington and Linderman, "Simplified state space layers for sequence modeling"
    (2023), appendix G.
    """

    weight: Float[Array, "size size"]
    bias: Float[Array, " size"]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, size: int, *, key: PRNGKeyArray):
        at_least("GatedGELU", 1, size=size)
        weight_key, bias_key = jax.random.split(key)
        self.weight = uniform(weight_key, (size, size), size)
        self.bias = uniform(bias_key, (size,), size)
        self.input_size = size
        self.output_size = size

    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Squash and gate over the last axis."""
        expect_features("GatedGELU", x, self.bias.shape[0])
        u = jax.nn.gelu(x)
        return u * jax.nn.sigmoid(u @ self.weight.T + self.bias)


class DropoutState(NamedTuple):
    """The random stream of a `Dropout`, one key a batch lane.

    **Attributes:**

    - `key`: typed keys of shape `(*batch,)`; the stream of masks, or the one mask's key.
    """

    key: PRNGKeyArray


class Dropout(Cell):
    """Zero each feature with probability `rate` and scale the rest by 1/(1 − rate).

    Active exactly when the sequence was begun with a key: `initial_state(batch, key=...)`.

    **Arguments:**

    - `rate`: in [0, 1).
    - `per_sequence`: keep one mask for the whole sequence (variational dropout) instead of
        drawing one at every step.

    Sources: Srivastava et al. (2014); Gal and Ghahramani, "A theoretically grounded application
    of dropout in recurrent neural networks" (2016) for `per_sequence`.
    """

    rate: float = eqx.field(static=True)
    per_sequence: bool = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, rate: float = 0.5, *, per_sequence: bool = False):
        if not 0 <= rate < 1:
            raise UserError(f"Dropout: rate must be at least 0 and below 1, got {rate}")
        self.rate = rate
        self.per_sequence = per_sequence
        self.input_size = None
        self.output_size = None

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> DropoutState | tuple[()]:
        """A random stream for every batch lane; `()` without a key or at rate 0."""
        if key is None or self.rate == 0:
            return ()
        return DropoutState(jax.random.split(key, batch))

    def step(
        self, state: DropoutState | tuple[()], x: Float[Array, "*batch features"]
    ) -> tuple[DropoutState | tuple[()], Float[Array, "*batch features"]]:
        """Drop features of one step."""
        if not isinstance(state, DropoutState):
            return state, x
        lanes = state.key.reshape(-1)
        split = jax.vmap(jax.random.split)(lanes)
        draw = lanes if self.per_sequence else split[:, 0]
        width = x.shape[-1]
        keep = jax.vmap(lambda k: jax.random.bernoulli(k, 1 - self.rate, (width,)))(draw)
        y = jnp.where(keep.reshape(x.shape), x / (1 - self.rate), jnp.zeros_like(x))
        after = state if self.per_sequence else DropoutState(split[:, 1].reshape(state.key.shape))
        return after, y

    def restart(
        self, state: DropoutState | tuple[()], batch: tuple[int, ...]
    ) -> DropoutState | tuple[()]:
        """Per step: the stream goes on. Per sequence: a new mask is drawn from it."""
        if not self.per_sequence or not isinstance(state, DropoutState):
            return state
        lanes = jax.vmap(lambda k: jax.random.split(k, 1)[0])(state.key.reshape(-1))
        return DropoutState(lanes.reshape(state.key.shape))
