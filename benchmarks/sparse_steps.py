"""Training steps of sparse access memory by the number of slots: time and memory.

    python benchmarks/sparse_steps.py [--slots 1000 1000000] [--batch 1 8] [--lookup exact]

Each row is a network as in the paper's figure: an LSTM of 100 units, 4 heads, words of 32 numbers,
K = 4 rows a head. One call goes forward and backward over a sequence, the mean of the squared
outputs differentiated by the weights, and hands the memory on to the next call, which changes it in
place; so making an empty memory, which takes time in proportion to its slots, is not part of it and
is shown in a column of its own. The time of a step is the median call over the steps. `extra` is
what the compiled program takes beside its arguments and results: all that the gradient keeps.
`--lookup stub` finds rows that do not depend on what is in them, at no cost: the time of all but
the look-up. The process is bound to `--threads` cores (on Linux).
"""

import os
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pairs
from jaxtyping import Array

from tapehead import SAM, MemoryCell
from tapehead.memory.lookup import Lookup

KEY = jax.random.key(0)
MIB = 2**20


class Stub(Lookup):
    """Rows anywhere in the memory, found at no cost."""

    def empty(self, lanes: int, slots: int, width: int) -> tuple[()]:
        """No index."""
        return ()

    def update(self, index: Any, slots: Array, rows: Array, mask: Array) -> Any:
        """Nothing to be done."""
        return index

    def find(self, index: Any, memory: Array, keys: Array, count: int) -> tuple[Array, Array]:
        """Slots in a row from one that the key's first number names."""
        first = jnp.abs(1e4 * keys[..., :1]).astype(jnp.int32) * 7919
        slots = (first + jnp.arange(count, dtype=jnp.int32)) % memory.shape[1]
        return slots, jnp.ones(slots.shape, bool)


def training_step(model: MemoryCell, state: Any, xs: Array) -> Any:
    """One compiled call: from weights, state and inputs to gradients and the last state."""
    arrays, static = eqx.partition(model, eqx.is_inexact_array)

    @partial(jax.jit, donate_argnums=1)
    def step(arrays: Any, state: Any, xs: Array) -> Any:
        def loss(arrays: Any) -> tuple[Array, Any]:
            last, ys = eqx.combine(arrays, static).unroll(state, xs)
            return jnp.mean(ys**2), last

        return jax.grad(loss, has_aux=True)(arrays)

    return step.lower(arrays, state, xs).compile()


def row(slots: int, batch: int, steps: int, lookup: str, repeats: int) -> str:
    """The measurements of one size."""
    made = Stub() if lookup == "stub" else lookup
    model = SAM(8, 8, slots=slots, lookup=made, key=KEY)
    begin = jax.jit(partial(model.initial_state, (batch,)))
    states = []

    def empty() -> None:
        states[:] = [jax.block_until_ready(begin())]

    empty()
    making = pairs.seconds(empty)
    xs = jax.random.normal(KEY, (steps, batch, 8))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(states[0]))
    program = training_step(model, states[0], xs)
    arrays = eqx.filter(model, eqx.is_inexact_array)

    def step() -> None:
        states[0] = jax.block_until_ready(program(arrays, states[0], xs))[1]

    times = [pairs.seconds(step) for _ in range(repeats + pairs.WARM)][pairs.WARM :]
    low, middle, high = 1e6 * np.percentile(times, (25, 50, 75)) / steps
    extra = program.memory_analysis().temp_size_in_bytes
    return (
        f"{slots:>9,}  {batch:>5}  {middle:>9,.0f}  {low:,.0f} to {high:,.0f}  "
        f"{extra / MIB:>9.2f}  {size / MIB:>10.1f}  {1000 * making:>9.1f}"
    )


def main() -> None:
    parser = pairs.options(__doc__, repeats=7)
    parser.add_argument("--slots", type=int, nargs="+", default=[10**k for k in (3, 4, 5, 6)])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--steps", type=int, default=100, help="steps (default: 100)")
    parser.add_argument("--lookup", default="exact", help="exact, lsh or stub (default: exact)")
    options = parser.parse_args()
    pairs.bind(options.threads)
    print(f"jax {jax.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{options.lookup}; µs a step and quartiles; MiB extra; MiB of memory; ms to make it")
    for batch in options.batch:
        for slots in options.slots:
            print(row(slots, batch, options.steps, options.lookup, options.repeats), flush=True)


if __name__ == "__main__":
    main()
