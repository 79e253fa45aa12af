"""The Differentiable Neural Computer."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, select
from tapehead.errors import UserError, at_least, nearest
from tapehead.memory.addressing import (
    Similarity,
    content_weights,
    erase_and_add,
    read,
    resolve_similarity,
)
from tapehead.memory.cell import MemoryCell, joined
from tapehead.memory.columns import read_columns, turned, write_columns
from tapehead.memory.links import (
    drop_small,
    follow,
    follow_pullback,
    keep_largest,
    links_pullback,
    next_link,
    next_precedence,
)
from tapehead.memory.memory import MemoryState
from tapehead.memory.outline import outlined, pullback
from tapehead.memory.replay import Replayable, Trail
from tapehead.memory.usage import allocations, next_usage, retention
from tapehead.numerics import oneplus, sharpen

Links = Literal["full", "sparse", "none"]
LINKS: tuple[Links, ...] = ("full", "sparse", "none")

MASK_FLOOR = 0.1
"""The least that a key mask lets through, so that no part of a key is ever lost for good."""


class DNCState(NamedTuple):
    """What a `DNCMemory` carries; `link` and `precedence` are `()` without links.

    **Attributes:**

    - `memory`: M, `(*batch, slots, width)`.
    - `usage`: u, `(*batch, slots)`.
    - `link`: L, `(*batch, write_heads, slots, slots)`; entry [i, j] tells how much slot i was
        written right after slot j.
    - `precedence`: p, `(*batch, write_heads, slots)`.
    - `read_weights`: w^r, `(*batch, read_heads, slots)`.
    - `write_weights`: w^w, `(*batch, write_heads, slots)`.
    """

    memory: Float[Array, "*batch slots width"]
    usage: Float[Array, "*batch slots"]
    link: Float[Array, "*batch write_heads slots slots"] | tuple[()]
    precedence: Float[Array, "*batch write_heads slots"] | tuple[()]
    read_weights: Float[Array, "*batch read_heads slots"]
    write_weights: Float[Array, "*batch write_heads slots"]


class DNCInterface(NamedTuple):
    """What the controller asks of a `DNCMemory`; a field that a variant lacks is `()`.

    **Attributes:**

    - `read_keys`: k^r, `(*batch, read_heads, width)`; `read_strengths`: β^r ≥ 1.
    - `write_keys`: k^w, `(*batch, write_heads, width)`; `write_strengths`: β^w ≥ 1.
    - `erase`: e in [0, 1] and `write_vectors`: v, `(*batch, write_heads, width)`.
    - `free_gates`: f, `(*batch, read_heads)`.
    - `allocation_gates`: g^a and `write_gates`: g^w, `(*batch, write_heads)`.
    - `read_modes`: π, `(*batch, read_heads, 2 · write_heads + 1)`: backward along every write
        head's links, by content, forward along every write head's links.
    - `read_masks`, `write_masks`: in [0.1, 1], shaped as the keys.
    - `sharpness`: s ≥ 1 of the links followed forward and backward, `(*batch, read_heads, 2)`.
    """

    read_keys: Float[Array, "*batch read_heads width"]
    read_strengths: Float[Array, "*batch read_heads"]
    write_keys: Float[Array, "*batch write_heads width"]
    write_strengths: Float[Array, "*batch write_heads"]
    erase: Float[Array, "*batch write_heads width"]
    write_vectors: Float[Array, "*batch write_heads width"]
    free_gates: Float[Array, "*batch read_heads"]
    allocation_gates: Float[Array, "*batch write_heads"]
    write_gates: Float[Array, "*batch write_heads"]
    read_modes: Float[Array, "*batch read_heads modes"] | tuple[()]
    read_masks: Float[Array, "*batch read_heads width"] | tuple[()]
    write_masks: Float[Array, "*batch write_heads width"] | tuple[()]
    sharpness: Float[Array, "*batch read_heads 2"] | tuple[()]


class DNCTrail(NamedTuple):
    """What is kept of a step of a `DNCMemory`; what a variant lacks is `()`.

    **Attributes:** the usage and the weightings by which the step wrote and read, and those that
    they were mixed from, shaped as in `DNCState`.
    """

    usage: Array
    write_weights: Array
    read_weights: Array
    write_content: Array
    read_content: Array
    forward: Array | tuple[()]
    backward: Array | tuple[()]


def folded(heads: Array) -> Array:
    """`(batch, heads, slots)` as `(batch · heads, slots)`."""
    return heads.reshape(-1, heads.shape[-1])


def follow_folded(link: Array, read_weights: Array) -> tuple[Array, Array]:
    """`follow`, with one matrix of links a lane and write head."""
    lanes, reads, slots = read_weights.shape
    heads = link.shape[0] // lanes
    every = jnp.broadcast_to(read_weights[:, None], (lanes, heads, reads, slots))
    every = every.reshape(-1, reads, slots)

    def unfolded(ways: Array) -> Array:
        return jnp.swapaxes(ways.reshape(lanes, heads, reads, slots), 1, 2)

    forward = jnp.einsum("bij,brj->bri", link, every)
    backward = jnp.einsum("bij,bri->brj", link, every)
    return unfolded(forward), unfolded(backward)


class DNCMemory(Replayable):
    """The memory of a Differentiable Neural Computer.

    A step with one write head, in the paper's order:

        ψ = Π_i (1 − f^i w^{r,i}_{t−1})                          what is not freed
        u = (u_{t−1} + w^w_{t−1} − u_{t−1} ∘ w^w_{t−1}) ∘ ψ      usage
        a = allocation(u)                                        the least used slots
        c^w = softmax_i(β^w K[k^w, M_{t−1,i}])                   look-up by content
        w^w = g^w (g^a a + (1 − g^a) c^w)                        where to write
        M = M_{t−1} ∘ (1 − w^w eᵀ) + w^w vᵀ                      write
        L, p                                                     see `tapehead.memory.links`
        f^i = L w^{r,i}_{t−1},  b^i = Lᵀ w^{r,i}_{t−1}           onwards and back in time
        c^{r,i} = softmax_j(β^{r,i} K[k^{r,i}, M_j])             look-up by content
        w^{r,i} = π^i_1 b^i + π^i_2 c^{r,i} + π^i_3 f^i          where to read
        r^i = Mᵀ w^{r,i}                                         read

    With several write heads all erase before any adds, each has links of its own, and each
    allocates as if those before it had written. The flat interface vector holds, in this order:
    read keys, read strengths (oneplus), write keys, write strengths (oneplus), erase (σ), write
    vectors, free gates (σ), allocation gates (σ), write gates (σ), read modes (softmax); then
    read masks and write masks, and the sharpness of the links (oneplus), where they are used.

    **Attributes:**

    - `slots`, `width`, `read_heads`, `write_heads`: N, W, R and the number of write heads.
    - `key_masking`: a learned mask says which part of a row a look-up heeds.
    - `erase_on_deallocation`: what is freed is also erased: M_{t−1} is multiplied by ψ 1ᵀ.
    - `sharpen_links`: f and b become (f / max f)^s, renormalised to sum to 1.
    - `links`: `"full"`; `"sparse"`: only the `link_entries` largest entries of w^w and p enter
        the links, and links below 1 / `link_entries` are dropped; `"none"`: no links, reads go by
        content alone (the content-based memory unit of Franke et al.).
    - `similarity`: K, a name in `tapehead.memory.addressing.SIMILARITIES` or a function
        `(memory, keys) -> scores`.

    **Raises:** `UserError` if a size is below 1, an option is unknown, or options contradict.

    Sources: Graves, Wayne et al., "Hybrid computing using a neural network with dynamic external
    memory" (2016); Csordás and Schmidhuber, "Improving differentiable neural computers through
    memory masking, de-allocation, and link distribution sharpness control" (2019) for the three
    switches; Franke, Niehues and Waibel, "Robust and scalable differentiable neural computer for
    question answering" (2018) for the memory without links.
    """

    similarity: Similarity
    slots: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    read_heads: int = eqx.field(static=True)
    write_heads: int = eqx.field(static=True)
    key_masking: bool = eqx.field(static=True)
    erase_on_deallocation: bool = eqx.field(static=True)
    sharpen_links: bool = eqx.field(static=True)
    links: Links = eqx.field(static=True)
    link_entries: int = eqx.field(static=True)

    def __init__(
        self,
        slots: int = 32,
        width: int = 16,
        *,
        read_heads: int = 1,
        write_heads: int = 1,
        key_masking: bool = False,
        erase_on_deallocation: bool = False,
        sharpen_links: bool = False,
        links: Links = "full",
        link_entries: int = 8,
        similarity: str | Callable[[Array, Array], Array] = "cosine",
    ):
        at_least("DNC", 1, slots=slots, width=width, read_heads=read_heads, write_heads=write_heads)
        if links not in LINKS:
            known = ", ".join(LINKS)
            raise UserError(
                f"DNC: links must be one of {known}, got {links!r}{nearest(str(links), LINKS)}"
            )
        if links == "none" and sharpen_links:
            raise UserError(
                "DNC: sharpen_links needs links, got links='none'; leave one of them out"
            )
        if links == "sparse" and not 1 <= link_entries <= slots:
            raise UserError(
                f"DNC: link_entries must be between 1 and the {slots} slots, got {link_entries}"
            )
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.write_heads = write_heads
        self.key_masking = key_masking
        self.erase_on_deallocation = erase_on_deallocation
        self.sharpen_links = sharpen_links
        self.links = links
        self.link_entries = link_entries
        self.similarity = resolve_similarity(similarity)

    @property
    def _shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the pieces of the flat interface vector, as `DNCInterface` orders them."""
        reads, writes, width = self.read_heads, self.write_heads, self.width
        modes = (reads, 0 if self.links == "none" else 2 * writes + 1)
        masks = width if self.key_masking else 0
        return (
            *((reads, width), (reads,), (writes, width), (writes,)),
            *((writes, width), (writes, width), (reads,), (writes,), (writes,), modes),
            *((reads, masks), (writes, masks), (reads, 2 if self.sharpen_links else 0)),
        )

    @property
    def interface_size(self) -> int:
        """W R + 3 W + 5 R + 3 for R read heads, one write head, full links and no switch."""
        return sum(int(np.prod(shape)) for shape in self._shapes)

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> DNCState:
        """All zero: an empty memory, nothing used, linked, read or written."""

        def zeros(*shape: int) -> Array:
            return jnp.zeros((*batch, *shape), jnp.float32)

        linked = self.links != "none"
        return DNCState(
            memory=zeros(self.slots, self.width),
            usage=zeros(self.slots),
            link=zeros(self.write_heads, self.slots, self.slots) if linked else (),
            precedence=zeros(self.write_heads, self.slots) if linked else (),
            read_weights=zeros(self.read_heads, self.slots),
            write_weights=zeros(self.write_heads, self.slots),
        )

    def interface(self, flat: Float[Array, "*batch interface"]) -> DNCInterface:
        """Slice and squash, in the order given above."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])[:-1].tolist()
        pieces: list[Any] = [
            piece.reshape(*piece.shape[:-1], *shape) if piece.size else ()
            for piece, shape in zip(jnp.split(flat, ends, axis=-1), self._shapes, strict=True)
        ]
        raw = DNCInterface(*pieces)

        def mask(logits: Array | tuple[()]) -> Array | tuple[()]:
            if isinstance(logits, tuple):
                return ()
            return MASK_FLOOR + (1 - MASK_FLOOR) * jax.nn.sigmoid(logits)

        modes, sharpness = raw.read_modes, raw.sharpness
        return raw._replace(
            read_strengths=oneplus(raw.read_strengths),
            write_strengths=oneplus(raw.write_strengths),
            erase=jax.nn.sigmoid(raw.erase),
            free_gates=jax.nn.sigmoid(raw.free_gates),
            allocation_gates=jax.nn.sigmoid(raw.allocation_gates),
            write_gates=jax.nn.sigmoid(raw.write_gates),
            read_modes=modes if isinstance(modes, tuple) else jax.nn.softmax(modes, axis=-1),
            read_masks=mask(raw.read_masks),
            write_masks=mask(raw.write_masks),
            sharpness=sharpness if isinstance(sharpness, tuple) else oneplus(sharpness),
        )

    def _content(
        self, memory: Array, keys: Array, strengths: Array, masks: Array | tuple[()]
    ) -> Float[Array, "*batch heads slots"]:
        """Look-up by content, through the masks if there are any."""
        mask = None if isinstance(masks, tuple) else masks
        return content_weights(memory, keys, strengths, self.similarity, mask=mask)

    def _usage(
        self, usage: Array, write_weights: Array, read_weights: Array, free_gates: Array
    ) -> tuple[Array, Array]:
        """The usage before writing, and ψ."""
        retained = retention(read_weights, free_gates)
        return next_usage(usage, write_weights, retained), retained

    def _place(
        self, usage: Array, content: Array, allocation_gates: Array, write_gates: Array
    ) -> tuple[Array, Array]:
        """Where to write, and where is free to."""
        offers = allocations(usage, allocation_gates * write_gates)
        gates = allocation_gates[..., None]
        return write_gates[..., None] * (gates * offers + (1 - gates) * content), offers

    def _entries(self, weights: Array) -> Array:
        """What of a weighting enters the links."""
        return keep_largest(weights, self.link_entries) if self.links == "sparse" else weights

    def _link(self, link: Array, precedence: Array, weights: Array) -> Array:
        """The next links, from what enters them."""
        link = next_link(link, precedence, weights)
        return drop_small(link, self.link_entries) if self.links == "sparse" else link

    def _mix(
        self,
        forward: Array,
        backward: Array,
        content: Array,
        modes: Array,
        sharpness: Array | tuple[()],
    ) -> Array:
        """Where to read."""
        if not isinstance(sharpness, tuple):
            exponents = sharpness[..., None, :]
            forward = sharpen(forward, jnp.broadcast_to(exponents[..., 0], forward.shape[:-1]))
            backward = sharpen(backward, jnp.broadcast_to(exponents[..., 1], backward.shape[:-1]))
        ways = jnp.concatenate([backward, content[..., None, :], forward], axis=-2)
        return jnp.sum(modes[..., None] * ways, axis=-2)

    def _write(self, state: DNCState, interface: DNCInterface) -> tuple[DNCState, dict[str, Array]]:
        """The state after freeing and writing, and the weightings that led there."""
        usage, retained = self._usage(
            state.usage, state.write_weights, state.read_weights, interface.free_gates
        )
        content = self._content(
            state.memory, interface.write_keys, interface.write_strengths, interface.write_masks
        )
        weights, offers = self._place(
            usage, content, interface.allocation_gates, interface.write_gates
        )
        kept = state.memory
        if self.erase_on_deallocation:
            kept = kept * retained[..., None]
        memory = erase_and_add(kept, weights, interface.erase, interface.write_vectors)
        state = state._replace(memory=memory, usage=usage, write_weights=weights)
        if not isinstance(state.link, tuple) and not isinstance(state.precedence, tuple):
            before, written = self._entries(state.precedence), self._entries(weights)
            state = state._replace(
                link=self._link(state.link, before, written),
                precedence=next_precedence(state.precedence, weights),
            )
        return state, {"allocation": offers, "write_content": content}

    def _read(self, state: DNCState, interface: DNCInterface) -> tuple[Array, dict[str, Array]]:
        """The new read weightings, and those that they are mixed from."""
        content = self._content(
            state.memory, interface.read_keys, interface.read_strengths, interface.read_masks
        )
        seen = {"read_content": content}
        if isinstance(state.link, tuple) or isinstance(interface.read_modes, tuple):
            return content, seen
        forward, backward = follow(state.link, state.read_weights)
        weights = self._mix(forward, backward, content, interface.read_modes, interface.sharpness)
        return weights, {**seen, "forward": forward, "backward": backward}

    def step(
        self, state: DNCState, interface: DNCInterface
    ) -> tuple[DNCState, Float[Array, "*batch read_heads width"]]:
        """Free, write, link, read."""

        # Recomputing a step in the backward pass takes less time than storing all of it.
        @partial(jax.checkpoint, prevent_cse=False)
        def step(state: DNCState, interface: DNCInterface) -> tuple[DNCState, Array]:
            state, _ = self._write(state, interface)
            weights, _ = self._read(state, interface)
            return state._replace(read_weights=weights), read(state.memory, weights)

        return step(state, interface)

    def rearranged(self, state: DNCState) -> DNCState:
        """Slots on the memory's last axis, the longer one; one matrix of links a lane and head."""
        link = state.link
        if not isinstance(link, tuple):
            link = link.reshape(-1, *link.shape[2:])
        return state._replace(memory=turned(state.memory), link=link)

    def arranged(self, state: DNCState) -> DNCState:
        """The state as it was before `rearranged`."""
        link = state.link
        if not isinstance(link, tuple):
            link = link.reshape(-1, self.write_heads, *link.shape[1:])
        return state._replace(memory=turned(state.memory), link=link)

    def _content_in_columns(
        self, columns: Array, keys: Array, strengths: Array, masks: Array | tuple[()]
    ) -> Array:
        return self._content(turned(columns), keys, strengths, masks)

    def _write_in_columns(
        self, columns: Array, retained: Array, weights: Array, erase: Array, vectors: Array
    ) -> Array:
        if self.erase_on_deallocation:
            columns = columns * retained[..., None, :]
        return write_columns(columns, weights, erase, vectors)

    def _rebuilt(
        self, state: DNCState, flat: Array, mask: Array | None, weights: Array
    ) -> DNCState:
        """Memory, links and precedence after a step that writes with those weights."""

        def rebuild(state: DNCState, flat: Array, mask: Array | None, weights: Array) -> DNCState:
            interface = self.interface(flat)
            retained = retention(state.read_weights, interface.free_gates)
            if mask is not None:
                # Nothing is freed or written where the step is not taken.
                retained = select(mask, retained, jnp.ones_like(retained))
                weights = select(mask, weights, jnp.zeros_like(weights))
            columns = self._write_in_columns(
                state.memory, retained, weights, interface.erase, interface.write_vectors
            )
            if isinstance(state.link, tuple) or isinstance(state.precedence, tuple):
                return state._replace(memory=columns)
            before, written = self._entries(state.precedence), self._entries(weights)
            return state._replace(
                memory=columns,
                link=self._link(state.link, folded(before), folded(written)),
                precedence=next_precedence(state.precedence, weights),
            )

        return outlined(rebuild)(state, flat, mask, weights)

    def _held(
        self, mask: Array | None, trail: DNCTrail, before: DNCState, after: DNCState
    ) -> DNCState:
        """`after` with usage and weightings from the trail, or as before where not taken."""
        new = (trail.usage, trail.read_weights, trail.write_weights)
        if mask is not None:
            new = select(mask, new, (before.usage, before.read_weights, before.write_weights))
        return after._replace(usage=new[0], read_weights=new[1], write_weights=new[2])

    def advance(
        self, state: DNCState, flat: Array, mask: Array | None
    ) -> tuple[DNCState, Array, DNCTrail]:
        """See `Replayable`."""
        interface = outlined(self.interface)(flat)
        usage, _ = outlined(self._usage)(
            state.usage, state.write_weights, state.read_weights, interface.free_gates
        )
        write_content = outlined(self._content_in_columns)(
            state.memory, interface.write_keys, interface.write_strengths, interface.write_masks
        )
        weights, _ = outlined(self._place)(
            usage, write_content, interface.allocation_gates, interface.write_gates
        )
        after = self._rebuilt(state, flat, mask, weights)
        content = outlined(self._content_in_columns)(
            after.memory, interface.read_keys, interface.read_strengths, interface.read_masks
        )
        forward, backward, read_weights = (), (), content
        modes = interface.read_modes
        if not isinstance(after.link, tuple) and not isinstance(modes, tuple):
            forward, backward = follow_folded(after.link, state.read_weights)
            read_weights = outlined(self._mix)(
                forward, backward, content, modes, interface.sharpness
            )
        reads = outlined(read_columns)(after.memory, read_weights)
        trail = DNCTrail(usage, weights, read_weights, write_content, content, forward, backward)
        return self._held(mask, trail, state, after), reads, trail

    def retrace(
        self, state: DNCState, flat: Array, mask: Array | None, trail: DNCTrail
    ) -> DNCState:
        """See `Replayable`."""
        return self._held(mask, trail, state, self._rebuilt(state, flat, mask, trail.write_weights))

    def pullback(
        self,
        before: MemoryState,
        after: MemoryState,
        flat: Array,
        mask: Array | None,
        trail: Trail,
        of_after: MemoryState,
        of_reads: Array,
    ) -> tuple[DNCState, Array]:
        """See `Replayable`: the stages of a step, last to first."""
        interface: Any = outlined(self.interface)(flat)
        of_new = (of_after.usage, of_after.read_weights, of_after.write_weights)
        of_held = jax.tree.map(jnp.zeros_like, of_new)
        if mask is not None:
            of_new, of_held = select(mask, of_new, of_held), select(mask, of_held, of_new)
        of_usage, of_read_weights, of_write_weights = of_new

        of_columns, of_more = pullback(read_columns, after.memory, trail.read_weights)(of_reads)
        of_read_weights = of_read_weights + of_more
        of_columns = of_columns + of_after.memory
        of_content, of_modes, of_sharpness = of_read_weights, (), ()
        of_link, of_precedence, of_read_before = (), (), 0
        of_forward: Any = ()
        of_backward: Any = ()
        if not isinstance(after.link, tuple):
            of_forward, of_backward, of_content, of_modes, of_sharpness = pullback(
                self._mix,
                *(trail.forward, trail.backward, trail.read_content),
                *(interface.read_modes, interface.sharpness),
            )(of_read_weights)
        of_more, of_read_keys, of_read_strengths, of_read_masks = pullback(
            self._content_in_columns,
            *(after.memory, interface.read_keys, interface.read_strengths, interface.read_masks),
        )(of_content)
        of_columns = of_columns + of_more

        weights, retained = (
            trail.write_weights,
            retention(before.read_weights, interface.free_gates),
        )
        if mask is not None:
            weights = select(mask, weights, jnp.zeros_like(weights))
            retained = select(mask, retained, jnp.ones_like(retained))
        of_columns, of_retained, of_weights, of_erase, of_vectors = pullback(
            self._write_in_columns,
            *(before.memory, retained, weights, interface.erase, interface.write_vectors),
        )(of_columns)

        if not isinstance(after.link, tuple):
            sparse = self.links == "sparse"
            least = 1 / self.link_entries if sparse else 0
            of_link, of_read_before = follow_pullback(
                *(after.link, before.read_weights, of_after.link, of_forward, of_backward, least)
            )
            last, written = before.precedence, weights
            if sparse:
                last, written = outlined(self._entries)(last), outlined(self._entries)(written)
            of_link, of_last, of_written = links_pullback(
                before.link, folded(last), folded(written), of_link
            )
            of_last, of_written = of_last.reshape(last.shape), of_written.reshape(last.shape)
            if sparse:
                (of_last,) = pullback(self._entries, before.precedence)(of_last)
                (of_written,) = pullback(self._entries, weights)(of_written)
            of_precedence, of_more = pullback(next_precedence, before.precedence, weights)(
                of_after.precedence
            )
            of_precedence = of_precedence + of_last
            of_weights = of_weights + of_written + of_more

        if mask is not None:
            of_weights = select(mask, of_weights, jnp.zeros_like(of_weights))
            of_retained = select(mask, of_retained, jnp.zeros_like(of_retained))
        of_more, of_write_content, of_allocation_gates, of_write_gates = pullback(
            lambda *inputs: self._place(*inputs)[0],
            *(trail.usage, trail.write_content),
            *(interface.allocation_gates, interface.write_gates),
        )(of_weights + of_write_weights)
        of_usage = of_usage + of_more
        of_more, of_write_keys, of_write_strengths, of_write_masks = pullback(
            self._content_in_columns,
            *(before.memory, interface.write_keys, interface.write_strengths),
            interface.write_masks,
        )(of_write_content)
        of_columns = of_columns + of_more
        of_usage, of_write_weights, of_read_weights, of_free_gates = pullback(
            self._usage,
            *(before.usage, before.write_weights, before.read_weights, interface.free_gates),
        )((of_usage, of_retained))

        of_interface = DNCInterface(
            *(of_read_keys, of_read_strengths, of_write_keys, of_write_strengths),
            *(of_erase, of_vectors, of_free_gates, of_allocation_gates, of_write_gates),
            *(of_modes, of_read_masks, of_write_masks, of_sharpness),
        )
        (of_flat,) = pullback(self.interface, flat)(of_interface)
        of_before = DNCState(
            memory=of_columns,
            usage=of_usage + of_held[0],
            link=of_link,
            precedence=of_precedence,
            read_weights=of_read_weights + of_read_before + of_held[1],
            write_weights=of_write_weights + of_held[2],
        )
        return of_before, of_flat

    def observe(self, state: DNCState, interface: DNCInterface) -> dict[str, Any]:
        """The weightings by allocation, by content and along the links of the coming step."""
        written, writing = self._write(state, interface)
        return {**writing, **self._read(written, interface)[1]}


