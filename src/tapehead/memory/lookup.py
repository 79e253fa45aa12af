"""How the rows most like a key are found: `Exact` compares with all of them, `Written` with those
that were ever written, `Hashed` with few."""

import abc
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.memory.closest import closest
from tapehead.memory.entries import put
from tapehead.memory.hashing import HashIndex, Hashing
from tapehead.memory.nearest import nearest
from tapehead.numerics import COSINE_EPSILON
from tapehead.registry import Registry

Index = Any
"""What a look-up keeps of the rows to find them again; it has no gradient."""


class Lookup(eqx.Module):
    """Finds the rows of a memory that lie in the direction of a key, the closest first.

    Rows of zeros are never found, so that nothing is read where nothing was written. They would
    come before every row that lies away from the key, and in a memory that is mostly empty a head
    would then hardly ever see one to learn from.

    Every array here has exactly one batch axis, lanes. What is found is a choice and has no
    gradient; weights and rows get theirs from whoever reads them.
    """

    @abc.abstractmethod
    def empty(self, lanes: int, slots: int, width: int) -> Index:
        """The index of memories whose rows are all zero; every leaf leads with the lanes."""

    @abc.abstractmethod
    def update(
        self,
        index: Index,
        slots: Int[Array, "lanes entries"],
        rows: Float[Array, "lanes entries width"],
        mask: Bool[Array, "lanes entries"],
    ) -> Index:
        """The index after rows were written, where `mask` holds; of these no slot comes twice."""

    @abc.abstractmethod
    def find(
        self,
        index: Index,
        memory: Float[Array, "lanes slots width"],
        keys: Float[Array, "lanes heads width"],
        count: int,
    ) -> tuple[Int[Array, "lanes heads count"], Bool[Array, "lanes heads count"]]:
        """For every key `count` different slots of large cosine, and which of them were found.

        Where none was found the slot is any within the memory.
        """

    def metrics(self, index: Index) -> dict[str, Array]:
        """Named measures of the index since it was empty, one a lane; none by default."""
        return {}


class Exact(Lookup):
    """The rows of largest cosine, by one product of the keys with the whole memory.

    It reads all N rows at every step, and nothing else of a step depends on N. Its index holds
    1 / √(|M_i|² + ε) of every row, `(lanes, slots)`, which spares a second pass over them; 0 of
    rows of zeros.
    """

    def empty(self, lanes: int, slots: int, width: int) -> Float[Array, "lanes slots"]:
        """That of rows of zeros."""
        return jnp.zeros((lanes, slots), jnp.float32)

    def update(
        self,
        index: Float[Array, "lanes slots"],
        slots: Int[Array, "lanes entries"],
        rows: Float[Array, "lanes entries width"],
        mask: Bool[Array, "lanes entries"],
    ) -> Float[Array, "lanes slots"]:
        """With that of the new rows."""
        lengths = jax.lax.rsqrt(jnp.sum(rows**2, axis=-1) + COSINE_EPSILON)
        lengths = jnp.where(jnp.any(rows != 0, axis=-1), lengths, jnp.zeros_like(lengths))
        return put(index, slots, lengths, mask)

    def find(
        self,
        index: Float[Array, "lanes slots"],
        memory: Float[Array, "lanes slots width"],
        keys: Float[Array, "lanes heads width"],
        count: int,
    ) -> tuple[Int[Array, "lanes heads count"], Bool[Array, "lanes heads count"]]:
        """As many as there are; of equal ones those with the smaller number."""
        best, slots = closest(index, memory, keys, count)
        return slots, best > -jnp.inf


class WrittenIndex(NamedTuple):
    """What `Written` keeps of the rows."""

    lengths: Float[Array, "lanes slots"]
    """See `Exact`."""
    reach: Int[Array, " lanes"]
    """One more than the last slot that was ever written; 0 before."""


