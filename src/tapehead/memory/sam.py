"""Sparse access memory."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.memory.access import Usage, UsageState
from tapehead.memory.cell import MemoryCell, joined
from tapehead.memory.heads import SparseHeads, Written, content_weights
from tapehead.memory.lookup import Index, Lookup
from tapehead.numerics import oneplus


class SAMState(NamedTuple):
    """What a `SAMMemory` carries.

    **Attributes:**

    - `memory`: M, `(*batch, slots, width)`.
    - `index`: what the look-up keeps of the rows.
    - `usage`: which slots were used least.
    - `read_slots`, `read_weights`: s and w^R, where each head last read and how much,
        `(*batch, heads, reads)`.
    - `versions`, `clock`: see `tapehead.memory.sparse.SparseMemory`.
    """

    memory: Float[Array, "*batch slots width"]
    index: Index
    usage: UsageState
    read_slots: Int[Array, "*batch heads reads"]
    read_weights: Float[Array, "*batch heads reads"]
    versions: Int[Array, "*batch slots"]
    clock: Int[Array, "*batch"]


class SAMInterface(NamedTuple):
    """What the controller asks of a `SAMMemory`.

    **Attributes:**

    - `keys`: q, `(*batch, heads, width)`.
    - `strengths`: β ≥ 1, `(*batch, heads)`.
    - `write_vectors`: a, `(*batch, heads, width)`.
    - `write_gates`: α in [0, 1], `(*batch, heads)`; 0 writes nothing.
    - `interpolation_gates`: γ in [0, 1], `(*batch, heads)`; 1 writes where the head last read, 0
        into the slot used least.
    """

    keys: Float[Array, "*batch heads width"]
    strengths: Float[Array, "*batch heads"]
    write_vectors: Float[Array, "*batch heads width"]
    write_gates: Float[Array, "*batch heads"]
    interpolation_gates: Float[Array, "*batch heads"]


def ends(heads: int, width: int) -> list[int]:
    """Where the fields end in a flat vector, in the order of `SAMInterface`."""
    content = heads * width
    return np.cumsum([content, heads, content, heads, heads]).tolist()


def sliced(flat: Float[Array, "*batch interface"], heads: int, width: int) -> SAMInterface:
    """The fields of a flat vector, squashed."""
    fields = jnp.split(flat, ends(heads, width)[:-1], axis=-1)
    keys, strengths, vectors, writes, interpolations = fields
    shape = (*flat.shape[:-1], heads, width)
    return SAMInterface(
        keys=keys.reshape(shape),
        strengths=oneplus(strengths),
        write_vectors=vectors.reshape(shape),
        write_gates=jax.nn.sigmoid(writes),
        interpolation_gates=jax.nn.sigmoid(interpolations),
    )


class SAMChoice(NamedTuple):
    """What a step of a `SAMMemory` chose.

    **Attributes:**

    - `positions`: of all entries that are written, the first one of the same slot,
        `(lanes, entries)`.
    - `found`: which of the rows to read the look-up found, `(lanes, heads, reads)`.
    """

    positions: Int[Array, "lanes entries"]
    found: Bool[Array, "lanes heads reads"]


class SAMMemory(SparseHeads):
    """Sparse access memory: every head writes to K + 1 rows and reads K.

    Each of the H heads writes, then reads:

        w^W_h = α_h (γ_h w^R_{h,t−1} + (1 − γ_h) 1^{U_h})      where to write
        M = (1 − R) ∘ M_{t−1} + Σ_h w^W_h a_hᵀ                 write; R is 1 in the rows U
        s_h = the K slots i of largest cos(q_h, M_i)           look-up by content
        w^R_h = softmax over s_h of β_h cos(q_h, M_i)          where to read
        r_h = Σ_{i in s_h} w^R_h(i) M_i                        read

    U are the H slots used least, of which head h takes the h-th; what was in them is erased,
    while writing to the rows last read only adds to them. Rows of zeros are never found: where
    fewer than K rows are written, those are read alone. Which slots are found and which are
    used least is a choice, through which there is no gradient; it goes through the weights, the
    rows and the writes. With the usage by last access, and a look-up by an index, a step costs the
    same whatever the number of slots, forward and backward (see `tapehead.memory.sparse`).

    The flat interface vector holds, in this order and over all heads: keys, strengths (oneplus),
    write vectors, write gates (σ), interpolation gates (σ).

    **Attributes:**

    - `slots`, `width`: N and W.
    - `read_heads`: H; each head writes too.
    - `reads`: K, the rows that a head reads.
    - `lookup`: finds rows by content, a name in `tapehead.memory.lookup.LOOKUPS` or a `Lookup`.
    - `usage`: what counts as used least, a name in `tapehead.memory.access.USAGES` or a `Usage`.

    **Raises:** `UserError` if a size is below 1, there are fewer slots than heads or than rows to
    be read, an option is unknown, or the memory does not fit into the machine.

    Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and
    writes" (2016), section 3.
    """

    owner: ClassVar[str] = "SAM"

    def __init__(
        self,
        slots: int = 1024,
        width: int = 32,
        *,
        heads: int = 4,
        reads: int = 4,
        lookup: str | Lookup = "exact",
        usage: str | Usage = "last-access",
    ):
        super().__init__(slots, width, heads=heads, reads=reads, lookup=lookup, usage=usage)
        self._expect_room(1)

    @property
    def interface_size(self) -> int:
        """H (2 W + 3)."""
        return ends(self.read_heads, self.width)[-1]

    def _empty(self, lanes: int, slots: int) -> SAMState:
        return SAMState(**self._nothing(lanes, slots))

    def interface(self, flat: Float[Array, "*batch interface"]) -> SAMInterface:
        """Slice and squash, in the order given above."""
        return sliced(flat, self.read_heads, self.width)

    def choose(
        self, state: SAMState, interface: SAMInterface, written: Written
    ) -> tuple[SAMState, SAMChoice, Int[Array, "lanes heads reads"]]:
        """See `SparseHeads`: the rows that the look-up finds."""
        slots, found = self.lookup.find(state.index, state.memory, interface.keys, self.reads)
        return state._replace(read_slots=slots), SAMChoice(written.positions, found), slots

    def read(
        self,
        rows: Float[Array, "lanes heads reads width"],
        interface: SAMInterface,
        weights: Float[Array, "lanes heads reads"],
        choice: SAMChoice,
    ) -> tuple[Float[Array, "lanes heads width"], Float[Array, "lanes heads reads"]]:
        """See `SparseMemory`; nothing is read where nothing was found."""
        weights = content_weights(rows, interface.keys, interface.strengths, choice.found)
        return jnp.einsum("lhk,lhkw->lhw", weights, rows), weights


def SAM(
    input_size: int,
    output_size: int,
    *,
    slots: int = 1024,
    width: int = 32,
    heads: int = 4,
    reads: int = 4,
    lookup: str | Lookup = "exact",
    usage: str | Usage = "last-access",
    controller: str | Callable[..., Cell] = "lstm",
    controller_size: int = 100,
    controller_layers: int = 1,
    clip: float | None = 20.0,
    key: PRNGKeyArray,
) -> MemoryCell:
    """A network with sparse access memory: a controller joined to a `SAMMemory`.

    **Arguments:**

    - `input_size`, `output_size`: features of an input and of an output.
    - `slots`, `width`, `heads`, `reads`, `lookup`, `usage`: see `SAMMemory`.
    - `controller`, `controller_size`, `controller_layers`: see
        `tapehead.memory.controller.build_controller`.
    - `clip`: see `MemoryCell`.

    ```python
    model = SAM(9, 8, slots=100_000, key=jax.random.key(0))
    ```

    **Raises:** `UserError` as `SAMMemory` does.
    """
    memory = SAMMemory(slots, width, heads=heads, reads=reads, lookup=lookup, usage=usage)
    return joined(
        "SAM",
        memory,
        input_size,
        output_size,
        controller=controller,
        controller_size=controller_size,
        controller_layers=controller_layers,
        clip=clip,
        key=key,
    )
