"""`check_memory`: what every external memory must hold to."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tapehead.cell import select
from tapehead.memory.cell import MemoryCell
from tapehead.memory.controller import FeedForward
from tapehead.memory.memory import Memory, MemoryState

STEPS = 3
"""Steps of a check: enough for what is written to be read, and moved on."""


def check_memory(memory: Memory, *, extreme: float = 1e4) -> None:
    """Check that `memory` keeps the protocol that cells, learning rules and inspection rely on.

    - States, interfaces and reads lead with any batch axes, none included, and keep their
      structure, shapes and types from step to step; in float64 too.
    - A lane of a batch, a lane under `vmap` and a sequence by itself give the same numbers; a step
      is a function of its arguments alone. All of this under `jit`.
    - Values and gradients are finite from the first step on, for the initial and the all-zero
      state, whatever the controller says: nothing at all, and numbers of the size of `extreme`.
    - What it shows to inspection are arrays, by name.
    - In a `MemoryCell` padding leaves the state as it was, and a new sequence begins afresh.

    **Arguments:**

    - `memory`: the memory; small sizes make a quick check.
    - `extreme`: how large the interface vector's numbers may become.

    **Raises:** `AssertionError` that says what does not hold.
    """
    assert memory.interface_size >= 1, f"interface_size: {memory.interface_size}"
    check_shapes(memory)
    check_lanes(memory)
    check_finite(memory, extreme)
    check_float64(memory)
    check_observe(memory)
    check_in_cell(memory)


BATCH = (2, 3)
"""Batch axes of a check."""


def interfaces(memory: Memory, batch: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """Random flat interface vectors, `(STEPS, *batch, interface_size)`."""
    shape = (STEPS, *batch, memory.interface_size)
    return np.random.default_rng(0).normal(scale=scale, size=shape).astype(np.float32)


def unroll(memory: Memory, state: MemoryState, flats: Any) -> tuple[MemoryState, Array]:
    """The last state and all reads, from step to step as in a network."""

    def step(state: MemoryState, flat: Array) -> tuple[MemoryState, Array]:
        return memory.step(state, memory.interface(flat))

    return jax.lax.scan(step, state, flats)


jitted_unroll = jax.jit(unroll)


@jax.jit
def values_and_gradients(memory: Memory, state: MemoryState, flats: Any) -> Any:
    """What `unroll` gives, and the gradients of its sum by memory, state and interfaces."""
    moving, still = split(state)

    def value(memory: Memory, moving: list[Array], flats: Any) -> tuple[Array, Any]:
        after, reads = unroll(memory, join(state, moving, still), flats)
        held = [jnp.sum(leaf) for leaf in split(after)[0]]
        return jnp.sum(reads) + sum(held), (after, reads)

    gradients, values = jax.grad(value, (0, 1, 2), has_aux=True)(memory, moving, flats)
    return values, gradients


def in_numpy(tree: Any) -> Any:
    """The same in NumPy, which compiles nothing for what is looked at."""
    return jax.tree.map(np.asarray, tree)


def check_shapes(memory: Memory) -> None:
    """Batch axes lead everywhere, and a step keeps the state's structure, shapes and types."""
    for batch in ((), (3,), (2, 3)):
        state = memory.initial_state(batch)
        flat = jnp.asarray(interfaces(memory, batch)[0])
        interface = jax.eval_shape(memory.interface, flat)
        for name, tree in (("state", state), ("interface", interface)):
            for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                assert leaf.shape[: len(batch)] == batch, (
                    f"{name}{jax.tree_util.keystr(path)}: shape {leaf.shape}, batch axes {batch}"
                )
        reads = check_kept(memory, state, interface)
        expected = (*batch, memory.read_heads, memory.width)
        assert reads.shape == expected, f"reads: shape {reads.shape}, expected {expected}"


def check_kept(memory: Memory, state: MemoryState, interface: Any) -> jax.ShapeDtypeStruct:
    """A step keeps the state's structure, shapes and types; returns the form of what it reads."""
    before = jax.eval_shape(lambda state: state, state)
    after, reads = jax.eval_shape(memory.step, state, interface)
    one, other = jax.tree.structure(before), jax.tree.structure(after)
    assert one == other, f"step: makes {other} of a state that was {one}"
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(after), jax.tree.leaves(before), strict=True
    ):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), (
            f"state{jax.tree_util.keystr(path)}: {b.dtype}{b.shape} before a step, "
            f"{a.dtype}{a.shape} after it"
        )
    return reads


def assert_close(what: str, one: Any, other: Any, tolerance: float = 1e-4) -> None:
    """Two trees of arrays are alike."""
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True
    ):
        name = f"{what}{jax.tree_util.keystr(path)}"
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


def check_lanes(memory: Memory) -> None:
    """A batch, `vmap` and one sequence at a time agree."""
    flats = interfaces(memory, BATCH)
    together, again = (
        in_numpy(values_and_gradients(memory, memory.initial_state(BATCH), flats)[0])
        for _ in range(2)
    )
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(again), strict=True):
        assert np.array_equal(a, b), "step: the same arguments gave two results"
    mapped = jax.jit(jax.vmap(unroll, in_axes=(None, 0, 1), out_axes=(0, 1)))(
        memory, memory.initial_state(BATCH), flats
    )
    assert_close("vmap: ", mapped, together)
    alone = jitted_unroll(memory, memory.initial_state(()), flats[:, 1, 2])
    lane = (jax.tree.map(lambda leaf: leaf[1, 2], together[0]), together[1][:, 1, 2])
    assert_close("one sequence by itself: ", alone, lane)


