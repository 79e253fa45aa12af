"""A ReLU network that begins by copying its state."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from tapehead.cells.elman import Elman
from tapehead.errors import UserError


def IRNN(
    input_size: int,
    hidden_size: int,
    *,
    scale: float = 1.0,
    deviation: float = 0.001,
    key: PRNGKeyArray,
) -> Elman:
    """An `Elman` cell with ReLU that begins as h_t = ReLU(h_{t−1} + W x_t), W small.

    **Arguments:**

    - `input_size`, `hidden_size`: as for `Elman`.
    - `scale`: U begins as `scale` times the identity; below 1 the net forgets from the start.
    - `deviation`: W is drawn from a normal distribution with this deviation; b is 0.

    **Raises:** `UserError` if a size is below 1 or `deviation` is negative.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified
    linear units" (2015).
    """
    if not deviation >= 0:
        raise UserError(f"IRNN: deviation must be at least 0, got {deviation}")
    plain = Elman(input_size, hidden_size, activation="relu", key=key)
    return eqx.tree_at(
        lambda cell: (cell.input_weight, cell.hidden_weight, cell.bias),
        plain,
        (
            deviation * jax.random.normal(key, plain.input_weight.shape),
            scale * jnp.eye(hidden_size, dtype=jnp.float32),
            jnp.zeros(hidden_size, jnp.float32),
        ),
    )
