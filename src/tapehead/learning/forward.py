"""Rules that learn as they go: an influence of the parameters on the state, carried forwards."""

import abc
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, State, expect_steps, guarded_step, select
from tapehead.errors import UserError, above, at_least
from tapehead.learning.rule import LearningRule, Loss, Metrics, Model
from tapehead.learning.view import Step, View
from tapehead.sequences import Sequences

Influence = Any
"""What stands for J = ∂s/∂θ of one sequence: the matrix, or less."""


class ForwardCarry(NamedTuple):
    """What a `Forward` rule carries.

    **Attributes:**

    - `state`: the model's state.
    - `influence`: how the parameters have influenced it; every leaf leads with the batch axes.
        `()` where nothing that is learned reaches the state.
    """

    state: State
    influence: Influence


class Signal(NamedTuple):
    """What one step's loss asks of one sequence.

    **Attributes:**

    - `state`: its gradient with respect to the state before the step, `(size,)`.
    - `output`: and to the output, `(outputs,)`.
    """

    state: Float[Array, " size"]
    output: Float[Array, " outputs"]


class Forward(LearningRule):
    """Rules that go forwards only: what parameters have done to the state is known at each step.

    With θ the parameters that reach the state and s the numbers of the state that they reach (both
    found from the model: see `tapehead.learning.dependence`), and J_t = ∂s_t/∂θ of each sequence,

        s_t = F(θ, s_{t−1}, x_t)
        J_t = D_t J_{t−1} + I_t              D = ∂F/∂s, I = ∂F/∂θ
        ∂ℓ_t/∂θ = (∂ℓ_t/∂s_{t−1}) J_{t−1} + what θ does to ℓ_t within the step

    Subclasses say what they keep of J, in three methods about one sequence. The last step is
    always differentiated as a whole, for outputs come out of a step, not out of a state.
    Parameters that do not reach the state, such as those of a readout, have that last part of
    their gradient alone, and it is exact. J_0 is how the initial state depends on the parameters,
    where that is learned; it must do so alike for all sequences.

    **Attributes:**

    - `window`: how many steps one call sees, between two updates of an online run; `None` for the
        whole sequence. It changes nothing about the gradient's sum.
    - `gigabytes`: how large the influence of all sequences of a batch may become, with what a step
        needs besides.
    - `instead`: which rules to take where it is too large.
    """

    window: eqx.AbstractVar[int | None]
    gigabytes: eqx.AbstractVar[float]
    instead: ClassVar[str] = "uoro or truncated-bptt"

    def __check_init__(self):
        owner = type(self).__name__
        if self.window is not None:
            at_least(owner, 1, window=self.window)
        above(owner, 0, gigabytes=self.gigabytes)

    @abc.abstractmethod
    def start(self, view: View, pull: Callable[[Array], Array], key: PRNGKeyArray) -> Influence:
        """The influence on an initial state: `pull` takes rows `(rows, size)` times J_0.

        `key` is for whatever the rule draws. Refuses, with a `UserError`, models that the rule
        does not serve.
        """

    @abc.abstractmethod
    def advance(self, view: View, step: Step, influence: Influence) -> Influence:
        """The influence after a step."""

    def scratch(self, view: View) -> int:
        """How many numbers besides `advance` needs at once for one sequence."""
        return 0

    @abc.abstractmethod
    def credit(self, view: View, influence: Influence, row: Float[Array, " size"]) -> Array:
        """A row times the influence, `(parameters,)`."""

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> ForwardCarry:
        """The initial state and how the parameters influence it.

        Whatever the rule draws derives from `key`, and is always the same without one.

        **Raises:** `UserError` if the model must read a sequence whole (`tapehead.cell.Whole`), if
        the rule does not serve it, or if the influence would be larger than `gigabytes`.
        """
        owner = type(self).__name__
        expect_steps(owner, model, "take bptt, or a network of one direction")
        state = model.initial_state(batch, key=key)
        view = View(model, state, batch)
        if not view.size:
            return ForwardCarry(state, ())
        own = jax.random.fold_in(jax.random.key(0) if key is None else key, 1)
        lanes = math.prod(batch)

        pull = view.begin().pull

        def starts(keys: PRNGKeyArray) -> Influence:
            return jax.vmap(lambda key: self.start(view, pull, key))(keys)

        self._expect_room(view, jax.eval_shape(starts, jax.random.split(own, lanes)))
        influence = starts(jax.random.split(own, lanes))
        return ForwardCarry(
            state, jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), influence)
        )

    def _expect_room(self, view: View, influence: Influence) -> None:
        """Refuse an influence that is too large."""
        floats = [x for x in jax.tree.leaves(influence) if jnp.issubdtype(x.dtype, jnp.inexact)]
        numbers = sum(math.prod(x.shape) for x in floats)
        lanes = math.prod(view.batch)
        size = (numbers + lanes * self.scratch(view)) * view.dtype.itemsize / 1e9
        if size > self.gigabytes:
            raise UserError(
                f"{type(self).__name__}: the influence of {view.parameters.size:,} parameters on "
                f"{view.size:,} numbers of state would take {size:,.1f} gigabytes for "
                f"{lanes} sequences, more than the {self.gigabytes:g} allowed; take "
                f"{self.instead}, a smaller network or batch, or raise gigabytes"
            )

    def gradient(
        self, model: Model, carry: ForwardCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, ForwardCarry, Metrics]:
        """The gradient of the window's loss, step by step."""
        view = View(model, carry.state, window.batch)
        trained, static = eqx.partition(model, eqx.is_inexact_array)

        def losses(trained: Any, vectors: Array, rests: Any, bump: Array, step: Sequences) -> Any:
            model = eqx.combine(trained, static)

            def lane(vector: Array, rest: Any, bump: Array, one: Sequences) -> Any:
                before = view.join(vector, rest)
                after, y = guarded_step(model, before, one.inputs, one.mask, None)
                y = y + bump
                of_step = loss(y[None, None], one.targets[None, None])[0, 0]
                scored = one.weights * of_step
                paid = model.penalty(after) - model.penalty(before)
                total = scored + (paid if window.total is None else paid / window.total)
                return total, after, scored, y

            totals, after, scored, y = view.lanes(lane)(vectors, rests, bump, step)
            return jnp.sum(totals), (after, jnp.sum(scored), y)

        outputs = self._outputs(model, carry.state, window)
        bump = jnp.zeros(outputs.shape, outputs.dtype)

        def body(before: Any, step: Sequences) -> Any:
            (state, influence), grads = before
            if step.mask is not None:
                # Padding may hold anything, NaN included.
                clean = select(step.mask, step.inputs, jnp.zeros_like(step.inputs))
                step = step._replace(inputs=clean)
            vectors, rests = view.lanes(view.split)(state)
            found = jax.grad(losses, argnums=(0, 1, 3), has_aux=True)
            (direct, *signals), aux = found(trained, vectors, rests, bump, step)
            after, scored, y = aux
            onward = influence
            if view.size:
                onward = view.lanes(lambda *of: self.advance(view, view.step(*of[:2]), of[2]))(
                    state, step.inputs, influence
                )
                onward = onward if step.mask is None else select(step.mask, onward, influence)
                direct = self.share(view, direct, Signal(*signals), influence, onward)
            grads = jax.tree.map(jnp.add, grads, direct)
            return (ForwardCarry(after, onward), grads), Metrics(scored, y)

        zeros = jax.tree.map(jnp.zeros_like, trained)
        steps = window._replace(total=None, more=None)
        (carry, grads), metrics = jax.lax.scan(body, (carry, zeros), steps)
        return grads, carry, Metrics(jnp.sum(metrics.loss), metrics.outputs)

    def share(
        self, view: View, direct: Model, signal: Signal, before: Influence, after: Influence
    ) -> Model:
        """A step's gradient, from that within the step and what the state before it owes."""
        learned = view.lanes(lambda row, influence: self.credit(view, influence, row))
        owed = learned(signal.state, before).reshape(-1, view.parameters.size)
        return eqx.apply_updates(direct, view.gradient(jnp.sum(owed, axis=0)))

    @staticmethod
    def _outputs(model: Cell, state: State, window: Sequences) -> jax.ShapeDtypeStruct:
        """The shape and type of one step's outputs."""
        x = jax.eval_shape(lambda xs: xs[0], window.inputs)
        return eqx.filter_eval_shape(lambda m, s, x: m.step(s, x)[1], model, state, x)
