"""What synthetic gradients come from: networks that predict them, and rules that have some."""

import itertools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.cell import Cell, State, select
from tapehead.errors import UserError, above, at_least, within
from tapehead.learning.dependence import example_input
from tapehead.learning.rule import Extended, LearningRule, Loss
from tapehead.sequences import Sequences


class Predicted(NamedTuple):
    """What is predicted at a place of a network: a layer's input, or the state at a window's end.

    **Attributes:**

    - `gradient`: of all that comes after it, with respect to what is there, `(*batch, size)`.
    - `next`: that gradient one window later; `(*batch, 0)` without the auxiliary task.
    """

    gradient: Float[Array, "*batch size"]
    next: Float[Array, "*batch size"]


class Predictor(eqx.Module):
    """A network of ReLUs from what it is told to gradients, all 0 to begin with.

    **Attributes:**

    - `layers`: of which the last gives the gradients.
    - `size`: numbers of one gradient.
    """

    layers: tuple[eqx.nn.Linear, ...]
    size: int = eqx.field(static=True)

    def __init__(self, sizes: tuple[int, ...], size: int, *, dtype: Any, key: PRNGKeyArray):
        keys = jax.random.split(key, len(sizes))
        made = [
            eqx.nn.Linear(one, other, dtype=dtype, key=k)
            for one, other, k in zip(sizes, sizes[1:], keys, strict=False)
        ]
        made[-1] = jax.tree.map(jnp.zeros_like, made[-1])
        self.layers = tuple(made)
        self.size = size

    def __call__(self, x: Float[Array, " inputs"]) -> Predicted:
        """Of one sequence at one place: what is there, then its label."""
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        x = self.layers[-1](x)
        return Predicted(x[: self.size], x[self.size :])


class PredictingCarry(NamedTuple):
    """What a `Predicting` rule carries.

    **Attributes:**

    - `state`: the network's state after the last window.
    - `label`: what predictors of states are told beside it, `(*batch, outputs)`; `(*batch, 0)`:
        nothing.
    - `first`: of which sequences no window has been seen yet, and `state` is the initial one.
    - `key`: what the initial state was made with, so that its gradient can be taken.
    """

    state: State
    label: Float[Array, "*batch outputs"]
    first: Bool[Array, "*batch"]
    key: PRNGKeyArray | None


def predict(predictor: Any, *told: Float[Array, "*axes _"]) -> Predicted:
    """What `predictor` says, along all leading axes, when it is told these side by side."""

    def function(*one: Array) -> Predicted:
        return predictor(jnp.concatenate(one))

    for _ in range(told[0].ndim - 1):
        function = jax.vmap(function)
    return function(*told)


def half_square(error: Float[Array, "*axes size"], where: Bool[Array, "*axes 1"]) -> Array:
    """½ Σ error², at the places in `where`."""
    return jnp.sum(jnp.where(where, error, 0) ** 2) / 2


def dtype_of(network: Cell) -> Any:
    """The type of a network's parameters."""
    return jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))[0].dtype


class Predicting(LearningRule):
    """A learning rule that learns predictors of gradients beside the network.

    **Attributes:**

    - `hidden`: ReLUs in every hidden layer of a predictor.
    - `layers`: hidden layers of a predictor; 0 for a linear one.
    - `scale`: how much of what is predicted is believed, in [0, 1].
    - `labels`: whether predictors are told labels too.
    - `gigabytes`: how large the predictors may become.
    """

    hidden: eqx.AbstractVar[int]
    layers: eqx.AbstractVar[int]
    scale: eqx.AbstractVar[float]
    labels: eqx.AbstractVar[bool]
    gigabytes: eqx.AbstractVar[float]

    def __check_init__(self):
        owner = type(self).__name__
        at_least(owner, 1, hidden=self.hidden)
        at_least(owner, 0, layers=self.layers)
        within(owner, 0, 1, scale=self.scale)
        above(owner, 0, gigabytes=self.gigabytes)

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> PredictingCarry:
        """The initial state, marked as the first window's."""
        network, _ = self.parts(model)
        state = network.initial_state(batch, key=key)
        label = jnp.zeros((*batch, self.label_size(network)), dtype_of(network))
        return PredictingCarry(state, label, jnp.ones(batch, bool), key)

    def renew(
        self, carry: PredictingCarry, begun: PredictingCarry, lanes: Bool[Array, "*batch"]
    ) -> PredictingCarry:
        """The states in `lanes` are marked as the first windows', and made in `gradient`."""
        return carry._replace(first=carry.first | lanes, key=begun.key)

    def sizes(self, told: int, size: int) -> tuple[int, ...]:
        """The layers of a predictor of `size` numbers that is told `told`."""
        return (told, *[self.hidden] * self.layers, size)

    def expect_room(self, what: str, mend: str, *predictors: tuple[int, ...], dtype: Any) -> None:
        """Refuse predictors with layers of these sizes if they would take too much memory."""
        pairs = [pair for sizes in predictors for pair in itertools.pairwise(sizes)]
        large = sum((one + 1) * other for one, other in pairs) * dtype.itemsize / 1e9
        if large > self.gigabytes:
            raise UserError(
                f"{type(self).__name__}: {what} would take {large:,.1f} gigabytes, more than the "
                f"{self.gigabytes:g} allowed; take {mend}, a smaller network or predictor, or "
                "raise gigabytes"
            )

    def parts(self, model: Any) -> tuple[Any, Any]:
        """The network and what is learned beside it, of an `Extended` model."""
        if not isinstance(model, Extended):
            raise UserError(
                f"{type(self).__name__}: learns a predictor beside the network; give what "
                f"`rule.extend(network, key=key)` returns, got {type(model).__name__}"
            )
        return model.network, model.helper

    def label_size(self, network: Cell) -> int:
        """How many numbers a label is told in."""
        if not self.labels:
            return 0
        x = example_input(network)
        y = eqx.filter_eval_shape(lambda n, x: n.step(n.initial_state(()), x)[1], network, x)
        return y.shape[-1]

    def labels_of(
        self, network: Cell, window: Sequences, loss: Loss
    ) -> Float[Array, "time *batch outputs"]:
        """The labels of all steps: what their loss asks of outputs that are 0; 0 on padding."""
        size = self.label_size(network)
        blank = jnp.zeros((*window.weights.shape, size), dtype_of(network))
        if not size:
            return blank
        label = jax.grad(lambda y: jnp.sum(loss(y, window.targets)))(blank)
        return label if window.mask is None else select(window.mask, label, blank)