class Written(Lookup):
    """What `Exact` finds, at a cost that depends on the rows written so far and not on N.

    A memory hands out its slots in order while there are new ones, so that those written lie in
    front. They are gone through in spans of a fixed size, as many as it takes; once all slots are
    in use it takes as long as `Exact`.

    **Attributes:**

    - `span`: rows that are gone through at a time.
    """

    span: int = eqx.field(static=True, default=1024)

    def empty(self, lanes: int, slots: int, width: int) -> WrittenIndex:
        """Nothing written."""
        return WrittenIndex(Exact().empty(lanes, slots, width), jnp.zeros(lanes, jnp.int32))

    def update(
        self,
        index: WrittenIndex,
        slots: Int[Array, "lanes entries"],
        rows: Float[Array, "lanes entries width"],
        mask: Bool[Array, "lanes entries"],
    ) -> WrittenIndex:
        """With the lengths of the new rows, and reaching as far as them."""
        lengths = Exact().update(index.lengths, slots, rows, mask)
        reach = jnp.max(jnp.where(mask, slots + 1, 0), axis=-1)
        return WrittenIndex(lengths, jnp.maximum(index.reach, reach.astype(jnp.int32)))

    def find(
        self,
        index: WrittenIndex,
        memory: Float[Array, "lanes slots width"],
        keys: Float[Array, "lanes heads width"],
        count: int,
    ) -> tuple[Int[Array, "lanes heads count"], Bool[Array, "lanes heads count"]]:
        """As many as there are; of equal ones those with the smaller number."""
        slots = memory.shape[1]
        span = min(max(self.span, count), slots)
        reach = jnp.max(index.reach)

        def scan(begun: Array, best: Array, found: Array) -> tuple[Array, Array]:
            """The best of those so far and of the span that begins there."""
            # The last span ends with the memory, and leaves out what the one before has seen.
            first = jnp.minimum(begun, slots - span)
            rows = jax.lax.dynamic_slice_in_dim(memory, first, span, axis=1)
            lengths = jax.lax.dynamic_slice_in_dim(index.lengths, first, span, axis=1)
            places = first + jnp.arange(span, dtype=jnp.int32)
            lengths = jnp.where(places >= begun, lengths, 0)
            more, here = closest(lengths, rows, keys, count)
            best, chosen = jax.lax.top_k(jnp.concatenate([best, more], axis=-1), count)
            found = jnp.concatenate([found, first + here], axis=-1)
            return best, jnp.take_along_axis(found, chosen, axis=-1)

        shape = (*keys.shape[:2], count)
        none = (jnp.full(shape, -jnp.inf, memory.dtype), jnp.zeros(shape, jnp.int32))
        _, best, found = jax.lax.while_loop(
            lambda carry: carry[0] < reach,
            lambda carry: (carry[0] + span, *scan(*carry)),
            (jnp.int32(0), *none),
        )
        return found, best > -jnp.inf


class Hashed(Lookup):
    """Rows of large cosine among those that hash alike, at a cost that does not depend on N.

    It finds most of the rows that are much like a key and few of those that are not, see
    `tapehead.memory.hashing`. Up to some ten thousand slots `Exact` takes less time.

    **Attributes:**

    - `hashing`: how rows are hashed; `None` for `Hashing.suited` to the memory.
    """

    hashing: Hashing | None = None

    def _suited(self, slots: int, width: int) -> Hashing:
        return Hashing.suited(slots, width) if self.hashing is None else self.hashing

    def empty(self, lanes: int, slots: int, width: int) -> HashIndex:
        """Empty buckets."""
        return self._suited(slots, width).empty(lanes, slots)

    def update(
        self,
        index: HashIndex,
        slots: Int[Array, "lanes entries"],
        rows: Float[Array, "lanes entries width"],
        mask: Bool[Array, "lanes entries"],
    ) -> HashIndex:
        """The rows moved to the buckets of what they hold now."""
        hashing = self._suited(index.codes.shape[1], rows.shape[-1])
        return hashing.update(index, slots, rows, mask)

    def find(
        self,
        index: HashIndex,
        memory: Float[Array, "lanes slots width"],
        keys: Float[Array, "lanes heads width"],
        count: int,
    ) -> tuple[Int[Array, "lanes heads count"], Bool[Array, "lanes heads count"]]:
        """The closest of those in the buckets of the key; there may be fewer, or none."""
        candidates, valid = self._suited(*memory.shape[1:]).candidates(index, keys)
        return nearest(memory, keys, candidates, valid, count)

    def metrics(self, index: HashIndex) -> dict[str, Array]:
        """`evicted`: how many entries full buckets have lost, by which a row is found less."""
        return {"evicted": index.evicted}


LOOKUPS: Registry[type[Lookup]] = Registry(
    "look-up", {"exact": Exact, "written": Written, "lsh": Hashed}
)
