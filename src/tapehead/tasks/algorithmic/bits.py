"""What the tasks on vectors of random bits have in common."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.errors import UserError, at_least


def check_sizes(owner: str, minimum: int = 1, **values: int) -> None:
    """Refuse any of the named `values` that is not a whole number of at least `minimum`."""
    for name, value in values.items():
        if not isinstance(value, int):
            raise UserError(f"{owner}: {name} must be a whole number, got {value!r}")
    at_least(owner, minimum, **values)


def check_range(owner: str, name: str, low: int, high: int, minimum: int = 1) -> None:
    """Refuse `min_<name>` below `minimum` and `max_<name>` below `min_<name>`."""
    check_sizes(owner, minimum, **{f"min_{name}": low, f"max_{name}": high})
    if high < low:
        raise UserError(f"{owner}: max_{name} must be at least min_{name}, got {high} and {low}")


def random_bits(key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
    """Fair random bits, 0.0 or 1.0."""
    # Drawn flat: the same bits, but XLA compiles the flat loop in a third of the time.
    flat = jax.random.bernoulli(key, 0.5, (math.prod(shape),))
    return flat.astype(jnp.float32).reshape(shape)


def random_sizes(key: PRNGKeyArray, batch: int, low: int, high: int) -> Int[Array, " batch"]:
    """One size for every sequence, uniform over `low` to `high`, both included."""
    return jax.random.randint(key, (batch,), low, high + 1)


def at_steps(
    values: Float[Array, "length batch features"], steps: Int[Array, "time batch"]
) -> Float[Array, "time batch features"]:
    """`values[steps]` in every sequence by itself; zero where a step is outside its range."""
    length = values.shape[0]
    found = jnp.take_along_axis(values, jnp.clip(steps, 0, length - 1)[..., None], axis=0)
    return jnp.where(((steps >= 0) & (steps < length))[..., None], found, 0)


def doubling(low: int, high: int) -> tuple[int, ...]:
    """The growing sizes of a curriculum: `high` halved again and again, down to 3 or `low`."""
    sizes = [high]
    while sizes[0] // 2 >= max(low, 3):
        sizes.insert(0, sizes[0] // 2)
    return tuple(sizes)
