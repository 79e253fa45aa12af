"""`check_cell`: what every cell must hold to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from tapehead.cell import Cell, State, guarded_step, reads_whole, scan
from tapehead.errors import UserError

HALF = 3
"""Steps of a short sequence; two of them packed end to end make a long one."""

BATCH = (2, 3)

TOLERANCE = 1e-4
"""Relative to the largest number of an array; float32 sums in another order differ by less."""


def check_cell(
    make_cell: Callable[[PRNGKeyArray], Cell], input_size: int, *, tokens: bool = False
) -> None:
    """Check that a cell keeps the promises that everything built on `Cell` relies on.

    - The state is a tree of arrays that lead with the batch axes; a step keeps its structure,
      shapes and types. Any batch axes will do, none included.
    - Stepping one by one, `unroll` and the plain scan give the same numbers and gradients, with a
      mask and starts too; gradients are finite.
    - Padding holds the state and its output is zero; a padded sequence ends as the unpadded one.
    - Sequences packed with `starts` give what each gives by itself; a long sequence in two calls
      gives what one call gives.
    - A lane of a batch, a cell under `vmap` and a sequence by itself give the same numbers.
    - The same key gives the same numbers; parameters in float64 give float64.
    - An input with the wrong number of features is refused with a `UserError`.

    Where `initial_state` makes use of a key, all but the packing is checked in training mode too.
    What must read a sequence whole (`tapehead.cell.Whole`) has to refuse to step, with a
    `UserError`, and is held to all that does not need steps or a sequence in pieces.

    **Arguments:**

    - `make_cell`: makes the cell from a key; small sizes make a quick check.
    - `input_size`: features of one input; with `tokens`, the number of symbols.
    - `tokens`: the inputs are integers, without a feature axis.

    **Raises:** `AssertionError` that names the broken promise.
    """
    key = jax.random.key(0)
    with promise("a cell can be made from a key"):
        cell = make_cell(key)
    assert isinstance(cell, Cell), f"make_cell must return a Cell, got {type(cell).__name__}"
    alike("the same key makes the same cell", cell, make_cell(key))
    draw = partial(_inputs, input_size, tokens)
    for batch in ((), (3,), BATCH):
        _check_shapes(cell, draw(1, batch)[0], batch)
    _check_float64(cell, draw(1, ())[0])
    if not tokens and cell.input_size is not None:
        _check_refusal(cell, input_size)
    if reads_whole(cell):
        _check_no_step(cell, draw(1, ())[0])

    numbers = _Numbers(cell, draw(2 * HALF, BATCH))
    numbers.check(None)
    numbers.check_packed()
    numbers.check_stacked(make_cell)
    if _uses_key(cell):
        numbers.check(key)


@contextmanager
def promise(sentence: str) -> Iterator[None]:
    """Turn any exception into an `AssertionError` that begins with `sentence`."""
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{sentence}; got {type(error).__name__}: {error}") from error


def alike(sentence: str, one: Any, other: Any) -> None:
    """Assert that two trees have the same structure and, to `TOLERANCE`, the same numbers."""
    a, b = jax.tree.structure(one), jax.tree.structure(other)
    assert a == b, f"{sentence}: {a} is not {b}"
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True
    ):
        x, y = _plain(x), _plain(y)
        where = f"{sentence}{jax.tree_util.keystr(path)}"
        assert x.shape == y.shape, f"{where}: shapes {x.shape} and {y.shape} differ"
        scale = TOLERANCE * np.max(np.abs(y), initial=1e-2)
        np.testing.assert_allclose(x, y, rtol=0, atol=scale, err_msg=where)


def _plain(x: Any) -> np.ndarray:
    """The numbers of an array, random keys included."""
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        x = jax.random.key_data(x)
    return np.asarray(x, np.float64)


def _in_numpy(tree: Any) -> Any:
    """The tree in NumPy, which compiles nothing to look at a part; random keys stay as they are."""

    def moved(x: Any) -> Any:
        return x if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else np.asarray(x)

    return jax.tree.map(moved, tree)


def _looked_at(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its results in NumPy."""
    return lambda *given: _in_numpy(function(*given))


