"""An index of rows by their direction, beside one of lists; and the nearest of a few candidates."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tapehead.errors import UserError
from tapehead.memory.hashing import Hashing
from tapehead.memory.nearest import nearest

LANES, SLOTS, ENTRIES, WIDTH, HEADS = 2, 6, 4, 3, 2
# More rows in a call than a bucket has places, and few buckets.
HASHING = Hashing(WIDTH, tables=3, bits=2, places=2, open_bits=1, kept=2)
update, candidates = jax.jit(HASHING.update), jax.jit(HASHING.candidates)
# Row 0 is in no bucket; of the others some share one.
POOL = np.random.default_rng(0).normal(size=(9, WIDTH)).astype(np.float32)
POOL[0], POOL[8] = 0, 3 * POOL[7]


def margins(vector):
    planes = HASHING._hyperplanes().astype(np.float32)
    return (vector @ planes).reshape(HASHING.tables, HASHING.bits)


def code(bits):
    return sum(2**place for place, bit in enumerate(bits) if bit)


def codes_of(row):
    return [code(side > 0) if row.any() else -1 for side in margins(row)]


class Lists:
    """One lane of the index, written plainly."""

    def __init__(self):
        self.buckets = {}
        self.filled = {}
        self.codes = {(slot, table): -1 for slot in range(SLOTS) for table in range(3)}
        self.evicted = 0

    def update(self, changes):
        """Changes: slots and their new rows."""
        new = {
            (slot, table): code
            for slot, row in changes
            for table, code in enumerate(codes_of(row))
            if code != self.codes[slot, table]
        }
        for slot, table in new:
            places = self.buckets.get((table, self.codes[slot, table]), [])
            if slot in places:
                places[places.index(slot)] = None
        entering = {}
        for (slot, table), bucket in new.items():
            self.codes[slot, table] = -1
            if bucket >= 0:
                entering.setdefault((table, bucket), []).append(slot)
        for at, slots in entering.items():
            self.enter(*at, slots)

    def enter(self, table, bucket, slots):
        size = HASHING.places
        places = self.buckets.setdefault((table, bucket), [None] * size)
        self.filled[table, bucket] = self.filled.get((table, bucket), 0) + len(slots)
        begin = self.filled[table, bucket] - min(len(slots), size)
        order = [(begin + turn) % size for turn in range(size)]
        order.sort(key=lambda place: places[place] is not None)
        self.evicted += max(len(slots) - size, 0)
        for place, slot in zip(order, slots[-size:], strict=False):
            if places[place] is not None:
                self.codes[places[place], table] = -1
                self.evicted += 1
            places[place] = slot
            self.codes[slot, table] = bucket

    def arrays(self):
        empty = [None] * HASHING.places
        tables, buckets = range(HASHING.tables), range(2**HASHING.bits)
        at = [[self.buckets.get((table, bucket), empty) for bucket in buckets] for table in tables]
        return SimpleNamespace(
            entries=np.array([[[-1 if s is None else s for s in b] for b in t] for t in at]),
            filled=np.array([[self.filled.get((t, b), 0) for b in buckets] for t in tables]),
            codes=np.array([[self.codes[slot, t] for t in tables] for slot in range(SLOTS)]),
            evicted=self.evicted,
        )

    def found(self, key):
        """The slots in the buckets near the key, and how far they are by their bits."""
        sides = margins(key)
        found = {}
        for table, side in enumerate(sides):
            nearest_plane = np.argmin(np.abs(side))
            for flip in (0, 2**nearest_plane):
                for slot in self.buckets.get((table, code(side > 0) ^ flip), []):
                    if slot is not None:
                        found[slot] = sum(
                            ((self.codes[slot, t] ^ code(s > 0)) & 3).bit_count()
                            for t, s in enumerate(sides)
                        )
        return found


changes = st.lists(
    st.tuples(st.integers(0, len(POOL) - 1), st.booleans()), min_size=ENTRIES, max_size=ENTRIES
)
step = st.lists(
    st.tuples(st.permutations(range(SLOTS)).map(lambda slots: slots[:ENTRIES]), changes),
    min_size=LANES,
    max_size=LANES,
)
# All at once into one bucket; all out again.
CROWD = [(range(ENTRIES), [(7, True)] * ENTRIES)] * LANES
LEAVE = [(range(ENTRIES), [(0, True)] * ENTRIES)] * LANES


@given(st.lists(step, min_size=1, max_size=8))
@example([CROWD, LEAVE, CROWD])
@example([CROWD, [((2, 4, 5, 3), [(8, True), (7, True), (7, True), (7, False)])] * LANES])
def test_rows_stand_where_lists_have_them(steps):
    index, lists = HASHING.empty(LANES, SLOTS), [Lists() for _ in range(LANES)]
    keys = np.stack([POOL[[7, 3]], POOL[[1, 5]] + POOL[[2, 6]]])
    for lanes in steps:
        slots = np.array([list(slots) for slots, _ in lanes], np.int32)
        rows = np.array([[POOL[row] for row, _ in changes] for _, changes in lanes])
        mask = np.array([[counts for _, counts in changes] for _, changes in lanes])
        for lane, plain in enumerate(lists):
            plain.update(
                [
                    (int(s), r)
                    for s, r, m in zip(slots[lane], rows[lane], mask[lane], strict=True)
                    if m
                ]
            )
        index = update(index, np.where(mask, slots, 99), rows, mask)
        for lane, plain in enumerate(lists):
            for name, expected in vars(plain.arrays()).items():
                np.testing.assert_array_equal(getattr(index, name)[lane], expected, name)
    found, valid = map(np.asarray, candidates(index, keys))
    assert found.shape == (LANES, HEADS, HASHING.found)
    assert np.all((found >= 0) & (found < SLOTS))
    for lane, plain in enumerate(lists):
        for head in range(HEADS):
            chosen = found[lane, head][valid[lane, head]].tolist()
            assert len(set(chosen)) == len(chosen)
            distances = plain.found(keys[lane, head])
            least = sorted(distances.values())[: HASHING.kept]
            assert set(chosen) == {s for s, d in distances.items() if d <= max(least, default=0)}


def test_what_full_buckets_push_out_is_counted():
    index = HASHING.empty(LANES, SLOTS)
    slots, mask = np.array([[0, 1, 2, 3]] * LANES, np.int32), np.ones((LANES, ENTRIES), bool)
    # Two of four rows in the same direction find a place in every table, the last ones.
    index = update(index, slots, np.broadcast_to(POOL[7], (LANES, ENTRIES, WIDTH)), mask)
    assert index.evicted.tolist() == [2 * HASHING.tables] * LANES
    assert np.all(np.asarray(index.codes[:, :2]) == -1)
    assert np.all(np.asarray(index.codes[:, 2:4]) >= 0)
    # A row as long as it likes in that direction is where it was; the others come in again.
    index = update(index, slots + 1, np.broadcast_to(POOL[8], (LANES, ENTRIES, WIDTH)), mask)
    assert index.evicted.tolist() == [4 * HASHING.tables] * LANES
    assert np.all(np.asarray(index.codes[:, [0, 2, 3, 5]]) == -1)


def test_a_scan_changes_the_index_in_place():
    slots = 1000
    hashing = Hashing(4, tables=2, bits=9, places=3, open_bits=1)

    def through(index, rows, keys):
        def step(index, inputs):
            rows, keys = inputs
            found, valid = hashing.candidates(index, keys)
            index = hashing.update(index, found[:, 0, :2], rows, valid[:, 0, :2])
            return index, found

        return jax.lax.scan(step, index, (rows, keys))

    for lanes in (1, 2):  # compiled differently: a batch axis of length one is taken away
        inputs = jnp.ones((3, lanes, 2, 4)), jnp.ones((3, lanes, 1, 4))
        arguments = hashing.empty(lanes, slots), *inputs
        compiled = jax.jit(through, donate_argnums=0).lower(*arguments).compile().as_text()
        copies = [line.split(" copy(")[0] for line in compiled.splitlines() if " copy(" in line]
        assert not [shape for shape in copies if "1000" in shape or "512" in shape]


@pytest.mark.parametrize("width", [5, 40])
def test_hyperplanes_of_a_table_are_at_right_angles(width):
    planes = Hashing(width, tables=2, bits=12, places=1)._hyperplanes()
    assert planes.shape == (width, 24)
    for table in planes.T.reshape(2, 12, width):
        for block in np.split(table, range(width, 12, width)):
            np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)
    other = Hashing(width, tables=2, bits=12, places=1, seed=1)._hyperplanes()
    assert not np.allclose(planes, other)


@pytest.mark.parametrize("slots", [1, 10, 1000, 10**6])
@pytest.mark.parametrize("width", [1, 4, 32])
def test_settings_are_suited_to_any_memory(slots, width):
    hashing = Hashing.suited(slots, width)
    assert hashing.width == width
    # Room for all rows, and an index that is not many times the memory.
    assert 2**hashing.bits * hashing.places >= slots


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"tables": 0}, "Hashing: tables must be at least 1, got 0"),
        ({"bits": 31}, "Hashing: bits must be between 1 and 24, got 31"),
        ({"places": 0}, "Hashing: places must be at least 1, got 0"),
        ({"open_bits": 4}, "Hashing: open_bits must be between 0 and 3, got 4"),
        ({"kept": 0}, "Hashing: kept must be at least 1, got 0"),
    ],
)
def test_wrong_sizes_are_named(sizes, message):
    with pytest.raises(UserError) as raised:
        Hashing(**{"width": 4, "tables": 2, "bits": 3, "places": 2, **sizes})
    assert str(raised.value) == message


@pytest.mark.parametrize("width", [3, 33])
def test_the_nearest_are_those_of_largest_cosine(width):
    rng = np.random.default_rng(0)
    memory, keys = rng.normal(size=(2, 50, width)), rng.normal(size=(2, 3, width))
    slots = rng.integers(0, 50, size=(2, 3, 25))
    valid = rng.random(size=(2, 3, 25)) < 0.6
    slots[0, 0, 10:], valid[1, 2], valid[1, 1, 2:] = slots[0, 0, 3], False, False
    arrays = (jnp.asarray(x, jnp.float32) for x in (memory, keys))
    chosen, found = map(
        np.asarray,
        jax.jit(nearest, static_argnums=4)(*arrays, jnp.asarray(slots, jnp.int32), valid, 4),
    )
    for lane in range(2):
        rows = memory[lane] / np.linalg.norm(memory[lane], axis=1, keepdims=True)
        for head in range(3):
            scores = rows @ keys[lane, head]
            known = sorted(set(slots[lane, head][valid[lane, head]]), key=lambda s: -scores[s])[:4]
            assert chosen[lane, head][found[lane, head]].tolist() == known
            assert np.all(chosen[lane, head][~found[lane, head]] == 0)
