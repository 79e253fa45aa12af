"""Heads that write to K + 1 rows of a memory and read K: what the sparse memories share."""

import abc
import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import select
from tapehead.errors import at_least
from tapehead.memory.access import USAGES, Usage
from tapehead.memory.capacity import expect_room, expect_slots
from tapehead.memory.duplicates import first_of
from tapehead.memory.entries import at, put
from tapehead.memory.lookup import LOOKUPS, Lookup
from tapehead.memory.memory import Interface, MemoryState
from tapehead.memory.sparse import Choice, SparseMemory, Trail
from tapehead.memory.weightings import Weighting, spread
from tapehead.numerics import COSINE_EPSILON

LEGIBLE = 256
"""Slots up to which all of a memory is shown to inspection."""


class Written(NamedTuple):
    """What a step wrote; lanes lead, then the entries: a new slot for every head, then the slots
    that each last read.

    **Attributes:**

    - `slots`, `weights`: where, and w^W there by the head that writes.
    - `new`: True of every slot once, at its first entry, where the step was taken.
    - `positions`: the first entry of the same slot.
    """

    slots: Int[Array, "lanes entries"]
    weights: Float[Array, "lanes entries"]
    new: Bool[Array, "lanes entries"]
    positions: Int[Array, "lanes entries"]


