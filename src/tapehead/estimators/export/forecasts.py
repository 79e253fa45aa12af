"""What comes next in a series: the function of forecasters."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tapehead.errors import UserError
from tapehead.estimators.export.answers import unrolled
from tapehead.estimators.export.function import Function, Ways, What

TURNS = ("day of the year", "hour", "weekday")
"""What the calendar tells, by its sine and its cosine: the first, the first and last, or all."""


def ways(forecaster: Any, what: What) -> Ways:
    """What `what` asks for."""
    if what == "step":
        raise UserError("export: a forecaster reads windows, not single steps; take what='batch'")
    return [partial(batch, forecaster), partial(batch, forecaster, stepwise=True)]


def legend(forecaster: Any) -> dict[str, Any]:
    """What goes in beside values, in which order, as JSON data."""
    count = (len(forecaster.known_scale_.mean) - len(forecaster.future)) // 2
    turns = {0: (), 1: TURNS[:1], 2: TURNS[::2], 3: TURNS}[count]
    dates = [f"{wave} of the {turn}" for wave in ("sine", "cosine") for turn in turns]
    return {
        "lookback": forecaster.lookback_,
        "horizon": forecaster.horizon,
        "quantiles": list(forecaster.levels),
        "past": [str(name) for name in forecaster.past],
        "known": [*map(str, forecaster.future), *dates],
        "units": {one.name: one.unit for one in forecaster.series_},
    }


def without_gaps(values: Any) -> Any:
    """Windows `(batch, time)`, each missing value the one before it, or else the first known."""
    known = jnp.isfinite(values)
    # In floating point, because ONNX's runtime has the running maximum of nothing else.
    places = jnp.where(known, jnp.arange(values.shape[1], dtype=values.dtype), -1.0)
    last = jax.lax.cummax(places, axis=1).astype(jnp.int32)
    first = jnp.argmax(known, axis=1, keepdims=True)
    return jnp.take_along_axis(values, jnp.where(last < 0, first, last), axis=1)


def batch(forecaster: Any, *, stepwise: bool = False) -> Function:
    """The last steps of series, and what is known beside them, to the quantiles of the next."""
    networks, levels = forecaster.networks(), forecaster.levels
    horizon, back = forecaster.horizon, forecaster.lookback_
    size = horizon if forecaster.at_once is None else min(forecaster.at_once, horizon)
    count = -(-horizon // size)
    past_size, known_size = len(forecaster.past_scale_.mean), len(forecaster.known_scale_.mean)

    def following(values: Any, unit: Any, past: Any, known: Any) -> Any:
        """The quantiles `(batch, size, levels)` of the steps after windows, in order."""
        level = values[:, -1:]
        apart = jnp.sqrt(jnp.var(values, axis=1, keepdims=True) + (0.1 * unit[:, None]) ** 2)
        parts = [((values - level) / apart)[..., None]]
        if past_size:
            parts.append(forecaster.past_scale_.apply(past))
        if known_size:
            scaled = forecaster.known_scale_.apply(known)
            parts += [scaled[:, :back], scaled[:, size:]]
        inputs = jnp.concatenate(parts, axis=-1)
        steps = back // forecaster.segment
        inputs = inputs.reshape(inputs.shape[0], steps, forecaster.segment * inputs.shape[2])
        inputs = jnp.swapaxes(inputs, 0, 1)
        mask = jnp.ones(inputs.shape[:2], bool)
        outputs = [unrolled(network, inputs, mask, stepwise)[-1] for network in networks]
        found = jnp.mean(jnp.stack(outputs), axis=0).reshape(values.shape[0], size, len(levels))
        found = jnp.sort(found + jnp.asarray(forecaster.calibration_.offset, found.dtype), axis=-1)
        return found * apart[..., None] + level[..., None]

    def call(x: Any, unit: Any, *beside: Any) -> tuple[Any, ...]:
        given = list(beside)
        past = given.pop(0) if past_size else jnp.zeros((x.shape[0], back, 0), x.dtype)
        known = given.pop(0) if known_size else jnp.zeros((x.shape[0], back + horizon, 0), x.dtype)
        behind = jnp.repeat(known[:, -1:], count * size - horizon, axis=1)
        known = jnp.concatenate([known, behind], axis=1)

        def go(window: tuple[Any, Any], first: Any) -> tuple[Any, Any]:
            """The next steps, and the window that ends with their medians."""
            values, past = window
            here = jax.lax.dynamic_slice_in_dim(known, first, back + size, axis=1)
            found = following(values, unit, past, here)
            middle = found[..., levels.index(0.5)]
            values = jnp.concatenate([values, middle], axis=1)[:, -back:]
            past = jnp.concatenate([past, jnp.repeat(past[:, -1:], size, axis=1)], axis=1)
            return (values, past[:, -back:]), found

        begun = (without_gaps(x), past)
        if count == 1:
            return (go(begun, 0)[1],)
        blocks = jax.lax.scan(go, begun, jnp.arange(count) * size)[1]
        whole = jnp.swapaxes(blocks, 0, 1).reshape(x.shape[0], count * size, len(levels))
        return (whole[:, :horizon],)

    names = ["x", "unit"]
    shapes: list[Any] = [(("batch", back), jnp.float32), (("batch",), jnp.float32)]
    for name, steps, width in (
        ("past", back, past_size),
        ("known", back + horizon, known_size),
    ):
        if width:
            names.append(name)
            shapes.append((("batch", steps, width), jnp.float32))
    return Function(call, names, ["quantiles"], shapes)
