"""One pass of a batch through a network whose members learn from predictions."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from tapehead.cell import Cell, Composite, State, select
from tapehead.learning.bptt import cost
from tapehead.learning.dependence import example_input
from tapehead.learning.predictor import (
    Predicting,
    PredictingCarry,
    Predictor,
    half_square,
    predict,
)
from tapehead.learning.rule import Extended, Loss, Metrics
from tapehead.learning.view import View
from tapehead.sequences import Sequences


class Interface(eqx.Module):
    """What is predicted for one member of a network, so that it need not wait.

    **Attributes:**

    - `input`: predicts the gradient of its inputs, for whoever sends them; `None` for the first.
    - `state`: predicts the gradient of its state at a window's end; `None` without windows, or if
        no parameter of it reaches its state.
    """

    input: Predictor | None
    state: Predictor | None


class Through(NamedTuple):
    """What a loss is differentiated with respect to; also its gradient.

    **Attributes:**

    - `network`: the network.
    - `states`: of every member whose state has a predictor, its numbers before the window; `()` of
        the others.
    - `nudges`: of every member whose inputs have a predictor, what is added to them, which is 0;
        `()` of the others.
    """

    network: Any
    states: tuple[Any, ...]
    nudges: tuple[Any, ...]


class Seen(NamedTuple):
    """What one pass through a window left behind, by member where not said otherwise.

    **Attributes:**

    - `outputs`, `after`: what they gave, and their states in the end.
    - `told`: their inputs.
    - `metrics`: of the whole network.
    """

    outputs: tuple[Array, ...]
    after: tuple[State, ...]
    told: tuple[Array, ...]
    metrics: Metrics


class Unit(NamedTuple):
    """What random updates update by itself.

    **Attributes:**

    - `member`: of the network.
    - `interface`: whether it is what predicts for the member, and not the member.
    """

    member: int
    interface: bool

    def of(self, model: Any) -> Any:
        """The part of an `Extended` model."""
        return model.helper[self.member] if self.interface else model.network.cells[self.member]


def units_of(model: Extended) -> list[Unit]:
    """The units of a model: its members from the first to the last, each after its interface."""
    return [
        Unit(n, interface)
        for n, one in enumerate(model.helper)
        for interface in (True, False)
        if one is not None and (not interface or jax.tree.leaves(one))
    ]


class Pass:
    """One pass of a batch through a window, and what can be learned from it."""

    def __init__(
        self, rule: Predicting, model: Any, carry: PredictingCarry, window: Sequences, loss: Loss
    ):
        network, helper = rule.parts(model)
        self.rule, self.carry, self.window, self.loss = rule, carry, window, loss
        self.total = 1 if window.total is None else window.total
        self.label = rule.labels_of(network, window, loss)
        steps = window.weights.shape
        self.here = jnp.ones(steps, bool) if window.mask is None else window.mask
        self.more = jnp.zeros(window.batch, bool) if window.more is None else window.more
        self.views = {
            n: View(network.cells[n], carry.state[n], window.batch)
            for n, one in enumerate(helper)
            if one is not None and one.state is not None
        }
        split = {n: view.lanes(view.split)(carry.state[n]) for n, view in self.views.items()}
        self.rests = {n: rest for n, (_, rest) in split.items()}
        members = range(len(network.cells))
        self.states: tuple[Any, ...] = tuple(split[n][0] if n in split else () for n in members)
        self.nudges: tuple[Any, ...] = tuple(
            ()
            if one is None or one.input is None
            else jnp.zeros((*steps, one.input.size), self.label.dtype)
            for one in helper
        )

    def loss_of(
        self, helper: Any, through: Through, live: int | None = None, seen: Seen | None = None
    ) -> tuple[Array, Seen]:
        """The loss of which every member's gradient is a part, and what was seen on the way.

        With the number of a `live` member, all others are held at what was `seen` of them.
        """
        network, befores, nudges = through
        window, total = self.window, self.total
        initial = network.initial_state(window.batch, key=self.carry.key)
        before = [
            select(
                self.carry.first,
                initial[n],
                self.views[n].lanes(self.views[n].join)(befores[n], self.rests[n])
                if n in self.views
                else state,
            )
            for n, state in enumerate(self.carry.state)
        ]
        outputs: dict[int, Array] = {}
        after: dict[int, State] = {}
        told: dict[int, Array] = {}
        predicted = []

        def member(n: int, xs: Array) -> Array:
            one: Interface | None = helper[n]
            told[n] = jax.lax.stop_gradient(xs)
            if one is not None and one.input is not None:
                coming = predict(one.input, told[n], self.label).gradient
                predicted.append((jnp.where(self.here[..., None], coming, 0), xs))
                xs = told[n] + nudges[n]
            # What learns nothing passes on what comes to it.
            if seen is not None and n != live and one is not None:
                outputs[n], after[n] = seen.outputs[n], seen.after[n]
                return outputs[n]
            after[n], outputs[n] = network.cells[n].unroll(before[n], xs, mask=window.mask)
            if one is not None and one.state is not None:
                vector, _ = self.views[n].lanes(self.views[n].split)(after[n])
                coming = predict(one.state, jax.lax.stop_gradient(vector), self.label[-1]).gradient
                predicted.append((jnp.where(self.more[..., None], coming, 0), vector))
            return outputs[n]

        ys = network.connect(member, window.inputs)
        members = range(len(before))
        states = tuple(after[n] for n in members)
        found, metrics = cost(network, (tuple(before), states), ys, window, self.loss)
        for coming, place in predicted:
            found += self.rule.scale * jnp.sum(jax.lax.stop_gradient(coming) * place) / total
        return found, Seen(
            tuple(outputs[n] for n in members), states, tuple(told[n] for n in members), metrics
        )

    def gradient(self, model: Any) -> tuple[Through, Seen]:
        """The gradients of all members, and what comes back through each of them."""
        differentiated = eqx.filter_grad(lambda t: self.loss_of(model.helper, t), has_aux=True)
        return differentiated(Through(model.network, self.states, self.nudges))

    def taught(self, number: int, interface: Interface, back: Through, seen: Seen) -> Interface:
        """The gradient of an interface, from what comes `back` through its member."""
        total, carry = self.total, self.carry
        started = (jnp.any(self.here, axis=0) & ~carry.first)[..., None]

        @eqx.filter_grad
        def regression(one: Interface) -> Array:
            found = jnp.zeros((), self.label.dtype)
            if one.input is not None:
                said = predict(one.input, seen.told[number], self.label).gradient
                error = said - total * back.nudges[number]
                found += half_square(error, self.here[..., None])
            if one.state is not None:
                said = predict(one.state, self.states[number], carry.label).gradient
                found += half_square(said - total * back.states[number], started)
            return found / total

        return regression(interface)

    def unit_gradient(self, model: Any, unit: Unit, seen: Seen) -> Any:
        """The gradient of one unit, all others being held."""
        network, n = model.network, unit.member
        whole = Through(network, self.states, self.nudges)
        if unit.interface:
            back = eqx.filter_grad(
                lambda nudges: self.loss_of(model.helper, whole._replace(nudges=nudges), n, seen)[0]
            )(self.nudges)
            return self.taught(n, model.helper[n], whole._replace(nudges=back), seen)

        def of_member(cell: Cell) -> Array:
            moved = eqx.tree_at(lambda network: network.cells[n], network, cell)
            return self.loss_of(model.helper, whole._replace(network=moved), n, seen)[0]

        return eqx.filter_grad(of_member)(network.cells[n])


def learning_members(network: Any) -> list[int]:
    """The numbers of the members of a `Composite` that have something to learn."""
    cells = network.cells if isinstance(network, Composite) else ()
    return [
        n for n, cell in enumerate(cells) if jax.tree.leaves(eqx.filter(cell, eqx.is_inexact_array))
    ]


def input_sizes(network: Composite) -> dict[int, int]:
    """How many numbers every member takes; 0 for a token."""
    sizes = {}

    def look(network: Composite, x: Array) -> Array:
        states = network.initial_state(())

        def member(n: int, x: Array) -> Array:
            sizes[n] = x.shape[-1] if x.ndim else 0
            return network.cells[n].step(states[n], x)[1]

        return network.connect(member, x)

    eqx.filter_eval_shape(look, network, example_input(network))
    return sizes
