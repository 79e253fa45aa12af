"""What ending early saves: batches that halt after one sub-step beside such as take ten.

    python benchmarks/early_exit.py [--threads 2] [--repeats 10]

Both sides are one compiled program, adaptive computation time of at most 20 sub-steps around a
cell, at batch 32 over 20 steps of 32 numbers; only the halting unit's bias differs, so that all
sequences halt after one sub-step at every step, or all after ten. `forward` is the outputs,
`training` also the gradient of their mean square and the ponder cost. The repeats are interleaved;
the ratio is the time of ten sub-steps over that of one, the median over the pairs, with the
quartiles beside it. The process is bound to `--threads` cores (on Linux).
"""

import math
import os
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import pairs

from tapehead import DNC, GRU, LSTM, Cell, Ponder

BATCH, STEPS, INPUTS, TEN = 32, 20, 32, 10
KEY = jax.random.key(0)
CELLS = {
    "LSTM, 128 units": lambda: LSTM(INPUTS + 1, 128, key=KEY),
    "LSTM, 512 units": lambda: LSTM(INPUTS + 1, 512, key=KEY),
    "GRU, 128 units": lambda: GRU(INPUTS + 1, 128, key=KEY),
    "DNC, 16 slots": lambda: DNC(INPUTS + 1, INPUTS, slots=16, width=16, key=KEY),
}


def halting(cell: Cell, share: float) -> Ponder:
    """The cell pondering, with the same halting probability whatever comes."""
    pondering = Ponder(cell, max_steps=2 * TEN, key=KEY)
    bias = jnp.full(1, math.log(share / (1 - share)), jnp.float32)
    silent = jnp.zeros_like(pondering.halt.weight)
    return eqx.tree_at(lambda c: (c.halt.weight, c.halt.bias), pondering, (silent, bias))


def forward(cell: Ponder, xs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Something that all outputs and the ponder cost enter, and the sub-steps a step."""
    state, ys = cell.unroll(cell.initial_state((BATCH,)), xs)
    return jnp.mean(ys**2) + jnp.mean(cell.penalty(state)), jnp.mean(state.thoughts) / STEPS


def timed(step: Callable[..., object], cell: Ponder, xs: jax.Array) -> pairs.Step:
    """A call of `step` that ends when its results are there."""
    return lambda: jax.block_until_ready(step(cell, xs))


def main() -> None:
    options = pairs.options(__doc__, repeats=10).parse_args()
    pairs.bind(options.threads)
    print(f"jax {jax.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'':>15}  {'':>8}  {'one, ms':>9}  {'ten, ms':>9}  {'ratio':>5}  quartiles")
    xs = jax.random.normal(KEY, (STEPS, BATCH, INPUTS))
    steps = {
        "forward": eqx.filter_jit(forward),
        "training": eqx.filter_jit(eqx.filter_grad(forward, has_aux=True)),
    }
    for name, make in CELLS.items():
        one, ten = halting(make(), 0.999), halting(make(), 1 / TEN)
        for kind, step in steps.items():
            taken = [float(step(cell, xs)[1]) for cell in (one, ten)]
            assert taken == [1, TEN], taken
            found = pairs.paired(timed(step, one, xs), timed(step, ten, xs), options.repeats)
            print(f"{name:>15}  {kind:>8}  {found.row()}", flush=True)


if __name__ == "__main__":
    main()
