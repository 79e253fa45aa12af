"""How surprising each step is: the functions of detectors."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tapehead.cell import reads_whole, select
from tapehead.errors import UserError
from tapehead.estimators.export.answers import late, of_columns, unrolled
from tapehead.estimators.export.function import Function, Ways, What, stepped
from tapehead.estimators.surprises import scores_of


def ways(detector: Any, what: What) -> Ways:
    """What `what` asks for."""
    if what == "step":
        if not detector.way.ahead:
            raise UserError(
                "export: a reconstruction begins at a sequence's end; take what='batch', or fit "
                "with method='prediction'"
            )
        return [partial(step, detector)]
    made: Ways = [partial(batch, detector)]
    if not reads_whole(detector.networks()[0]):
        made.append(partial(batch, detector, stepwise=True))
    return made


def seen(detector: Any, x: Any) -> tuple[Any, Any]:
    """Columns as the network is to see them, and what is to be expected of it; see `Coded`."""
    schema = detector.schema_
    values, _ = schema.coded(x)
    absent = jnp.split(jnp.isnan(x), len(schema.names), axis=-1)
    wide: list[Any] = [None] * detector.task().output_size
    for column, place in zip(absent, schema.places, strict=True):
        wide[place] = [column] * (place.stop - place.start)
    gaps = jnp.concatenate(wide, axis=-1)
    return values, jnp.where(gaps, jnp.nan, values[..., : len(wide)])


def numbers(values: Any) -> Any:
    """The number of each step of sequences `(batch, time, ...)`, from 0."""
    # By counting, because the converter to ONNX has no range of a size that is not known.
    return jax.lax.cumsum(jnp.ones_like(values[..., 0], jnp.int32), axis=1) - 1


def batch(detector: Any, *, stepwise: bool = False) -> Function:
    """Sequences to the scores of each, of their steps, and the surprise of the columns."""
    networks, way = detector.networks(), detector.way

    def expected(inputs: Any, mask: Any) -> Any:
        """The mean of what the networks say, `(batch, time, features)`."""
        inputs, mask = jnp.swapaxes(inputs, 0, 1), jnp.swapaxes(mask, 0, 1)
        outputs = [unrolled(network, inputs, mask, stepwise) for network in networks]
        return jnp.swapaxes(jnp.mean(jnp.stack(outputs), axis=0), 0, 1)

    def foretold(values: Any, present: Any) -> Any:
        """What is expected after all steps before."""
        return expected(jnp.swapaxes(late(jnp.swapaxes(values, 0, 1)), 0, 1), present)

    def rebuilt(values: Any, present: Any) -> Any:
        """What is expected from the end of each sequence, as `Reconstruction` has it."""
        twice = jnp.concatenate([values, jnp.zeros_like(values)], axis=1)
        place = numbers(twice)
        length = jnp.sum(present.astype(jnp.int32), axis=1, keepdims=True)
        read, written = place < length, (place >= length) & (place < 2 * length)
        inputs = jnp.where(jnp.expand_dims(read, -1), twice, 0.0)
        left = (2 * length - place).astype(values.dtype) / way.window
        left = jnp.where(written, left, 0.0)
        outputs = expected(
            jnp.concatenate([inputs, jnp.expand_dims(left, -1)], axis=-1), read | written
        )
        back = jnp.maximum(2 * length - 1 - numbers(values), 0)
        return jnp.take_along_axis(outputs, jnp.expand_dims(back, -1), axis=1)

    def call(x: Any, present: Any) -> tuple[Any, ...]:
        values, truth = seen(detector, x)
        errors = truth - (foretold if way.ahead else rebuilt)(values, present)
        surprise = detector.surprise_of(errors, numbers(x))
        surprise = jnp.where(jnp.expand_dims(present, -1), surprise, jnp.nan)
        steps = scores_of(surprise)
        return detector.of_steps(steps), steps, surprise

    shapes = [of_columns(detector.schema_, "batch", "time"), (("batch", "time"), jnp.bool_)]
    limits = () if way.ahead else (f"time <= {way.window}",)
    return Function(call, ["x", "present"], ["scores", "step_scores", "surprise"], shapes, limits)


def step(detector: Any) -> Function:
    """An observation of each of several streams to its score and the surprise of its columns."""
    networks = detector.networks()
    last = len(detector.error_scale_.mean) - 1

    def begin(count: Any) -> Any:
        """The observation before, the number of this one, and the state of each network."""
        before = jnp.zeros((count, detector.schema_.features))
        states = [network.initial_state((count,)) for network in networks]
        return before, jnp.zeros(count, jnp.int32), states

    shapes = jax.eval_shape(lambda: begin(1))

    def call(x: Any, start: Any, *remembered: Any) -> tuple[Any, ...]:
        old = jax.tree.unflatten(jax.tree.structure(shapes), remembered)
        before, number, states = select(start, begin(x.shape[0]), old)
        made = [net.step(state, before) for net, state in zip(networks, states, strict=True)]
        values, truth = seen(detector, x)
        outputs = jnp.mean(jnp.stack([expected for _, expected in made]), axis=0)
        surprise = detector.surprise_of(truth - outputs, number)
        new = (values, jnp.minimum(number + 1, last), [state for state, _ in made])
        return (scores_of(surprise), surprise, *jax.tree.leaves(new))

    return stepped(call, of_columns(detector.schema_, "batch"), ["scores", "surprise"], shapes)
