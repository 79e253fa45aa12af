"""The Neural Turing Machine."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, select
from tapehead.errors import at_least
from tapehead.memory.addressing import (
    Similarity,
    circular_shift,
    content_weights,
    erase_and_add,
    interpolate,
    read,
    resolve_similarity,
)
from tapehead.memory.cell import MemoryCell, joined
from tapehead.memory.columns import read_columns, turned, write_columns
from tapehead.memory.memory import MemoryState
from tapehead.memory.outline import outlined, pullback
from tapehead.memory.replay import Replayable, Trail
from tapehead.numerics import sharpen

FIRST_CONTENT = 1e-6
"""What every number in memory begins as, unless that is learned (Collier and Beel 2018)."""


class NTMState(NamedTuple):
    """What an `NTMMemory` carries.

    **Attributes:**

    - `memory`: M, `(*batch, slots, width)`.
    - `read_weights`: where each read head last was, `(*batch, read_heads, slots)`.
    - `write_weights`: where each write head last was, `(*batch, write_heads, slots)`.
    """

    memory: Float[Array, "*batch slots width"]
    read_weights: Float[Array, "*batch read_heads slots"]
    write_weights: Float[Array, "*batch write_heads slots"]


class NTMInterface(NamedTuple):
    """What the controller asks of an `NTMMemory`; of all heads, the read heads come first.

    **Attributes:**

    - `keys`: k, `(*batch, heads, width)`.
    - `strengths`: β ≥ 0, `(*batch, heads)`.
    - `gates`: g in [0, 1], `(*batch, heads)`; 1 goes by content, 0 stays at the last place.
    - `shifts`: s, `(*batch, heads, 2 · shift_range + 1)`, a distribution over −range, …, range.
    - `sharpness`: γ ≥ 1, `(*batch, heads)`.
    - `erase`: e in [0, 1], `(*batch, write_heads, width)`.
    - `add`: a, `(*batch, write_heads, width)`.
    """

    keys: Float[Array, "*batch heads width"]
    strengths: Float[Array, "*batch heads"]
    gates: Float[Array, "*batch heads"]
    shifts: Float[Array, "*batch heads shifts"]
    sharpness: Float[Array, "*batch heads"]
    erase: Float[Array, "*batch write_heads width"]
    add: Float[Array, "*batch write_heads width"]


class NTMTrail(NamedTuple):
    """What is kept of a step of an `NTMMemory`.

    **Attributes:** the weightings of all heads, `(batch, heads, slots)`: by content, and after all
    four steps.
    """

    content: Float[Array, "batch heads slots"]
    weights: Float[Array, "batch heads slots"]


class NTMMemory(Replayable):
    """The memory of a Neural Turing Machine.

    Every head finds its place in four steps,

        w^c_i = softmax_i(β K[k, M_{t−1,i}])        by content
        w^g   = g w^c + (1 − g) w_{t−1}             or by the last place
        w̃_i   = Σ_j w^g_j s(i − j mod N)            moved along the slots
        w_i   = w̃_i^γ / Σ_j w̃_j^γ                   and sharpened,

    then all write heads erase and add, and the read heads read what is now there:

        M_t = M_{t−1} ∘ Π_h (1 − w_h e_hᵀ) + Σ_h w_h a_hᵀ,        r_h = M_tᵀ w_h.

    The paper's equations leave open which memory the look-up by content sees. A write weighting
    cannot depend on the memory that it is about to make, so it is M_{t−1} here, for all heads
    alike; what is read is M_t, as eq. 2 has it.

    The flat interface vector holds, in this order and over all heads, read heads first: keys,
    strengths (softplus), gates (σ), shifts (softmax), sharpness (1 + softplus); then over the
    write heads: erase (σ), add.

    **Attributes:**

    - `slots`, `width`, `read_heads`, `write_heads`: N, W and the numbers of heads.
    - `shift_range`: how far a head can move in one step; 0 for content only.
    - `similarity`: K, a name in `tapehead.memory.addressing.SIMILARITIES` or a function
        `(memory, keys) -> scores`.
    - `initial_memory`: the learned memory before the first step, `(slots, width)`; `None` if it
        is fixed at the constant 1e-6, which learns better (Collier and Beel 2018).
    - `initial_weights`: the learned logits of the weightings before the first step,
        `(heads, slots)`; `None` if all heads begin on slot 0.

    **Raises:** `UserError` if a size is below 1, or an option is unknown.

    Sources: Graves, Wayne and Danihelka, "Neural Turing Machines" (2014); Collier and Beel,
    "Implementing Neural Turing Machines" (2018).
    """

    initial_memory: Float[Array, "slots width"] | None
    initial_weights: Float[Array, "heads slots"] | None
    similarity: Similarity
    slots: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    read_heads: int = eqx.field(static=True)
    write_heads: int = eqx.field(static=True)
    shift_range: int = eqx.field(static=True)

    def __init__(
        self,
        slots: int = 128,
        width: int = 20,
        *,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        similarity: str | Callable[[Array, Array], Array] = "cosine",
        learned_memory: bool = False,
        learned_weights: bool = False,
    ):
        at_least("NTM", 1, slots=slots, width=width, read_heads=read_heads, write_heads=write_heads)
        at_least("NTM", 0, shift_range=shift_range)
        self.slots = slots
        self.width = width
        self.read_heads = read_heads
        self.write_heads = write_heads
        self.shift_range = shift_range
        self.similarity = resolve_similarity(similarity)
        self.initial_memory = (
            jnp.full((slots, width), FIRST_CONTENT, jnp.float32) if learned_memory else None
        )
        heads = read_heads + write_heads
        # Nine tenths on slot 0: some place must stand out, or all slots would stay alike.
        first = jnp.zeros((heads, slots), jnp.float32).at[:, 0].set(math.log(9 * max(slots - 1, 1)))
        self.initial_weights = first if learned_weights else None

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Lengths of the pieces of the flat interface vector."""
        heads = self.read_heads + self.write_heads
        shifts = 2 * self.shift_range + 1
        content = self.write_heads * self.width
        return (heads * self.width, heads, heads, heads * shifts, heads, content, content)

    @property
    def interface_size(self) -> int:
        """(R + H)(W + 3 + S) + 2 H W, for R read heads, H write heads and S shifts."""
        return sum(self._sizes)

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> NTMState:
        """Constant or learned contents, the heads on slot 0 or where they learned to begin."""
        memory = self.initial_memory
        if memory is None:
            memory = jnp.full((self.slots, self.width), FIRST_CONTENT, jnp.float32)
        if self.initial_weights is None:
            weights = jnp.zeros((self.read_heads + self.write_heads, self.slots), jnp.float32)
            weights = weights.at[:, 0].set(1)
        else:
            weights = jax.nn.softmax(self.initial_weights, axis=-1)
        memory, weights = (jnp.broadcast_to(x, (*batch, *x.shape)) for x in (memory, weights))
        return NTMState(memory, *self._by_kind(weights))

    def _by_kind(self, x: Array) -> tuple[Array, Array]:
        """The read heads' and the write heads' share of `(*batch, heads, features)`."""
        return x[..., : self.read_heads, :], x[..., self.read_heads :, :]

    def interface(self, flat: Float[Array, "*batch interface"]) -> NTMInterface:
        """Slice and squash, in the order given above."""
        ends = np.cumsum(self._sizes)[:-1].tolist()
        keys, strengths, gates, shifts, sharpness, erase, add = jnp.split(flat, ends, axis=-1)

        def rows(x: Array, size: int) -> Array:
            return x.reshape(*x.shape[:-1], -1, size)

        return NTMInterface(
            keys=rows(keys, self.width),
            strengths=jax.nn.softplus(strengths),
            gates=jax.nn.sigmoid(gates),
            shifts=jax.nn.softmax(rows(shifts, 2 * self.shift_range + 1), axis=-1),
            sharpness=1 + jax.nn.softplus(sharpness),
            erase=jax.nn.sigmoid(rows(erase, self.width)),
            add=rows(add, self.width),
        )

    def _address(
        self, state: NTMState, interface: NTMInterface
    ) -> dict[str, Float[Array, "*batch heads slots"]]:
        """The weightings of all heads after each of the four steps."""
        content = content_weights(
            state.memory, interface.keys, interface.strengths, self.similarity
        )
        gated, shifted, weights = _places(
            content,
            *(_all_heads(state), interface.gates, interface.shifts, interface.sharpness),
        )
        return {
            "content_weights": content,
            "gated_weights": gated,
            "shifted_weights": shifted,
            "weights": weights,
        }

    def step(
        self, state: NTMState, interface: NTMInterface
    ) -> tuple[NTMState, Float[Array, "*batch read_heads width"]]:
        """Address, write, read."""

        # Recomputing a step in the backward pass takes less time than storing all of it: the
        # gradient is twice as fast, and a sequence's memory is held once instead of four times.
        @partial(jax.checkpoint, prevent_cse=False)
        def step(state: NTMState, interface: NTMInterface) -> tuple[NTMState, Array]:
            weights = self._address(state, interface)["weights"]
            read_weights, write_weights = self._by_kind(weights)
            memory = erase_and_add(state.memory, write_weights, interface.erase, interface.add)
            return NTMState(memory, read_weights, write_weights), read(memory, read_weights)

        return step(state, interface)

    def rearranged(self, state: NTMState) -> NTMState:
        """Slots on the memory's last axis, the longer one."""
        return state._replace(memory=turned(state.memory))

    def arranged(self, state: NTMState) -> NTMState:
        """The state as it was before `rearranged`."""
        return state._replace(memory=turned(state.memory))

    def _content(self, columns: Array, keys: Array, strengths: Array) -> Array:
        return content_weights(turned(columns), keys, strengths, self.similarity)

    def _written(
        self, state: NTMState, flat: Array, mask: Array | None, weights: Array
    ) -> NTMState:
        """The state after a step that places all heads so; as it was where it is not taken."""

        def written(state: NTMState, flat: Array, mask: Array | None, weights: Array) -> NTMState:
            interface = self.interface(flat)
            read_weights, write_weights = self._by_kind(weights)
            columns = write_columns(state.memory, write_weights, interface.erase, interface.add)
            after = NTMState(columns, read_weights, write_weights)
            return after if mask is None else select(mask, after, state)

        return outlined(written)(state, flat, mask, weights)

    def advance(
        self, state: NTMState, flat: Array, mask: Array | None
    ) -> tuple[NTMState, Array, NTMTrail]:
        """See `Replayable`."""
        interface = outlined(self.interface)(flat)
        content = outlined(self._content)(state.memory, interface.keys, interface.strengths)
        weights = outlined(_place)(
            content, _all_heads(state), interface.gates, interface.shifts, interface.sharpness
        )
        after = self._written(state, flat, mask, weights)
        reads = outlined(read_columns)(after.memory, self._by_kind(weights)[0])
        return after, reads, NTMTrail(content, weights)

    def retrace(
        self, state: NTMState, flat: Array, mask: Array | None, trail: NTMTrail
    ) -> NTMState:
        """See `Replayable`."""
        return self._written(state, flat, mask, trail.weights)

    def pullback(
        self,
        before: MemoryState,
        after: MemoryState,
        flat: Array,
        mask: Array | None,
        trail: Trail,
        of_after: MemoryState,
        of_reads: Array,
    ) -> tuple[NTMState, Array]:
        """See `Replayable`: the stages of a step, last to first."""
        interface: Any = outlined(self.interface)(flat)
        of_held = jax.tree.map(jnp.zeros_like, of_after)
        if mask is not None:
            of_after, of_held = select(mask, of_after, of_held), select(mask, of_held, of_after)
        read_weights, write_weights = self._by_kind(trail.weights)

        of_columns, of_read_weights = pullback(read_columns, after.memory, read_weights)(of_reads)
        of_columns, of_write_weights, of_erase, of_add = pullback(
            write_columns, before.memory, write_weights, interface.erase, interface.add
        )(of_after.memory + of_columns)
        of_weights = jnp.concatenate([of_read_weights, of_write_weights], axis=-2)
        of_content, of_previous, of_gates, of_shifts, of_sharpness = pullback(
            _place,
            *(trail.content, _all_heads(before)),
            *(interface.gates, interface.shifts, interface.sharpness),
        )(of_weights + _all_heads(of_after))
        of_more, of_keys, of_strengths = pullback(
            self._content, before.memory, interface.keys, interface.strengths
        )(of_content)

        (of_flat,) = pullback(self.interface, flat)(
            NTMInterface(of_keys, of_strengths, of_gates, of_shifts, of_sharpness, of_erase, of_add)
        )
        of_before = NTMState(of_columns + of_more, *self._by_kind(of_previous))
        if mask is not None:
            of_before = jax.tree.map(jnp.add, of_before, of_held)
        return of_before, of_flat

    def observe(self, state: NTMState, interface: NTMInterface) -> dict[str, Any]:
        """Under `"read"` and `"write"`, by head: what steers it and its place after each step."""
        quantities = {
            "key": interface.keys,
            "strength": interface.strengths,
            "gate": interface.gates,
            "shift": interface.shifts,
            "sharpness": interface.sharpness,
            **self._address(state, interface),
        }
        axis = interface.gates.ndim - 1
        halves = {n: jnp.split(q, [self.read_heads], axis=axis) for n, q in quantities.items()}
        return {
            "read": {name: half for name, (half, _) in halves.items()},
            "write": {name: half for name, (_, half) in halves.items()},
        }


