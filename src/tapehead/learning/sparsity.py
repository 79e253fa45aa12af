"""Which entries of an influence there can be, found from the cell itself, and those packed."""

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from tapehead.errors import UserError
from tapehead.learning.dependence import begin_like, example_input
from tapehead.learning.view import Step, View

SIGNS = ((1,), (-1, 1))
STATES = ((1,), (-1,), (-1, 1))
"""Signs of the parameters and of the states at the random points where derivatives are looked at:
those that are 0 at all of them are 0. Where all are above 0 no rectified unit rests; states are
larger than what parameters make of them, so that a maximum of both falls to either side."""
ROUNDS = 32
"""Steps of which the whole numbers of a state are looked at, unless they come again before: what
ticks at some steps only has other derivatives at others."""
LARGEST = 150_000_000
"""Entries that are looked at, at most."""

Alter = Callable[[Callable[[Array, Array], Array]], Callable[[Array, Array], Array]]


def unchanged(function: Any) -> Any:
    """The step as it is."""
    return function


def arbitrary(
    shape: tuple[int, ...], dtype: Any, random: np.random.Generator, signs: tuple[int, ...]
) -> np.ndarray:
    """An array to look at derivatives at: numbers from 1 to 2 with a sign, True for flags."""
    if jnp.issubdtype(dtype, jnp.bool_):
        return np.ones(shape, dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        return np.zeros(shape, dtype)
    return (random.uniform(1, 2, shape) * random.choice(signs, shape)).astype(dtype)


def probe(view: View, look: Callable[[View, Step], Any]) -> list[Any]:
    """What `look` sees of one step at random points, as NumPy arrays, whatever is being traced.

    A network that takes tokens is looked at for all of them together.
    """
    leaves, tree = jax.tree.flatten(eqx.filter(view.model, eqx.is_array))
    static = eqx.filter(view.model, eqx.is_array, inverse=True)
    kept, state_tree = jax.tree.flatten(view.state)
    x = example_input(view.model)
    tokens = max((leaf.shape[0] for leaf in leaves if leaf.ndim), default=1)

    def scale(leaf: Array) -> Any:
        """Small enough that sums over a layer do not saturate its units."""
        floating = jnp.issubdtype(leaf.dtype, jnp.floating)
        return np.asarray(0.1 / max((1, *leaf.shape[-1:])) if floating else 1, leaf.dtype)

    @jax.jit
    def begin(leaves: Any) -> Any:
        model = eqx.combine(tree.unflatten(leaves), static)
        return eqx.filter(begin_like(model, view.state), eqx.is_inexact_array, inverse=True)

    @jax.jit
    def at(leaves: Any, floats: Any, rest: Any, x: Array, weights: Array) -> Any:
        model = eqx.combine(tree.unflatten(leaves), static)
        here = View(model, view.state, ())
        state = eqx.combine(floats, rest)
        after = eqx.filter(model.step(state, x)[0], eqx.is_inexact_array, inverse=True)
        if jnp.issubdtype(x.dtype, jnp.floating):
            return look(here, here.step(state, x)), after

        def all_tokens(parameters: Array, vector: Array) -> Array:
            steps = jax.vmap(lambda x: here.step(state, x).function(parameters, vector))
            return weights @ steps(jnp.arange(tokens, dtype=x.dtype))

        return look(here, Step(all_tokens, here.parameters, here.split(state)[0])), after

    found = []
    with jax.ensure_compile_time_eval():
        random = np.random.default_rng(0)
        for of_parameters, of_states in itertools.product(SIGNS, STATES):
            given = [arbitrary(x.shape, x.dtype, random, of_parameters) * scale(x) for x in leaves]
            floats = [
                arbitrary(x.shape, x.dtype, random, of_states)
                if jnp.issubdtype(x.dtype, jnp.inexact)
                else None
                for x in kept
            ]
            example = arbitrary(x.shape, x.dtype, random, of_parameters)
            weights = arbitrary((tokens,), view.dtype, random, (1,))
            rest, met = begin(given), set()
            while len(met) < ROUNDS and (number := whole(rest)) not in met:
                met.add(number)
                seen, rest = at(given, state_tree.unflatten(floats), rest, example, weights)
                found.append(jax.tree.map(np.asarray, seen))
    return found


def whole(rest: Any) -> bytes:
    """The whole numbers of a state."""
    leaves = jax.tree.leaves(rest)
    integers = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.integer)]
    return b"".join(np.asarray(x).tobytes() for x in integers)