def DNC(
    input_size: int,
    output_size: int,
    *,
    slots: int = 32,
    width: int = 16,
    read_heads: int = 1,
    write_heads: int = 1,
    controller: str | Callable[..., Cell] = "lstm",
    controller_size: int = 100,
    controller_layers: int = 1,
    key_masking: bool = False,
    erase_on_deallocation: bool = False,
    sharpen_links: bool = False,
    interface_norm: bool = False,
    bypass_dropout: float = 0.0,
    links: Links = "full",
    link_entries: int = 8,
    similarity: str | Callable[[Array, Array], Array] = "cosine",
    clip: float | None = 20.0,
    key: PRNGKeyArray,
) -> MemoryCell:
    """A Differentiable Neural Computer: a controller joined to a `DNCMemory`.

    **Arguments:**

    - `input_size`, `output_size`: features of an input and of an output.
    - `slots`, `width`, `read_heads`, `write_heads`, `key_masking`, `erase_on_deallocation`,
        `sharpen_links`, `links`, `link_entries`, `similarity`: see `DNCMemory`.
    - `controller`, `controller_size`, `controller_layers`: see
        `tapehead.memory.controller.build_controller`.
    - `interface_norm`, `bypass_dropout`, `clip`: see `MemoryCell`.

    ```python
    model = DNC(10, 8, slots=64, read_heads=4, key=jax.random.key(0))
    ```

    **Raises:** `UserError` if a size is below 1, or an option is unknown.
    """
    memory = DNCMemory(
        slots,
        width,
        read_heads=read_heads,
        write_heads=write_heads,
        key_masking=key_masking,
        erase_on_deallocation=erase_on_deallocation,
        sharpen_links=sharpen_links,
        links=links,
        link_entries=link_entries,
        similarity=similarity,
    )
    return joined(
        "DNC",
        memory,
        input_size,
        output_size,
        controller=controller,
        controller_size=controller_size,
        controller_layers=controller_layers,
        clip=clip,
        interface_norm=interface_norm,
        bypass_dropout=bypass_dropout,
        key=key,
    )
