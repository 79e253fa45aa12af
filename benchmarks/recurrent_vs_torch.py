"""Training steps of LSTM and GRU: tapehead beside torch.nn, in one process.

    python benchmarks/recurrent_vs_torch.py [--threads 2] [--repeats 20]

Each step is forward and backward over a whole sequence from a zero state: the mean of the squared
outputs, differentiated by the weights. The repeats are interleaved, so that what else the machine
does falls on both alike; the ratio is PyTorch's time over ours, the median over the pairs, with
the quartiles beside it. Times are medians in milliseconds.

Threads: PyTorch gets `--threads` of them (`torch.set_num_threads`). XLA has no such option on the
CPU: it takes one a core that the process may run on, so this process is first bound to that many
cores (on Linux), which holds for both. Run it on an otherwise idle machine: on a loaded one
PyTorch's threads wait for each other while spinning, which makes it look far slower than it is.
"""

import os
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pairs
import torch

from tapehead.cell import run
from tapehead.cells import GRU, LSTM

SHAPES = (
    (32, 100, 64, 128),
    (64, 28, 28, 128),
    (32, 784, 1, 128),
    (32, 200, 256, 256),
    (16, 50, 8, 100),
)
KINDS = {"LSTM": LSTM, "GRU": GRU}


def ours(kind: str, xs: np.ndarray, hidden: int) -> Callable[[], object]:
    """A training step of tapehead."""
    cell = KINDS[kind](xs.shape[-1], hidden, key=jax.random.key(0))
    inputs = jnp.asarray(xs)
    step = jax.jit(jax.value_and_grad(lambda cell, xs: jnp.mean(run(cell, xs) ** 2)))
    return lambda: jax.block_until_ready(step(cell, inputs))


def theirs(kind: str, xs: np.ndarray, hidden: int) -> Callable[[], object]:
    """A training step of PyTorch."""
    network = getattr(torch.nn, kind)(xs.shape[-1], hidden)
    inputs = torch.tensor(xs)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        network(inputs)[0].square().mean().backward()

    return step


def main() -> None:
    options = pairs.options(__doc__, repeats=20).parse_args()
    pairs.bind(options.threads)
    torch.set_num_threads(options.threads)
    print(
        f"jax {jax.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{options.repeats} pairs, load before {os.getloadavg()[0]:.1f}"
    )
    print(f"{'B, T, I, H':>20}  {'':4}  {'tapehead':>9}  {'torch':>9}  {'ratio':>5}  quartiles")
    for kind in KINDS:
        ratios = []
        for batch, length, inputs, hidden in SHAPES:
            shape = (length, batch, inputs)
            xs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            found = pairs.paired(ours(kind, xs, hidden), theirs(kind, xs, hidden), options.repeats)
            ratios.append(found.ratio)
            name = ", ".join(map(str, (batch, length, inputs, hidden)))
            print(f"{name:>20}  {kind:4}  {found.row()}")
        mean = np.exp(np.mean(np.log(ratios)))
        print(f"{'geometric mean':>20}  {kind:4}  {'':9}  {'':9}  {mean:5.2f}", flush=True)


if __name__ == "__main__":
    main()