def derivatives(alter: Alter, view: View, step: Step) -> Any:
    """Where D, I and J_0 are not 0."""
    step = step._replace(function=alter(step.function))
    eye = jnp.eye(view.size, dtype=view.dtype)

    begins = view.begin().pull(eye)
    return step.jacobian() != 0, (step.pull(eye) != 0) | (begins != 0)


def colours(pattern: Bool[np.ndarray, "lines others"]) -> Int[np.ndarray, " lines"]:
    """A number for each line, so that lines of one number share none of the others."""
    floats = pattern.astype(np.float32)
    conflict = floats @ floats.T > 0
    found = np.full(len(pattern), -1)
    for line in range(len(pattern)):
        taken = set(found[conflict[line] & (found >= 0)].tolist())
        found[line] = next(n for n in range(len(pattern) + 1) if n not in taken)
    return found


def unique_columns(pattern: Bool[np.ndarray, "rows columns"]) -> tuple[np.ndarray, np.ndarray]:
    """The different columns, and which of them each column is."""
    packed = np.packbits(pattern, axis=0).T
    _, first, inverse = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return pattern[:, first], inverse.reshape(-1)


@dataclass(frozen=True)
class Bucket:
    """Groups of parameters of about one size, that reach as many numbers of state.

    **Attributes:**

    - `rows`: the numbers of state that a group reaches, `(groups, reached)`.
    - `columns`: its parameters, `(groups, members)`; filled up with whatever there is.
    - `moved`: which entries of D there are between its rows, `(groups, reached, reached)`.
    - `given`: which entries of I there are, `(groups, reached, members)`.
    """

    rows: Int[np.ndarray, "groups reached"]
    columns: Int[np.ndarray, "groups members"]
    moved: Bool[np.ndarray, "groups reached reached"]
    given: Bool[np.ndarray, "groups reached members"]


class Sparsity:
    """The entries of J that are kept: of each parameter, the numbers of state it reaches.

    Parameters that reach the same numbers make a group, whose part of J is a dense matrix. D and I
    are found by as few products as their own zeros allow: the rows of I that no parameter shares
    are pulled as one, the columns of D that no row shares pushed as one.

    **Attributes:**

    - `buckets`: the groups.
    - `place`: where each parameter stands among all groups' members, `(parameters,)`.
    - `pulls`, `pushes`: which numbers of state go together, `(rows, size)` and `(columns, size)`.
    - `entries`: how many entries of J are kept.
    """

    def __init__(
        self,
        moved: Bool[np.ndarray, "size size"],
        given: Bool[np.ndarray, "size parameters"],
        steps: int | None,
    ):
        size = len(moved)
        patterns, which = unique_columns(given)
        for _ in range(size if steps is None else steps - 1):
            wider = patterns | (moved.astype(np.float32) @ patterns.astype(np.float32) > 0)
            if (wider == patterns).all():
                break
            patterns = wider
        patterns, merged = unique_columns(patterns)
        which = merged[which]
        self._row_colour, self._column_colour = colours(given), colours(moved.T)
        self.pulls, self.pushes = (
            (np.arange(of.max() + 1)[:, None] == of) & lines.any(axis=1)
            for of, lines in ((self._row_colour, given), (self._column_colour, moved.T))
        )

        order = np.argsort(which, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(which, minlength=patterns.shape[1]))[:-1])
        alike: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray]]] = {}
        for pattern, members in zip(patterns.T, groups, strict=True):
            rows = np.flatnonzero(pattern)
            if rows.size:
                alike.setdefault((rows.size, len(members).bit_length()), []).append((rows, members))
        self.place = np.zeros(given.shape[1], np.int64)
        self.buckets: list[Bucket] = []
        before = 1  # in front stands a 0, for parameters that reach nothing
        for found in alike.values():
            wide = max(len(members) for _, members in found)
            rows = np.stack([rows for rows, _ in found])
            columns = np.stack([np.resize(members, wide) for _, members in found])
            real = np.arange(wide) < np.array([len(members) for _, members in found])[:, None]
            here = before + np.arange(columns.size).reshape(columns.shape)
            self.place[columns[real]] = here[real]
            before += columns.size
            self.buckets.append(
                Bucket(
                    rows,
                    columns,
                    moved[rows[:, :, None], rows[:, None, :]],
                    given[rows[:, :, None], columns[:, None, :]] & real[:, None, :],
                )
            )
        self.entries = sum(bucket.given.size for bucket in self.buckets)

    def pack(self, pulled: Float[Array, "pulls parameters"]) -> list[Float[Array, "g r m"]]:
        """The kept entries of a matrix that was pulled by `pulls`."""
        return [
            jnp.where(
                bucket.given,
                pulled[self._row_colour[bucket.rows][:, :, None], bucket.columns[:, None, :]],
                0,
            )
            for bucket in self.buckets
        ]

    def onward(self, step: Step, influence: list[Array]) -> list[Array]:
        """D J + I of a step, of the entries that are kept."""
        dtype = step.state.dtype
        immediate = self.pack(step.pull(self.pulls.astype(dtype)))
        pushed = step.push(self.pushes.astype(dtype))
        after = []
        for bucket, old, new in zip(self.buckets, influence, immediate, strict=True):
            if not bucket.moved.any():
                after.append(new)
                continue
            rows = bucket.rows
            block = pushed[self._column_colour[rows][:, None, :], rows[:, :, None]]
            block = jnp.where(bucket.moved, block, 0)
            if rows.shape[1] <= 4:  # a product of small matrices is slower than its sum
                terms = [block[:, :, n, None] * old[:, None, n] for n in range(rows.shape[1])]
                after.append(sum(terms, start=new))
            else:
                after.append(block @ old + new)
        return after

    def credit(self, influence: list[Array], row: Float[Array, " size"]) -> Array:
        """A row times J."""
        parts = [jnp.zeros(1, row.dtype)]
        for bucket, of in zip(self.buckets, influence, strict=True):
            parts.append(jnp.sum(row[bucket.rows][:, :, None] * of, axis=1).ravel())
        return jnp.concatenate(parts)[self.place]

    def squares(self, packed: list[Array], size: int) -> Float[Array, " size"]:
        """The sum of the squares in each row of a packed matrix."""
        total = jnp.zeros(size, packed[0].dtype if packed else jnp.float32)
        for bucket, of in zip(self.buckets, packed, strict=True):
            total = total.at[bucket.rows].add(jnp.sum(of**2, axis=-1))
        return total


