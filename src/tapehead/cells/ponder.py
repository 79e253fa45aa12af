"""Cells that decide how long to think: adaptive computation time around any cell."""

from typing import Any, NamedTuple, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, State, expect_features, expect_steps, select
from tapehead.cells import gated_thinking
from tapehead.cells.fused import GatedCell
from tapehead.cells.gated_thinking import HaltingUnit, Pondered
from tapehead.cells.halting import Halting, HaltingRule, Kept, flagged
from tapehead.cells.layers import Linear
from tapehead.cells.thinking import Path, Thought, think
from tapehead.errors import UserError, among, at_least, between


class PonderState(NamedTuple):
    """What a `Ponder` carries.

    **Attributes:**

    - `inner`: the inner cell's state.
    - `pondered`: what is paid for since the sequence began, `(*batch,)`: Σ_t ρ_t.
    - `taken`: at how many steps since then n sub-steps were taken, n = 0 … max_steps:
        `(*batch, max_steps + 1)`.
    """

    inner: State
    pondered: Float[Array, "*batch"]
    taken: Float[Array, "*batch counts"]

    @property
    def thoughts(self) -> Float[Array, "*batch"]:
        """Sub-steps since the sequence began: Σ_t N(t)."""
        return self.taken @ jnp.arange(self.taken.shape[-1], dtype=self.taken.dtype)


