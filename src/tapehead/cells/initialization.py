"""How parameters are drawn, and how a recurrent cell begins."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Uniform in ±1/√fan_in, the usual start of recurrent and linear layers."""
    bound = 1 / math.sqrt(max(fan_in, 1))
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)


def beginning(
    learned: Float[Array, " hidden"] | None, like: Float[Array, "_ hidden"], batch: tuple[int, ...]
) -> Float[Array, "*batch hidden"]:
    """The learned vector for every batch lane, or zeros of the width and type of `like`."""
    if learned is None:
        return jnp.zeros((*batch, like.shape[1]), like.dtype)
    return jnp.broadcast_to(learned, (*batch, *learned.shape))