def key_of(view: View) -> tuple[Any, ...]:
    """By what two views are of networks of one kind."""

    def shapes(tree: Any) -> tuple[Any, ...]:
        return tuple((x.shape, str(x.dtype)) for x in jax.tree.leaves(tree))

    arrays, static = eqx.partition(view.model, eqx.is_array)
    structures = (jax.tree.structure(view.model), jax.tree.structure(view.state))
    statics = tuple(map(str, jax.tree.leaves(static)))
    return (*structures, shapes(arrays), shapes(view.state), statics)


_known: dict[Any, Any] = {}


def remembered(key: Any, find: Callable[[], Any]) -> Any:
    """What was found under `key` before, or what `find` finds; the last few are kept."""
    if key not in _known:
        if len(_known) >= 64:
            _known.pop(next(iter(_known)))
        _known[key] = find()
    return _known[key]


def expect_small(owner: str, view: View) -> None:
    """Refuse a model with more derivatives than can be looked at."""
    entries = view.size * view.parameters.size
    if entries > LARGEST:
        raise UserError(
            f"{owner}: would have to look at {entries:,} derivatives ({view.size:,} numbers of "
            f"state by {view.parameters.size:,} parameters) to see which are 0; take uoro, "
            "truncated-bptt or a smaller network"
        )


def where_not_zero(owner: str, view: View, alter: Alter) -> tuple[np.ndarray, np.ndarray]:
    """Where D is not 0, and where I or J_0 is not."""
    expect_small(owner, view)

    def find() -> tuple[np.ndarray, np.ndarray]:
        looked = probe(view, functools.partial(derivatives, alter))
        moved, given = (np.any(np.stack(which), axis=0) for which in zip(*looked, strict=True))
        return moved, given

    return remembered((key_of(view), alter), find)


def sparsity_of(
    owner: str,
    view: View,
    steps: int | None,
    alter: Alter = unchanged,
    *,
    kept: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Sparsity:
    """The entries that are reached within so many steps, found by `probe`.

    **Arguments:**

    - `owner`: who asks, for the error.
    - `view`: the network.
    - `steps`: how many; `None` for any number.
    - `alter`: what is taken for the step's function.
    - `kept`: from where D is not 0 to the numbers of state that are kept at all; `None` for all.
    """
    moved, given = where_not_zero(owner, view, alter)

    def find() -> Sparsity:
        if kept is None:
            return Sparsity(moved, given, steps)
        rows = kept(moved)
        return Sparsity(moved & rows & rows[:, None], given & rows[:, None], steps)

    return remembered((key_of(view), steps, alter, kept), find)
