"""How parameters are drawn, and how a recurrent cell begins."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.errors import UserError


def uniform(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Float[Array, "..."]:
    """Uniform in ±1/√fan_in, the usual start of recurrent and linear layers."""
    bound = 1 / math.sqrt(max(fan_in, 1))
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)


def lasting_bias(
    owner: str, chrono: float, size: int, key: PRNGKeyArray
) -> Float[Array, " {size}"]:
    """Biases b with which a gate σ(b) forgets within u steps, u uniform in [1, chrono − 1].

    A state multiplied by σ(b) = u / (1 + u) at every step has fallen to 1/e after about u steps.

    **Raises:** `UserError` if `chrono` is not above 2.

    Source: Tallec and Ollivier, "Can recurrent neural networks warp time?" (2018), section 3.
    """
    if not chrono > 2:
        raise UserError(f"{owner}: chrono must be above 2 steps, got {chrono}")
    return jnp.log(jax.random.uniform(key, (size,), jnp.float32, 1, chrono - 1))


def beginning(
    learned: Float[Array, " hidden"] | None, like: Float[Array, "_ hidden"], batch: tuple[int, ...]
) -> Float[Array, "*batch hidden"]:
    """The learned vector for every batch lane, or zeros of the width and type of `like`."""
    if learned is None:
        return jnp.zeros((*batch, like.shape[1]), like.dtype)
    return jnp.broadcast_to(learned, (*batch, *learned.shape))
