"""Everything that runs through time: `Cell`, and `Chain` that stacks cells.

`Stateless` and `Whole` are the two ends: cells that need no step but the present one, and cells
that need them all.

Axes are always time first, then any number of batch axes (none included), then features:
`(time, *batch, features)`.
"""

import abc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.errors import UserError

State = Any
"""A pytree of all that a cell carries from step to step; every leaf leads with the batch axes."""


def select(condition: Bool[Array, "*batch"], on_true: State, on_false: State) -> State:
    """Leaf by leaf, `on_true` for the batch lanes where `condition` holds, else `on_false`.

    `condition` has the batch axes; it is spread over the trailing axes of every leaf. A NaN on
    the side not taken does not leak through.
    """

    def pick(a: Array, b: Array) -> Array:
        spread = condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim))
        return jnp.where(spread, a, b)

    return jax.tree.map(pick, on_true, on_false)


def expect_features(owner: str, x: Array, size: int) -> None:
    """Refuse an input whose last axis does not have `size` features."""
    if x.ndim == 0 or x.shape[-1] != size:
        raise UserError(
            f"{owner}: expected inputs with {size} features on the last axis, got shape {x.shape}"
        )


class Cell(eqx.Module):
    """One time step of a network that carries state.

    Subclasses give `step` and, if they carry anything, `initial_state`. They may replace `unroll`
    by a faster path that computes the same numbers, `penalty`, `metrics` and `observe` where they
    have something to say, and `restart` where the state holds randomness that must go on.

    **Attributes:**

    - `input_size`: features of one input, or `None` if any number will do.
    - `output_size`: features of one output, or `None` if as many as the input has.
    """

    input_size: eqx.AbstractVar[int | None]
    output_size: eqx.AbstractVar[int | None]

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> State:
        """The state before the first step.

        **Arguments:**

        - `batch`: the batch axes of the sequences to come.
        - `key`: draws whatever is random about the coming sequence (dropout masks, noise). Cells
            are in training mode exactly when a key was given here; without one they are
            deterministic.
        """
        return ()

    @abc.abstractmethod
    def step(
        self, state: State, x: Float[Array, "*batch features"]
    ) -> tuple[State, Float[Array, "*batch outputs"]]:
        """One time step: `(state, x) -> (state, y)`, the order of `jax.lax.scan`."""

    def unroll(
        self,
        state: State,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[State, Float[Array, "time *batch outputs"]]:
        """Run over the leading time axis.

        **Arguments:**

        - `state`: where to begin, usually `initial_state(batch)`.
        - `xs`: the inputs.
        - `mask`: False on padding: there the state is held and the output is zero.
        - `starts`: True where a new sequence begins: there the state is reset before the step
            (on padding as well), so that several sequences can be packed end to end.

        **Returns:** the last state and the outputs of every step.
        """
        return scan(self, state, xs, mask=mask, starts=starts)

    def restart(self, state: State, batch: tuple[int, ...]) -> State:
        """The state at the start of a further sequence; random streams in `state` go on."""
        return self.initial_state(batch)

    def penalty(self, state: State) -> Float[Array, "*batch"]:
        """Extra loss that `state` gathered since its sequence began; zero by default."""
        return jnp.zeros(())

    def metrics(self, state: State) -> dict[str, Array]:
        """Named measures of what happened since the sequence of `state` began; none by default.

        Each is a number, `(*batch,)`, or how a count was distributed: the shares of 0, 1, 2, …,
        `(*batch, counts)`. Evaluations report means beside the task's metrics, and quantiles of
        distributions.
        """
        return {}

    def observe(self, state: State, x: Float[Array, "*batch features"]) -> dict[str, Any]:
        """Named quantities of the coming step that its state will not hold (gates, allocation).

        Only inspection calls this; keys are the field's words, and values may be nested dicts.
        """
        return {}

    def shown(self, state: State) -> Any:
        """What inspection records of `state`: all of it, unless that is more than can be kept."""
        return state


def guarded_step(
    cell: Cell,
    state: State,
    x: Array,
    mask: Bool[Array, "*batch"] | None,
    start: Bool[Array, "*batch"] | None,
) -> tuple[State, Array]:
    """`cell.step` under a mask and start flags, as `Cell.unroll` defines them."""
    if start is not None:
        state = select(start, cell.restart(state, start.shape), state)
    new, y = cell.step(state, x)
    if mask is not None:
        new = select(mask, new, state)
        y = select(mask, y, jnp.zeros_like(y))
    return new, y


def scan(
    cell: Cell,
    state: State,
    xs: Array,
    *,
    mask: Bool[Array, "time *batch"] | None = None,
    starts: Bool[Array, "time *batch"] | None = None,
) -> tuple[State, Array]:
    """The plain unroll: `jax.lax.scan` of `guarded_step`."""

    def body(state: State, inputs: tuple[Array, Array | None, Array | None]) -> tuple[State, Array]:
        x, mask, start = inputs
        return guarded_step(cell, state, x, mask, start)

    return jax.lax.scan(body, state, (xs, mask, starts))


def run(
    cell: Cell,
    xs: Float[Array, "time *batch features"],
    *,
    mask: Bool[Array, "time *batch"] | None = None,
    starts: Bool[Array, "time *batch"] | None = None,
    key: PRNGKeyArray | None = None,
    feature_axes: int = 1,
) -> Float[Array, "time *batch outputs"]:
    """The outputs of `cell` over a sequence, from its initial state.

    `feature_axes` is 0 for integer tokens of shape `(time, *batch)`.
    """
    batch = xs.shape[1 : xs.ndim - feature_axes]
    return cell.unroll(cell.initial_state(batch, key=key), xs, mask=mask, starts=starts)[1]


class Stateless(Cell):
    """A cell that carries nothing: a function applied at every step.

    `unroll` applies it to the whole sequence at once, as one large product.
    """

    @abc.abstractmethod
    def __call__(self, x: Array) -> Array:
        """The function, on any leading axes."""

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """Apply the function; the state `()` passes through."""
        return state, self(x)

    def unroll(
        self,
        state: State,
        xs: Array,
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[State, Array]:
        """Apply the function to all steps in one call."""
        ys = self(xs)
        return state, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))


