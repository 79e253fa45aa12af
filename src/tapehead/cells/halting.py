"""When to stop thinking, and what of it counts: halting probabilities."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Halting = Literal["act", "pondernet", "repeat"]
Kept = Literal["mean", "last"]


class Settled(NamedTuple):
    """What a halting unit settles at a sub-step, `(*batch,)` each.

    **Attributes:**

    - `share`: p, how much of the outcome the sub-step is; 0 where nothing runs.
    - `total`: the sum of the shares so far.
    - `cost`: what the sub-step adds to ρ.
    - `running`: which sequences go on to another.
    """

    share: Float[Array, "*batch"]
    total: Float[Array, "*batch"]
    cost: Float[Array, "*batch"]
    running: Bool[Array, "*batch"]


@dataclass(frozen=True)
class HaltingRule:
    """The equations of `Ponder` between a halting unit and the shares of its sub-steps.

    The attributes are those of `Ponder` of the same names.
    """

    halting: Halting
    epsilon: float
    max_steps: int
    keep: Kept
    prior: float

    def settle(
        self,
        logit: Float[Array, "*batch"],
        total: Float[Array, "*batch"],
        running: Bool[Array, "*batch"],
        number: Int[Array, ""],
    ) -> Settled:
        """Sub-step `number`, from 0 on, of those that run: `logit` is w_h · y + b_h."""
        h = jax.nn.sigmoid(logit)
        share = {"act": h, "pondernet": h * (1 - total), "repeat": jnp.zeros_like(h)}[self.halting]
        last = (total + share >= 1 - self.epsilon) | (number + 1 >= self.max_steps)
        p = jnp.where(running, jnp.where(last, 1 - total, share), 0)
        match self.halting:
            case "act":
                cost = jnp.where(running, 1 + jnp.where(last, 1 - total, 0), 0)
            case "pondernet":
                prior = math.log(self.prior) + math.log1p(-self.prior) * number.astype(p.dtype)
                cost = p * (jnp.log(jnp.maximum(p, 1e-30)) - prior)
            case "repeat":
                cost = jnp.zeros_like(p)
        return Settled(p, total + p, cost, running & ~last)


def flagged(x: Float[Array, "*batch features"], number: Int[Array, "..."]) -> Array:
    """The input with the flag: 1 on the first sub-step, 0 on all others."""
    flag = jnp.broadcast_to((number == 0).astype(x.dtype), (*x.shape[:-1], 1))
    return jnp.concatenate([x, flag], axis=-1)
