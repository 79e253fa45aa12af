"""The few primitives whose value or gradient would not be finite if written down plainly."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

COSINE_EPSILON = 1e-6
"""Added to squared lengths, so that the cosine with a zero vector is 0 and has a gradient."""


def oneplus(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """oneplus(x) = 1 + log(1 + eˣ), in [1, ∞).

    Source: Graves et al., "Hybrid computing using a neural network with dynamic external memory"
    (2016), Methods.
    """
    return 1 + jax.nn.softplus(x)


def norm(x: Float[Array, " n"]) -> Float[Array, ""]:
    """The Euclidean length √Σ x², finite wherever it can be.

    Squares overflow in float32 from 1.8e19 on, where exploding gradients are still numbers that
    can be clipped; there they are taken of x / max |x|. Not finite if any entry is not. It is not
    meant to be differentiated.
    """
    plain = jnp.linalg.norm(x)
    largest = jnp.max(jnp.abs(x), initial=0)
    return jnp.where(jnp.isfinite(plain), plain, largest * jnp.linalg.norm(x / largest))


def cosine_similarity(
    memory: Float[Array, "*batch slots width"],
    keys: Float[Array, "*batch heads width"],
    epsilon: float = COSINE_EPSILON,
    *,
    mask: Float[Array, "*batch heads width"] | None = None,
) -> Float[Array, "*batch heads slots"]:
    """The cosine of the angle between every key and every row of the memory.

        K[k, M_i] = k·M_i / (√(|k|² + ε) √(|M_i|² + ε))

    With ε inside the roots, value and gradient are finite everywhere, at all-zero rows and keys
    too; with ε outside of them the gradient of the length of a zero vector is not a number.

    **Arguments:**

    - `memory`: the rows M_i.
    - `keys`: one key k for every head.
    - `epsilon`: ε, above 0.
    - `mask`: in [0, 1]; multiplies both the key and the rows, so that the look-up heeds only part
        of a row: K[mask ∘ k, mask ∘ M_i].

    Sources: Graves et al., "Neural Turing Machines" (2014), eq. 6; Csordás and Schmidhuber,
    "Improving differentiable neural computers through memory masking, de-allocation, and link
    distribution sharpness control" (2019), eq. 6, for the mask.
    """
    # Slots come last here and wherever a memory is computed with: there are more of them than
    # numbers in a row, so that is the axis that vectorises.
    columns = jnp.swapaxes(memory, -1, -2)
    if mask is None:
        squared_rows = jnp.sum(columns**2, axis=-2)[..., None, :]
    else:
        keys = mask * keys
        squared_rows = jnp.einsum("...hw,...wn->...hn", mask**2, columns**2)
    unit_keys = keys * jax.lax.rsqrt(jnp.sum(keys**2, axis=-1, keepdims=True) + epsilon)
    if mask is not None:
        unit_keys = mask * unit_keys
    products = jnp.einsum("...hw,...wn->...hn", unit_keys, columns)
    return products * jax.lax.rsqrt(squared_rows + epsilon)


def sharpen(
    weights: Float[Array, "*batch slots"], exponent: Float[Array, "*batch"]
) -> Float[Array, "*batch slots"]:
    """Make a distribution more pointed: w_i^γ / Σ_j w_j^γ.

    The weights are divided by their largest one first, which changes nothing but keeps the
    powers from vanishing all together, whatever the exponent. Weights that are all below 1e-8
    give a result that falls to 0 with them, so that nothing is not turned into something. Value
    and gradient are finite for weights in [0, 1] and exponents from 1 to 1e4.

    **Arguments:**

    - `weights`: w ≥ 0; need not sum to 1. What rounding left below 0 counts as 0.
    - `exponent`: γ ≥ 1, one for every distribution.

    Source: Graves et al., "Neural Turing Machines" (2014), eq. 9.
    """
    floor, least = 1e-8, 1e-30
    weights = jnp.maximum(weights, 0)
    # The result does not depend on the scale, so no gradient is lost by holding it constant.
    scale = jax.lax.stop_gradient(jnp.max(weights, axis=-1, keepdims=True))
    shares = weights / jnp.maximum(scale, floor)
    # The power by exp and log takes a fifth of the time that the power itself takes.
    powers = jnp.exp(exponent[..., None] * jnp.log(jnp.maximum(shares, least)))
    powers = jnp.where(shares > least, powers, 0)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    return powers / jnp.where((scale >= floor) | (total >= 1), total, 1)


ALLOCATION_EPSILON = 1e-6
"""Usage is kept this far above 0, so that its logarithm is finite."""


def allocation(usage: Float[Array, "*batch slots"]) -> Float[Array, "*batch slots"]:
    """How much each slot offers itself for writing: the least used first.

        a[φ_j] = (1 − u[φ_j]) Π_{i<j} u[φ_i],   φ the slots by ascending usage

    The product runs over all slots that come before, of slots used alike those with the smaller
    number; it is formed as the exponential of a sum of logarithms, with u raised to
    ε + (1 − ε) u. A comparison of all pairs takes the place of the sort, whose discontinuities
    the gradient ignores, as the paper does. The result sums to at most 1.

    Source: Graves et al., "Hybrid computing using a neural network with dynamic external memory"
    (2016), Methods.
    """
    used = ALLOCATION_EPSILON + (1 - ALLOCATION_EPSILON) * usage
    mine, other = usage[..., :, None], usage[..., None, :]
    number = jnp.arange(usage.shape[-1])
    # No slot comes before itself, even where a compiler rounds the two copies of u differently.
    first, later = number[None, :] < number[:, None], number[None, :] > number[:, None]
    before = (first & (other <= mine)) | (later & (other < mine))
    logs = jnp.where(before, jnp.log(used)[..., None, :], jnp.zeros((), usage.dtype))
    return (1 - used) * jnp.exp(jnp.sum(logs, axis=-1))
