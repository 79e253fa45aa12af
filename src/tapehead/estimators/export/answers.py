"""Answers to sequences: the functions of classifiers, regressors, embedders and clusterers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tapehead.cell import expect_steps, reads_whole, scan, select
from tapehead.estimators.export.function import Function, Ways, What, stepped


def ways(estimator: Any, what: What) -> Ways:
    """What `what` asks for."""
    if what == "step":
        return [partial(step, estimator)]
    made: Ways = [partial(batch, estimator)]
    if not reads_whole(estimator.networks()[0]):
        # An unroll that is made for gradients may want to know the sizes.
        made.append(partial(batch, estimator, stepwise=True))
    return made


def reading(estimator: Any) -> Callable[[Any], tuple[Any, Any]]:
    """What makes of columns, or symbols, the networks' inputs, and where anything is known."""
    if estimator.schema_.tokens:
        return lambda x: (x, jnp.ones_like(x, bool))
    return estimator.schema_.coded


def of_columns(schema: Any, *axes: str) -> tuple[tuple[int | str, ...], Any]:
    """The shape and dtype of inputs with these leading axes."""
    return (axes, jnp.int32) if schema.tokens else ((*axes, len(schema.names)), jnp.float32)


def legend(schema: Any) -> dict[str, Any]:
    """What the columns and symbols of inputs are, as JSON data."""
    return {
        "columns": schema.names,
        "categories": schema.categories,
        "symbols": None if schema.vocabulary is None else list(schema.vocabulary.symbols),
    }


def unrolled(network: Any, inputs: Any, mask: Any, stepwise: bool) -> Any:
    """A network's outputs `(time, batch, outputs)` for sequences from their beginnings."""
    state = network.initial_state((inputs.shape[1],))
    unroll = partial(scan, network) if stepwise else network.unroll
    return unroll(state, inputs, mask=mask)[1]


def late(xs: Any) -> Any:
    """Sequences `(time, batch, ...)` one step late, after a zero."""
    # By a scan, because the converter to ONNX loses count of what is cut off and put before.
    return jax.lax.scan(lambda before, x: (x, before), jnp.zeros_like(xs[0]), xs)[1]


def last_of(mask: Any) -> Any:
    """Of a mask `(time, batch)`, only the last step of each sequence."""
    after = jax.lax.cumsum(mask.astype(jnp.int32), axis=0, reverse=True)
    return mask & (after == 1)


def batch(estimator: Any, *, stepwise: bool = False) -> Function:
    """Whole sequences to their answers; by single steps, if `stepwise`."""
    networks, read = estimator.networks(), reading(estimator)

    def call(x: Any, present: Any) -> tuple[Any, ...]:
        inputs, known = read(x)
        inputs, known, mask = (jnp.swapaxes(one, 0, 1) for one in (inputs, known, present))
        if not estimator.each_step:
            anything = jnp.any(mask & known, axis=0, keepdims=True)
            # As in `predict`: of a sequence in which nothing is known, its last step is read.
            mask = mask & ((anything & known) | (~anything & last_of(mask)))
        made = []
        for network in networks:
            outputs = unrolled(network, inputs, mask, stepwise)
            if estimator.each_step:
                made.append(jnp.swapaxes(outputs, 0, 1))
            else:
                last = jnp.expand_dims(last_of(mask), -1)
                made.append(jnp.sum(jnp.where(last, outputs, 0.0), axis=0))
        return (estimator.decoded(jnp.stack(made)),)

    shapes = [of_columns(estimator.schema_, "batch", "time"), (("batch", "time"), jnp.bool_)]
    return Function(call, ["x", "present"], ["answers"], shapes)


def step(estimator: Any) -> Function:
    """One step of each of several streams to the answers after it."""
    networks, read = estimator.networks(), reading(estimator)
    expect_steps("export", networks[0], "take a network of one direction, or what='batch'")
    outputs = estimator.task().output_size

    def begin(count: Any) -> Any:
        """Whether anything was read, and the state of each network and its last answer."""
        states = [(net.initial_state((count,)), jnp.zeros((count, outputs))) for net in networks]
        return jnp.zeros(count, bool), states

    shapes = jax.eval_shape(lambda: begin(1))

    def call(x: Any, start: Any, *remembered: Any) -> tuple[Any, ...]:
        seen, states = jax.tree.unflatten(jax.tree.structure(shapes), remembered)
        # Not by `select`: runtimes of ONNX do not choose between booleans.
        seen, states = seen & ~start, select(start, begin(x.shape[0])[1], states)
        inputs, known = read(x)
        known = jnp.ones_like(known) if estimator.each_step else known
        made = []
        for network, (state, last) in zip(networks, states, strict=True):
            new, y = network.step(state, inputs)
            made.append((select(known, new, state), select(known | ~seen, y, last)))
        answers = estimator.decoded(jnp.stack([last for _, last in made]))
        return (answers, *jax.tree.leaves((seen | known, made)))

    return stepped(call, of_columns(estimator.schema_, "batch"), ["answers"], shapes)
