"""Predictors that are right."""

import equinox as eqx
import jax
import jax.numpy as jnp

from tapehead.learning.predictor import Predicted


class Told(eqx.Module):
    """A predictor that knows what it was told when, and what comes back then: an oracle."""

    told: jax.Array
    back: jax.Array
    size: int = eqx.field(static=True)

    def __call__(self, x):
        nearest = jnp.argmin(jnp.sum((self.told - x) ** 2, axis=-1))
        return Predicted(self.back[nearest], x[:0])
