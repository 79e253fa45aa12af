"""Decoupled networks: what comes back from one part to the one before it is predicted."""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PRNGKeyArray

from tapehead.cell import Cell, Composite, expect_steps
from tapehead.errors import UserError, at_least
from tapehead.learning.interfaces import (
    Interface,
    Pass,
    Through,
    input_sizes,
    learning_members,
    units_of,
)
from tapehead.learning.predictor import Predicting, PredictingCarry, Predictor, dtype_of
from tapehead.learning.rule import Exactness, Extended, Loss, Metrics, Model, as_vector
from tapehead.learning.view import View
from tapehead.sequences import Sequences

Step = Callable[[Array, Any, Array], tuple[Array, Any]]
"""`(parameters, standing, gradient) -> (change, standing)`, as an optimiser makes it."""


class Decoupled(Predicting):
    """Every member of a network learns from predictions, and waits for no other.

    A network is made of members in some order, each of which sends something on to later ones: the
    layers of a `Chain`, the two networks of a `TwoClocks`. What lies within a member, such as a
    chain within the chain, is one piece. Where member i takes x_i from members
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
            return Predictor(made[place], sizes[place], dtype=dtype, key=keys[place])

        return Extended(
            model,
            tuple(
                Interface(predictor(n, "input"), predictor(n, "state")) if n in learning else None
                for n in range(len(model.cells))
            ),
        )

    def gradient(
        self, model: Model, carry: PredictingCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, PredictingCarry, Metrics]:
        """The gradients of all members and of their predictors."""
        _, helper = self.parts(model)
        look = Pass(self, model, carry, window, loss)
        back, seen = look.gradient(model)
        taught = tuple(
            None if one is None else look.taught(n, one, back, seen) for n, one in enumerate(helper)
        )
        tree: Any = Extended(back.network, taught)
        none = jnp.zeros(window.batch, bool)
        after = PredictingCarry(seen.after, look.label[-1], none, carry.key)
        return tree, after, seen.metrics

    def updates_in_turn(
        self,
        model: Any,
        standing: tuple[Any, ...],
        carry: PredictingCarry,
        window: Sequences,
        loss: Loss,
        *,
        step: Step,
        key: PRNGKeyArray,
        order: Int[Array, " units"] | None = None,
    ) -> tuple[Extended, tuple[Any, ...], Float[Array, " units"], Metrics]:
        """Random updates: one turn for each unit, a member or what predicts for it (`units_of`).

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

        branches: list[Any] = [functools.partial(turn, number) for number in range(len(units))]
        branches.append(lambda now: now)

        def body(place: Array, now: Any) -> Any:
            number = order[place]
            return jax.lax.switch(jnp.where(moved[number], number, len(units)), branches, now)

        begun = (arrays, standing, jnp.zeros(len(units), look.label.dtype))
        arrays, standing, norms = jax.lax.fori_loop(0, len(units), body, begun)
        return eqx.combine(arrays, static), standing, norms, seen.metrics
