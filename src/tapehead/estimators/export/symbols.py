"""What comes after what: the functions of generators."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tapehead.cell import expect_steps, select
from tapehead.estimators.alphabet import END
from tapehead.estimators.export.answers import unrolled
from tapehead.estimators.export.function import Function, Ways, What, stepped


def ways(estimator: Any, what: What) -> Ways:
    """What `what` asks for."""
    if what == "step":
        return [partial(step, estimator)]
    return [partial(batch, estimator), partial(batch, estimator, stepwise=True)]


def batch(estimator: Any, *, stepwise: bool = False) -> Function:
    """Sequences to the log-probabilities of their symbols and ends; 0 behind these."""
    networks = estimator.networks()

    def call(x: Any, present: Any) -> tuple[Any, ...]:
        # An end before the first symbol, and one behind the last.
        symbols = jnp.where(present, x, END)
        one = jnp.full_like(x[:, :1], END)
        inputs = jnp.swapaxes(jnp.concatenate([one, symbols], axis=1), 0, 1)
        counted = jnp.concatenate([jnp.ones_like(present[:, :1]), present], axis=1)
        mask = jnp.swapaxes(counted, 0, 1)
        outputs = jnp.stack([unrolled(net, inputs, mask, stepwise) for net in networks])
        following = jnp.concatenate([symbols, one], axis=1)
        marks = jnp.arange(len(estimator.alphabet_)) == jnp.expand_dims(following, -1)
        told = jnp.swapaxes(estimator.decoded(outputs), 0, 1)
        found = jnp.where(counted, jnp.sum(jnp.where(marks, told, 0.0), axis=-1), 0.0)
        return found, jnp.sum(found, axis=1) / jnp.sum(counted.astype(found.dtype), axis=1)

    shapes = [(("batch", "time"), jnp.int32), (("batch", "time"), jnp.bool_)]
    return Function(call, ["x", "present"], ["log_likelihoods", "scores"], shapes)


def step(estimator: Any) -> Function:
    """A symbol of each of several streams to the log-probabilities of those that may follow."""
    networks = estimator.networks()
    expect_steps("export", networks[0], "take a network of one direction")

    def begin(count: Any) -> Any:
        return [network.initial_state((count,)) for network in networks]

    shapes = jax.eval_shape(lambda: begin(1))

    def call(x: Any, start: Any, *remembered: Any) -> tuple[Any, ...]:
        old = jax.tree.unflatten(jax.tree.structure(shapes), remembered)
        states = select(start, begin(x.shape[0]), old)
        made = [net.step(state, x) for net, state in zip(networks, states, strict=True)]
        following = estimator.decoded(jnp.stack([logits for _, logits in made]))
        return (following, *jax.tree.leaves([state for state, _ in made]))

    return stepped(call, (("batch",), jnp.int32), ["log_probabilities"], shapes)
