"""`MemoryCell`: a controller joined to a memory."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, State, scan, select, summed
from tapehead.cells.layers import Dropout, DropoutState, LayerNorm, Linear
from tapehead.errors import UserError, above, at_least
from tapehead.memory.controller import build_controller
from tapehead.memory.driver import Unrollable, Walk
from tapehead.memory.memory import Memory, MemoryState


class MemoryCellState(NamedTuple):
    """What a memory network carries.

    **Attributes:**

    - `controller`: the controller's state.
    - `memory`: the memory's state.
    - `reads`: the vectors read at the last step, `(*batch, read_heads, width)`.
    - `bypass`: the state of the bypass dropout.
    """

    controller: State
    memory: MemoryState
    reads: Float[Array, "*batch read_heads width"]
    bypass: State


class _Thinking(Cell):
    """A memory network up to its readout."""

    network: "MemoryCell"
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, network: "MemoryCell"):
        self.network = network
        self.input_size = None
        self.output_size = None

    def step(self, state: MemoryCellState, x: Array) -> tuple[MemoryCellState, Array]:
        return self.network._think(state, x)

    def restart(self, state: MemoryCellState, batch: tuple[int, ...]) -> MemoryCellState:
        return self.network.restart(state, batch)


class _Driver(Cell):
    """A memory network up to its memory: the controller's output joined to the flat interface."""

    network: "MemoryCell"
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, network: "MemoryCell"):
        self.network = network
        self.input_size = None
        self.output_size = None

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        state, hidden, flat = self.network._drive(state, x)
        return state, jnp.concatenate([hidden, flat], axis=-1)