def check_finite(memory: Memory, extreme: float) -> None:
    """No infinity and no NaN, in values and gradients."""
    random = interfaces(memory, BATCH)
    signs = np.sign(random)
    start = in_numpy(memory.initial_state(BATCH))
    zero = jax.tree.map(np.zeros_like, start)
    inputs = {
        "an interface of zeros": 0 * random,
        "a random interface": random,
        f"an interface of ±{extreme:g}": extreme * signs,
        f"an interface of {extreme:g}": extreme * np.ones_like(random),
        f"an interface of {-extreme:g}": -extreme * np.ones_like(random),
        f"an interface of zeros and ±{extreme:g}": extreme * signs * (random > 0.5),
    }
    for place, state in (("the initial state", start), ("an all-zero state", zero)):
        for name, flats in inputs.items():
            values, gradients = values_and_gradients(memory, state, flats)
            for kind, tree in (("value", values), ("gradient", gradients)):
                for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
                    assert np.all(np.isfinite(leaf)), (
                        f"{kind}{jax.tree_util.keystr(path)}: not finite for {name}, "
                        f"{STEPS} steps from {place}"
                    )


def split(tree: Any) -> tuple[list[Array], list[bool]]:
    """The floating leaves of a tree, and which of all leaves these are."""
    leaves = jax.tree.leaves(tree)
    floating = [bool(jnp.issubdtype(leaf.dtype, jnp.floating)) for leaf in leaves]
    return [leaf for leaf, f in zip(leaves, floating, strict=True) if f], floating


def join(tree: Any, moving: list[Array], floating: list[bool]) -> Any:
    """`tree` with its floating leaves replaced."""
    rest = iter(moving)
    leaves = [
        next(rest) if f else leaf for leaf, f in zip(jax.tree.leaves(tree), floating, strict=True)
    ]
    return jax.tree.unflatten(jax.tree.structure(tree), leaves)


def check_float64(memory: Memory) -> None:
    """With parameters, state and interface in float64, so is everything; the numbers agree."""
    flats = interfaces(memory, BATCH)
    # Of slots that are alike, as at the beginning, rounding may choose others; so these are not.
    fresh = in_numpy(memory.initial_state(BATCH))
    moving, floating = split(fresh)
    generator = np.random.default_rng(1)
    moved = [leaf + generator.uniform(0, 0.1, leaf.shape).astype(leaf.dtype) for leaf in moving]
    start = join(fresh, moved, floating)
    single, _ = values_and_gradients(memory, start, flats)
    with jax.enable_x64(True):

        def widen(tree: Any) -> Any:
            moving, floating = split(tree)
            return join(tree, [leaf.astype(np.float64) for leaf in moving], floating)

        wide, state = widen(memory), widen(start)
        flats = flats.astype(np.float64)
        check_kept(wide, state, jax.eval_shape(wide.interface, flats[0]))
        double = jitted_unroll(wide, state, flats)
        reads = double[1]
        assert reads.dtype == jnp.float64, f"reads: {reads.dtype}, all else in float64"
        assert_close("float64: ", single, double)


def check_observe(memory: Memory) -> None:
    """A dictionary of finite arrays that lead with the batch axes, or of further such ones."""

    @jax.jit
    def observe(state: MemoryState, flat: Array) -> dict[str, Any]:
        return memory.observe(state, memory.interface(flat))

    seen = observe(memory.initial_state(BATCH), interfaces(memory, BATCH)[0])
    assert isinstance(seen, dict), f"observe: expected a dictionary, got {type(seen).__name__}"

    def check(shown: dict[str, Any], path: str) -> None:
        for name, value in shown.items():
            here = f"{path}[{name!r}]"
            assert isinstance(name, str), f"{here}: names must be strings"
            if isinstance(value, dict):
                check(value, here)
                continue
            for leaf in jax.tree.leaves(value):
                assert leaf.shape[:2] == BATCH, f"{here}: shape {leaf.shape}, batch axes {BATCH}"
                assert np.all(np.isfinite(leaf)), f"{here}: not all finite"

    check(seen, "observe")


def check_in_cell(memory: Memory) -> None:
    """In a `MemoryCell`, padding holds the state and a start resets it."""
    inputs, size, batch = 3, 5, (2,)
    keys = jax.random.split(jax.random.key(0))
    controller = FeedForward(inputs + memory.read_heads * memory.width, size, key=keys[0])
    cell = MemoryCell(controller, memory, 2, key=keys[1])
    xs = np.random.default_rng(0).normal(size=(STEPS, *batch, inputs)).astype(np.float32)
    unroll = jax.jit(
        lambda state, xs, mask, starts: cell.unroll(state, xs, mask=mask, starts=starts)
    )
    here = np.ones((STEPS, *batch), bool)
    state, ys = in_numpy(unroll(in_numpy(cell.initial_state(batch)), xs, here, ~here))
    assert ys.shape == (STEPS, *batch, 2), f"outputs: shape {ys.shape}"

    kept, nothing = unroll(state, xs, ~here, ~here)
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(kept), jax.tree.leaves(state), strict=True
    ):
        assert np.array_equal(a, b), f"padding: changed state{jax.tree_util.keystr(path)}"
    assert not np.any(nothing), "padding: outputs must be zero"

    starts = ~here
    starts[0] = True
    assert_close("a new sequence: ", unroll(state, xs, here, starts), (state, ys))
    mixed = np.array([True, False])
    half, _ = unroll(state, xs, here & mixed, ~here)
    moved, _ = unroll(state, xs, here, ~here)
    assert_close("one lane padded: ", half, jax.jit(select)(mixed, moved, state))
