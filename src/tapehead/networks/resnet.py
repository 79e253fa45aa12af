"""`ResNet`: a residual network for images, one image a step."""

import math
from typing import Any, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, expect_features, select
from tapehead.cells import LayerNorm, Linear
from tapehead.errors import UserError, among, at_least, between
from tapehead.networks.convolution import MILLION, Convolution
from tapehead.networks.spatial_halting import AdaptiveBlock, Computed, Halting

STEM = 5
"""Pixels, each way, that a position of the first feature maps sees."""


class ResNetState(NamedTuple):
    """What a `ResNet` carries from image to image: what they took.

    **Attributes:**

    - `pondered`: what is paid for since the sequence began, `(*batch,)`: Σ ρ over images and
        blocks.
    - `taken`: the share of positions at which n units of a block were computed, n = 0 … L, summed
        over images: `(*batch, L + 1)`.
    - `products`: millions of multiplications since then, `(*batch,)`.
    """

    pondered: Float[Array, "*batch"]
    taken: Float[Array, "*batch counts"]
    products: Float[Array, "*batch"]


class ResNet(Cell):
    """A residual network that looks at one square image a step, and may look longer where it must.

        x⁰ = W ∗ image                       5×5, a position for every `stride` pixels
        x^b = block_b(x^{b−1})               from the second on with stride 2 and twice the channels
        y = readout(maximum over positions of relu(norm(x^B)))

    Every block is an `AdaptiveBlock` of as many residual units, and ends by `halting`: `"none"`,
    `"act"` (one image after the other) or `"sact"` (one position after the other). What the units
    cost, τ Σ_b ρ_b, ρ_b being the mean over the block's positions, is added to the loss (see
    `penalty`). It remembers nothing of earlier images.

    **Arguments:**

    - `input_size`: pixels of an image, a square number; row by row, one number each.
    - `output_size`: features of the output.
    - `channels`: of the first block. `blocks`, `units`: how many, and how many units in each.
    - `stride`: pixels, each way, from one position of the first block to the next.
    - `halting`: see above; `cost`: τ ≥ 0, in nats; `epsilon`: ε in (0, 1), so that one unit may do.

    **Raises:** `UserError` for an image that is not square, or a setting out of its range.

    Source: Figurnov et al., "Spatially adaptive computation time for residual networks" (2017);
    sizes, the stem, the norm and the maximum are ours.
    """

    stem: Convolution
    blocks: tuple[AdaptiveBlock, ...]
    norm: LayerNorm
    readout: Linear
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)
    cost: float = eqx.field(static=True)

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        channels: int = 16,
        blocks: int = 3,
        units: int = 4,
        stride: int = 2,
        halting: Halting = "none",
        cost: float = 0.01,
        epsilon: float = 0.01,
        key: PRNGKeyArray,
    ):
        at_least("ResNet", 1, channels=channels, blocks=blocks, units=units, stride=stride)
        among("ResNet", get_args(Halting), halting=halting)
        at_least("ResNet", 0, cost=cost)
        between("ResNet", 0, 1, epsilon=epsilon)
        if math.isqrt(input_size) ** 2 != input_size:
            raise UserError(
                f"ResNet: needs square images with a number for each pixel, such as 784 for 28 by "
                f"28, got {input_size} features; take a task that shows an image at one step"
            )
        stem_key, readout_key, *keys = jax.random.split(key, 2 + blocks)
        widths = [channels, *(channels * 2**n for n in range(blocks))]
        self.stem = Convolution(1, channels, STEM, stride=stride, key=stem_key)
        self.blocks = tuple(
            AdaptiveBlock(
                *(widths[n], widths[n + 1], units),
                stride=2 if n else 1,
                halting=halting,
                epsilon=epsilon,
                key=keys[n],
            )
            for n in range(blocks)
        )
        self.norm = LayerNorm(widths[-1])
        self.readout = Linear(widths[-1], output_size, key=readout_key)
        self.input_size = input_size
        self.output_size = output_size
        self.cost = cost

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> ResNetState:
        """Nothing computed yet."""
        zero = jnp.zeros(batch, self.readout.weight.dtype)
        counts = len(self.blocks[0].units) + 1
        return ResNetState(zero, jnp.zeros((*batch, counts), zero.dtype), zero)

    def step(
        self, state: ResNetState, x: Float[Array, "*batch pixels"]
    ) -> tuple[ResNetState, Float[Array, "*batch outputs"]]:
        """One image."""
        output, computed = self._look(x)
        return jax.tree.map(jnp.add, state, self._taken(x, computed)), output

    def unroll(
        self,
        state: ResNetState,
        xs: Float[Array, "time *batch pixels"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[ResNetState, Float[Array, "time *batch outputs"]]:
        """All images at once, and then what they took in turn."""
        ys, computed = self._look(xs)

        def body(state: ResNetState, now: Any) -> tuple[ResNetState, None]:
            taken, here, start = now
            if start is not None:
                state = select(start, self.restart(state, start.shape), state)
            after = jax.tree.map(jnp.add, state, taken)
            return after if here is None else select(here, after, state), None

        state, _ = jax.lax.scan(body, state, (self._taken(xs, computed), mask, starts))
        return state, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))

    def _look(
        self, x: Float[Array, "*batch pixels"]
    ) -> tuple[Float[Array, "*batch outputs"], list[Computed]]:
        """The outputs for images, and what every block made of them, all in one row."""
        expect_features("ResNet", x, self.input_size or 0)
        side = math.isqrt(x.shape[-1])
        maps = self.stem(x.reshape(-1, side, side, 1))
        computed = []
        for block in self.blocks:
            computed.append(block(maps))
            maps = computed[-1].output
        features = jax.nn.relu(self.norm(maps)).reshape(len(maps), -1, maps.shape[-1])
        # The gradient of a maximum looks for what equals it, of which there is nothing where the
        # compiler computes the features anew and rounds them otherwise; this one has its place.
        place = jnp.argmax(features, axis=1, keepdims=True)
        seen = jnp.take_along_axis(features, place, axis=1)[:, 0]
        return self.readout(seen).reshape(*x.shape[:-1], -1), computed

    def _taken(self, x: Float[Array, "*batch pixels"], computed: list[Computed]) -> ResNetState:
        """What every image took by itself."""
        counts = len(self.blocks[0].units) + 1
        share = 1 / len(computed)
        positions = math.ceil(math.isqrt(x.shape[-1]) / self.stem.stride) ** 2
        ends = (positions * self.stem.products + self.readout.weight.size) / MILLION

        def shares(units: Float[Array, "images height width"]) -> Float[Array, "images counts"]:
            number = jax.nn.one_hot(units.astype(jnp.int32), counts, dtype=x.dtype)
            return share * jnp.mean(number, axis=(1, 2))

        images = [
            ResNetState(block.cost, shares(block.units), block.products) for block in computed
        ]
        total: ResNetState = jax.tree.map(lambda *parts: sum(parts[1:], start=parts[0]), *images)
        total = total._replace(products=total.products + ends)
        return jax.tree.map(lambda leaf: leaf.reshape(*x.shape[:-1], *leaf.shape[1:]), total)

    def penalty(self, state: ResNetState) -> Float[Array, "*batch"]:
        """τ Σ ρ."""
        return self.cost * state.pondered

    def metrics(self, state: ResNetState) -> dict[str, Array]:
        """`units`: how many of a block are computed at a position, as a distribution.

        `computation`: millions of multiplications an image.
        """
        images = jnp.maximum(jnp.sum(state.taken, axis=-1), 1)
        return {"units": state.taken / images[..., None], "computation": state.products / images}

    def observe(self, state: ResNetState, x: Float[Array, "*batch pixels"]) -> dict[str, Any]:
        """`units.0`, `units.1` …: for every block how many units are computed at each position,
        `(*batch, height, width)`.
        """
        computed = self._look(x)[1]
        batch = x.shape[:-1]
        return {
            "units": {
                str(n): block.units.reshape(*batch, *block.units.shape[1:])
                for n, block in enumerate(computed)
            }
        }
