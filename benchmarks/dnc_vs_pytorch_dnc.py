"""Training steps of a DNC: tapehead beside the `dnc` package (pytorch-dnc), in one process.

    pip install "tapehead[bench]"
    python benchmarks/dnc_vs_pytorch_dnc.py [--threads 2] [--repeats 20]

Each step is forward and backward over a whole sequence from an empty memory, at batch 16, 50
steps, 10 inputs, 10 outputs and 4 read heads: the mean of the squared outputs, differentiated by
the weights. Both have one LSTM layer as controller and one write head. The repeats are
interleaved, so that what else the machine does falls on both alike; the ratio is the package's
time over ours, the median over the pairs, with the quartiles beside it. Times are medians in
milliseconds.

Threads: PyTorch gets `--threads` of them (`torch.set_num_threads`). XLA has no such option on the
CPU: it takes one a core that the process may run on, so this process is first bound to that many
cores (on Linux), which holds for both. Run it on an otherwise idle machine: on a loaded one
PyTorch's threads wait for each other while spinning, which makes it look far slower than it is.
With `--plain` ours is differentiated through a plain scan, to show what its own gradient is worth.
"""

import os
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pairs

from tapehead.cell import scan
from tapehead.memory import DNC

try:
    import torch
    from dnc import DNC as PackageDNC
except ImportError as error:
    sys.exit(
        f"this benchmark needs PyTorch and the dnc package, but {error.name!r} is not installed: "
        'pip install "tapehead[bench]"'
    )

BATCH, LENGTH, FEATURES, READ_HEADS = 16, 50, 10, 4
SIZES = ((64, 16, 16), (64, 64, 16), (128, 128, 32))
"""Controller size, slots and width."""


def ours(xs: np.ndarray, hidden: int, slots: int, width: int, plain: bool) -> Callable[[], object]:
    """A training step of tapehead."""
    model = DNC(
        FEATURES,
        FEATURES,
        slots=slots,
        width=width,
        read_heads=READ_HEADS,
        controller_size=hidden,
        key=jax.random.key(0),
    )

    @jax.jit
    @jax.value_and_grad
    def step(model, xs):
        state = model.initial_state(xs.shape[1:-1])
        ys = (scan(model, state, xs) if plain else model.unroll(state, xs))[1]
        return jnp.mean(ys**2)

    inputs = jnp.asarray(xs)
    return lambda: jax.block_until_ready(step(model, inputs))


def theirs(xs: np.ndarray, hidden: int, slots: int, width: int) -> Callable[[], object]:
    """A training step of the package, which gives as many outputs as it takes inputs."""
    network = PackageDNC(
        FEATURES,
        hidden,
        rnn_type="lstm",
        num_layers=1,
        num_hidden_layers=1,
        nr_cells=slots,
        cell_size=width,
        read_heads=READ_HEADS,
        batch_first=True,
        gpu_id=-1,
    )
    inputs = torch.tensor(np.swapaxes(xs, 0, 1).copy())

    def step() -> None:
        network.zero_grad(set_to_none=True)
        outputs, _ = network(inputs, (None, None, None), reset_experience=True)
        outputs.square().mean().backward()

    return step


def main() -> None:
    parser = pairs.options(__doc__, repeats=20)
    parser.add_argument("--plain", action="store_true", help="differentiate ours as a plain scan")
    options = parser.parse_args()
    pairs.bind(options.threads)
    torch.set_num_threads(options.threads)
    print(
        f"jax {jax.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{options.repeats} pairs, load before {os.getloadavg()[0]:.1f}"
    )
    print(f"{'H, N, W':>12}  {'tapehead':>9}  {'dnc':>9}  {'ratio':>5}  quartiles")
    xs = np.random.default_rng(0).normal(size=(LENGTH, BATCH, FEATURES)).astype(np.float32)
    for size in SIZES:
        found = pairs.paired(ours(xs, *size, options.plain), theirs(xs, *size), options.repeats)
        print(f"{', '.join(map(str, size)):>12}  {found.row()}", flush=True)


if __name__ == "__main__":
    main()