def _inputs(input_size: int, tokens: bool, time: int, batch: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(0)
    if tokens:
        return generator.integers(0, input_size, (time, *batch), np.int32)
    return generator.normal(size=(time, *batch, input_size)).astype(np.float32)


def _form(tree: Any) -> Any:
    """Structure, shapes and types."""
    return jax.tree.map(lambda x: f"{x.dtype}{x.shape}", tree)


def _taken(cell: Cell, state: State, x: Array) -> tuple[State, Array]:
    """One step, or a sequence of one step where the cell has none."""
    if not reads_whole(cell):
        return cell.step(state, x)
    state, ys = cell.unroll(state, x[None])
    return state, ys[0]


def _check_shapes(cell: Cell, x: np.ndarray, batch: tuple[int, ...]) -> None:
    where = f"with batch axes {batch}"
    with promise(f"initial_state, step, restart, penalty, metrics and observe work {where}"):
        state = jax.eval_shape(partial(cell.initial_state, batch))
        after, y = jax.eval_shape(_taken, cell, state, x)
        fresh = jax.eval_shape(lambda s: cell.restart(s, batch), state)
        penalty = jax.eval_shape(cell.penalty, state)
        metrics = jax.eval_shape(cell.metrics, state)
        shown = {} if reads_whole(cell) else jax.eval_shape(cell.observe, state, x)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        assert leaf.shape[: len(batch)] == batch, (
            f"every leaf of the state leads with the batch axes: state"
            f"{jax.tree_util.keystr(path)} has shape {leaf.shape} {where}"
        )
    assert _form(after) == _form(state), (
        f"a step keeps the form of the state {where}: {_form(after)} is not {_form(state)}"
    )
    assert _form(fresh) == _form(state), (
        f"restart keeps the form of the state {where}: {_form(fresh)} is not {_form(state)}"
    )
    features = x.shape[-1:] if cell.output_size is None else (cell.output_size,)
    assert y.shape == (*batch, *features), (
        f"the output has the batch axes and output_size features {where}: {y.shape} is not "
        f"{(*batch, *features)}"
    )
    assert penalty.shape in ((), batch), (
        f"the penalty is one number a lane {where}: {penalty.shape} is not {batch}"
    )
    for name, value in metrics.items():
        assert value.shape in (batch, (*batch, *value.shape[-1:])), (
            f"metrics are one number or distribution a lane {where}: {name} has shape "
            f"{value.shape}, not {batch}"
        )
    assert all(isinstance(name, str) for name in shown), f"observe names what it shows: {shown}"


def _check_float64(cell: Cell, x: np.ndarray) -> None:
    def widened(tree: Any) -> Any:
        def widen(leaf: Any) -> Any:
            return leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf

        return jax.tree.map(widen, tree)

    with jax.enable_x64(True), promise("parameters in float64 are enough to compute in float64"):
        wide = widened(cell)
        state, y = jax.eval_shape(_taken, wide, wide.initial_state(()), widened(x))
        for leaf in (*jax.tree.leaves(state), y):
            assert leaf.dtype != jnp.float32, "parameters in float64 give float64, got float32"


def _check_refusal(cell: Cell, input_size: int) -> None:
    xs = jnp.zeros((1, input_size + 1))
    for name, call in (
        ("step", lambda s: cell.step(s, xs[0])),
        ("unroll", lambda s: cell.unroll(s, xs)),
    ):
        try:
            jax.eval_shape(call, cell.initial_state(()))
        except UserError:
            continue
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        else:
            got = "no error"
        raise AssertionError(
            f"{name} refuses {input_size + 1} features for {input_size} with a UserError, got {got}"
        )


def _check_no_step(cell: Cell, x: np.ndarray) -> None:
    try:
        jax.eval_shape(cell.step, cell.initial_state(()), x)
    except UserError:
        return
    raise AssertionError("what must read a sequence whole refuses to step with a UserError")


def _uses_key(cell: Cell) -> bool:
    """Whether a key makes any difference to the initial state."""
    plain, keyed = cell.initial_state(BATCH), cell.initial_state(BATCH, key=jax.random.key(0))
    if jax.tree.structure(plain) != jax.tree.structure(keyed) or _form(plain) != _form(keyed):
        return True
    pairs = zip(jax.tree.leaves(plain), jax.tree.leaves(keyed), strict=True)
    return any(not np.array_equal(_plain(a), _plain(b)) for a, b in pairs)


class _Numbers:
    """The checks that compute; few functions and shapes, so that little is compiled."""

    def __init__(self, cell: Cell, xs: np.ndarray):
        self.cell = cell
        self.xs = xs
        self.lanes = [np.unravel_index(n, BATCH) for n in range(2)]
        self.whole = np.ones(xs.shape[: 1 + len(BATCH)], bool)
        self.never = np.zeros_like(self.whole)
        self.short = _looked_at(jax.jit(lambda cell, state, xs: cell.unroll(state, xs)))

        def gradient(plain: bool) -> Callable[..., Any]:
            def loss(moving: Any, still: Any, mask: Any, starts: Any) -> tuple[Array, Any]:
                cell, state, xs = eqx.combine(moving, still)
                run = partial(scan, cell) if plain else cell.unroll
                last, ys = run(state, xs, mask=mask, starts=starts)
                floats = [x for x in jax.tree.leaves(last) if eqx.is_inexact_array(x)]
                ends = sum((jnp.sum(jnp.sin(x)) for x in floats), start=jnp.zeros((), ys.dtype))
                return jnp.sum(jnp.cos(3 * ys)) + ends, (last, ys)

            compiled = _looked_at(jax.jit(jax.grad(loss, has_aux=True)))

            def call(state: State, mask: np.ndarray, starts: np.ndarray) -> Any:
                moving, still = eqx.partition((self.cell, state, self.xs), eqx.is_inexact_array)
                return compiled(moving, still, mask, starts)

            return call

        self.unroll = gradient(plain=False)
        self.scan = gradient(plain=True)
        self.step = _looked_at(jax.jit(guarded_step))

    def check(self, key: PRNGKeyArray | None) -> None:
        """Everything that holds with and without a key."""
        mode = "" if key is None else " in training mode"
        state, again = (_in_numpy(self.cell.initial_state(BATCH, key=key)) for _ in range(2))
        alike(f"the same key gives the same initial state{mode}", state, again)
        with promise(f"unroll and its gradient work{mode}"):
            _, whole = self.unroll(state, self.whole, self.never)
        self.check_routes(state, mode)
        self.check_lanes(state, whole, mode)
        self.check_padding(state, whole, mode)

    def check_routes(self, state: State, mode: str) -> None:
        """Steps, unroll and scan; a mask with holes and a start in the middle of them."""
        generator = np.random.default_rng(1)
        mask = generator.random(self.whole.shape) < 0.7
        starts = generator.random(self.whole.shape) < 0.3
        slope, (last, ys) = self.unroll(state, mask, starts)
        for path, leaf in jax.tree_util.tree_leaves_with_path(slope):
            where = jax.tree_util.keystr(path)
            assert np.isfinite(leaf).all(), f"gradients are finite{mode}: not so at {where}"
        if type(self.cell).unroll is not Cell.unroll and not reads_whole(self.cell):
            same, numbers = self.scan(state, mask, starts)
            alike(f"unroll is equal to the plain scan{mode}", (last, ys), numbers)
            alike(f"the gradient of unroll is that of the plain scan{mode}", slope, same)
        if reads_whole(self.cell):
            return
        stepped, outputs = state, []
        with promise(f"step works under a mask and starts{mode}"):
            for x, m, s in zip(self.xs, mask, starts, strict=True):
                stepped, y = self.step(self.cell, stepped, x, m, s)
                outputs.append(y)
        sentence = f"unroll is equal to stepping one by one under a mask and starts{mode}"
        alike(sentence, (last, ys), (stepped, np.stack(outputs)))

    def check_lanes(self, state: State, whole: tuple[State, np.ndarray], mode: str) -> None:
        """A lane by itself, in two calls, without mask and starts."""
        for lane in self.lanes:
            xs = self.xs[:, *lane]
            with promise(f"a sequence by itself can be unrolled without mask and starts{mode}"):
                last, ys = self.read(_lane(state, lane), xs)
            alike(
                f"a lane of a batch gives what the sequence gives by itself, in two calls{mode}",
                (_lane(whole[0], lane), whole[1][:, *lane]),
                (last, ys),
            )

    def read(self, state: State, xs: np.ndarray) -> tuple[State, np.ndarray]:
        """The sequence in two calls, or in one where it must be read whole."""
        if reads_whole(self.cell):
            return self.short(self.cell, state, xs)
        middle, early = self.short(self.cell, state, xs[:HALF])
        last, late = self.short(self.cell, middle, xs[HALF:])
        return last, np.concatenate([early, late])

    def check_padding(self, state: State, whole: tuple[State, np.ndarray], mode: str) -> None:
        """One lane all padding, one padded at the end, the others whole."""
        empty, padded = self.lanes
        mask = self.whole.copy()
        mask[:, *empty] = mask[HALF:, *padded] = False
        _, (last, ys) = self.unroll(state, mask, self.never)
        alike(
            f"a lane that is all padding leaves the state untouched{mode}",
            _lane(last, empty),
            _lane(state, empty),
        )
        zeros = np.where(mask[..., None], np.zeros_like(ys), ys)
        assert not zeros.any(), f"the output on padding is zero{mode}"
        sentence = f"a padded sequence gives what the unpadded one gives{mode}"
        short = self.short(self.cell, _lane(state, padded), self.xs[:HALF, *padded])
        alike(sentence, (_lane(last, padded), ys[:HALF, *padded]), short)
        with_start = self.never.copy()
        with_start[1, *empty] = True
        if not mode:
            _, (last, _) = self.unroll(whole[0], mask, with_start)
            alike(
                "starts reset the state on padding as well",
                _lane(last, empty),
                self.cell.initial_state(()),
            )

    def check_packed(self) -> None:
        """Two sequences end to end, beginning in the middle of another."""
        _, (before, _) = self.unroll(self.cell.initial_state(BATCH), self.whole, self.never)
        starts = self.never.copy()
        starts[[0, HALF]] = True
        _, (last, ys) = self.unroll(before, self.whole, starts)
        lane = self.lanes[1]
        xs = self.xs[:, *lane]
        fresh = _in_numpy(self.cell.initial_state(()))
        _, early = self.short(self.cell, fresh, xs[:HALF])
        ended, late = self.short(self.cell, fresh, xs[HALF:])
        alike(
            "sequences packed with starts give what each gives by itself",
            (_lane(last, lane), ys[:, *lane]),
            (ended, np.concatenate([early, late])),
        )

    def check_stacked(self, make_cell: Callable[[PRNGKeyArray], Cell]) -> None:
        """Two cells under `vmap`, each with its own parameters."""
        cells = [make_cell(key) for key in jax.random.split(jax.random.key(1))]
        split = [eqx.partition(cell, eqx.is_array) for cell in cells]
        arrays = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(arrays for arrays, _ in split))
        lane = self.lanes[0]
        xs = self.xs[:HALF, *lane]

        def run(arrays: Any) -> tuple[State, Array]:
            cell = eqx.combine(arrays, split[0][1])
            return cell.unroll(cell.initial_state(()), xs)

        with promise("cells can be stacked and run under vmap"):
            stacked = _looked_at(jax.jit(partial(eqx.filter_vmap(run, axis_size=2))))(arrays)
        for position, cell in enumerate(cells):
            alike(
                "a cell under vmap gives what it gives by itself",
                _lane(stacked, (position,)),
                self.short(cell, cell.initial_state(()), xs),
            )


def _lane(tree: Any, index: tuple[Any, ...]) -> Any:
    return jax.tree.map(lambda x: x[index], tree)
