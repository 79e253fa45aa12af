"""Evolution strategies: a gradient from what random changes of the parameters do to the loss."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell, State, expect_steps
from tapehead.errors import UserError, above, among, at_least
from tapehead.learning.bptt import window_loss
from tapehead.learning.rule import (
    Exactness,
    LearningRule,
    Loss,
    Metrics,
    Model,
    as_vector,
)
from tapehead.sequences import Sequences

Noise = Literal["reused", "persistent"]


class EvolvedCarry(NamedTuple):
    """What `EvolutionStrategy` carries; every leaf but the key leads with the batch axes.

    **Attributes:**

    - `state`: of the network itself.
    - `changed`: of the changed networks, `(*batch, pairs, 2, ...)`.
    - `noise`: ε of the window to come, `(*batch, pairs, parameters)`.
    - `sum`: ξ, all that was added to the parameters so far, the window to come included.
    - `keys`: what further noise is drawn from, `(*batch,)`.
    """

    state: State
    changed: State
    noise: Float[Array, "*batch pairs parameters"]
    sum: Float[Array, "*batch pairs parameters"]
    keys: PRNGKeyArray


class EvolutionStrategy(LearningRule):
    """The gradient of a blurred loss, from pairs of networks that differ in random directions.

    Every sequence has `pairs` of networks of its own, whose parameters are θ ± σ ε with normal ε.
    Each goes through the sequence with a state of its own, window by window, and

        ∂L/∂θ ≈ mean over pairs of  ξ (L(θ + σ ε) − L(θ − σ ε)) / 2 σ

    of every window, where ξ is the sum of the ε that the network has met in this sequence. With
    `"reused"` noise it has one ε throughout, so ξ = ε; with `"persistent"` noise it has a new one
    in every window, and ξ grows. No state is ever cut off from what came before it, so that windows
    bias nothing: this is for long unrolls, of which the optimiser is to hear before they end.

    - *Exact for*: the loss blurred by normal noise of spread σ, in the mean over ε; nothing need be
      differentiable. *Biased by*: what the blur does, which falls with σ²; an online run, where the
      states are of older parameters.
    - *Variance*: grows with the number of parameters, falls with pairs times sequences; persistent
      noise adds to it with every window.
    - *Memory*: twice pairs times sequences states, as many vectors of parameters, whatever the
      length. *Time*: 1 + 2 pairs forward passes, and none back.
    - *Cannot*: train large networks in reasonable time.

    **Arguments:**

    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `pairs`: for each sequence of a batch, at least 1 (default 4).
    - `spread`: σ, above 0 (default 0.03).
    - `noise`: `"reused"` (default) or `"persistent"`.
    - `gigabytes`: how large states and vectors may become together, above 0 (default 4).

    Sources: Salimans et al., "Evolution strategies as a scalable alternative to reinforcement
    learning" (2017); Vicol, Metz and Sohl-Dickstein, "Unbiased gradient estimation in unrolled
    computation graphs with persistent evolution strategies" (2021); Li et al., "Noise-reuse in
    online evolution strategies" (2023).
    """

    exact: ClassVar[Exactness] = "average"
    window: int | None = eqx.field(static=True, default=None)
    pairs: int = eqx.field(static=True, default=4)
    spread: float = eqx.field(static=True, default=0.03)
    noise: Noise = eqx.field(static=True, default="reused")
    gigabytes: float = eqx.field(static=True, default=4.0)

    def __check_init__(self):
        owner = "EvolutionStrategy"
        if self.window is not None:
            at_least(owner, 1, window=self.window)
        at_least(owner, 1, pairs=self.pairs)
        among(owner, get_args(Noise), noise=self.noise)
        above(owner, 0, spread=self.spread, gigabytes=self.gigabytes)

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> EvolvedCarry:
        """The initial states, each made by its own changed network, and their first noise.

        **Raises:** `UserError` if there are windows and the model must read a sequence whole, or if
        states and vectors would be larger than `gigabytes`.
        """
        if self.window is not None:
            expect_steps("EvolutionStrategy", model, "leave window out")
        vector, model_at = as_vector(model)
        lanes, random = math.prod(batch), key is not None
        own = jax.random.fold_in(jax.random.key(0) if key is None else key, 1)

        def start(key: PRNGKeyArray) -> tuple[State, Array, PRNGKeyArray]:
            now, training, later = jax.random.split(key, 3)
            noise = jax.random.normal(now, (self.pairs, vector.size), vector.dtype)

            def initial(change: Array) -> State:
                # All draw alike whatever is random in training.
                model = model_at(vector + change)
                return model.initial_state((), key=training if random else None)

            return self._pairs(initial)(noise), noise, later

        keys = jax.random.split(own, lanes)
        self._expect_room(vector, lanes, jax.eval_shape(jax.vmap(start), keys)[0])
        begun = jax.tree.map(lambda x: x.reshape(*batch, *x.shape[1:]), jax.vmap(start)(keys))
        changed, noise, keys = begun
        return EvolvedCarry(model.initial_state(batch, key=key), changed, noise, noise, keys)

    def _pairs(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a change of the parameters as one of ε, for both of every pair.

        Its further arguments lead with the axes of pairs and of both.
        """

        def of_pair(noise: Array, *more: Any) -> Any:
            changes = self.spread * jnp.stack([noise, -noise])
            return jax.vmap(function)(changes, *more)

        return jax.vmap(of_pair)

    def _expect_room(self, vector: Array, lanes: int, changed: State) -> None:
        """Refuse what is too large."""
        floats = [x for x in jax.tree.leaves(changed) if jnp.issubdtype(x.dtype, jnp.inexact)]
        numbers = sum(math.prod(x.shape) for x in floats)
        numbers += (2 + 2) * lanes * self.pairs * vector.size
        size = numbers * vector.dtype.itemsize / 1e9
        if size > self.gigabytes:
            raise UserError(
                f"EvolutionStrategy: {2 * self.pairs} changed networks of {vector.size:,} "
                f"parameters for each of {lanes} sequences would take {size:,.1f} gigabytes, more "
                f"than the {self.gigabytes:g} allowed; take fewer pairs, a smaller network or "
                "batch, or raise gigabytes"
            )

    def gradient(
        self, model: Model, carry: EvolvedCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, EvolvedCarry, Metrics]:
        """The estimate for one window; loss and outputs are those of the network itself."""
        vector, model_at = as_vector(model)
        _, (state, metrics) = window_loss(model, carry.state, window, loss)
        steps = window._replace(total=None, more=None)

        def lane(carry: EvolvedCarry, steps: Sequences) -> tuple[Array, EvolvedCarry]:
            own = steps._replace(total=window.total)

            def one(change: Array, state: State) -> tuple[State, Array]:
                cost, (state, _) = window_loss(model_at(vector + change), state, own, loss)
                return state, cost

            changed, costs = self._pairs(one)(carry.noise, carry.changed)
            slopes = (costs[:, 0] - costs[:, 1]) / (2 * self.spread * self.pairs)
            now, later = jax.random.split(carry.keys)
            noise, total = carry.noise, carry.sum
            if self.noise == "persistent":
                noise = jax.random.normal(now, noise.shape, noise.dtype)
                total = total + noise
            return slopes @ carry.sum, EvolvedCarry(carry.state, changed, noise, total, later)

        for _ in window.batch:
            lane = jax.vmap(lane, in_axes=(0, 1))
        found, after = lane(carry, steps)
        grads = jnp.sum(found.reshape(-1, vector.size), axis=0)
        tree = eqx.filter(model_at(grads), eqx.is_inexact_array)
        return tree, after._replace(state=state), metrics
