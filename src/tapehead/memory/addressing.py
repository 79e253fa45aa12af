"""How a memory is addressed, read and written: pure functions, one equation each.

Shapes: a memory is `(*batch, slots, width)`; weightings are `(*batch, heads, slots)`, one
distribution over the slots for every head; what a head emits is `(*batch, heads, ...)`.
"""

from collections.abc import Callable
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from tapehead.errors import UserError
from tapehead.numerics import cosine_similarity, sharpen
from tapehead.registry import Registry

__all__ = [
    "SIMILARITIES",
    "Similarity",
    "circular_shift",
    "content_weights",
    "erase_and_add",
    "interpolate",
    "read",
    "resolve_similarity",
    "sharpen",
]


class Similarity(Protocol):
    """How alike every key and every row of the memory are; larger is more alike."""

    def __call__(
        self,
        memory: Float[Array, "*batch slots width"],
        keys: Float[Array, "*batch heads width"],
        *,
        mask: Float[Array, "*batch heads width"] | None = None,
    ) -> Float[Array, "*batch heads slots"]:
        """The scores; `mask` multiplies both the keys and the rows before they are compared."""
        ...


def dot_similarity(
    memory: Float[Array, "*batch slots width"],
    keys: Float[Array, "*batch heads width"],
    *,
    mask: Float[Array, "*batch heads width"] | None = None,
) -> Float[Array, "*batch heads slots"]:
    """The dot product: K[k, M_i] = k·M_i.

    Source: Sukhbaatar et al., "End-to-end memory networks" (2015), eq. 1.
    """
    weighed = keys if mask is None else mask**2 * keys
    return jnp.einsum("...hw,...nw->...hn", weighed, memory)


def negative_squared_distance(
    memory: Float[Array, "*batch slots width"],
    keys: Float[Array, "*batch heads width"],
    *,
    mask: Float[Array, "*batch heads width"] | None = None,
) -> Float[Array, "*batch heads slots"]:
    """Minus the square of the Euclidean distance: K[k, M_i] = −|k − M_i|².

    Under a softmax this is a Gaussian kernel, as in Snell et al., "Prototypical networks for
    few-shot learning" (2017).
    """
    difference = keys[..., :, None, :] - memory[..., None, :, :]
    if mask is not None:
        difference = mask[..., :, None, :] * difference
    return -jnp.sum(difference**2, axis=-1)


def _cosine(
    memory: Float[Array, "*batch slots width"],
    keys: Float[Array, "*batch heads width"],
    *,
    mask: Float[Array, "*batch heads width"] | None = None,
) -> Float[Array, "*batch heads slots"]:
    return cosine_similarity(memory, keys, mask=mask)


SIMILARITIES: Registry[Similarity] = Registry(
    "similarity",
    {
        "cosine": _cosine,
        "dot": dot_similarity,
        "negative-squared-distance": negative_squared_distance,
    },
)


class _CustomSimilarity(eqx.Module):
    """A user's `(memory, keys) -> scores`, and how it looks through a mask."""

    function: Callable[[Array, Array], Array]

    def __call__(
        self,
        memory: Float[Array, "*batch slots width"],
        keys: Float[Array, "*batch heads width"],
        *,
        mask: Float[Array, "*batch heads width"] | None = None,
    ) -> Float[Array, "*batch heads slots"]:
        if mask is None:
            return self.function(memory, keys)
        # Every head sees a memory of its own, so that heads become one more batch axis.
        rows = mask[..., :, None, :] * memory[..., None, :, :]
        return self.function(rows, (mask * keys)[..., :, None, :])[..., 0, :]


def resolve_similarity(similarity: str | Callable[[Array, Array], Array]) -> Similarity:
    """The similarity of that name, or the user's own function `(memory, keys) -> scores`.

    A function given as an Equinox module keeps its parameters, which are then learned with the
    memory's. What comes back is a pytree whose leaves are only those parameters.

    **Raises:** `UserError` for an unknown name, or for what is neither a name nor a function.
    """
    if isinstance(similarity, str):
        return jax.tree_util.Partial(SIMILARITIES[similarity])
    if isinstance(similarity, eqx.Module) and callable(similarity):
        return _CustomSimilarity(similarity)
    if callable(similarity):
        return _CustomSimilarity(jax.tree_util.Partial(similarity))
    raise UserError(
        f"similarity: expected one of {', '.join(SIMILARITIES)} or a function "
        f"(memory, keys) -> scores, got {similarity!r}"
    )


