"""What comes after what: the functions of generators."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tapehead.cell import expect_steps, select
from tapehead.estimators.export.answers import late, unrolled
from tapehead.estimators.export.function import Function, Ways, What, stepped


def ways(estimator: Any, what: What) -> Ways:
    """What `what` asks for."""
    if what == "step":
        return [partial(step, estimator)]
    return [partial(batch, estimator), partial(batch, estimator, stepwise=True)]


def batch(estimator: Any, *, stepwise: bool = False) -> Function:
    """Sequences, each with its end, to the log-probabilities of their symbols; 0 on padding."""
    networks = estimator.networks()

    def call(x: Any, present: Any) -> tuple[Any, ...]:
        inputs, mask = late(jnp.swapaxes(x, 0, 1)), jnp.swapaxes(present, 0, 1)
        outputs = jnp.stack([unrolled(net, inputs, mask, stepwise) for net in networks])
        told = jnp.swapaxes(estimator.decoded(outputs), 0, 1)
        found = jnp.take_along_axis(told, jnp.expand_dims(x, -1), axis=-1)[..., 0]
        found = jnp.where(present, found, 0.0)
        count = jnp.maximum(jnp.sum(present.astype(found.dtype), axis=1), 1.0)
        return found, jnp.sum(found, axis=1) / count

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
