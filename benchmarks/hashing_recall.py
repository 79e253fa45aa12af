"""What a hashing index finds of the rows that are most like a key, and what it costs.

    python benchmarks/hashing_recall.py [--threads 2] [--repeats 5] [--slots 1000 ... 1000000]

Rows of 32 numbers are drawn at random, or around centres of which there is one for every 50 rows,
at a distance of half a centre's length. Keys are rows that are stored, with noise of 10 to 50
percent of their length. Columns:

- the settings: `Hashing.suited`, or those of `--settings tables bits places open_bits kept`;
- found: of the 4 rows with the largest cosine the share that the index finds too;
- own 10, 30, 50: the share of keys whose own row is found, by percent of noise;
- valid: rows whose cosine is formed for a key, on average;
- evicted: pushed out of full buckets, as a share of rows and tables;
- MiB: the size of the index;
- step: microseconds for 20 new rows, 4 look-ups, and the 4 nearest rows of each, every lane the
  same, in a compiled scan; exact: the same without an index, by one product with all rows.

The process is bound to `--threads` cores (on Linux).
"""

import os
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pairs

from tapehead.memory.hashing import HashIndex, Hashing
from tapehead.memory.nearest import nearest

WIDTH, ROWS, HEADS, COUNT, STEPS = 32, 20, 4, 4, 100
NOISES = (10, 30, 50)
KEYS = 100
"""For every noise."""


