"""An index of a memory's rows by the direction in which they point, kept in arrays.

Each of L tables cuts space by b hyperplanes through the origin. The side of each on which a row
lies makes a number of b bits, the bucket in which the table has it; rows that point in nearly the
same direction are often in the same bucket. To look a key up is to score the few rows that stand
in its buckets and not all N; to write a row is to move it from bucket to bucket. Both take the
same number of operations however many slots there are, inside a compiled scan in place; how long
these take depends on how much of the memory is in the processor's cache.

What an index finds is measured by benchmarks/hashing_recall.py: nearly always the row of which a
key is a copy with up to a third of noise; of the rows that are next like it the more, the nearer
they are; of rows that point anywhere few. Below some ten thousand slots one product with all rows
takes no longer and finds all.

Sources: Charikar, "Similarity estimation techniques from rounding algorithms" (2002), section 3,
for the hyperplanes and for comparing rows by their bits; Ji et al., "Super-bit locality-sensitive
hashing" (2012) for hyperplanes at right angles; Lv et al., "Multi-probe LSH" (2007) for looking
into the buckets that a key nearly falls into. The index of Rae, Hunt et al., "Scaling
memory-augmented neural networks with sparse reads and writes" (2016), is rebuilt now and then;
this one never is.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from tapehead.errors import at_least, within
from tapehead.memory.outline import outlined


class HashIndex(NamedTuple):
    """Which rows stand in which buckets.

    A slot stands in at most one place of a table, and there exactly if `codes` says so.
    """

    entries: Int[Array, "lanes tables buckets places"]
    """The slots in every bucket; −1 where a place is free."""
    filled: Int[Array, "lanes tables buckets"]
    """How many rows were ever put into every bucket."""
    codes: Int[Array, "lanes slots tables"]
    """The bucket in which every slot stands; −1 if in none."""
    evicted: Int[Array, " lanes"]
    """How many rows were pushed out of full buckets so far."""


class _Entering(NamedTuple):
    """What a lane's rows write when they enter buckets, for every row and table."""

    bucket: Array
    place: Array
    victim: Array
    """The slot pushed out; the number of slots where none is."""
    code: Array
    counted: Array
    """The bucket where `filled` is to be counted up, for rows too that find no place."""
    filled: Array
    evicted: Array


