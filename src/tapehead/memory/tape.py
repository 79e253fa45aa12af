"""The tape RNN."""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.memory.cell import MemoryCell, joined
from tapehead.memory.moving import MovingInterface, MovingMemory, mixed


class TapeState(NamedTuple):
    """What a `TapeMemory` carries.

    **Attributes:**

    - `tapes`: M, the row under the head first, `(*batch, read_heads, slots, width)`.
    - `length`: how many inputs came before the answer began, `(*batch,)`.
    - `answering`: whether it has begun, `(*batch,)`.
    """

    tapes: Float[Array, "*batch read_heads slots width"]
    length: Int[Array, "*batch"]
    answering: Bool[Array, "*batch"]


class TapeMemory(MovingMemory):
    """Circular tapes under a head that writes at every step, then stays, moves or jumps.

    With M̃ the tape whose row under the head, row 0, is replaced by the value v, p the probabilities
    of the actions and d_a how far each moves the head, to the right where it is positive,

        M_t[i] = Σ_a p_a M̃[i + d_a mod N],    d = 0, −1, 1 and, with jumps, −L, L,

    and what is read is the row now under the head, M_t[0]. All rows begin as zeros.

    L is the length of the input. A network that runs step by step cannot know it before the input
    has ended, so the memory counts: the answer begins at the first step whose last input feature is
    on (above 1/2), as the tasks mark it, and L is the number of steps before that one. Until then
    jumps stay where they are. (Delétang et al. tell the network L from the first step on.)

    **Attributes**, beside those of `MovingMemory`:

    - `jumps`: whether the head can jump.

    **Raises:** `UserError` if a size is below 1.

    Sources: Suzgun, Gehrmann, Belinkov and Shieber, "Memory-augmented recurrent neural networks
    can learn generalized Dyck languages" (2019), its Baby-NTM; in the form of Delétang et al.,
    "Neural networks and the Chomsky hierarchy" (2022), but that the value is a linear function of
    the controller's output, not a network with two hidden layers.
    """

    jumps: bool = eqx.field(static=True)

    def __init__(
        self,
        slots: int = 512,
        *,
        training_slots: int = 64,
        width: int = 8,
        read_heads: int = 1,
        jumps: bool = True,
    ):
        super().__init__(slots, training_slots, width, read_heads)
        self.jumps = jumps

    @property
    def actions(self) -> tuple[str, ...]:
        """Stay, left, right and the jumps."""
        moves = ("stay", "left", "right")
        return (*moves, "jump left", "jump right") if self.jumps else moves

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> TapeState:
        """Empty tapes, and no input yet."""
        return TapeState(
            self.empty(batch, key), jnp.zeros(batch, jnp.int32), jnp.zeros(batch, bool)
        )

    def notice(self, state: TapeState, x: Float[Array, "*batch features"]) -> TapeState:
        """Count the inputs up to the first that asks for an answer."""
        answering = state.answering | (x[..., -1] > 0.5)
        return TapeState(
            state.tapes, jnp.where(answering, state.length, state.length + 1), answering
        )

    def step(
        self, state: TapeState, interface: MovingInterface
    ) -> tuple[TapeState, Float[Array, "*batch read_heads width"]]:
        """Write, move, then read."""
        written = jnp.concatenate(
            [interface.values[..., None, :], state.tapes[..., 1:, :]], axis=-2
        )
        moved = [written, jnp.roll(written, 1, axis=-2), jnp.roll(written, -1, axis=-2)]
        if self.jumps:
            far = jnp.where(state.answering, state.length, 0)
            moved += [turned(written, far), turned(written, -far)]
        tapes = mixed(interface.actions, *moved)
        return state._replace(tapes=tapes), tapes[..., 0, :]


def turned(
    rows: Float[Array, "*batch heads slots width"], by: Int[Array, "*batch"]
) -> Float[Array, "*batch heads slots width"]:
    """`jnp.roll` along the slots, in each lane by another number of rows."""
    slots = rows.shape[-2]
    places = (jnp.arange(slots, dtype=by.dtype) - by[..., None]) % slots
    return jnp.take_along_axis(rows, places[..., None, :, None], axis=-2)


def TapeRNN(
    input_size: int,
    output_size: int,
    *,
    tapes: int = 1,
    width: int = 8,
    slots: int = 512,
    training_slots: int = 64,
    jumps: bool = True,
    controller: str | Callable[..., Cell] = "elman",
    controller_size: int = 128,
    controller_layers: int = 1,
    key: PRNGKeyArray,
) -> MemoryCell:
    """A tape RNN: a plain recurrent network, or another controller, joined to a `TapeMemory`.

    The output sees the controller and what is under the heads after the step; in the papers it
    sees the controller alone, which sees what was under them the step before.

    **Arguments:**

    - `input_size`, `output_size`: features of an input and of an output. With `jumps` the last
        input feature is the one that asks for the answer.
    - `tapes`: how many tapes there are.
    - `width`, `slots`, `training_slots`, `jumps`: see `TapeMemory`.
    - `controller`, `controller_size`, `controller_layers`: see
        `tapehead.memory.controller.build_controller`.

    ```python
    model = TapeRNN(3, 2, key=jax.random.key(0))
    ```

    **Raises:** `UserError` if a size is below 1, or the controller is unknown.
    """
    return joined(
        "TapeMemory",
        TapeMemory(
            slots, training_slots=training_slots, width=width, read_heads=tapes, jumps=jumps
        ),
        input_size,
        output_size,
        controller=controller,
        controller_size=controller_size,
        controller_layers=controller_layers,
        key=key,
    )