class SparseHeads(SparseMemory):
    """A memory of H heads, each of which writes, then reads:

        w^W_h = α_h (γ_h w^R_{h,t−1} + (1 − γ_h) 1^{U_h})      where to write
        M = (1 − R) ∘ M_{t−1} + Σ_h w^W_h a_hᵀ                 write; R is 1 in the rows U

    where w^R_h is not zero at K slots at most. U are the H slots used least, of which head h takes
    the h-th; what was in them is erased, while writing to the rows last read only adds to them.
    How it reads is what memories of this kind differ in.

    Its state is a named tuple with the fields of `tapehead.memory.sam.SAMState`, its interface one
    with those of `tapehead.memory.sam.SAMInterface`.

    **Attributes:**

    - `owner`: its name in messages.
    - `slots`, `width`, `read_heads`: N, W and H.
    - `reads`: K.
    - `lookup`: finds rows by content, a name in `tapehead.memory.lookup.LOOKUPS` or a `Lookup`.
    - `usage`: what counts as used least, a name in `tapehead.memory.access.USAGES` or a `Usage`.

    Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and
    writes" (2016), section 3.
    """

    owner: ClassVar[str]

    lookup: Lookup
    usage: Usage
    slots: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    read_heads: int = eqx.field(static=True)
    reads: int = eqx.field(static=True)

    def __init__(
        self,
        slots: int,
        width: int,
        *,
        heads: int,
        reads: int,
        lookup: str | Lookup,
        usage: str | Usage,
    ):
        at_least(self.owner, 1, slots=slots, width=width, heads=heads, reads=reads)
        self.slots = slots
        self.width = width
        self.read_heads = heads
        self.reads = reads
        self.lookup = LOOKUPS[lookup]() if isinstance(lookup, str) else lookup
        self.usage = USAGES[usage]() if isinstance(usage, str) else usage
        expect_slots(self.owner, slots, reads=reads, heads=heads)

    def _expect_room(self, lanes: int) -> None:
        """Refuse a memory that does not fit into the machine."""

        def size(slots: int) -> int:
            leaves = jax.tree.leaves(jax.eval_shape(lambda: self._empty(1, slots)))
            return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

        expect_room(self.owner, lanes, self.slots, size)

    @property
    def entries(self) -> int:
        """H (K + 1): a new slot for every head, then the slots that each last read."""
        return self.read_heads * (self.reads + 1)

    def initial_state(self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None) -> Any:
        """All zero: an empty memory, nothing used or read."""
        lanes = math.prod(batch)
        self._expect_room(lanes)
        return jax.tree.map(
            lambda x: x.reshape(*batch, *x.shape[1:]), self._empty(lanes, self.slots)
        )

    @abc.abstractmethod
    def _empty(self, lanes: int, slots: int) -> MemoryState:
        """The initial state of so many lanes and slots."""

    def _nothing(self, lanes: int, slots: int) -> dict[str, Any]:
        """The fields of it that all memories of this kind have."""
        rows = (lanes, self.read_heads, self.reads)
        return {
            "memory": jnp.zeros((lanes, slots, self.width), jnp.float32),
            "index": self.lookup.empty(lanes, slots, self.width),
            "usage": self.usage.empty(lanes, slots),
            "read_slots": jnp.zeros(rows, jnp.int32),
            "read_weights": jnp.zeros(rows, jnp.float32),
            "versions": jnp.zeros((lanes, slots), jnp.int32),
            "clock": jnp.zeros(lanes, jnp.int32),
        }

    def step(
        self, state: MemoryState, interface: Interface
    ) -> tuple[Any, Float[Array, "*batch read_heads width"]]:
        """Write, then read."""
        batch = state.clock.shape
        state, interface = one_axis(batch, (state, interface))
        state, reads, _ = self.advance(state, interface, None)
        return jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), (state, reads))

    def advance(
        self, state: MemoryState, interface: Interface, taken: Bool[Array, " lanes"] | None
    ) -> tuple[Any, Float[Array, "lanes read_heads width"], Trail]:
        """See `SparseMemory`."""
        still = jax.lax.stop_gradient
        slots = self._write_slots(state)
        shares = self._write_weights(interface, state.read_weights)
        written = Written(slots, still(shares), *first_of(slots, _everywhere(taken, slots)))
        new = written.new
        replaced = at(state.versions, slots)
        rows = self._written(
            at(state.memory, slots), interface, state.read_weights, written.positions
        )
        memory = put(state.memory, slots, rows, new)
        made = state.clock[:, None] + 1 + jnp.arange(self.entries, dtype=jnp.int32)
        # New versions are the larger ones. But so the compiler sees that what was there is read
        # before it is overwritten, and keeps no copy of all.
        made = jnp.maximum(made, replaced)
        index = self.lookup.update(still(state.index), slots, still(rows), new)
        after = state._replace(memory=memory, index=index)

        after, choice, seen_slots = self.choose(still(after), still(interface), written)
        seen = at(memory, seen_slots)
        reads, weights = self.read(seen, interface, state.read_weights, choice)

        versions = put(state.versions, slots, made, new)
        accessed = jnp.concatenate([slots, _joined(after.read_slots)], axis=-1)
        shares = jnp.concatenate([shares, _joined(weights)], axis=-1)
        usage = self.usage.used(still(state.usage), accessed, still(shares), taken)
        trail = Trail(
            *(choice, state.read_weights, state.clock),
            *(slots, new, replaced, seen_slots, at(versions, seen_slots), seen),
        )
        chosen = (after.read_slots, weights, state.clock + self.entries)
        if taken is not None:
            before = (state.read_slots, state.read_weights, state.clock)
            chosen = select(taken, chosen, before)
        read_slots, weights, clock = chosen
        after = after._replace(
            memory=memory,
            usage=usage,
            read_slots=read_slots,
            read_weights=weights,
            versions=versions,
            clock=clock,
        )
        return after, reads, trail

    @abc.abstractmethod
    def choose(
        self, state: Any, interface: Interface, written: Written
    ) -> tuple[Any, Choice, Int[Array, "lanes heads rows"]]:
        """Which rows each head reads, once the memory and its index were written.

        **Returns:** the state with `read_slots`, the K slots of w^R, and with whatever else the
        memory keeps; the choice, with a field `positions`, that of `written`; and the slots of the
        rows that `read` is to have, K or more.
        """

    def _write_slots(self, state: MemoryState) -> Int[Array, "lanes entries"]:
        """The slots used least, then those that each head last read."""
        fresh = self.usage.least(jax.lax.stop_gradient(state.usage), self.read_heads)
        return jnp.concatenate([fresh, _joined(state.read_slots)], axis=-1)

    def _write_weights(
        self, interface: Interface, weights: Float[Array, "lanes heads reads"]
    ) -> Float[Array, "lanes entries"]:
        """w^W of each of these, by the head that writes there."""
        gates, interpolations = interface.write_gates, interface.interpolation_gates
        again = (gates * interpolations)[..., None] * weights
        return jnp.concatenate([gates * (1 - interpolations), _joined(again)], axis=-1)

    def _by_head(
        self, weights: Float[Array, "lanes entries"], positions: Int[Array, "lanes entries"]
    ) -> Float[Array, "lanes entries heads"]:
        """w^W of every head at every slot, at its first entry; zero at the others."""
        heads = np.arange(self.read_heads)
        writer = np.concatenate([heads, np.repeat(heads, self.reads)])
        places = jnp.arange(self.entries, dtype=jnp.int32)
        same = positions[:, None, :] == places[:, None]
        by_place = jnp.where(same, weights[:, None, :], jnp.zeros_like(weights[:, None, :]))
        return by_place @ jnp.asarray(writer[:, None] == heads, weights.dtype)

    def _written(
        self,
        rows: Float[Array, "lanes entries width"],
        interface: Interface,
        weights: Float[Array, "lanes heads reads"],
        positions: Int[Array, "lanes entries"],
    ) -> Float[Array, "lanes entries width"]:
        """The rows written, of those entries that are the first of their slot."""
        by_head = self._by_head(self._write_weights(interface, weights), positions)
        places = jnp.arange(self.entries, dtype=jnp.int32)
        kept = jnp.where((places < self.read_heads)[:, None], jnp.zeros_like(rows), rows)
        return kept + by_head @ interface.write_vectors

    def write(
        self,
        rows: Float[Array, "lanes entries width"],
        interface: Interface,
        weights: Float[Array, "lanes heads reads"],
        choice: Choice,
    ) -> Float[Array, "lanes entries width"]:
        """See `SparseMemory`."""
        return self._written(rows, interface, weights, choice.positions)

    def metrics(self, state: MemoryState) -> dict[str, Array]:
        """What the look-up measures of its index."""
        return self.lookup.metrics(state.index)

    def shown(self, state: MemoryState) -> dict[str, Any]:
        """Under `"read"`, the slots last read and their weights; and what the look-up shows.

        Of a memory of at most 256 slots its contents too, and the read weights over all slots.
        """
        told: dict[str, Any] = {"read": {"slots": state.read_slots, "weights": state.read_weights}}
        told |= self.metrics(state)
        if self.slots <= LEGIBLE:
            told["memory"] = state.memory
            told["read_weights"] = spread(
                Weighting(state.read_slots, state.read_weights), self.slots
            )
        return told

    def observe(self, state: MemoryState, interface: Interface) -> dict[str, Any]:
        """Under `"write"`, by head: the slots written, the new one first, and their weights.

        Of a memory of at most 256 slots the write weights over all slots too.
        """
        batch = state.clock.shape
        state, interface = one_axis(batch, (state, interface))
        written = (
            self._write_slots(state),
            self._write_weights(interface, state.read_weights),
        )

        def by_head(x: Array) -> Array:
            fresh, again = jnp.split(x, [self.read_heads], axis=-1)
            again = again.reshape(*fresh.shape, self.reads)
            both = jnp.concatenate([fresh[..., None], again], axis=-1)
            return both.reshape(*batch, *both.shape[1:])

        slots, weights = map(by_head, written)
        told: dict[str, Any] = {"write": {"slots": slots, "weights": weights}}
        if self.slots <= LEGIBLE:
            told["write_weights"] = spread(Weighting(slots, weights), self.slots)
        return told


