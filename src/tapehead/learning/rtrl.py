"""Real-time recurrent learning: the exact gradient, forwards."""

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.learning.forward import Forward
from tapehead.learning.rule import Exactness
from tapehead.learning.view import Step, View


class RTRL(Forward):
    """Real-time recurrent learning: J_t = D_t J_{t−1} + I_t, kept whole.

    With n numbers of state and p parameters that reach it (about n² in a plain net):

    - *Exact for*: every cell and every loss that is a sum over steps, as `BPTT`, while the
      parameters are held. *Biased by*: an online run, where J mixes what older parameters did.
    - *Variance*: none beyond the batch's.
    - *Memory*: n p for each sequence, whatever its length. *Time*: n² p for each step.
    - *Cannot*: serve wide networks: it is refused where J would be larger than `gigabytes`.

    **Arguments:**

    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large J and I of a batch may become, above 0 (default 4).

    Source: Williams and Zipser, "A learning algorithm for continually running fully recurrent
    neural networks" (1989).
    """

    exact: ClassVar[Exactness] = "sequence"
    instead: ClassVar[str] = "snap, uoro or truncated-bptt"
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def start(
        self, view: View, pull: Callable[[Array], Array], key: PRNGKeyArray
    ) -> Float[Array, "size parameters"]:
        """J_0."""
        return pull(jnp.eye(view.size, dtype=view.dtype))

    def advance(self, view: View, step: Step, influence: Array) -> Array:
        """D J + I."""
        immediate = step.pull(jnp.eye(view.size, dtype=view.dtype))
        return step.jacobian() @ influence + immediate

    def scratch(self, view: View) -> int:
        """I."""
        return view.size * view.parameters.size

    def credit(self, view: View, influence: Array, row: Array) -> Array:
        """row J."""
        return row @ influence
