"""The order in which a DNC's slots were written: temporal links and precedence."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tapehead.memory.outline import outlined


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


def links_pullback(
    link: Float[Array, "lanes slots slots"],
    precedence: Float[Array, "lanes slots"],
    write_weights: Float[Array, "lanes slots"],
    of_link: Float[Array, "lanes slots slots"],
) -> tuple[Array, Array, Array]:
    """The gradients of `next_link`, from that of its result.

    With G the gradient of L_t off the diagonal, that of L_{t−1} is (1 − w[i] − w[j]) G, that of p
    is Gᵀ w, and that of w is G p less the sums over the rows and over the columns of G ∘ L_{t−1}.
    """
    # Sums over a matrix are products with a vector here: XLA's reductions are slow on the CPU.
    scaled = outlined(jnp.multiply)(of_link, link)
    ones = jnp.ones_like(write_weights)

    def by_rows(matrix: Array, vector: Array) -> Array:
        return jnp.einsum("bij,bj->bi", matrix, vector)

    def by_columns(matrix: Array, vector: Array) -> Array:
        return jnp.einsum("bij,bi->bj", matrix, vector)

    def decayed(of_link: Array, write_weights: Array) -> Array:
        return (1 - write_weights[:, :, None] - write_weights[:, None, :]) * of_link

    of_weights = by_rows(of_link, precedence) - by_rows(scaled, ones) - by_columns(scaled, ones)
    of_precedence = by_columns(of_link, write_weights)
    return outlined(decayed)(of_link, write_weights), of_precedence, of_weights


def follow_pullback(
    link: Float[Array, "lanes slots slots"],
    read_weights: Float[Array, "batch read_heads slots"],
    of_link: Float[Array, "lanes slots slots"],
    of_forward: Float[Array, "batch read_heads write_heads slots"],
    of_backward: Float[Array, "batch read_heads write_heads slots"],
    least: float,
) -> tuple[Array, Array]:
    """The gradients of `follow`, that of the link added to `of_link` and kept off its diagonal.

    Links below `least`, if above 0, were dropped and have no gradient. There is one matrix of
    links for every lane of the batch and write head.
    """
    batch, reads, slots = read_weights.shape
    heads = link.shape[0] // batch

    def fold(ways: Array) -> Array:
        return jnp.swapaxes(ways, 1, 2).reshape(-1, reads, slots)

    def fold_all(of_forward: Array, of_backward: Array, read_weights: Array) -> tuple[Array, ...]:
        every = jnp.broadcast_to(read_weights[:, :, None], of_forward.shape)
        return fold(of_forward), fold(of_backward), fold(every)

    def add(
        of_link: Array, link: Array, of_forward: Array, of_backward: Array, weights: Array
    ) -> Array:
        # One product of vectors after the other: they are few, and the matrix is passed once.
        for head in range(reads):
            here, there = weights[:, head, :, None], weights[:, head, None, :]
            of_link = of_link + of_forward[:, head, :, None] * there
            of_link = of_link + here * of_backward[:, head, None, :]
        number = jnp.arange(slots)
        held = jnp.broadcast_to(number[:, None] != number, of_link.shape)
        if least > 0:
            held = held & (link >= least)
        return jnp.where(held, of_link, jnp.zeros((), of_link.dtype))

    of_forward, of_backward, weights = outlined(fold_all)(of_forward, of_backward, read_weights)
    of_weights = jnp.einsum("bij,bri->brj", link, of_forward)
    of_weights = of_weights + jnp.einsum("bij,brj->bri", link, of_backward)
    of_weights = jnp.sum(of_weights.reshape(batch, heads, reads, slots), axis=1)
    return outlined(add)(of_link, link, of_forward, of_backward, weights), of_weights