def _all_heads(state: NTMState) -> Float[Array, "*batch heads slots"]:
    """Where all heads are, read heads first."""
    return jnp.concatenate([state.read_weights, state.write_weights], axis=-2)


def _places(
    content: Array, previous: Array, gates: Array, shifts: Array, sharpness: Array
) -> tuple[Array, Array, Array]:
    """The weightings of all heads after the gate, the shift and the sharpening."""
    gated = interpolate(content, previous, gates)
    shifted = circular_shift(gated, shifts)
    return gated, shifted, sharpen(shifted, sharpness)


def _place(*arguments: Array) -> Array:
    """The last of `_places`."""
    return _places(*arguments)[-1]


def NTM(
    input_size: int,
    output_size: int,
    *,
    slots: int = 128,
    width: int = 20,
    read_heads: int = 1,
    write_heads: int = 1,
    shift_range: int = 1,
    controller: str | Callable[..., Cell] = "lstm",
    controller_size: int = 100,
    controller_layers: int = 1,
    similarity: str | Callable[[Array, Array], Array] = "cosine",
    learned_memory: bool = False,
    learned_weights: bool = False,
    learned_reads: bool = False,
    clip: float | None = 20.0,
    key: PRNGKeyArray,
) -> MemoryCell:
    """A Neural Turing Machine: a controller joined to an `NTMMemory`.

    **Arguments:**

    - `input_size`, `output_size`: features of an input and of an output.
    - `slots`, `width`, `read_heads`, `write_heads`, `shift_range`, `similarity`,
        `learned_memory`, `learned_weights`: see `NTMMemory`.
    - `controller`, `controller_size`, `controller_layers`: see
        `tapehead.memory.controller.build_controller`.
    - `learned_reads`, `clip`: see `MemoryCell`; without a limit of about 20 on its outputs the
        network is prone to diverge (Collier and Beel 2018).

    ```python
    model = NTM(9, 8, controller="feedforward", key=jax.random.key(0))
    ```

    **Raises:** `UserError` if a size is below 1, or an option is unknown.
    """
    memory = NTMMemory(
        slots,
        width,
        read_heads=read_heads,
        write_heads=write_heads,
        shift_range=shift_range,
        similarity=similarity,
        learned_memory=learned_memory,
        learned_weights=learned_weights,
    )
    return joined(
        "NTM",
        memory,
        input_size,
        output_size,
        controller=controller,
        controller_size=controller_size,
        controller_layers=controller_layers,
        clip=clip,
        learned_reads=learned_reads,
        key=key,
    )
