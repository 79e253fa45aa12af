"""`Sequences`: one batch of sequences, as tasks make them and learning rules read them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


class Sequences(NamedTuple):
    """One batch of sequences with what is wanted of a model at each step.

    **Attributes:**

    - `inputs`: `(time, *batch, features)` float, or `(time, *batch)` integer tokens.
    - `targets`: `(time, *batch, ...)`, whatever the task's loss compares outputs with.
    - `weights`: `(time, *batch)`, how much each step's loss counts; 0 where nothing is asked.
    - `mask`: `(time, *batch)`, False on padding; `None` if there is none.
    - `total`: what the weights came to before they were normalised, `()`; `None` if they were not.
        What else enters the loss is divided by it as well (see `tapehead.learning.LearningRule`).
    - `more`: `(*batch,)`, which sequences go on after the last step here: those of a stream, or of
        a window that is not their last; `None` if none does.
    """

    inputs: Array
    targets: Array
    weights: Float[Array, "time *batch"]
    mask: Bool[Array, "time *batch"] | None = None
    total: Float[Array, ""] | None = None
    more: Bool[Array, "*batch"] | None = None

    @property
    def batch(self) -> tuple[int, ...]:
        """The batch axes."""
        return self.weights.shape[1:]

    def normalised(self) -> "Sequences":
        """The same batch with weights that sum to 1, so that a weighted sum is a mean."""
        total = jnp.sum(self.weights)
        total = jnp.where(total > 0, total, 1)
        return self._replace(weights=self.weights / total, total=total)

    def windows(self, size: int) -> "Sequences":
        """Cut time into windows: every field becomes `(windows, size, *batch, ...)`.

        The last window is filled up with steps that are masked out and have no weight. All have
        the `total` of the whole; `more` says of each whether real steps come after it.
        """
        time = self.weights.shape[0]
        fill = -time % size
        mask = self.mask
        if fill and mask is None:
            mask = jnp.ones(self.weights.shape, bool)

        def cut(x: Array) -> Array:
            padded = jnp.pad(x, [(0, fill)] + [(0, 0)] * (x.ndim - 1))
            return padded.reshape(-1, size, *x.shape[1:])

        windows = jax.tree.map(cut, self._replace(mask=mask, total=None, more=None))
        real = jnp.ones(windows.weights.shape, bool) if mask is None else windows.mask
        seen = jnp.cumsum(jnp.any(real, axis=1), axis=0)
        more = seen < seen[-1]
        windows = windows._replace(more=more if self.more is None else more | self.more)
        if self.total is None:
            return windows
        return windows._replace(total=jnp.broadcast_to(self.total, windows.weights.shape[:1]))
