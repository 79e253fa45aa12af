"""What a hashing index finds of the rows that are most like a key, and what that costs.

    python benchmarks/hashing_recall.py [--threads 2] [--repeats 10] [--lanes 1]
        [--slots 1000 10000 100000 1000000] [--settings TABLES BITS PLACES OPEN KEPT]

Rows of 32 numbers point anywhere (random), or lie around centres, one for every 50 rows, half as
far from them as these are from the origin (clustered). Keys are stored rows with noise of 10, 30
or 50 percent of their length, 100 keys each. Columns:

- settings: those of `Hashing.suited`, or of `--settings`, which may be given several times;
- found: the share of the 4 rows with the largest cosine that are found;
- own 10, 30, 50: the share of keys whose own row is among the 4 that are found, by noise;
- valid: how many rows a key is compared with, on average;
- evicted: what full buckets pushed out, as a share of rows and tables;
- MiB: the size of the index; the memory's is 122 MiB for a million rows;
- step: microseconds for writing 20 new rows and finding the nearest 4 rows of 4 keys, in each of
  `--lanes` memories, in a compiled scan; the least of the repeats.

The last line of every size is the same with one product with all rows (exact). The process is
bound to `--threads` cores (on Linux).
"""

import os
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


def microseconds(
    hashing: Hashing | None, index: HashIndex | None, memory: jax.Array, repeats: int
) -> float:
    """The time of a step that writes and looks up; without hashing by looking at all rows."""
    lanes, slots = memory.shape[:2]
    written = jax.random.randint(jax.random.key(0), (STEPS, lanes, ROWS), 0, slots // ROWS)
    written = written * ROWS + jnp.arange(ROWS)
    rows = jax.random.normal(jax.random.key(1), (STEPS, lanes, ROWS, WIDTH))
    keys = jax.random.normal(jax.random.key(2), (STEPS, lanes, HEADS, WIDTH))
    mask = jnp.ones((lanes, ROWS), bool)
    write = jax.vmap(lambda memory, slots, rows: memory.at[slots].set(rows))

    def step(state, inputs):
        index, memory = state
        slots, rows, keys = inputs
        memory = write(memory, slots, rows)
        if hashing is None:
            lengths = jax.lax.rsqrt(jnp.sum(memory**2, axis=-1))
            scores = jnp.einsum("bnw,bhw->bhn", memory, keys) * lengths[:, None]
            return (index, memory), jax.lax.top_k(scores, COUNT)[1]
        index = hashing.update(index, slots, rows, mask)
        found, _ = nearest(memory, keys, *hashing.candidates(index, keys), COUNT)
        return (index, memory), found

    run = jax.jit(lambda state, inputs: jax.lax.scan(step, state, inputs), donate_argnums=0)
    state = index, memory

    def through() -> None:
        nonlocal state
        state, _ = jax.block_until_ready(run(state, (written, rows, keys)))

    through()
    return min(pairs.seconds(through) for _ in range(repeats)) / STEPS * 1e6


def main() -> None:
    parser = pairs.options(__doc__, repeats=10)
    parser.add_argument("--slots", type=int, nargs="+", default=[10**n for n in (3, 4, 5, 6)])
    parser.add_argument("--lanes", type=int, default=1, help="memories at once (default: 1)")
    parser.add_argument("--settings", type=int, nargs=5, action="append", help="see above")
    options = parser.parse_args()
    pairs.bind(options.threads)
    print(f"jax {jax.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    names = ["found", *(f"own {noise}" for noise in NOISES), "valid", "evicted", "MiB", "step"]
    print(f"{'slots':>8} {'rows':>9} {'settings':>13}", *(f"{name:>7}" for name in names))
    for slots in options.slots:
        for kind in ("random", "clustered"):
            rng = np.random.default_rng(0)
            rows = drawn(kind, slots, rng)
            own = rng.integers(slots, size=(len(NOISES), KEYS))
            keys = [nearby(rows[own], noise, rng) for own, noise in zip(own, NOISES, strict=True)]
            keys = np.concatenate(keys)
            best = most_alike(rows, keys)
            many = np.broadcast_to(rows, (options.lanes, *rows.shape))
            for settings in options.settings or [None]:
                hashing = Hashing.suited(slots, WIDTH)
                if settings is not None:
                    hashing = Hashing(WIDTH, *settings)
                index = filled(hashing, hashing.empty(1, slots), jnp.asarray(rows))
                found, valid = looked_up(hashing, index, jnp.asarray(rows), jnp.asarray(keys))
                among = [
                    np.isin(best, found).mean() for best, found in zip(best, found, strict=True)
                ]
                owns = np.any(found == own.reshape(-1, 1), axis=1).reshape(own.shape)
                evicted = int(index.evicted[0]) / slots / hashing.tables
                size = sum(leaf.nbytes for leaf in jax.tree.leaves(index)) / 2**20
                index = jax.tree.map(lambda x: jnp.repeat(x, options.lanes, axis=0), index)
                step = microseconds(hashing, index, jnp.asarray(many), options.repeats)
                used = (hashing.tables, hashing.bits, hashing.places, hashing.open_bits)
                shares = (np.mean(among), *np.mean(owns, axis=1))
                print(
                    f"{slots:8} {kind:>9} {'/'.join(map(str, (*used, hashing.kept))):>13}",
                    *(f"{share:7.2f}" for share in shares),
                    f"{valid.mean():7.0f} {evicted:7.3f} {size:7.1f} {step:7.0f}",
                    flush=True,
                )
        step = microseconds(None, None, jnp.asarray(many), options.repeats)
        print(f"{slots:8} {kind:>9} {'exact':>13} {step:63.0f}", flush=True)


if __name__ == "__main__":
    main()