class Ponder(Cell):
    """A cell that takes as many sub-steps over an input as it finds it needs.

    With the inner cell S, s⁰_t = s_{t−1}, and the flag δ that is 1 on the first sub-step and 0 on
    all others,

        s^n_t, y^n_t = S(s^{n−1}_t, [x_t; δ^n])         the sub-steps, until it halts at N(t)
        h^n_t = σ(w_h · y^n_t + b_h)                    the halting unit
        y_t = Σ_n p^n_t y^n_t,   s_t = Σ_n p^n_t s^n_t   what comes of them

    where the halting probabilities p sum to 1: the last is what the others leave, R(t). They come
    by `halting`:

    - `"act"`, adaptive computation time: p^n = h^n for n < N, and N is the first n at which
      Σ h ≥ 1 − ε. It costs ρ_t = N(t) + R(t), where N counts as a constant.
    - `"pondernet"`: h^n is the probability of halting after n if it has not halted before, so
      p^n = h^n Π_{m<n} (1 − h^m), and N is the first n at which Σ p ≥ 1 − ε. It costs
      ρ_t = KL(p ‖ geometric(prior)). The paper takes the mean of the losses of y¹, y², …; a cell
      has one output a step, so here it is the loss of their mean.
    - `"repeat"`: always `max_steps` sub-steps, and p = 1 for the last; it costs nothing. It is the
      control that tells whether halting matters, or only the number of sub-steps.

    None takes more than `max_steps`. What all sub-steps cost, τ Σ_t ρ_t, is added to the loss (see
    `penalty`). In a batch every sequence halts by itself, and the last one to do so ends the
    sub-steps of all; what is easy costs less time. The gradient runs through a step's sub-steps
    again and keeps about 2 √max_steps states of the inner cell, of one step at a time; it is for
    reverse mode alone (`jax.jvp` refuses it).

    The mean of a state is taken leaf by leaf of what has a gradient; the rest is that after the
    last sub-step. Of a memory's rows and weightings it is a blend: rows that two sub-steps wrote
    are there in part, and weightings remain weightings, but places that are chosen (slots, links,
    the order of use) are those of the last sub-step and need not fit the blend. `keep="last"`
    carries the state after the last sub-step instead, which is one that the inner cell made; only
    the output is then a mean. For sparse memories take that.

    **Arguments:**

    - `cell`: S, any cell that is stepped, with an output that is an array. It takes one feature
        more than the input has, the flag, as its last.
    - `epsilon`: ε in (0, 1), so that one sub-step may do.
    - `max_steps`: the most sub-steps, at least 1.
    - `cost`: τ ≥ 0, in nats.
    - `halting`, `keep`: see above.
    - `prior`: in (0, 1), for `"pondernet"` only: the sub-steps aimed at are about 1 / prior.
    - `key`: draws the halting unit. Under `"act"` its bias begins as 1, so that it halts early.

    **Raises:** `UserError` for a setting out of its range, a cell that takes no fixed number of
    features or too few, or one that must read a sequence whole.

    Sources: Graves, "Adaptive computation time for recurrent neural networks" (2016); Banino,
    Balaguer and Blundell, "PonderNet" (2021); Fojo, Campos and Giró-i-Nieto, "Comparing fixed and
    adaptive computation time" (2018) for the control.
    """

    cell: Cell
    halt: Linear
    input_size: int | None = eqx.field(static=True)
    output_size: int | None = eqx.field(static=True)
    epsilon: float = eqx.field(static=True)
    max_steps: int = eqx.field(static=True)
    cost: float = eqx.field(static=True)
    halting: Halting = eqx.field(static=True)
    keep: Kept = eqx.field(static=True)
    prior: float = eqx.field(static=True)

    def __init__(
        self,
        cell: Cell,
        *,
        epsilon: float = 0.01,
        max_steps: int = 100,
        cost: float = 0.01,
        halting: Halting = "act",
        keep: Kept = "mean",
        prior: float = 0.2,
        key: PRNGKeyArray,
    ):
        among("Ponder", get_args(Halting), halting=halting)
        among("Ponder", get_args(Kept), keep=keep)
        at_least("Ponder", 1, max_steps=max_steps)
        at_least("Ponder", 0, cost=cost)
        between("Ponder", 0, 1, epsilon=epsilon, prior=prior)
        expect_steps("Ponder", cell)
        name = type(cell).__name__
        if cell.input_size is None or cell.input_size < 2:
            raise UserError(
                f"Ponder: the inner cell ({name}) must take a fixed number of features, at least 2 "
                f"with the flag, got {cell.input_size}"
            )
        x = jax.ShapeDtypeStruct((cell.input_size,), jnp.float32)
        y = eqx.filter_eval_shape(lambda x: cell.step(cell.initial_state(), x)[1], x)
        if not isinstance(y, jax.ShapeDtypeStruct) or y.ndim != 1:
            got = getattr(y, "shape", None) or f"{len(jax.tree.leaves(y))} arrays"
            raise UserError(
                f"Ponder: the inner cell ({name}) must give one array of features a step, got {got}"
            )
        halt = Linear(y.shape[0], 1, key=key)
        if halting == "act":
            halt = eqx.tree_at(lambda h: h.bias, halt, jnp.ones(1, jnp.float32))
        self.cell = cell
        self.halt = halt
        self.input_size = cell.input_size - 1
        self.output_size = y.shape[0]
        self.epsilon = epsilon
        self.max_steps = max_steps
        self.cost = cost
        self.halting = halting
        self.keep = keep
        self.prior = prior

    @property
    def rule(self) -> HaltingRule:
        """How halting probabilities become shares and costs."""
        return HaltingRule(self.halting, self.epsilon, self.max_steps, self.keep, self.prior)

    def initial_state(
        self, batch: tuple[int, ...] = (), *, key: PRNGKeyArray | None = None
    ) -> PonderState:
        """The inner cell's; nothing pondered yet."""
        return PonderState(self.cell.initial_state(batch, key=key), *self._nothing(batch))

    def _nothing(self, batch: tuple[int, ...]) -> tuple[Array, Array]:
        zero = jnp.zeros((*batch, self.max_steps + 1), self.halt.weight.dtype)
        return zero[..., 0], zero

    def step(
        self, state: PonderState, x: Float[Array, "*batch features"]
    ) -> tuple[PonderState, Float[Array, "*batch outputs"]]:
        """Sub-steps until all sequences of the batch have halted."""
        return self._step(state, x, jnp.ones(x.shape[:-1], bool))

    def _step(
        self, state: PonderState, x: Array, active: Bool[Array, "*batch"]
    ) -> tuple[PonderState, Array]:
        """The step of the sequences that are `active`; the others are held and give zero."""
        path, thought = self._think(state, x, active)
        # Of what has no gradient there is no mean.
        mean = self.keep == "mean"
        inner = eqx.combine(thought.inner, path.inner) if mean else path.inner
        after = PonderState(
            select(active, inner, state.inner),
            state.pondered + thought.cost,
            state.taken + self._tally(thought.steps, active),
        )
        return after, thought.output

    def _tally(
        self, steps: Float[Array, "*axes"], counted: Bool[Array, "*axes"]
    ) -> Float[Array, "*axes counts"]:
        """One where so many sub-steps were taken, if that counts."""
        number = jax.nn.one_hot(
            steps.astype(jnp.int32), self.max_steps + 1, dtype=self.halt.weight.dtype
        )
        return jnp.where(counted[..., None], number, 0)

    def _think(
        self, state: PonderState, x: Array, active: Bool[Array, "*batch"]
    ) -> tuple[Path, Thought]:
        expect_features("Ponder", x, self.input_size or 0)
        return think(_substep, self.max_steps, self, state.inner, x, active)

    def unroll(
        self,
        state: PonderState,
        xs: Float[Array, "time *batch features"],
        *,
        mask: Bool[Array, "time *batch"] | None = None,
        starts: Bool[Array, "time *batch"] | None = None,
    ) -> tuple[PonderState, Float[Array, "time *batch outputs"]]:
        """As `Cell.unroll`; nothing is pondered over padding.

        Around a cell with a gradient of its own (`LSTM`, `GRU`) the gradient is faster, and all
        sub-steps of one step are kept at a time.
        """
        if isinstance(self.cell, GatedCell):
            expect_features("Ponder", xs, self.input_size or 0)
            unit = HaltingUnit(self.halt.weight, cast(Array, self.halt.bias))
            gates, weights = self.cell.parts()
            fresh = None if starts is None else self.cell.initial_state(xs.shape[1:-1])
            made: Any = gated_thinking.unroll(
                self.rule, gates, weights, unit, state.inner, fresh, xs, mask, starts
            )
            return self._counted(state, made[0], made[1], mask, starts)

        def body(state: PonderState, now: Any) -> tuple[PonderState, Array]:
            x, active, start = now
            if start is not None:
                state = select(start, self.restart(state, start.shape), state)
            return self._step(state, x, active)

        active = jnp.ones(xs.shape[:-1], bool) if mask is None else mask
        return jax.lax.scan(body, state, (xs, active, starts))

    def _counted(
        self,
        state: PonderState,
        inner: State,
        made: Pondered,
        mask: Bool[Array, "time *batch"] | None,
        starts: Bool[Array, "time *batch"] | None,
    ) -> tuple[PonderState, Float[Array, "time *batch outputs"]]:
        """What was pondered and taken since the last start, added up over all steps at once."""
        counted = jnp.ones(made.cost.shape, bool) if mask is None else mask
        cost, pondered, taken = made.cost, state.pondered, state.taken
        if starts is not None:
            later = jnp.cumsum(starts[::-1], axis=0)[::-1]
            # A step counts if no start comes after it, its own being before it.
            since = jnp.concatenate([later[1:], jnp.zeros_like(later[:1])]) == 0
            counted, before = counted & since, later[0] == 0
            cost = jnp.where(since, cost, 0)
            pondered = jnp.where(before, pondered, 0)
            taken = jnp.where(before[..., None], taken, 0)
        taken = taken + jnp.sum(self._tally(made.steps, counted), axis=0)
        return PonderState(inner, pondered + jnp.sum(cost, axis=0), taken), made.outputs

    def restart(self, state: PonderState, batch: tuple[int, ...]) -> PonderState:
        """The inner cell's; nothing pondered yet."""
        return PonderState(self.cell.restart(state.inner, batch), *self._nothing(batch))

    def penalty(self, state: PonderState) -> Float[Array, "*batch"]:
        """τ Σ_t ρ_t, and what the inner cell adds."""
        return self.cost * state.pondered + self.cell.penalty(state.inner)

    def metrics(self, state: PonderState) -> dict[str, Array]:
        """`ponder`: sub-steps an input, as a distribution; and the inner cell's."""
        inputs = jnp.maximum(jnp.sum(state.taken, axis=-1, keepdims=True), 1)
        return {"ponder": state.taken / inputs} | self.cell.metrics(state.inner)

    def observe(self, state: PonderState, x: Float[Array, "*batch features"]) -> dict[str, Any]:
        """`ponder`, the sub-steps of this step, and `ponder_cost`, ρ_t: `(*batch,)` each.

        Under `inner` is what the inner cell shows at the first sub-step.
        """
        thought = self._think(state, x, jnp.ones(x.shape[:-1], bool))[1]
        inner = self.cell.observe(state.inner, flagged(x, jnp.int32(0)))
        return {"ponder": thought.steps, "ponder_cost": thought.cost, "inner": inner}

    def shown(self, state: PonderState) -> dict[str, Any]:
        """What the inner cell shows, and what was pondered and taken in all."""
        inner = self.cell.shown(state.inner)
        return {"inner": inner, "pondered": state.pondered, "thoughts": state.thoughts}


def _substep(model: Ponder, x: Array, number: Int[Array, ""], path: Path) -> tuple[Path, Thought]:
    """A sub-step of what is running, and what it adds to the thought."""
    total, running = path.total, path.running
    inner, y = model.cell.step(path.inner, flagged(x, number))
    settled = model.rule.settle(model.halt(y)[..., 0], total, running, number)
    p = settled.share

    def shared(leaf: Array) -> Array:
        return p.reshape(p.shape + (1,) * (leaf.ndim - p.ndim)).astype(leaf.dtype) * leaf

    learned = eqx.filter(inner, eqx.is_inexact_array) if model.keep == "mean" else ()
    after = Path(select(running, inner, path.inner), settled.total, settled.running)
    steps = running.astype(p.dtype)
    return after, Thought(jax.tree.map(shared, learned), shared(y), settled.cost, steps)