def drawn(kind: str, slots: int, rng: np.random.Generator) -> np.ndarray:
    """The rows of a memory."""
    rows = rng.normal(size=(slots, WIDTH)).astype(np.float32)
    if kind == "random":
        return rows
    centres = rng.normal(size=(slots // 50, WIDTH)).astype(np.float32)
    return centres[rng.integers(len(centres), size=slots)] + rows / 2


def nearby(rows: np.ndarray, percent: int, rng: np.random.Generator) -> np.ndarray:
    """Keys that lie so far from the rows, by their lengths."""
    noise = rng.normal(size=rows.shape).astype(np.float32)
    lengths = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (rows, noise))
    return rows + percent / 100 * next(lengths) / next(lengths) * noise


def most_alike(rows: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The slots of the rows with the largest cosine."""
    lengths = np.linalg.norm(rows, axis=-1)
    scores = (rows @ key / lengths for key in keys)
    return np.stack([np.argpartition(-score, COUNT)[:COUNT] for score in scores])


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def filled(hashing: Hashing, index: HashIndex, rows: jax.Array) -> HashIndex:
    """The index of these rows."""
    mask = jnp.ones((1, ROWS), bool)

    def step(index: HashIndex, begin: jax.Array) -> tuple[HashIndex, None]:
        slots = (begin + jnp.arange(ROWS, dtype=jnp.int32))[None]
        return hashing.update(index, slots, rows[slots], mask), None

    return jax.lax.scan(step, index, jnp.arange(0, len(rows), ROWS, jnp.int32))[0]


@partial(jax.jit, static_argnums=0)
def looked_up(
    hashing: Hashing, index: HashIndex, rows: jax.Array, keys: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """What is found for keys, and how many candidates were valid."""
    candidates, valid = hashing.candidates(index, keys[None])
    slots, is_found = nearest(rows[None], keys[None], candidates, valid, COUNT)
    return jnp.where(is_found, slots, -1)[0], jnp.sum(valid, axis=-1)[0]


def steps(
    hashing: Hashing | None, index: HashIndex | None, memory: jax.Array
) -> Callable[[], object]:
    """So many steps that write and look up, each time in the same arrays."""
    lanes, slots = memory.shape[:2]
    key = jax.random.key(1)
    written = jax.random.randint(key, (STEPS, lanes, ROWS), 0, slots // ROWS)
    written = written * ROWS + jnp.arange(ROWS)
    rows = jax.random.normal(key, (STEPS, lanes, ROWS, WIDTH))
    keys = jax.random.normal(jax.random.key(2), (STEPS, lanes, HEADS, WIDTH))
    mask = jnp.ones((lanes, ROWS), bool)

    def step(state, inputs):
        index, memory = state
        slots, rows, keys = inputs
        write = jax.vmap(lambda memory, slots, rows: memory.at[slots].set(rows))
        memory = write(memory, slots, rows)
        if hashing is None:
            lengths = jax.lax.rsqrt(jnp.sum(memory**2, axis=-1))
            scores = jnp.einsum("bnw,bhw->bhn", memory, keys) * lengths[:, None]
            return (index, memory), jax.lax.top_k(scores, COUNT)[1]
        index = hashing.update(index, slots, rows, mask)
        found = nearest(memory, keys, *hashing.candidates(index, keys), COUNT)
        return (index, memory), found[0]

    run = jax.jit(lambda state, inputs: jax.lax.scan(step, state, inputs), donate_argnums=0)
    state = index, memory

    def through() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(run(state, (written, rows, keys)))

    return through


def main() -> None:
    parser = pairs.options(__doc__, repeats=5)
    parser.add_argument("--slots", type=int, nargs="+", default=[10**n for n in (3, 4, 5, 6)])
    parser.add_argument("--lanes", type=int, default=1, help="for the time (default: 1)")
    parser.add_argument("--settings", type=int, nargs=5, action="append")
    parser.add_argument("--untimed", action="store_true")
    options = parser.parse_args()
    pairs.bind(options.threads)
    print(f"jax {jax.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    columns = ["found", *(f"own {noise}" for noise in NOISES), "valid", "evicted"]
    columns += ["MiB", "step us", "exact us"]
    print(f"{'slots':>8} {'rows':>9} {'settings':>15}", *(f"{name:>8}" for name in columns))
    for slots in options.slots:
        settings = options.settings or [None]
        for kind in ("random", "clustered"):
            rng = np.random.default_rng(0)
            rows = drawn(kind, slots, rng)
            own = rng.integers(slots, size=len(NOISES) * KEYS)
            keys = [
                nearby(rows[own[i * KEYS :][:KEYS]], noise, rng) for i, noise in enumerate(NOISES)
            ]
            keys = np.concatenate(keys)
            best = most_alike(rows, keys)
            for setting in settings:
                hashing = (
                    Hashing.suited(slots, WIDTH) if setting is None else Hashing(WIDTH, *setting)
                )
                index = filled(hashing, hashing.empty(1, slots), jnp.asarray(rows))
                size = sum(leaf.nbytes for leaf in jax.tree.leaves(index)) / 2**20
                evicted = int(index.evicted[0]) / slots / hashing.tables
                found, valid = map(
                    np.asarray, looked_up(hashing, index, jnp.asarray(rows), jnp.asarray(keys))
                )
                shares = [np.mean([np.isin(a, b).mean() for a, b in zip(best, found, strict=True)])]
                owns = np.any(found == own[:, None], axis=1)
                shares += list(owns.reshape(len(NOISES), -1).mean(1))
                name = "/".join(
                    str(x)
                    for x in (
                        hashing.tables,
                        hashing.bits,
                        hashing.places,
                        hashing.open_bits,
                        hashing.kept,
                    )
                )
                print(
                    f"{slots:8} {kind:>9} {name:>15}",
                    *(f"{x:8.2f}" for x in shares),
                    f"{valid.mean():8.0f} {evicted:8.3f} {size:8.1f}",
                    end=" ",
                    flush=True,
                )
                if not options.untimed:
                    many = jnp.asarray(np.broadcast_to(rows, (options.lanes, *rows.shape)))
                    index = jax.tree.map(lambda x: jnp.repeat(x, options.lanes, axis=0), index)
                    through = steps(hashing, index, many)
                    through()
                    time = np.median([pairs.seconds(through) for _ in range(options.repeats)])
                    print(f"{time / STEPS * 1e6:8.0f}", end="")
                print(flush=True)


if __name__ == "__main__":
    main()
