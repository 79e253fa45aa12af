"""Autoencoder: a sequence through a vector and back."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, State, Whole
from tapehead.cells import Linear
from tapehead.errors import UserError, at_least

WAVES = 16
"""Cosines and sines of the place in a sequence that the decoder is told."""


def places(last: Array, time: int) -> Float[Array, "time *batch waves"]:
    """For each step its place τ between 0 and 1 in the sequence, with cos πkτ and sin πkτ."""
    steps = jnp.arange(time, dtype=jnp.float32).reshape(time, *[1] * last.ndim)
    place = jnp.minimum(steps / jnp.maximum(last, 1).astype(jnp.float32), 1)
    waves = jnp.pi * jnp.arange(1, WAVES + 1, dtype=jnp.float32) * place[..., None]
    return jnp.concatenate([place[..., None], jnp.cos(waves), jnp.sin(waves)], axis=-1)


class Autoencoder(Whole):
    """An encoder reads a sequence into a vector; from it alone a decoder tells every step.

        z = encoder(x_1, ..., x_T)        τ_t = (t − 1) / (T − 1)
        y_t = W₃ φ(W₂ φ(W₁ [z, τ_t, cos πkτ_t, sin πkτ_t] + b₁) + b₂) + b₃,    φ = GELU, k ≤ 16

    z is the encoder's output at the last step that is no padding. The decoder sees nothing but
    z and how far along it is: whatever it tells of a sequence, fast or slow, must be in z.

    **Arguments:**

    - `encoder`: any cell; its outputs are the vectors.
    - `output_size`: numbers that stand for a step.
    - `hidden`: units in each of the decoder's two layers.

    **Raises:** `UserError` if a size is below 1, the encoder has none of its own, or sequences are
    packed end to end (`starts`).

    Source: Srivastava, Mansimov and Salakhutdinov, "Unsupervised learning of video representations
    using LSTMs" (2015), whose decoder is a recurrent network; here it is told its place instead.
    """

    encoder: Cell
    decoder: tuple[Linear, Linear, Linear]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, encoder: Cell, output_size: int, *, hidden: int = 128, key: PRNGKeyArray):
        at_least("Autoencoder", 1, output_size=output_size, hidden=hidden)
        if encoder.output_size is None:
            raise UserError("Autoencoder: needs an encoder that has a size, such as LSTM")
        keys = jax.random.split(key, 3)
        told = encoder.output_size + 1 + 2 * WAVES
        sizes = [(told, hidden), (hidden, hidden), (hidden, output_size)]
        first, second, third = (Linear(*size, key=k) for size, k in zip(sizes, keys, strict=True))
        self.encoder = encoder
        self.decoder = (first, second, third)
        self.input_size = encoder.input_size
        self.output_size = output_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> State:
        """The encoder's."""
        return self.encoder.initial_state(batch, key=key)

    def unroll(
        self,
        state: State,
        xs: Array,
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[State, Float[Array, "time *batch outputs"]]:
        """Read whole sequences, and tell each of their steps; zero where the mask is False."""
        if starts is not None:
            raise UserError("Autoencoder: reads one sequence at a time, and none packed end to end")
        state, codes = self.encoder.unroll(state, xs, mask=mask)
        time, batch = len(codes), codes.shape[1:-1]
        last = jnp.full(batch, time - 1)
        if mask is not None:
            steps = jnp.arange(time).reshape(time, *[1] * len(batch))
            last = jnp.max(jnp.where(mask, steps, 0), axis=0)
        code = jnp.take_along_axis(codes, last[None, ..., None], axis=0)
        told = jnp.concatenate([jnp.broadcast_to(code, codes.shape), places(last, time)], axis=-1)
        first, second, third = self.decoder
        ys = third(jax.nn.gelu(second(jax.nn.gelu(first(told)))))
        return state, ys if mask is None else jnp.where(mask[..., None], ys, 0)

    def restart(self, state: State, batch: tuple[int, ...]) -> State:
        """The encoder's."""
        return self.encoder.restart(state, batch)

    def penalty(self, state: State) -> Array:
        """The encoder's."""
        return self.encoder.penalty(state)

    def metrics(self, state: State) -> dict[str, Array]:
        """The encoder's."""
        return self.encoder.metrics(state)
