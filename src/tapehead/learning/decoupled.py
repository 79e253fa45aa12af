"""Decoupled networks: what comes back from one part to the one before it is predicted."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, Composite, State, expect_steps, select
from tapehead.errors import UserError, at_least
from tapehead.learning.bptt import cost
from tapehead.learning.dependence import example_input
from tapehead.learning.predictor import Predicting, Predictor, dtype_of, half_square, predict
from tapehead.learning.rule import Exactness, Extended, Loss, Metrics, Model, as_vector
from tapehead.learning.view import View
from tapehead.sequences import Sequences

Step = Callable[[Array, Any, Array], tuple[Array, Any]]
"""`(parameters, standing, gradient) -> (change, standing)`, as an optimiser makes it."""


class Interface(eqx.Module):
    """What is predicted for one member of a network, so that it need not wait.

    **Attributes:**

    - `input`: predicts the gradient of its inputs, for whoever sends them; `None` for the first.
    - `state`: predicts the gradient of its state at a window's end; `None` without windows, or if
        no parameter of it reaches its state.
    """

    input: Predictor | None
    state: Predictor | None


class DecoupledCarry(NamedTuple):
    """What `Decoupled` carries.

    **Attributes:**

    - `state`: the network's state after the last window.
    - `label`: what predictors of states are told beside them, `(*batch, outputs)`.
    - `first`: of which sequences no window has been seen yet, and `state` is the initial one.
    - `key`: what the initial state was made with, so that its gradient can be taken.
    """

    state: State
    label: Float[Array, "*batch outputs"]
    first: Bool[Array, "*batch"]
    key: PRNGKeyArray | None


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


class Decoupled(Predicting):
    """Every member of a network learns from predictions, and waits for no other.

    A network is made of members in some order, each of which sends something on to later ones: the
    layers of a `Chain`, the two networks of a `TwoClocks`. Where member i takes x_i from members
    before it, a small network M_i is told x_i, at every step by itself, and predicts the gradient
    of the loss with respect to it. With L the loss of what the members contribute to the outputs
    of the network, and paid penalties,

        ĝ_i = scale · M_i(x_i)                        held
        L_n = L + Σ_i ĝ_i · x_i                       where only member n is not held
        ∂L/∂θ_n ≈ ∂L_n/∂θ_n                           the member's own parameters
        ∂M_n: ½ |M_n(x_n) − g_n|²                     g_n = ∂L_n/∂x_n, held

    So a member has its gradient as soon as it has its outputs, before the next one has run, and
    M_n learns when member n has its own: from the true gradient where n ends in the loss, else
    from what comes back through n of the prediction at its outputs. All M are 0 to begin with:
    what lies below the last member then does not move. With `scale` 0 it never does.

    With a `window` time is cut as well: the state s of every member at a window's end gets a
    predictor of its own, which is told that state alone and is taught by what comes back through
    the member in the window after, as in `SyntheticGradients`. Every part of a network then learns
    after every window.

    **Random updates.** With `probability` p below 1, members and predictors are not updated
    together: all go through the batch once, and then each takes its turn, in random order, and
    with probability p makes an update of its own, along its gradient under what the others have
    become by then, with an optimiser of its own. In the order from the first member to the last,
    each after its predictor, and with p = 1 that is what is done otherwise. (`updates_in_turn`)

    - *Exact for*: the last member of a chain; everything, if the predictors are right and `scale`
      is 1. *Biased by*: whatever they have not learned yet, or cannot know.
    - *Variance*: none beyond the batch's and that of a target that moves.
    - *Memory*: the activations of one member and of one window; the predictors. *Time*: as `BPTT`,
      and the predictors three times.
    - *Cannot*: serve what is one piece; train what must read a sequence whole.

    **Arguments:**

    - `window`: steps per window, at least 1; `None` (default) for whole sequences.
    - `hidden`: ReLUs in every hidden layer of a predictor, at least 1 (default 128).
    - `layers`: hidden layers of a predictor; 0 for linear ones (default 1).
    - `scale`: how much of what is predicted is believed, in [0, 1] (default 1).
    - `gain`: what the last layer of M is multiplied with, above 0: with an optimiser whose steps
        are as large whatever the gradient, such as Adam, predictions move by so much less at a
        time (default 1).
    - `labels`: whether predictors are told labels too, those of inputs that of the same step and
        those of states that of the window's last, as the gradient of the loss with respect to
        outputs that are 0 (default False).
    - `probability`: with which a member or predictor is updated, in (0, 1] (default 1).
    - `gigabytes`: how large the predictors may become together, above 0 (default 1).

    Source: Jaderberg, Czarnecki, Osindero, Vinyals, Graves, Silver and Kavukcuoglu, "Decoupled
    neural interfaces using synthetic gradients" (2017), sections 2 and 3.
    """

    exact: ClassVar[Exactness] = "nothing"
    window: int | None = eqx.field(static=True, default=None)
    hidden: int = eqx.field(static=True, default=128)
    layers: int = eqx.field(static=True, default=1)
    scale: float = eqx.field(static=True, default=1.0)
    gain: float = eqx.field(static=True, default=1.0)
    labels: bool = eqx.field(static=True, default=False)
    probability: float = eqx.field(static=True, default=1.0)
    gigabytes: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        if self.window is not None:
            at_least("Decoupled", 1, window=self.window)
        if not 0 < self.probability <= 1:
            raise UserError(
                f"Decoupled: probability must be above 0 and at most 1, got {self.probability}"
            )
        if self.window is not None and self.probability < 1:
            raise UserError(
                "Decoupled: a probability below 1 is for whole sequences; leave window out"
            )

    def extend(self, model: Cell, *, key: PRNGKeyArray) -> Extended:
        """The network with the `Interface` of every member, or `None` of those that learn nothing.

        **Raises:** `UserError` if the network is not made of members of which at least two learn,
        must read a sequence whole, or would have predictors larger than `gigabytes`.
        """
        expect_steps("Decoupled", model, "take bptt, or a network of one direction")
        learning = learning_members(model)
        if not isinstance(model, Composite) or len(learning) < 2:
            raise UserError(
                f"Decoupled: {type(model).__name__} is one piece, in which nothing is sent from "
                "one part to another; take bptt or synthetic-gradients, or a network of layers"
            )
        dtype = dtype_of(model)
        told, label = input_sizes(model), self.label_size(model)
        sizes: dict[tuple[int, str], int] = {(n, "input"): told[n] for n in learning[1:]}
        if self.window is not None:
            for n in learning:
                size = View(model.cells[n], model.cells[n].initial_state(()), ()).size
                sizes |= {(n, "state"): size} if size else {}
        made = {place: self.sizes(size + label, size) for place, size in sizes.items()}
        what = f"predictors for {sum(sizes.values()):,} numbers"
        self.expect_room(what, "bptt", *made.values(), dtype=dtype)
        keys = dict(zip(made, jax.random.split(key, len(made)), strict=True))

        def predictor(*place: Any) -> Predictor | None:
            if place not in made:
                return None
            return Predictor(
                made[place], sizes[place], gain=self.gain, dtype=dtype, key=keys[place]
            )

        return Extended(
            model,
            tuple(
                Interface(predictor(n, "input"), predictor(n, "state")) if n in learning else None
                for n in range(len(model.cells))
            ),
        )

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> DecoupledCarry:
        """The initial state, marked as the first window's."""
        network, _ = self.parts(model)
        state = network.initial_state(batch, key=key)
        label = jnp.zeros((*batch, self.label_size(network)), dtype_of(network))
        return DecoupledCarry(state, label, jnp.ones(batch, bool), key)

    def renew(
        self, carry: DecoupledCarry, begun: DecoupledCarry, lanes: Bool[Array, "*batch"]
    ) -> DecoupledCarry:
        """The states in `lanes` are marked as the first windows', and made in `gradient`."""
        return carry._replace(first=carry.first | lanes, key=begun.key)

    def gradient(
        self, model: Model, carry: DecoupledCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, DecoupledCarry, Metrics]:
        """The gradients of all members and of their predictors."""
        _, helper = self.parts(model)
        look = Pass(self, model, carry, window, loss)
        back, seen = look.gradient(model)
        taught = tuple(
            None if one is None else look.taught(n, one, back, seen) for n, one in enumerate(helper)
        )
        tree: Any = Extended(back.network, taught)
        none = jnp.zeros(window.batch, bool)
        after = DecoupledCarry(seen.after, look.label[-1], none, carry.key)
        return tree, after, seen.metrics

    def updates_in_turn(
        self,
        model: Model,
        standing: tuple[Any, ...],
        carry: DecoupledCarry,
        window: Sequences,
        loss: Loss,
        *,
        step: Step,
        key: PRNGKeyArray,
        order: Int[Array, " units"] | None = None,
    ) -> tuple[Model, tuple[Any, ...], Float[Array, " units"], Metrics]:
        """Random updates: one turn for each of `units`.

        **Arguments:**

        - `model`: what `extend` gave.
        - `standing`: where the optimiser of each unit stands.
        - `carry`: what `begin` gave. `window`: whole sequences. `loss`: of every step by itself.
        - `step`: how a unit's parameters change along its gradient.
        - `key`: draws the order, and which units are updated.
        - `order`: another order, of the units' numbers.

        **Returns:** the model, where the optimisers stand, the norms of the units' gradients (0 of
        those that were not updated), and what the pass before the turns saw.
        """
        look = Pass(self, model, carry, window, loss)
        _, seen = look.loss_of(model.helper, Through(model.network, look.states, look.nudges))
        units = units_of(model)
        order_key, moved_key = jax.random.split(key)
        if order is None:
            order = jax.random.permutation(order_key, len(units))
        moved = jax.random.bernoulli(moved_key, self.probability, (len(units),))
        arrays, static = eqx.partition(model, eqx.is_array)

        def turn(number: int, now: Any) -> Any:
            arrays, standing, norms = now
            model = eqx.combine(arrays, static)
            unit = units[number]
            grads = look.unit_gradient(model, unit, seen)
            vector, part_at = as_vector(unit.of(model))
            along, _ = ravel_pytree(grads)
            change, after = step(vector, standing[number], along)
            model = eqx.tree_at(unit.of, model, part_at(vector + change))
            standing = (*standing[:number], after, *standing[number + 1 :])
            norms = norms.at[number].set(jnp.linalg.norm(along))
            return eqx.filter(model, eqx.is_array), standing, norms

        branches = [lambda now, number=number: turn(number, now) for number in range(len(units))]
        branches.append(lambda now: now)

        def body(place: Array, now: Any) -> Any:
            number = order[place]
            return jax.lax.switch(jnp.where(moved[number], number, len(units)), branches, now)

        begun = (arrays, standing, jnp.zeros(len(units), look.label.dtype))
        arrays, standing, norms = jax.lax.fori_loop(0, len(units), body, begun)
        return eqx.combine(arrays, static), standing, norms, seen.metrics


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
        self, rule: Decoupled, model: Any, carry: DecoupledCarry, window: Sequences, loss: Loss
    ):
        network, helper = rule.parts(model)
        self.rule, self.carry, self.window, self.loss = rule, carry, window, loss
        self.helper = helper
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
        self.states = tuple(split[n][0] if n in split else () for n in members)
        self.nudges = tuple(
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
        outputs, after, told = ([None] * len(before) for _ in range(3))
        predicted = []

        def member(n: int, xs: Array) -> Array:
            one = helper[n]
            told[n] = jax.lax.stop_gradient(xs)
            if one is not None and one.input is not None:
                coming = predict(one.input, told[n], self.label).gradient
                predicted.append((jnp.where(self.here[..., None], coming, 0), xs))
                xs = told[n] + nudges[n]
            # What learns nothing passes on what comes to it.
            held = seen is not None and n != live and one is not None
            if seen is not None and held:
                outputs[n], after[n] = seen.outputs[n], seen.after[n]
            else:
                after[n], outputs[n] = network.cells[n].unroll(before[n], xs, mask=window.mask)
            if n in self.views and not held:
                vector, _ = self.views[n].lanes(self.views[n].split)(after[n])
                coming = predict(one.state, jax.lax.stop_gradient(vector), self.label[-1]).gradient
                predicted.append((jnp.where(self.more[..., None], coming, 0), vector))
            return outputs[n]

        ys = network.connect(member, window.inputs)
        found, metrics = cost(network, (tuple(before), tuple(after)), ys, window, self.loss)
        for coming, place in predicted:
            found += self.rule.scale * jnp.sum(jax.lax.stop_gradient(coming) * place) / total
        return found, Seen(tuple(outputs), tuple(after), tuple(told), metrics)

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
