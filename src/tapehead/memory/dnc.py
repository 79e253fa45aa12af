"""The Differentiable Neural Computer."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import UserError, at_least, nearest
from tapehead.memory.addressing import Similarity, content_weights, read, resolve_similarity
from tapehead.memory.cell import MemoryCell
from tapehead.memory.controller import build_controller
from tapehead.memory.links import drop_small, follow, keep_largest, next_link, next_precedence
from tapehead.memory.memory import Memory
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


class DNCMemory(Memory):
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
        pieces = [
            piece.reshape(*piece.shape[:-1], *shape)
            for piece, shape in zip(jnp.split(flat, ends, axis=-1), self._shapes, strict=True)
        ]
        raw = DNCInterface(*(piece if piece.size else () for piece in pieces))

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

    def _write(self, state: DNCState, interface: DNCInterface) -> tuple[DNCState, dict[str, Array]]:
        """The state after freeing and writing, and the weightings that led there."""
        retained = retention(state.read_weights, interface.free_gates)
        usage = next_usage(state.usage, state.write_weights, retained)
        offers = allocations(usage, interface.allocation_gates * interface.write_gates)
        content = self._content(
            state.memory, interface.write_keys, interface.write_strengths, interface.write_masks
        )
        gates = interface.allocation_gates[..., None]
        weights = interface.write_gates[..., None] * (gates * offers + (1 - gates) * content)
        kept = state.memory
        if self.erase_on_deallocation:
            kept = kept * retained[..., None]
        for head in range(self.write_heads):
            erase = weights[..., head, :, None] * interface.erase[..., head, None, :]
            kept = kept * (1 - erase)
        memory = kept + jnp.einsum("...hn,...hw->...nw", weights, interface.write_vectors)
        state = state._replace(memory=memory, usage=usage, write_weights=weights)
        if not isinstance(state.link, tuple) and not isinstance(state.precedence, tuple):
            written, before = weights, state.precedence
            if self.links == "sparse":
                written = keep_largest(written, self.link_entries)
                before = keep_largest(before, self.link_entries)
            link = next_link(state.link, before, written)
            if self.links == "sparse":
                link = drop_small(link, self.link_entries)
            state = state._replace(link=link, precedence=next_precedence(state.precedence, weights))
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
        if not isinstance(interface.sharpness, tuple):
            exponents = interface.sharpness[..., None, :]
            forward = sharpen(forward, jnp.broadcast_to(exponents[..., 0], forward.shape[:-1]))
            backward = sharpen(backward, jnp.broadcast_to(exponents[..., 1], backward.shape[:-1]))
        ways = jnp.concatenate([backward, content[..., None, :], forward], axis=-2)
        weights = jnp.sum(interface.read_modes[..., None] * ways, axis=-2)
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
    controller_key, rest = jax.random.split(key)
    network = build_controller(
        controller,
        input_size + read_heads * width,
        controller_size,
        controller_layers,
        key=controller_key,
    )
    return MemoryCell(
        network,
        memory,
        output_size,
        clip=clip,
        interface_norm=interface_norm,
        bypass_dropout=bypass_dropout,
        key=rest,
    )
