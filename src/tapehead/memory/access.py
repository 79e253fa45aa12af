"""Which slots a sparse memory has used least: `Usage`, by the last access or discounted."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.errors import within
from tapehead.memory.entries import add
from tapehead.memory.recency import Recency, least_recent, ring, touch
from tapehead.registry import Registry

UsageState = Any


class Usage(eqx.Module):
    """Keeps how much each slot is used; arrays have exactly one batch axis, lanes.

    What it chooses has no gradient.
    """

    @abc.abstractmethod
    def empty(self, lanes: int, slots: int) -> UsageState:
        """Nothing used yet: slot 0 comes first, then slot 1, and so on."""

    @abc.abstractmethod
    def least(self, usage: UsageState, count: int) -> Int[Array, "lanes count"]:
        """The `count` slots used least, the least first."""

    @abc.abstractmethod
    def used(
        self,
        usage: UsageState,
        slots: Int[Array, "lanes entries"],
        weights: Float[Array, "lanes entries"],
        taken: Bool[Array, " lanes"] | None,
    ) -> UsageState:
        """After a step that accessed those slots by so much, where it was taken."""


class LastAccess(Usage):
    """The time since the last access, in constant time a step, however many slots there are.

        U_t(i) = t − max {s ≤ t : w^W_s(i) > δ or w^R_s(i) > δ}

    A slot given out as new, to which next to nothing is then written, is given out again. Of
    slots accessed in the same step those read are the later ones. Source: Rae, Hunt et al. (2016),
    section 3.2, U⁽²⁾.

    **Attributes:**

    - `threshold`: δ.
    """

    threshold: float = eqx.field(static=True, default=0.005)

    def __check_init__(self):
        within("LastAccess", 0, 1, threshold=self.threshold)

    def empty(self, lanes: int, slots: int) -> Recency:
        """A ring of all slots in order."""
        return ring(lanes, slots)

    def least(self, usage: Recency, count: int) -> Int[Array, "lanes count"]:
        """The first of the ring."""
        return least_recent(usage, count)

    def used(
        self,
        usage: Recency,
        slots: Int[Array, "lanes entries"],
        weights: Float[Array, "lanes entries"],
        taken: Bool[Array, " lanes"] | None,
    ) -> Recency:
        """What was accessed goes to the end of the ring, in the order of the entries."""
        touched = weights > self.threshold
        return touch(usage, slots, touched if taken is None else touched & taken[:, None])


class Discounted(Usage):
    """The sum of all weights there ever were, discounted.

        U_T(i) = Σ_t λ^{T−t} (w^W_t(i) + w^R_t(i))

    Both the discount and the search for the least go through all slots, so that a step takes time
    in proportion to N: it is there for comparison. Source: Rae, Hunt et al. (2016), section 3.2,
    U⁽¹⁾.

    **Attributes:**

    - `discount`: λ.
    """

    discount: float = eqx.field(static=True, default=0.99)

    def __check_init__(self):
        within("Discounted", 0, 1, discount=self.discount)

    def empty(self, lanes: int, slots: int) -> Float[Array, "lanes slots"]:
        """All zero."""
        return jnp.zeros((lanes, slots), jnp.float32)

    def least(self, usage: Float[Array, "lanes slots"], count: int) -> Int[Array, "lanes count"]:
        """The smallest; of equal ones those with the smaller number."""
        return jax.lax.top_k(-usage, count)[1]

    def used(
        self,
        usage: Float[Array, "lanes slots"],
        slots: Int[Array, "lanes entries"],
        weights: Float[Array, "lanes entries"],
        taken: Bool[Array, " lanes"] | None,
    ) -> Float[Array, "lanes slots"]:
        """Everything fades, and what was accessed gains its weights."""
        here = jnp.ones(slots.shape[:1], bool) if taken is None else taken
        faded = jnp.where(here[:, None], self.discount * usage, usage)
        return add(faded, slots, weights, jnp.broadcast_to(here[:, None], slots.shape))


USAGES: Registry[type[Usage]] = Registry(
    "usage", {"last-access": LastAccess, "discounted": Discounted}
)
