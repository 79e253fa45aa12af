"""MNIST on a larger canvas, among pieces of other digits."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.datasets.registry import Split
from tapehead.errors import at_least, within
from tapehead.tasks.vision.mnist import SIDE, DigitTask, Images

PLACES = 0x5AC7
"""Decides where everything lies, the same for all runs."""


@dataclass(frozen=True)
class ClutteredMnist(DigitTask):
    """Find a handwritten digit on a canvas, among pieces of other digits, and name it.

    - Inputs `(1, batch, side²)`: the canvas row by row, from 0 (background) to 1, all of it at one
        step.
    - Targets `(1, batch)`: the digit.

    The image of the digit lies anywhere on the canvas, and each of `clutter` squares of `piece`
    pixels, cut anywhere from the images of other digits, anywhere too; where they overlap, the
    brighter pixel is seen. Every digit has its own place and clutter, always the same. With `side`
    28 and no clutter this is MNIST.

    Which images there are, and how they are drawn: see `DigitTask`.

    Source: Mnih, Heess, Graves and Kavukcuoglu, "Recurrent models of visual attention" (2014), with
    sides of 60 and 100, there all places being drawn anew for every batch.

    A worked example: two made-up images that are all ink, on canvases of four more pixels, with no
    clutter: 784 pixels of ink, none of the others.

    >>> import jax, jax.numpy as jnp
    >>> from tapehead.tasks.vision.mnist import Images
    >>> ink = jnp.full((2, 28, 28), 255, jnp.uint8)
    >>> task = ClutteredMnist(side=32, clutter=0)
    >>> batch = task.batch_at(jnp.array([0, 1]), Images(ink, jnp.array([7, 3])))
    >>> batch.inputs.shape, batch.inputs.sum(axis=-1).tolist()
    ((1, 2, 1024), [[784.0, 784.0]])
    >>> print(batch.targets, batch.weights)
    [[7 3]] [[1. 1.]]
    """

    side: int = 48
    """Pixels of the canvas, each way."""
    clutter: int = 6
    """Pieces of other digits."""
    piece: int = 8
    """Pixels of a piece, each way."""

    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 32, "updates": 1500, "stop_when_solved": False, "evaluate_every": 500}
    )

    def __post_init__(self):
        super().__post_init__()
        at_least("ClutteredMnist", SIDE, side=self.side)
        at_least("ClutteredMnist", 0, clutter=self.clutter)
        within("ClutteredMnist", 1, SIDE, piece=self.piece)

    @property
    def input_size(self) -> int:
        """The pixels of the canvas."""
        return self.side**2

    def shown(self, indices: Int[Array, " batch"], data: Images) -> Float[Array, "1 batch pixels"]:
        """The canvases of the digits at `indices`."""
        digits, clutter = self.layers(indices, data)
        return jnp.maximum(digits, clutter).reshape(1, len(indices), -1)

    def layers(
        self, indices: Int[Array, " batch"], data: Images
    ) -> tuple[Float[Array, "batch side side"], Float[Array, "batch side side"]]:
        """The canvases with the digits at `indices` alone, and with their clutter alone."""
        root = jax.random.fold_in(jax.random.key(PLACES), get_args(Split).index(self.split))
        empty = jnp.zeros((self.side, self.side))
        count = len(data.labels)

        def put(canvas: Array, image: Array, key: PRNGKeyArray) -> Array:
            """The square image somewhere on the canvas."""
            room = self.side - image.shape[0] + 1
            row, column = jax.random.randint(key, (2,), 0, room)
            under = jax.lax.dynamic_slice(canvas, (row, column), image.shape)
            return jax.lax.dynamic_update_slice(canvas, jnp.maximum(under, image), (row, column))

        def one(index: Array, image: Array) -> tuple[Array, Array]:
            own, others = jax.random.split(jax.random.fold_in(root, index))

            def piece(canvas: Array, key: PRNGKeyArray) -> tuple[Array, None]:
                which, cut, place = jax.random.split(key, 3)
                # Any but the digit itself.
                other = (index + jax.random.randint(which, (), 1, max(count, 2))) % count
                row, column = jax.random.randint(cut, (2,), 0, SIDE - self.piece + 1)
                size = (self.piece, self.piece)
                square = jax.lax.dynamic_slice(data.pixels(other), (row, column), size)
                return put(canvas, square, place), None

            keys = jax.random.split(others, self.clutter)
            return put(empty, image, own), jax.lax.scan(piece, empty, keys)[0]

        return jax.vmap(one)(indices, data.pixels(indices))
