"""Training steps of the linear recurrences beside our LSTM, in one process.

    python benchmarks/linear_vs_lstm.py [--threads 2] [--repeats 10] [--steps 784]

Each step is forward and backward over a whole sequence from a zero state: the mean of the squared
outputs, differentiated by the weights, at batch 32, one input and 128 units. The repeats are
interleaved; the ratio is the LSTM's time over the other's, the median over the pairs, with the
quartiles beside it. The last row is h_t = a_t h_{t−1} + b_t alone, gone through in turn and, in the
second column, by `jax.lax.associative_scan`. The process is bound to `--threads` cores (on Linux).
"""

import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pairs

from tapehead import LRU, LSTM, MLSTM, S5, Cell, Linear, MinGRU, MinLSTM, SelectiveSSM
from tapehead.cell import Chain
from tapehead.cells.linear_recurrence import at_once, in_turn

BATCH, UNITS = 32, 128
KEY = jax.random.key(0)
CELLS = {
    "MinGRU": lambda: MinGRU(1, UNITS, key=KEY),
    "MinLSTM": lambda: MinLSTM(1, UNITS, key=KEY),
    "LRU": lambda: LRU(1, UNITS, modes=UNITS, key=KEY),
    "S5, 64 modes": lambda: S5(1, UNITS, modes=64, key=KEY),
    "SelectiveSSM, 16 modes": lambda: Chain(
        Linear(1, UNITS, key=KEY), SelectiveSSM(UNITS, modes=16, key=KEY)
    ),
    "MLSTM, 8 heads": lambda: MLSTM(1, UNITS, heads=8, key=KEY),
}


def training_step(cell: Cell, xs: np.ndarray) -> Callable[[], object]:
    """One training step of `cell`."""

    @jax.jit
    @jax.value_and_grad
    def step(cell: Cell, xs: jax.Array) -> jax.Array:
        return jnp.mean(cell.unroll(cell.initial_state(xs.shape[1:-1]), xs)[1] ** 2)

    inputs = jnp.asarray(xs)
    return lambda: jax.block_until_ready(step(cell, inputs))


def recurrence(through: Callable[..., jax.Array], steps: int) -> Callable[[], object]:
    """Forward and backward of the bare recurrence."""
    a = jax.random.uniform(KEY, (steps, BATCH, UNITS))
    b, before = jnp.ones_like(a), jnp.zeros((BATCH, UNITS))
    step = jax.jit(jax.grad(lambda a, b: jnp.sum(through(a, b, before) ** 2), argnums=(0, 1)))
    return lambda: jax.block_until_ready(step(a, b))


def main() -> None:
    parser = pairs.options(__doc__, repeats=10)
    parser.add_argument("--steps", type=int, default=784, help="steps (default: 784)")
    options = parser.parse_args()
    pairs.bind(options.threads)
    print(f"jax {jax.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'':>22}  {'ours':>9}  {'LSTM':>9}  {'ratio':>5}  quartiles")
    shape = (options.steps, BATCH, 1)
    xs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    lstm = training_step(LSTM(1, UNITS, key=KEY), xs)
    for name, make in CELLS.items():
        found = pairs.paired(training_step(make(), xs), lstm, options.repeats)
        print(f"{name:>22}  {found.row()}", flush=True)
    bare = (recurrence(through, options.steps) for through in (in_turn, at_once))
    print(f"{'in turn, at once':>22}  {pairs.paired(*bare, options.repeats).row()}")


if __name__ == "__main__":
    main()
