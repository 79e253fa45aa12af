"""The order in which a DNC's slots were written: temporal links and precedence."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def next_link(
    link: Float[Array, "*batch write_heads slots slots"],
    precedence: Float[Array, "*batch write_heads slots"],
    write_weights: Float[Array, "*batch write_heads slots"],
) -> Float[Array, "*batch write_heads slots slots"]:
    """How much slot i was written right after slot j, for every write head.

    L_t[i,j] = (1 − w[i] − w[j]) L_{t−1}[i,j] + w[i] p_{t−1}[j],   L_t[i,i] = 0
    """
    after, before = write_weights[..., :, None], write_weights[..., None, :]
    link = (1 - after - before) * link + after * precedence[..., None, :]
    same = jnp.eye(link.shape[-1], dtype=bool)
    return jnp.where(same, jnp.zeros((), link.dtype), link)


def next_precedence(
    precedence: Float[Array, "*batch write_heads slots"],
    write_weights: Float[Array, "*batch write_heads slots"],
) -> Float[Array, "*batch write_heads slots"]:
    """How much each slot was the last one written: p_t = (1 − Σ_i w[i]) p_{t−1} + w."""
    return (1 - jnp.sum(write_weights, axis=-1, keepdims=True)) * precedence + write_weights


def keep_largest(
    weights: Float[Array, "*batch slots"], entries: int
) -> Float[Array, "*batch slots"]:
    """The `entries` largest of the weights, scaled to the sum that all had; the rest 0.

    Of weights that are alike those of smaller number stay. The paper renormalises to 1, which
    would make a full write of a weighting whose write gate is closed; scaling to the former sum
    is the same for a full one. What sums to less than 1e-12 is not scaled.
    """
    # By number, not by value: of weights that are alike, as at the first write, all would stay.
    largest = jax.lax.top_k(weights, entries)[1]
    slots = jnp.arange(weights.shape[-1], dtype=largest.dtype)
    chosen = jnp.any(largest[..., None] == slots, axis=-2)
    kept = jnp.where(chosen, weights, jnp.zeros((), weights.dtype))
    total = jnp.sum(kept, axis=-1, keepdims=True)
    # Where next to nothing is written, the gradient of the quotient would not be finite.
    enough = total > 1e-12
    quotient = jnp.sum(weights, axis=-1, keepdims=True) / jnp.where(enough, total, 1)
    return kept * jnp.where(enough, quotient, 1)


def drop_small(
    link: Float[Array, "*batch slots slots"], entries: int
) -> Float[Array, "*batch slots slots"]:
    """The link with every entry below 1/`entries` set to 0."""
    return jnp.where(link < 1 / entries, jnp.zeros((), link.dtype), link)


def follow(
    link: Float[Array, "*batch write_heads slots slots"],
    read_weights: Float[Array, "*batch read_heads slots"],
) -> tuple[
    Float[Array, "*batch read_heads write_heads slots"],
    Float[Array, "*batch read_heads write_heads slots"],
]:
    """Where the read heads would go forward and backward in the order of writing.

    f = L_t w^r_{t−1},   b = L_tᵀ w^r_{t−1}
    """
    forward = jnp.einsum("...hij,...rj->...rhi", link, read_weights)
    backward = jnp.einsum("...hij,...ri->...rhj", link, read_weights)
    return forward, backward