class Whole(Cell):
    """A network that needs the whole sequence before it gives its first output.

    Subclasses give `unroll`, for whole sequences, and as everywhere `initial_state`. There is no
    step. What such a network is a part of needs the whole sequence too (see `reads_whole`):
    rules that learn in windows refuse it, and evaluation and inspection hand it everything.
    """

    def step(self, state: State, x: Array) -> tuple[State, Array]:
        """Refused with a `UserError`."""
        raise UserError(
            f"{type(self).__name__}: reads a sequence whole and has no single step; use unroll, "
            "or a network of one direction for streams"
        )

    @abc.abstractmethod
    def unroll(
        self,
        state: State,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[State, Float[Array, "time *batch outputs"]]:
        """Run over whole sequences, with `mask` and `starts` as in `Cell.unroll`."""


def whole_parts(cell: Cell) -> list[Whole]:
    """The cell, or the outermost ones inside it, that must read a sequence whole."""
    parts = jax.tree.leaves(cell, is_leaf=lambda part: isinstance(part, Whole))
    return [part for part in parts if isinstance(part, Whole)]


def reads_whole(cell: Cell) -> bool:
    """Whether the cell, or any cell inside it, must read a sequence whole and cannot be stepped."""
    return bool(whole_parts(cell))


def expect_steps(owner: str, cell: Cell, mend: str = "take a network of one direction") -> None:
    """Refuse a network that must read a sequence whole, where `owner` cuts time into pieces."""
    if parts := whole_parts(cell):
        raise UserError(
            f"{owner}: cuts time into windows, but {type(parts[0]).__name__} must read a sequence "
            f"whole; {mend}"
        )


def summed(metrics: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """The metrics of several cells, added up where they have the same name."""
    total: dict[str, Array] = {}
    for own in metrics:
        for name, value in own.items():
            total[name] = total[name] + value if name in total else value
    return total


class Composite(Cell):
    """Cells wired together within a step; a subclass says how, by `connect`.

    Its state is the tuple of its members' states. `step` steps the members; `unroll` unrolls one
    member after the other, so that stateless members see the whole sequence as one matrix product
    and members with a faster `unroll` of their own use it. Both give the same numbers.

    **Attributes:**

    - `cells`: the members.
    """

    cells: eqx.AbstractVar[tuple[Cell, ...]]

    @abc.abstractmethod
    def connect(self, member: Callable[[int, Array], Array], x: Array) -> Array:
        """The output for the input `x`, where `member(n, x)` is what member n makes of `x`.

        It must not mix what lies on the leading axes, and must call every member once.
        """

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> tuple[State, ...]:
        """A tuple of the members' initial states."""
        keys = (
            [None] * len(self.cells)
            if key is None
            else list(jax.random.split(key, len(self.cells)))
        )
        return tuple(
            cell.initial_state(batch, key=k) for cell, k in zip(self.cells, keys, strict=True)
        )

    def step(self, state: tuple[State, ...], x: Array) -> tuple[tuple[State, ...], Array]:
        """Step every member once."""
        states = list(state)

        def member(n: int, x: Array) -> Array:
            states[n], y = self.cells[n].step(states[n], x)
            return y

        y = self.connect(member, x)
        return tuple(states), y

    def unroll(
        self,
        state: tuple[State, ...],
        xs: Array,
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[tuple[State, ...], Array]:
        """Unroll every member in turn."""
        states = list(state)

        def member(n: int, xs: Array) -> Array:
            states[n], ys = self.cells[n].unroll(states[n], xs, mask=mask, starts=starts)
            return ys

        ys = self.connect(member, xs)
        return tuple(states), ys

    def restart(self, state: tuple[State, ...], batch: tuple[int, ...]) -> tuple[State, ...]:
        """Restart every member."""
        return tuple(c.restart(s, batch) for c, s in zip(self.cells, state, strict=True))

    def penalty(self, state: tuple[State, ...]) -> Array:
        """The sum of the members' penalties."""
        penalties = [c.penalty(s) for c, s in zip(self.cells, state, strict=True)]
        return sum(penalties, start=jnp.zeros(()))

    def metrics(self, state: tuple[State, ...]) -> dict[str, Array]:
        """The members' metrics, added up where several have one of the same name."""
        return summed([c.metrics(s) for c, s in zip(self.cells, state, strict=True)])

    def shown(self, state: tuple[State, ...]) -> tuple[Any, ...]:
        """What is shown of every member's."""
        return tuple(c.shown(s) for c, s in zip(self.cells, state, strict=True))

    def observe(self, state: tuple[State, ...], x: Array) -> dict[str, Any]:
        """What each member has to show, under its position; silent members are left out."""
        seen: dict[str, Any] = {}

        def member(n: int, x: Array) -> Array:
            if shown := self.cells[n].observe(state[n], x):
                seen[str(n)] = shown
            return self.cells[n].step(state[n], x)[1]

        self.connect(member, x)
        return seen


class Chain(Composite):
    """Cells in a row, the output of each the input of the next; itself a cell.

    ```python
    model = Chain(LSTM(8, 100, key=k1), Linear(100, 8, key=k2))
    ```

    **Raises:** `UserError` if it is empty or two neighbours' sizes differ.
    """

    cells: tuple[Cell, ...]
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)

    def __init__(self, *cells: Cell):
        if not cells:
            raise UserError("Chain: needs at least one cell, got none")
        size = cells[0].input_size
        self.input_size = size
        for position, cell in enumerate(cells):
            if None not in (size, cell.input_size) and size != cell.input_size:
                raise UserError(
                    f"Chain: member {position} ({type(cell).__name__}) takes {cell.input_size} "
                    f"features but the member before it gives {size}"
                )
            size = size if cell.output_size is None else cell.output_size
        self.cells = cells
        self.output_size = size

    def connect(self, member: Callable[[int, Array], Array], x: Array) -> Array:
        """One member after the other."""
        for n in range(len(self.cells)):
            x = member(n, x)
        return x
