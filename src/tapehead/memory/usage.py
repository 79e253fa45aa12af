"""Which slots of a DNC's memory are in use, and where it may write next."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from tapehead.numerics import allocation


def retention(
    read_weights: Float[Array, "*batch read_heads slots"],
    free_gates: Float[Array, "*batch read_heads"],
) -> Float[Array, "*batch slots"]:
    """How much of each slot is not freed after it was read: ψ_t = Π_i (1 − f^i_t w^{r,i}_{t−1})."""
    return jnp.prod(1 - free_gates[..., None] * read_weights, axis=-2)


def next_usage(
    usage: Float[Array, "*batch slots"],
    write_weights: Float[Array, "*batch write_heads slots"],
    retained: Float[Array, "*batch slots"],
) -> Float[Array, "*batch slots"]:
    """Usage after the last step's writes and this step's freeing.

        u_t = (u_{t−1} + w − u_{t−1} ∘ w) ∘ ψ_t,   w = 1 − Π_h (1 − w^{w,h}_{t−1})

    With one write head w is its weighting, which is the paper's equation.
    """
    written = 1 - jnp.prod(1 - write_weights, axis=-2)
    return (usage + written - usage * written) * retained


def allocations(
    usage: Float[Array, "*batch slots"], gates: Float[Array, "*batch write_heads"]
) -> Float[Array, "*batch write_heads slots"]:
    """An allocation weighting for every write head, each as if those before it had written.

    `gates` is g^w g^a of every head, the share of its allocation that it will really write.
    With one head this is `tapehead.numerics.allocation`; for more the usage between them is
    simulated as in DeepMind's open implementation (2017).
    """
    offers = []
    for head in range(gates.shape[-1]):
        offer = allocation(usage)
        usage = usage + (1 - usage) * gates[..., head, None] * offer
        offers.append(offer)
    return jnp.stack(offers, axis=-2)
