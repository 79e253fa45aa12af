"""The sparse Differentiable Neural Computer."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import at_least
from tapehead.memory.access import Usage, UsageState
from tapehead.memory.capacity import expect_slots
from tapehead.memory.cell import MemoryCell, joined
from tapehead.memory.entries import at
from tapehead.memory.heads import (
    LEGIBLE,
    SparseHeads,
    Written,
    content_weights,
    one_axis,
)
from tapehead.memory.lookup import Index, Lookup
from tapehead.memory.outline import outlined
from tapehead.memory.sam import sliced
from tapehead.memory.sparse_links import Followed, SparseLinks, followed, linked, no_links
from tapehead.memory.weightings import Weighting, spread, strongest, weight_at


class SDNCState(NamedTuple):
    """What an `SDNCMemory` carries.

    **Attributes:**

    - `memory`: M, `(*batch, slots, width)`.
    - `index`: what the look-up keeps of the rows.
    - `usage`: which slots were used least.
    - `links`: N, P and p, the order in which slots were written.
    - `read_slots`, `read_weights`: s and w^R, where each head last read and how much,
        `(*batch, heads, reads)`.
    - `versions`, `clock`: see `tapehead.memory.sparse.SparseMemory`.
    """

    memory: Float[Array, "*batch slots width"]
    index: Index
    usage: UsageState
    links: SparseLinks
    read_slots: Int[Array, "*batch heads reads"]
    read_weights: Float[Array, "*batch heads reads"]
    versions: Int[Array, "*batch slots"]
    clock: Int[Array, "*batch"]


class SDNCInterface(NamedTuple):
    """What the controller asks of an `SDNCMemory`.

    **Attributes:**

    - `keys`, `strengths`, `write_vectors`, `write_gates`, `interpolation_gates`: as in
        `tapehead.memory.sam.SAMInterface`.
    - `read_modes`: π, `(*batch, heads, 3)`: backward, by content, forward; they sum to 1.
    """

    keys: Float[Array, "*batch heads width"]
    strengths: Float[Array, "*batch heads"]
    write_vectors: Float[Array, "*batch heads width"]
    write_gates: Float[Array, "*batch heads"]
    interpolation_gates: Float[Array, "*batch heads"]
    read_modes: Float[Array, "*batch heads modes"]


class SDNCChoice(NamedTuple):
    """What a step of an `SDNCMemory` chose; lanes and heads lead, but in `positions`.

    **Attributes:**

    - `positions`: of all entries that are written, the first one of the same slot,
        `(lanes, entries)`.
    - `found`: which of the K rows by content the look-up found.
    - `same`: [i, j]: the i-th slot read is the j-th by content.
    - `backward`, `forward`: [i, j]: how much the links lead from the j-th slot last read to the
        i-th slot read.
    """

    positions: Int[Array, "lanes entries"]
    found: Bool[Array, "lanes heads reads"]
    same: Bool[Array, "lanes heads reads reads"]
    backward: Float[Array, "lanes heads reads reads"]
    forward: Float[Array, "lanes heads reads reads"]


class SDNCMemory(SparseHeads):
    """The memory of a sparse DNC: that of `SAMMemory`, with links to go on and back along.

    Each of the H heads writes, then reads:

        w^W_h = α_h (γ_h w^R_{h,t−1} + (1 − γ_h) 1^{U_h})      where to write
        M = (1 − R) ∘ M_{t−1} + Σ_h w^W_h a_hᵀ                 write; R is 1 in the rows U
        N, P, p by the write of 1 − Π_h (1 − w^W_h)            see `tapehead.memory.sparse_links`
        f_h = N w^R_{h,t−1},  b_h = P w^R_{h,t−1}              on and back in time, K largest each
        c_h = softmax of β_h cos(q_h, M_i)                     over the K rows of largest cosine
        w^R_h = the K largest of π^1_h b_h + π^2_h c_h + π^3_h f_h
        r_h = Σ_i w^R_h(i) M_i                                 read

    A slot that is reached in several ways has the sum of what they give it, and is read once. What
    is cut off is lost: w^R_h is not scaled to the sum that it had. It stays as sparse as SAM's,
    so that writing and all that is kept of a step is as in SAM; but for the look-up K more rows a
    head are seen. As there, rows of zeros are never found by content. U is that of SAM too: slots
    are not freed, there are enough of them.

    There is one set of links for all heads, so that one can go on along what another wrote. Of
    each slot K_L links are kept either way. As in the paper there is no gradient through the links:
    f and b count as linear in w^R_{t−1} by constants. It does go through this w^R_{t−1}, the modes,
    the content weights, the rows and the writes.

    The flat interface vector holds that of SAM, then the read modes (softmax).

    **Attributes:**

    - `slots`, `width`: N and W.
    - `read_heads`: H; each head writes too.
    - `reads`: K, the rows that a head reads, and those that it finds by content.
    - `link_entries`: K_L, links kept of a slot, and slots in p.
    - `lookup`: finds rows by content, a name in `tapehead.memory.lookup.LOOKUPS` or a `Lookup`.
    - `usage`: what counts as used least, a name in `tapehead.memory.access.USAGES` or a `Usage`.

    **Raises:** `UserError` if a size is below 1, there are fewer slots than heads, than rows to be
    read or than links to be kept of each, an option is unknown, or the memory does not fit into
    the machine.

    Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and
    writes" (2016), appendix D; how several heads share links and what of a mixture is kept it
    does not say.
    """

    owner: ClassVar[str] = "SDNC"

    link_entries: int = eqx.field(static=True)

    def __init__(
        self,
        slots: int = 1024,
        width: int = 32,
        *,
        heads: int = 4,
        reads: int = 4,
        link_entries: int = 8,
        lookup: str | Lookup = "exact",
        usage: str | Usage = "last-access",
    ):
        super().__init__(slots, width, heads=heads, reads=reads, lookup=lookup, usage=usage)
        at_least(self.owner, 1, link_entries=link_entries)
        expect_slots(self.owner, slots, link_entries=link_entries)
        self.link_entries = link_entries
        self._expect_room(1)

    @property
    def interface_size(self) -> int:
        """H (2 W + 6)."""
        return self.read_heads * (2 * self.width + 6)

    def _empty(self, lanes: int, slots: int) -> SDNCState:
        links = no_links(lanes, slots, self.link_entries)
        return SDNCState(**self._nothing(lanes, slots), links=links)

    def interface(self, flat: Float[Array, "*batch interface"]) -> SDNCInterface:
        """Slice and squash, in the order given above."""
        flat, modes = jnp.split(flat, [self.interface_size - 3 * self.read_heads], axis=-1)
        modes = modes.reshape(*modes.shape[:-1], self.read_heads, 3)
        fields = sliced(flat, self.read_heads, self.width)
        return SDNCInterface(*fields, jax.nn.softmax(modes, axis=-1))

    def choose(
        self, state: SDNCState, interface: SDNCInterface, written: Written
    ) -> tuple[SDNCState, SDNCChoice, Int[Array, "lanes heads rows"]]:
        """See `SparseHeads`: the rows found by content, then those that are read."""
        by_head = self._by_head(written.weights, written.positions)
        amounts = 1 - jnp.prod(1 - by_head, axis=-1)
        links = linked(state.links, written.slots, amounts, written.new)
        alike, found = self.lookup.find(state.index, state.memory, interface.keys, self.reads)
        rows = at(state.memory, alike)
        content = content_weights(rows, interface.keys, interface.strengths, found)
        ways = followed(links, state.read_slots)

        # b and f, then what the modes make of them and of the content weights.
        along = strongest(outlined(_along)(ways, state.read_weights), self.reads)
        by_content = Weighting(alike, content)
        reached = outlined(_reached)(interface.read_modes, by_content, along)
        slots, weights = strongest(reached, self.reads)

        def led(way: int) -> Array:
            """From the slots last read to those read now, but for what was cut off."""
            there = weight_at(jax.tree.map(lambda x: x[:, :, way], along), slots)
            to = weight_at(ways[way], slots[..., None, :]).swapaxes(-1, -2)
            return jnp.where(((weights > 0) & (there > 0))[..., None], to, 0)

        same = (slots[..., None] == alike[..., None, :]) & (weights[..., None] > 0)
        choice = SDNCChoice(written.positions, found, same, backward=led(0), forward=led(1))
        after = state._replace(links=links, read_slots=slots)
        return after, choice, jnp.concatenate([alike, slots], axis=-1)

    def read(
        self,
        rows: Float[Array, "lanes heads rows width"],
        interface: SDNCInterface,
        weights: Float[Array, "lanes heads reads"],
        choice: SDNCChoice,
    ) -> tuple[Float[Array, "lanes heads width"], Float[Array, "lanes heads reads"]]:
        """See `SparseMemory`; of the rows those that are read come last."""
        alike, rows = jnp.split(rows, [self.reads], axis=-2)
        content = content_weights(alike, interface.keys, interface.strengths, choice.found)
        back, by_content, on = jnp.split(interface.read_modes, 3, axis=-1)
        same = choice.same.astype(content.dtype)
        mixed = by_content[..., None] * same * content[..., None, :]
        along = on[..., None] * choice.forward + back[..., None] * choice.backward
        weights = jnp.sum(mixed + along * weights[..., None, :], axis=-1)
        return jnp.einsum("lhk,lhkw->lhw", weights, rows), weights

    def shown(self, state: SDNCState) -> dict[str, Any]:
        """As of SAM; and under `"read"` the links of the slots last read, before and after each.

        Of a memory of at most 256 slots all links too, as the DNC has them: N as its one `"link"`.
        """
        told = super().shown(state)
        batch = state.clock.shape
        lanes = followed(*one_axis(batch, (state.links, state.read_slots)))
        backward, forward = jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), lanes)
        told["read"] |= {"before": backward._asdict(), "after": forward._asdict()}
        if self.slots <= LEGIBLE:
            told["link"] = spread(state.links.before, self.slots)[..., None, :, :]
        return told


def _along(ways: Followed, last: Float[Array, "lanes heads reads"]) -> Weighting:
    """Where each head gets to from all slots last read, backward and forward, and how much."""
    slots, weights = (jnp.stack(pair, axis=2) for pair in zip(*ways, strict=True))
    weights = weights * last[:, :, None, :, None]
    shape = (*slots.shape[:3], -1)
    return Weighting(slots.reshape(shape), weights.reshape(shape))


def _reached(modes: Array, content: Weighting, along: Weighting) -> Weighting:
    """All slots that each head may read, and the mixed weights."""
    back, by_content, on = jnp.split(modes, 3, axis=-1)
    mixed = jnp.stack([back, on], axis=2) * along.weights
    shape = (*modes.shape[:2], -1)
    slots = [content.slots, along.slots.reshape(shape)]
    weights = [by_content * content.weights, mixed.reshape(shape)]
    return Weighting(jnp.concatenate(slots, axis=-1), jnp.concatenate(weights, axis=-1))


def SDNC(
    input_size: int,
    output_size: int,
    *,
    slots: int = 1024,
    width: int = 32,
    heads: int = 4,
    reads: int = 4,
    link_entries: int = 8,
    lookup: str | Lookup = "exact",
    usage: str | Usage = "last-access",
    controller: str | Callable[..., Cell] = "lstm",
    controller_size: int = 100,
    controller_layers: int = 1,
    clip: float | None = 20.0,
    key: PRNGKeyArray,
) -> MemoryCell:
    """A sparse Differentiable Neural Computer: a controller joined to an `SDNCMemory`.

    **Arguments:**

    - `input_size`, `output_size`: features of an input and of an output.
    - `slots`, `width`, `heads`, `reads`, `link_entries`, `lookup`, `usage`: see `SDNCMemory`.
    - `controller`, `controller_size`, `controller_layers`: see
        `tapehead.memory.controller.build_controller`.
    - `clip`: see `MemoryCell`.

    ```python
    model = SDNC(9, 8, slots=100_000, key=jax.random.key(0))
    ```

    **Raises:** `UserError` as `SDNCMemory` does.
    """
    memory = SDNCMemory(
        slots,
        width,
        heads=heads,
        reads=reads,
        link_entries=link_entries,
        lookup=lookup,
        usage=usage,
    )
    return joined(
        "SDNC",
        memory,
        input_size,
        output_size,
        controller=controller,
        controller_size=controller_size,
        controller_layers=controller_layers,
        clip=clip,
        key=key,
    )