def content_weights(
    memory: Float[Array, "*batch slots width"],
    keys: Float[Array, "*batch heads width"],
    strengths: Float[Array, "*batch heads"],
    similarity: Similarity,
    *,
    mask: Float[Array, "*batch heads width"] | None = None,
) -> Float[Array, "*batch heads slots"]:
    """Address by content: w^c_i = exp(β K[k, M_i]) / Σ_j exp(β K[k, M_j]).

    **Arguments:**

    - `memory`: the rows M_i.
    - `keys`: k, one for every head.
    - `strengths`: β, one for every head; finite up to at least 1e4.
    - `similarity`: K, from `resolve_similarity`.
    - `mask`: in [0, 1]; the part of a row that the look-up heeds.

    Sources: Graves et al., "Neural Turing Machines" (2014), eq. 5; "Hybrid computing using a
    neural network with dynamic external memory" (2016); Csordás and Schmidhuber (2019) for the
    mask.
    """
    scores = similarity(memory, keys, mask=mask)
    # The largest score goes before β comes, not after as in any softmax: a compiler that fuses
    # "β K − max" rounds it otherwise than the maximum, and at large scores exp takes the
    # difference for a huge number.
    scores = scores - jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True))
    return jax.nn.softmax(strengths[..., None] * scores, axis=-1)


def interpolate(
    content: Float[Array, "*batch heads slots"],
    previous: Float[Array, "*batch heads slots"],
    gate: Float[Array, "*batch heads"],
) -> Float[Array, "*batch heads slots"]:
    """Choose between content and the last step's place: w^g = g w^c + (1 − g) w_{t−1}.

    Source: Graves et al., "Neural Turing Machines" (2014), eq. 7.
    """
    return previous + gate[..., None] * (content - previous)


def circular_shift(
    weights: Float[Array, "*batch slots"], shift: Float[Array, "*batch shifts"]
) -> Float[Array, "*batch slots"]:
    """Move a weighting along the slots, the ends joined: w̃_i = Σ_j w_j s(i − j mod N).

    **Arguments:**

    - `weights`: w over the N slots.
    - `shift`: s, a distribution over the shifts −r, …, r for any range r ≥ 0; a shift of k moves
        weight from slot i to slot i + k.

    Source: Graves et al., "Neural Turing Machines" (2014), eq. 8.
    """
    shifts = shift.shape[-1]
    if shifts % 2 == 0:
        raise UserError(
            f"circular_shift: expected an odd number of shifts, from -range to range, got {shifts}"
        )
    terms = [
        shift[..., k, None] * jnp.roll(weights, k - shifts // 2, axis=-1) for k in range(shifts)
    ]
    return sum(terms[1:], start=terms[0])


def read(
    memory: Float[Array, "*batch slots width"], weights: Float[Array, "*batch heads slots"]
) -> Float[Array, "*batch heads width"]:
    """One vector for every head, the mean of the rows under its weighting: r = Σ_i w_i M_i.

    Source: Graves et al., "Neural Turing Machines" (2014), eq. 2.
    """
    return jnp.einsum("...hn,...wn->...hw", weights, jnp.swapaxes(memory, -1, -2))


def erase_and_add(
    memory: Float[Array, "*batch slots width"],
    weights: Float[Array, "*batch heads slots"],
    erase: Float[Array, "*batch heads width"],
    add: Float[Array, "*batch heads width"],
) -> Float[Array, "*batch slots width"]:
    """Write with all heads at once: M_t = M_{t−1} ∘ Π_h (1 − w_h e_hᵀ) + Σ_h w_h a_hᵀ.

    All heads erase before any adds, so that their order does not matter.

    **Arguments:**

    - `memory`: M_{t−1}.
    - `weights`: w_h, one write weighting for every head.
    - `erase`: e_h in [0, 1], what is taken from a row.
    - `add`: a_h, what is put in its place.

    Source: Graves et al., "Neural Turing Machines" (2014), eqs. 3 and 4, with its remark that
    the order in which several heads erase, and in which they add, is irrelevant.
    """
    # With slots last, as in `cosine_similarity`; and outer products as products of tensors, since
    # the gradients of these are such products again.
    columns = jnp.swapaxes(memory, -1, -2)
    erased = jnp.einsum("...hn,...hw->...hwn", weights, erase)
    for head in range(weights.shape[-2]):
        columns = columns * (1 - erased[..., head, :, :])
    columns = columns + jnp.einsum("...hn,...hw->...wn", weights, add)
    return jnp.swapaxes(columns, -1, -2)
