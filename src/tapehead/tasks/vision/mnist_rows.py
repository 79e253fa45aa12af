"""MNIST row by row."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from tapehead.tasks.vision.mnist import SIDE, MnistTask


@dataclass(frozen=True)
class MnistRows(MnistTask):
    """Read the 28 rows of an image of a handwritten digit, then say which digit it is.

    - Inputs `(28, batch, 28)`: at step `t` row `t` from the top, pixels from 0 (background) to 1.
    - Targets `(28, batch)`: the digit. Only the last step has weight.

    Which images there are, and how they are drawn: see `DigitTask`.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition" (1998); read by rows as in many papers since.

    A worked example with a made-up image whose first row alone is inked, one row of numbers a
    step, four pixels of each:

    >>> import jax, jax.numpy as jnp
    >>> from tapehead.tasks.vision.mnist import Images
    >>> task = MnistRows()
    >>> ink = jnp.zeros((1, 28, 28), jnp.uint8).at[0, 0].set(255)
    >>> batch = task.batch_at(jnp.array([0]), Images(ink, jnp.array([7])))
    >>> print(batch.inputs[:3, 0, :4])
    [[1. 1. 1. 1.]
     [0. 0. 0. 0.]
     [0. 0. 0. 0.]]
    >>> print(batch.targets[-3:, 0], batch.weights[-3:, 0])
    [7 7 7] [0. 0. 1.]
    """

    @property
    def input_size(self) -> int:
        """The pixels of a row."""
        return SIDE

    def parts(self, pixels: Float[Array, "batch 28 28"]) -> Float[Array, "28 batch 28"]:
        """Rows from top to bottom."""
        return pixels.swapaxes(0, 1)