class Hashing(eqx.Module):
    """How rows are hashed, and the operations on a `HashIndex`.

    It has no parameters, and nothing that it returns has a gradient.

    **Arguments:**

    - `width`: W, numbers in a row.
    - `tables`: L. Twice as many find more and take twice the time.
    - `bits`: b, for 2ᵇ buckets in every table.
    - `places`: C, the rows for which a bucket has room.
    - `open_bits`: o. In every table a key is looked up in 2ᵒ buckets, with each value of the o
        bits whose hyperplanes it lies nearest to.
    - `kept`: how many rows a look-up returns, more only where they are as near by their bits: of
        all in the key's buckets those whose codes differ from the key's in the fewest bits.
    - `seed`: from which the hyperplanes are drawn.

    **Raises:** `UserError` for sizes out of range.
    """

    width: int = eqx.field(static=True)
    tables: int = eqx.field(static=True)
    bits: int = eqx.field(static=True)
    places: int = eqx.field(static=True)
    open_bits: int = eqx.field(static=True, default=0)
    kept: int = eqx.field(static=True, default=32)
    seed: int = eqx.field(static=True, default=0)

    def __check_init__(self):
        sizes = {"width": self.width, "tables": self.tables, "places": self.places}
        at_least("Hashing", 1, **sizes, kept=self.kept)
        within("Hashing", 1, 24, bits=self.bits)
        within("Hashing", 0, self.bits, open_bits=self.open_bits)

    @classmethod
    def suited(cls, slots: int, width: int, *, seed: int = 0) -> "Hashing":
        """Settings for a memory of so many rows, with room for twice as many in every table.

        Small memories get larger buckets: there a few groups of rows that are alike fill some.
        """
        at_least("Hashing", 1, slots=slots)
        places = 16 if slots <= 2**16 else 8
        bits = min(max((2 * slots // places - 1).bit_length(), 2), 24)
        return cls(width, tables=8, bits=bits, places=places, open_bits=2, seed=seed)

    @property
    def found(self) -> int:
        """How many candidates a key has, valid or not: L 2ᵒ C."""
        return self.tables * 2**self.open_bits * self.places

    def empty(self, lanes: int, slots: int) -> HashIndex:
        """An index of `slots` rows of which none stands in it."""
        buckets = (lanes, self.tables, 2**self.bits)
        return HashIndex(
            entries=jnp.full((*buckets, self.places), -1, jnp.int32),
            filled=jnp.zeros(buckets, jnp.int32),
            codes=jnp.full((lanes, slots, self.tables), -1, jnp.int32),
            evicted=jnp.zeros((lanes,), jnp.int32),
        )

    def update(
        self,
        index: HashIndex,
        slots: Int[Array, "lanes entries"],
        rows: Float[Array, "lanes entries width"],
        mask: Bool[Array, "lanes entries"],
    ) -> HashIndex:
        """The index after the masked slots got new rows; these slots are distinct.

        A row of zeros is taken out. A row whose bucket is the same as before stays where it is.
        Otherwise it takes a free place of its bucket; in a full bucket that of the row put there
        first, which is then out of this table and counts as evicted. Several rows that enter one
        bucket take places in turn, and where they are more than its places the last ones stay.
        """
        # What is written is read before, and not again: only then are the arrays changed in place.
        codes, bucket, place = outlined(jax.vmap(self._leaving))(index, slots, rows, mask)
        index = jax.vmap(self._left)(index, bucket, place)
        entering = outlined(jax.vmap(self._entering))(index, slots, codes, mask)
        return jax.vmap(self._entered)(index, slots, mask, entering)

    def candidates(
        self, index: HashIndex, keys: Float[Array, "lanes heads width"]
    ) -> tuple[Int[Array, "lanes heads found"], Bool[Array, "lanes heads found"]]:
        """Slots whose rows may be like each key, and which of them are valid.

        A slot is valid at most once for a key, and only if it stands in one of the key's buckets
        now. About `kept` are valid, or fewer; there may be none. What is not valid is some slot
        all the same, so that it may be read. `tapehead.memory.nearest.nearest` picks the best.
        """
        return outlined(jax.vmap(self._candidates))(index, keys)

    def _hyperplanes(self) -> np.ndarray:
        """The normals as columns, those of a table at right angles as far as there is room.

        Buckets are then filled far more evenly than by hyperplanes that are independent.
        """
        rng = np.random.default_rng(self.seed)
        blocks = -(-self.bits // self.width)
        drawn = rng.normal(size=(self.tables, blocks, self.width, self.width))
        normals = np.linalg.qr(drawn)[0].reshape(self.tables, -1, self.width)[:, : self.bits]
        return normals.reshape(-1, self.width).T

    def _margins(self, vectors: Float[Array, "n width"]) -> Float[Array, "n tables bits"]:
        """How far vectors lie from the hyperplanes, and on which side."""
        margins = vectors @ jnp.asarray(self._hyperplanes(), vectors.dtype)
        return margins.reshape(-1, self.tables, self.bits)

    def _leaving(
        self, index: HashIndex, slots: Array, rows: Array, mask: Array
    ) -> tuple[Array, Array, Array]:
        """The codes of a lane's new rows, and the buckets and places that they leave."""
        tables = jnp.arange(self.tables, dtype=jnp.int32)
        zero = jnp.all(rows == 0, axis=-1, keepdims=True)
        code = jnp.where(zero, -1, _number(self._margins(rows) > 0))
        before = index.codes.at[slots].get(mode="clip")
        leaves = mask[:, None] & (code != before) & (before >= 0)
        # Where nothing leaves, a bucket is read that is at hand.
        bucket = jnp.where(leaves, before, 0)
        stands = index.entries.at[tables, bucket].get(mode="clip") == slots[:, None, None]
        places = jnp.arange(self.places, dtype=jnp.int32)
        place = jnp.sum(jnp.where(stands, places, 0), axis=-1, dtype=jnp.int32)
        return code, jnp.where(leaves, before, 2**self.bits), place

    def _left(self, index: HashIndex, bucket: Array, place: Array) -> HashIndex:
        tables = jnp.arange(self.tables, dtype=jnp.int32)
        entries = index.entries.at[tables, bucket, place].set(-1, mode="drop")
        return index._replace(entries=entries)

    def _entering(self, index: HashIndex, slots: Array, code: Array, mask: Array) -> _Entering:
        """What the rows write that enter other buckets than they were in."""
        tables = jnp.arange(self.tables, dtype=jnp.int32)
        before = index.codes.at[slots].get(mode="clip")
        enters = mask[:, None] & (code != before) & (code >= 0)
        counted = jnp.where(enters, code, 2**self.bits)
        earlier, later = outlined(_in_the_same)(counted)
        # Where nothing enters, a bucket is read that is at hand.
        bucket = jnp.where(enters, code, 0)
        filled = index.filled[tables, bucket]
        # Where there are more of them than places, the first ones are pushed out at once.
        stays = enters & (later < self.places)
        excess = jnp.maximum(earlier + later + 1 - self.places, 0)

        # A bucket is a ring: in a full one the row put there first stands where the count is.
        turns = jnp.arange(self.places, dtype=jnp.int32)
        order = ((filled + excess)[..., None] + turns) % self.places
        standing = index.entries[tables[:, None], bucket[..., None], order]
        turn, victim = outlined(_taken)(standing, earlier - excess)
        pushes = stays & (victim >= 0)
        evicted = jnp.sum(pushes, dtype=jnp.int32) + jnp.sum(enters & ~stays, dtype=jnp.int32)
        return _Entering(
            bucket=jnp.where(stays, code, 2**self.bits),
            place=(filled + excess + turn) % self.places,
            victim=jnp.where(pushes, victim, len(index.codes)),
            code=jnp.where(enters & ~stays, -1, code),
            counted=counted,
            filled=filled + earlier + later + 1,
            evicted=evicted,
        )

    def _entered(
        self, index: HashIndex, slots: Array, mask: Array, entering: _Entering
    ) -> HashIndex:
        tables = jnp.arange(self.tables, dtype=jnp.int32)
        at = entering.bucket, entering.place
        changed = jnp.where(mask, slots, len(index.codes))
        codes = index.codes.at[changed].set(entering.code, mode="drop")
        return HashIndex(
            entries=index.entries.at[tables, *at].set(slots[:, None], mode="drop"),
            filled=index.filled.at[tables, entering.counted].set(entering.filled, mode="drop"),
            codes=codes.at[entering.victim, tables].set(-1, mode="drop"),
            evicted=index.evicted + entering.evicted,
        )

    def _candidates(self, index: HashIndex, keys: Array) -> tuple[Array, Array]:
        tables = jnp.arange(self.tables, dtype=jnp.int32)
        code, closed, buckets = outlined(self._probes)(keys)
        slots = outlined(lambda entries, buckets: entries[tables[:, None], buckets])(
            index.entries, buckets
        ).reshape(len(keys), self.tables, -1)
        stands, slots = slots >= 0, jnp.maximum(slots, 0)

        # Far apart in memory: the fewer instructions lie between the first looks at each slot,
        # the more of them are under way at once. The other tables' codes lie beside.
        first = outlined(lambda codes, slots: codes[slots, 0])(index.codes, slots)

        def compare(codes: Array, first: Array, slots: Array, stands: Array) -> Array:
            """In how many bits the slots' codes differ from the keys'; −1 for what is no slot."""
            distance = jnp.zeros_like(slots)
            for table in range(self.tables):
                theirs = codes[slots, table] if table else first
                differ = theirs ^ code[:, table, None, None]
                distance = distance + jax.lax.population_count(differ & (2**self.bits - 1))
                # A slot counts in the first table that finds it.
                found = (differ & closed[:, table, None, None]) == 0
                stands = stands & ~(found & (tables[:, None] > table))
            return jnp.where(stands, distance, -1)

        distance = outlined(compare)(index.codes, first, slots, stands).reshape(len(keys), -1)
        valid = outlined(self._smallest)(distance)
        return slots.reshape(len(keys), -1), valid

    def _probes(self, keys: Array) -> tuple[Array, Array, Array]:
        """The keys' codes, the bits in which those of a find agree, and the buckets to look in."""
        margins = self._margins(keys)
        code, distance = _number(margins > 0), jnp.abs(margins)
        # The rank of every bit by the distance of its hyperplane; the first ones stay open.
        bits = jnp.arange(self.bits, dtype=jnp.int32)
        rank = jnp.zeros_like(margins, jnp.int32)
        for other in range(self.bits):
            theirs = distance[..., other, None]
            nearer = (theirs < distance) | ((theirs == distance) & (other < bits))
            rank = jnp.where(nearer, rank + 1, rank)
        is_open = rank < self.open_bits
        probes = jnp.arange(2**self.open_bits, dtype=jnp.int32)[:, None]
        flips = is_open[..., None, :] & ((probes >> rank[..., None, :]) % 2 == 1)
        return code, ~_number(is_open), code[..., None] ^ _number(flips)

    def _smallest(self, distance: Array) -> Array:
        """Which distances are among the `kept` smallest, more of them where they are alike."""
        low = jnp.full_like(distance[:, :1], -1)
        high = jnp.full_like(low, self.tables * self.bits)
        valid = distance >= 0
        for _ in range((self.tables * self.bits).bit_length()):
            middle = (low + high) // 2
            near = valid & (distance <= middle)
            enough = jnp.sum(near, axis=-1, keepdims=True, dtype=jnp.int32) >= self.kept
            low, high = jnp.where(enough, low, middle), jnp.where(enough, middle, high)
        return valid & (distance <= high)


def _in_the_same(bucket: Int[Array, "rows tables"]) -> tuple[Array, Array]:
    """How many rows enter the same bucket before and after each one."""
    row = jnp.arange(len(bucket), dtype=jnp.int32)[:, None]
    before, after = jnp.zeros_like(bucket), jnp.zeros_like(bucket)
    for other in range(len(bucket)):
        same = bucket == bucket[other]
        before = jnp.where(same & (other < row), before + 1, before)
        after = jnp.where(same & (other > row), after + 1, after)
    return before, after


def _taken(
    standing: Int[Array, "rows tables places"], rank: Int[Array, "rows tables"]
) -> tuple[Array, Array]:
    """The places of that rank and who stands there, where free places come before the others."""
    free = standing < 0
    number = jnp.sum(free, axis=-1, dtype=jnp.int32)
    place, slot, passed = (jnp.zeros_like(rank) for _ in range(3))
    for other in range(standing.shape[-1]):
        is_free = free[..., other]
        mine = rank == jnp.where(is_free, passed, number + other - passed)
        place = jnp.where(mine, other, place)
        slot = jnp.where(mine, standing[..., other], slot)
        passed = jnp.where(is_free, passed + 1, passed)
    return place, slot


def _number(bits: Bool[Array, "*shape bits"]) -> Int[Array, "*shape"]:
    """Σ_i 2^i bit_i."""
    powers = jnp.arange(bits.shape[-1], dtype=jnp.int32)
    return jnp.sum(bits.astype(jnp.int32) << powers, axis=-1, dtype=jnp.int32)
