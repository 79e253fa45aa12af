"""Optimisers as settings, from which the Optax transformation is built."""

import abc
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from tapehead.errors import UserError, above, at_least
from tapehead.registry import Registry

Schedule = Literal["constant", "cosine", "linear"]


def check(owner: str, *, shares: dict[str, float], above_zero: dict[str, float]) -> None:
    """Refuse shares outside [0, 1) and numbers that are not above 0."""
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise UserError(f"{owner}: {name} must be at least 0 and below 1, got {value}")
    above(owner, 0, **above_zero)


@dataclass(frozen=True)
class Optimizer(abc.ABC):
    """How a gradient becomes an update of the parameters, with its learning rate over time."""

    learning_rate: float = 1e-3
    """Learning rate, at its highest."""
    schedule: Schedule = "constant"
    """How the learning rate falls over the run: not at all, by half a cosine or linearly to 0."""
    warmup: int = 0
    """Updates over which the learning rate rises linearly from 0 before that."""

    def __post_init__(self):
        owner = type(self).__name__
        check(owner, shares={}, above_zero={"learning_rate": self.learning_rate})
        at_least(owner, 0, warmup=self.warmup)
        if self.schedule not in ("constant", "cosine", "linear"):
            raise UserError(
                f"{owner}: schedule must be constant, cosine or linear, got '{self.schedule}'"
            )

    def rates(self, total_updates: int) -> optax.Schedule:
        """The learning rate at each update, for a run of `total_updates`."""
        rest = total_updates - self.warmup
        if self.warmup and rest < 1:
            raise UserError(
                f"{type(self).__name__}: warmup must be below the run's {total_updates} updates, "
                f"got {self.warmup}"
            )
        peak = self.learning_rate
        after = {
            "constant": optax.constant_schedule(peak),
            "cosine": optax.cosine_decay_schedule(peak, rest),
            "linear": optax.linear_schedule(peak, 0.0, rest),
        }[self.schedule]
        if not self.warmup:
            return after
        return optax.join_schedules(
            [optax.linear_schedule(0.0, peak, self.warmup), after], [self.warmup]
        )

    @abc.abstractmethod
    def build(self, total_updates: int) -> optax.GradientTransformation:
        """The transformation of gradients into updates, for a run of `total_updates`."""


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2014)."""

    beta1: float = 0.9
    """Decay of the mean of the gradient."""
    beta2: float = 0.999
    """Decay of the mean of its square."""
    epsilon: float = 1e-8
    """Added to the root of the mean square."""

    def __post_init__(self):
        super().__post_init__()
        shares = {"beta1": self.beta1, "beta2": self.beta2}
        check("Adam", shares=shares, above_zero={"epsilon": self.epsilon})

    def build(self, total_updates: int) -> optax.GradientTransformation:
        """`optax.adam`."""
        return optax.adam(self.rates(total_updates), self.beta1, self.beta2, self.epsilon)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for."""

    learning_rate: float = 0.1
    """Learning rate, at its highest."""
    momentum: float = 0.0
    """Decay of the running sum of gradients that is followed; 0: the gradient itself."""
    nesterov: bool = False
    """Look one step ahead along the momentum (Nesterov 1983)."""

    def __post_init__(self):
        super().__post_init__()
        check("SGD", shares={"momentum": self.momentum}, above_zero={})
        if self.nesterov and not self.momentum:
            raise UserError("SGD: nesterov needs momentum above 0, such as 0.9")

    def build(self, total_updates: int) -> optax.GradientTransformation:
        """`optax.sgd`."""
        return optax.sgd(self.rates(total_updates), self.momentum or None, self.nesterov)


class GravesState(NamedTuple):
    """What `rmsprop_graves` carries, each shaped like the parameters but `updates`.

    **Attributes:**

    - `square`: n, the running mean of the gradient's square.
    - `mean`: g, the running mean of the gradient.
    - `delta`: Δ, the last update.
    - `updates`: how many were made.
    """

    square: optax.Updates
    mean: optax.Updates
    delta: optax.Updates
    updates: jax.Array


def rmsprop_graves(
    rates: optax.Schedule, decay: float, momentum: float, epsilon: float
) -> optax.GradientTransformation:
    """RMSProp in the form of Graves (2013), equations 38 to 45, which the NTM was trained with.

    With ε the gradient, ℵ the decay, ℶ the momentum, ℷ the learning rate and ד epsilon:

        n ← ℵ n + (1 − ℵ) ε²
        g ← ℵ g + (1 − ℵ) ε
        Δ ← ℶ Δ − ℷ ε / √(n − g² + ד)
        w ← w + Δ

    Source: Graves, "Generating sequences with recurrent neural networks" (2013).
    """

    def init(params: optax.Params) -> GravesState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return GravesState(zeros, zeros, zeros, jnp.zeros((), jnp.int32))

    def update(
        updates: optax.Updates, state: optax.OptState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, GravesState]:
        grads = updates
        assert isinstance(state, GravesState)
        rate = rates(state.updates)
        square = jax.tree.map(lambda n, e: decay * n + (1 - decay) * e**2, state.square, grads)
        mean = jax.tree.map(lambda g, e: decay * g + (1 - decay) * e, state.mean, grads)
        delta = jax.tree.map(
            # n − g² is a variance; rounding can take it a hair below 0.
            lambda d, e, n, g: (
                momentum * d
                - jnp.asarray(rate, e.dtype) * e / jnp.sqrt(jnp.maximum(n - g**2, 0) + epsilon)
            ),
            state.delta,
            grads,
            square,
            mean,
        )
        return delta, GravesState(square, mean, delta, state.updates + 1)

    return optax.GradientTransformation(init, update)


@dataclass(frozen=True)
class RMSPropGraves(Optimizer):
    """RMSProp in the form of Graves 2013: divided by the gradient's deviation, with momentum."""

    learning_rate: float = 1e-4
    """Learning rate, at its highest."""
    decay: float = 0.95
    """Decay of the running means of the gradient and of its square."""
    momentum: float = 0.9
    """Share of the last update that is added to the next."""
    epsilon: float = 1e-4
    """Added to the variance under the root."""

    def __post_init__(self):
        super().__post_init__()
        shares = {"decay": self.decay, "momentum": self.momentum}
        check("RMSPropGraves", shares=shares, above_zero={"epsilon": self.epsilon})

    def build(self, total_updates: int) -> optax.GradientTransformation:
        """`rmsprop_graves`."""
        return rmsprop_graves(self.rates(total_updates), self.decay, self.momentum, self.epsilon)


OPTIMIZERS: Registry[type[Optimizer]] = Registry(
    "optimizer", {"adam": Adam, "sgd": SGD, "rmsprop-graves": RMSPropGraves}
)
