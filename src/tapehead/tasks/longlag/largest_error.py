"""The largest error of a sequence, by which experiment 2 of the LSTM paper judges."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def largest_error(
    outputs: Float[Array, "time *batch outputs"],
    targets: Float[Array, "time *batch outputs"],
    weights: Float[Array, "time *batch"],
) -> Float[Array, "*batch"]:
    """max |σ(o) − t| over all outputs of the steps that have weight. A NaN counts as 1."""
    error = jnp.nan_to_num(jnp.abs(jax.nn.sigmoid(outputs) - targets), nan=1.0)
    return jnp.max(jnp.where((weights > 0)[..., None], error, 0), axis=(0, -1))