def content_weights(
    rows: Float[Array, "lanes heads reads width"],
    keys: Float[Array, "lanes heads width"],
    strengths: Float[Array, "lanes heads"],
    found: Bool[Array, "lanes heads reads"],
) -> Float[Array, "lanes heads reads"]:
    """softmax over the rows found of β cos(q, row); zero for the others."""
    # As in `tapehead.numerics.cosine_similarity`. There slots come last, which takes longer than
    # the products themselves where there are only a few.
    products = jnp.einsum("...kw,...w->...k", rows, keys)
    squared_rows = jnp.einsum("...kw,...kw->...k", rows, rows)
    squared_keys = jnp.sum(keys**2, axis=-1, keepdims=True)
    cosines = products * jax.lax.rsqrt(squared_rows + COSINE_EPSILON)
    cosines = cosines * jax.lax.rsqrt(squared_keys + COSINE_EPSILON)
    nothing = jnp.zeros_like(cosines)
    best = jnp.max(jnp.where(found, cosines, nothing - 2), axis=-1, keepdims=True)
    # The largest goes before β comes, as in `tapehead.memory.addressing.content_weights`.
    scores = jnp.where(found, cosines - jax.lax.stop_gradient(best), nothing)
    powers = jnp.where(found, jnp.exp(strengths[..., None] * scores), nothing)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    return powers / jnp.where(total > 0, total, jnp.ones_like(total))


def one_axis(batch: tuple[int, ...], tree: Any) -> Any:
    """The batch axes as one, lanes."""
    lanes, axes = math.prod(batch), len(batch)
    return jax.tree.map(lambda x: x.reshape(lanes, *x.shape[axes:]), tree)


def _joined(rows: Array) -> Array:
    """`(lanes, heads, rows)` as `(lanes, heads · rows)`."""
    return rows.reshape(rows.shape[0], -1)


def _everywhere(
    taken: Bool[Array, " lanes"] | None, entries: Int[Array, "lanes entries"]
) -> Bool[Array, "lanes entries"]:
    """True for all entries of the lanes where the step is taken."""
    if taken is None:
        return jnp.ones(entries.shape, bool)
    return jnp.broadcast_to(taken[:, None], entries.shape)
