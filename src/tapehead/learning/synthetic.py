"""Synthetic gradients: what lies beyond a window is predicted from the state at its end."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from tapehead.cell import Cell, State, expect_steps, select
from tapehead.errors import at_least
from tapehead.learning.bptt import window_loss
from tapehead.learning.predictor import (
    Predicting,
    PredictingCarry,
    Predictor,
    half_square,
    predict,
)
from tapehead.learning.rule import Exactness, Extended, Loss, Metrics, Model
from tapehead.learning.view import View
from tapehead.sequences import Sequences


class SyntheticGradients(Predicting):
    """Truncated backpropagation, with a prediction in place of what lies beyond a window.

    A small network M with parameters φ is told the state s_k at the end of window k (the numbers
    of it that parameters reach and that matter) and predicts the gradient there of all losses that
    are still to come. With L_k the loss of window k, a sum over its steps,

        c_k = scale · M_φ(s_k)                    0 where the sequence ends
        ∂L/∂θ ≈ Σ_k ∂(L_k + c_k · s_k)/∂θ         s_{k−1} and c_k held
        ∂L/∂φ = Σ_k ∂ ½ |M_φ(s_{k−1}) − g_k|²/∂φ  g_k = ∂(L_k + c_k · s_k)/∂s_{k−1}, held

    so that M learns from what came back through the window after, which includes what it predicted
    itself at the end of that one. The auxiliary task is to predict from s_{k−1} what M will say
    one window later, ½ |A_φ(s_{k−1}) − M_φ(s_k)|². It is a loss of the network too, whose gradient
    is a part of g_k: states are asked to tell of what is two windows ahead. All of this counts as
    penalties do, in units of one scored step's loss.

    `extend` puts M beside the network. Its last layer is 0 to begin with, so that it learns from
    nothing but what comes back, and the rule begins as `TruncatedBPTT`.

    - *Exact for*: dependencies that lie within one window; all of them, if M is right and `scale`
      is 1. *Biased by*: whatever M has not learned yet, or cannot know from the state.
    - *Variance*: none beyond the batch's and that of a target that moves.
    - *Memory*: the activations of one window; M. *Time*: as `TruncatedBPTT`, and M twice a window.
    - *Cannot*: train what must read a sequence whole; serve memories with so many numbers of state
      that M would be too large.

    **Arguments:**

    - `window`: steps per window, at least 1 (default 20).
    - `hidden`: ReLUs in every hidden layer of M, at least 1 (default 128).
    - `layers`: hidden layers of M; 0 for a linear one (default 1).
    - `scale`: how much of what M predicts is believed, in [0, 1] (default 1).
    - `auxiliary`: the weight of the auxiliary task, at least 0 (default 0).
    - `labels`: whether M is also told the label of the window's last step, as the gradient of its
        loss with respect to outputs that are 0 (default False).
    - `gigabytes`: how large M may become, above 0 (default 1).

    Source: Jaderberg, Czarnecki, Osindero, Vinyals, Graves, Silver and Kavukcuoglu, "Decoupled
    neural interfaces using synthetic gradients" (2017), sections 2.1 and 3.1.
    """

    exact: ClassVar[Exactness] = "window"
    # Narrower than in the base class: this rule always has windows.
    window: int = eqx.field(static=True, default=20)  # pyright: ignore[reportIncompatibleVariableOverride]
    hidden: int = eqx.field(static=True, default=128)
    layers: int = eqx.field(static=True, default=1)
    scale: float = eqx.field(static=True, default=1.0)
    auxiliary: float = eqx.field(static=True, default=0.0)
    labels: bool = eqx.field(static=True, default=False)
    gigabytes: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        at_least("SyntheticGradients", 1, window=self.window)
        at_least("SyntheticGradients", 0, auxiliary=self.auxiliary)

    def extend(self, model: Cell, *, key: PRNGKeyArray) -> Extended:
        """The network with a predictor, or with `None` if nothing that is learned reaches a state.

        **Raises:** `UserError` if the model must read a sequence whole (`tapehead.cell.Whole`), or
        if the predictor would be larger than `gigabytes`.
        """
        expect_steps("SyntheticGradients", model, "take bptt, or a network of one direction")
        view = View(model, model.initial_state(()), ())
        size = view.size
        if not size:
            return Extended(model, None)
        told = size + self.label_size(model)
        sizes = self.sizes(told, size * (2 if self.auxiliary else 1))
        what = f"a predictor for {size:,} numbers of state"
        self.expect_room(what, "truncated-bptt", sizes, dtype=view.dtype)
        return Extended(model, Predictor(sizes, size, dtype=view.dtype, key=key))

    def gradient(
        self, model: Model, carry: PredictingCarry, window: Sequences, loss: Loss
    ) -> tuple[Model, PredictingCarry, Metrics]:
        """The network's gradient in this window, and the predictor's at the state it begins in."""
        network, predictor = self.parts(model)
        view = View(network, carry.state, window.batch)
        total = 1 if window.total is None else window.total
        before, rest = view.lanes(view.split)(carry.state)
        real = True if window.mask is None else jnp.any(window.mask, axis=0)
        taught = (real & ~carry.first)[..., None]
        more = jnp.zeros(window.batch, bool) if window.more is None else window.more
        label = self.labels_of(network, window, loss)[-1]

        @eqx.filter_grad(has_aux=True)
        def gradient(of: Any) -> tuple[Array, tuple[State, Metrics]]:
            network, predictor, before = of
            initial = network.initial_state(window.batch, key=carry.key)
            state = select(carry.first, initial, view.lanes(view.join)(before, rest))
            cost, (state, metrics) = window_loss(network, state, window, loss)
            if predictor is not None:
                after, _ = view.lanes(view.split)(state)
                told = jax.lax.stop_gradient((after, label))
                coming = jax.lax.stop_gradient(predict(predictor, *told).gradient)
                coming = jnp.where(more[..., None], coming, 0)
                cost += jnp.sum(self.scale * coming * after) / total
                if self.auxiliary:
                    error = predict(predictor, before, carry.label).next - coming
                    cost += self.auxiliary * half_square(error, taught) / total
            return cost, (state, metrics)

        (grads, helper, back), (state, metrics) = gradient((network, predictor, before))

        if predictor is not None:

            @eqx.filter_grad
            def regression(predictor: Any) -> Array:
                found = predict(predictor, before, carry.label).gradient
                return half_square(found - total * back, taught) / total

            helper = eqx.apply_updates(helper, regression(predictor))
        tree: Any = Extended(grads, helper)
        none = jnp.zeros(window.batch, bool)
        return tree, PredictingCarry(state, label, none, carry.key), metrics