class MemoryCell(Cell):
    """A controller, an interface, a memory and a readout.

    With χ_t = [x_t; r_{t−1}] the input joined to the last step's reads:

        h_t = controller(χ_t),  ξ_t = W_ξ h_t + b_ξ,  r_t = memory(ξ_t),  y_t = W_y [h_t; r_t] + b_y

    **Attributes:**

    - `controller`: any `Cell` that takes `input_size + read_heads · width` features.
    - `interface`: from the controller's output to the flat interface vector.
    - `norm`: layer norm of the interface vector, or `None` (Franke et al. 2018).
    - `memory`: the `Memory`.
    - `bypass`: dropout of the controller's output on its way to the readout, so that the
        network cannot do without its memory (Franke et al. 2018).
    - `readout`: from the controller's output and the reads to the output.
    - `initial_reads`: the learned vectors taken as read before the first step,
        `(read_heads, width)`; `None` if they are zero.
    - `clip`: the controller's output and the cell's are held in [−clip, clip]; `None` for no limit.

    Source: Graves et al., "Neural Turing Machines" (2014) and "Hybrid computing using a neural
    network with dynamic external memory" (2016).
    """

    controller: Cell
    interface: Linear
    norm: LayerNorm | None
    memory: Memory
    bypass: Dropout
    readout: Linear
    initial_reads: Float[Array, "read_heads width"] | None
    clip: float | None = eqx.field(static=True)
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(
        self,
        controller: Cell,
        memory: Memory,
        output_size: int,
        *,
        clip: float | None = None,
        interface_norm: bool = False,
        bypass_dropout: float = 0.0,
        learned_reads: bool = False,
        key: PRNGKeyArray,
    ):
        """Join `controller` and `memory`, drawing the interface and the readout with `key`."""
        reads = memory.read_heads * memory.width
        if controller.input_size is None or controller.input_size <= reads:
            raise UserError(
                f"MemoryCell: the controller must take more than the {reads} features that are "
                f"read from memory, got {controller.input_size}"
            )
        if controller.output_size is None:
            raise UserError("MemoryCell: the controller must have a fixed output size, got None")
        if clip is not None:
            above("MemoryCell", 0, clip=clip)
        interface_key, readout_key = jax.random.split(key)
        self.controller = controller
        self.memory = memory
        self.interface = Linear(controller.output_size, memory.interface_size, key=interface_key)
        self.norm = LayerNorm(memory.interface_size) if interface_norm else None
        self.bypass = Dropout(bypass_dropout)
        self.readout = Linear(controller.output_size + reads, output_size, key=readout_key)
        self.initial_reads = (
            jnp.zeros((memory.read_heads, memory.width), jnp.float32) if learned_reads else None
        )
        self.clip = clip
        self.input_size = controller.input_size - reads
        self.output_size = output_size

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> MemoryCellState:
        """Nothing read yet, or the learned reads; controller and memory at their beginnings."""
        keys = [None, None, None] if key is None else list(jax.random.split(key, 3))
        dtype = self.readout.weight.dtype
        shape = (self.memory.read_heads, self.memory.width)
        reads = jnp.zeros(shape, dtype) if self.initial_reads is None else self.initial_reads
        return MemoryCellState(
            controller=self.controller.initial_state(batch, key=keys[0]),
            memory=self._typed(self.memory.initial_state(batch, key=keys[1])),
            reads=jnp.broadcast_to(reads, (*batch, *shape)),
            bypass=self.bypass.initial_state(batch, key=keys[2]),
        )

    def _typed(self, memory: MemoryState) -> MemoryState:
        """A memory may own no parameters, so it takes its type from the network around it."""
        dtype = self.readout.weight.dtype
        return jax.tree.map(
            lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
            memory,
        )

    def _clipped(self, x: Array) -> Array:
        return x if self.clip is None else jnp.clip(x, -self.clip, self.clip)

    def _drive(self, state: State, x: Array) -> tuple[State, Array, Array]:
        """The controller's new state and output, and the flat interface vector it asks for."""
        state, hidden = self.controller.step(state, x)
        hidden = self._clipped(hidden)
        flat = self.interface(hidden)
        return state, hidden, flat if self.norm is None else self.norm(flat)

    def _control(self, state: MemoryCellState, x: Array) -> tuple[State, Array, Any]:
        """The controller's new state and output, and the interface it asks for."""
        reads = state.reads.reshape(*state.reads.shape[:-2], -1)
        seen = jnp.concatenate([x, reads], axis=-1)
        controller, hidden, flat = self._drive(state.controller, seen)
        return controller, hidden, self.memory.interface(flat)

    def _think(self, state: MemoryCellState, x: Array) -> tuple[MemoryCellState, Array]:
        """A step up to the readout: the controller's output joined to the reads."""
        controller, hidden, interface = self._control(state, x)
        memory, reads = self.memory.step(self.memory.notice(state.memory, x), interface)
        state = state._replace(controller=controller, memory=memory, reads=reads)
        return state, jnp.concatenate([hidden, reads.reshape(*reads.shape[:-2], -1)], axis=-1)

    def _answer(self, passed: Array, reads: Array) -> Array:
        """The output, from what the bypass let through and the reads."""
        return self._clipped(self.readout(jnp.concatenate([passed, reads], axis=-1)))

    def step(
        self, state: MemoryCellState, x: Float[Array, "*batch features"]
    ) -> tuple[MemoryCellState, Float[Array, "*batch outputs"]]:
        """Control, write, read, answer."""
        after, thought = self._think(state, x)
        hidden, reads = jnp.split(thought, [self._hidden_size], axis=-1)
        bypass, passed = self.bypass.step(state.bypass, hidden)
        return after._replace(bypass=bypass), self._answer(passed, reads)

    def unroll(
        self,
        state: MemoryCellState,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[MemoryCellState, Float[Array, "time *batch outputs"]]:
        """As `Cell.unroll`, with the readout of all steps in one product.

        An `Unrollable` memory without parameters, and not to begin anew on the way, is unrolled
        with a gradient of its own (reverse mode only).
        """
        learned = jax.tree.leaves(eqx.filter(self.memory, eqx.is_array))
        if isinstance(self.memory, Unrollable) and starts is None and not learned:
            after, thoughts = self._unrolled(self.memory, state, xs, mask)
        else:
            after, thoughts = scan(_Thinking(self), state, xs, mask=mask, starts=starts)
        hidden, reads = jnp.split(thoughts, [self._hidden_size], axis=-1)
        if isinstance(state.bypass, DropoutState):
            bypass, hidden = self.bypass.unroll(state.bypass, hidden, mask=mask, starts=starts)
            after = after._replace(bypass=bypass)
        ys = self._answer(hidden, reads)
        return after, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))

    @property
    def _hidden_size(self) -> int:
        return self.readout.weight.shape[1] - self.memory.read_heads * self.memory.width

    def _unrolled(
        self, memory: Unrollable, state: MemoryCellState, xs: Array, mask: Array | None
    ) -> tuple[MemoryCellState, Array]:
        """`_think` over all steps, by the memory itself, which knows one batch axis."""
        batch = xs.shape[1:-1]
        lanes = math.prod(batch)
        walk = Walk(state.controller, state.memory, state.reads)
        walk = jax.tree.map(lambda x: x.reshape(lanes, *x.shape[len(batch) :]), walk)
        flat_xs, flat_mask = jax.tree.map(
            lambda x: x.reshape(xs.shape[0], lanes, *x.shape[1 + len(batch) :]), (xs, mask)
        )
        walk, given, reads = memory.unroll(_Driver(self), walk, flat_xs, flat_mask)
        walk = jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), walk)
        thoughts = jnp.concatenate(
            [given[..., : self._hidden_size], reads.reshape(*reads.shape[:2], -1)], axis=-1
        )
        thoughts = thoughts.reshape(xs.shape[0], *batch, -1)
        return state._replace(**walk._asdict()), thoughts

    def restart(self, state: MemoryCellState, batch: tuple[int, ...]) -> MemoryCellState:
        """A fresh memory; random streams go on."""
        return self.initial_state(batch)._replace(
            controller=self.controller.restart(state.controller, batch),
            memory=self._typed(self.memory.restart(state.memory, batch)),
            bypass=self.bypass.restart(state.bypass, batch),
        )

    def penalty(self, state: MemoryCellState) -> Array:
        """The controller's penalty."""
        return self.controller.penalty(state.controller)

    def metrics(self, state: MemoryCellState) -> dict[str, Array]:
        """The controller's and the memory's, added up where they have the same name."""
        controller, memory = self.controller, self.memory
        return summed([controller.metrics(state.controller), memory.metrics(state.memory)])

    def shown(self, state: MemoryCellState) -> MemoryCellState:
        """What the controller and the memory show of their states."""
        return state._replace(
            controller=self.controller.shown(state.controller),
            memory=self.memory.shown(state.memory),
        )

    def observe(self, state: MemoryCellState, x: Array) -> dict[str, Any]:
        """The interface's named fields, and what the memory has to show of the step."""
        _, _, interface = self._control(state, x)
        memory = self.memory.notice(state.memory, x)
        return {
            "interface": interface._asdict(),
            "memory": self.memory.observe(memory, interface),
        }


def joined(
    owner: str,
    memory: Memory,
    input_size: int,
    output_size: int,
    *,
    controller: str | Callable[..., Cell],
    controller_size: int,
    controller_layers: int,
    key: PRNGKeyArray,
    **options: Any,
) -> MemoryCell:
    """The memory under a controller, which is built to see the input and what was read last.

    `options` are those of `MemoryCell`. **Raises:** `UserError`, which `owner` is named in, if a
    size is below 1; and as `build_controller` and `MemoryCell` do.
    """
    at_least(owner, 1, input_size=input_size, output_size=output_size)
    controller_key, rest = jax.random.split(key)
    network = build_controller(
        controller,
        input_size + memory.read_heads * memory.width,
        controller_size,
        controller_layers,
        key=controller_key,
    )
    return MemoryCell(network, memory, output_size, key=rest, **options)
