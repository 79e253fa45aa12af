"""Blocks of residual units that are left out where, and when, the ones before them will do."""

from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cells import Linear
from tapehead.networks.convolution import MILLION, Convolution
from tapehead.networks.residual import ResidualUnit

Halting = Literal["none", "act", "sact"]

LATE = -3.0
"""Bias of halting scores at first, so that every unit is in use before any is left out."""


class HaltingScore(eqx.Module):
    """h = σ(W̃ ∗ x + w · mean(x) + b), W̃ a 3×3 convolution, the mean being over positions.

    Unless it is `spatial` it is without the convolution, and one for the whole image.
    """

    around: Convolution | None
    whole: Linear

    def __init__(self, channels: int, *, spatial: bool, key: PRNGKeyArray):
        around_key, whole_key = jax.random.split(key)
        whole = Linear(channels, 1, key=whole_key)
        self.around = Convolution(channels, 1, 3, key=around_key) if spatial else None
        self.whole = eqx.tree_at(lambda it: it.bias, whole, jnp.full(1, LATE, jnp.float32))

    def __call__(
        self, x: Float[Array, "images height width channels"]
    ) -> Float[Array, "images rows columns 1"]:
        """A score for every position, or `(images, 1, 1, 1)` for all of them together."""
        score = self.whole(jnp.mean(x, axis=(1, 2)))[:, None, None]
        return jax.nn.sigmoid(score if self.around is None else score + self.around(x))

    def products(self, active: Bool[Array, "images height width 1"]) -> Float[Array, " images"]:
        """Millions of multiplications where only the `active` positions are wanted."""
        each = 0 if self.around is None else self.around.products
        wanted = jnp.sum(active, axis=(1, 2, 3), dtype=self.whole.weight.dtype)
        return wanted * (each / MILLION)


class Computed(NamedTuple):
    """What a block makes of images, and what it takes.

    **Attributes:**

    - `output`: `(images, height, width, channels)`.
    - `cost`: ρ, `(images,)`, its mean over positions.
    - `units`: N, `(images, height, width)`: the units computed at every position.
    - `products`: `(images,)`, millions of multiplications; see `AdaptiveBlock`.
    """

    output: Float[Array, "images height width channels"]
    cost: Float[Array, " images"]
    units: Float[Array, "images height width"]
    products: Float[Array, " images"]


class AdaptiveBlock(eqx.Module):
    """Residual units in a row, each only for what those before it have not settled.

    With the block's input x⁰ and its units u¹ … u^L, at the position ij:

        x¹ = u¹(x⁰),  x^l_ij = u^l(x^{l−1})_ij for l ≤ N_ij, and x^{l−1}_ij afterwards
        h^l_ij = the halting score of x^l,  h^L_ij = 1
        N_ij = min {n : Σ_{l≤n} h^l_ij ≥ 1 − ε}
        p^l_ij = h^l_ij for l < N_ij,  R_ij = 1 − Σ_{l<N_ij} h^l_ij for l = N_ij, and 0 afterwards
        y_ij = Σ_l p^l_ij x^l_ij
        ρ_ij = N_ij + R_ij                          what it costs, where N counts as a constant

    Under `"sact"` every position halts by itself, and its neighbours go on reading the value at
    which it stopped. Under `"act"` there is one score for all of an image's positions, which halt
    together. Under `"none"`, the control, nothing halts before u^L: y = x^L, and it costs nothing.

    All positions are computed here and those that had halted put back, so that time is not saved;
    `products` is what a program would multiply that leaves them out.

    Source: Figurnov, Collins, Zhu, Zhang, Huang, Vetrov and Salakhutdinov, "Spatially adaptive
    computation time for residual networks" (2017).
    """

    units: tuple[ResidualUnit, ...]
    scores: tuple[HaltingScore, ...]
    halting: Halting = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        channels: int,
        units: int,
        *,
        stride: int,
        halting: Halting,
        epsilon: float,
        key: PRNGKeyArray,
    ):
        (first, *others), score_keys = (jax.random.split(k, units) for k in jax.random.split(key))
        self.units = (
            ResidualUnit(inputs, channels, stride=stride, key=first),
            *(ResidualUnit(channels, channels, key=key) for key in others),
        )
        self.scores = tuple(
            HaltingScore(channels, spatial=halting == "sact", key=key)
            for key in (score_keys[1:] if halting != "none" else ())
        )
        self.halting = halting
        self.epsilon = epsilon

    def __call__(self, x: Float[Array, "images rows columns inputs"]) -> Computed:
        """Images in, images out."""
        x = self.units[0](x)
        everywhere = (*x.shape[:3], 1)
        deciding = everywhere if self.halting == "sact" else (len(x), 1, 1, 1)
        active, total = jnp.ones(deciding, bool), jnp.zeros(deciding, x.dtype)
        output, cost, units = jnp.zeros_like(x), total, total
        products = jnp.zeros(len(x), x.dtype)
        for number, unit in enumerate(self.units):
            if number:
                x = jnp.where(active, unit(x), x)
            h = jnp.zeros_like(total)
            computing = jnp.broadcast_to(active, everywhere)
            products = products + unit.products(computing)
            if number < len(self.scores):
                h = self.scores[number](x)
                products = products + self.scores[number].products(computing)
            halts = (total + h >= 1 - self.epsilon) | (number == len(self.units) - 1)
            p = jnp.where(active, jnp.where(halts, 1 - total, h), 0)
            output, total = output + p * x, total + p
            units = units + active.astype(x.dtype)
            if self.scores:
                cost = cost + jnp.where(active, 1 + jnp.where(halts, p, 0), 0)
            active &= ~halts
        return Computed(
            output,
            jnp.mean(cost, axis=(1, 2, 3)),
            jnp.broadcast_to(units, everywhere)[..., 0],
            products,
        )
