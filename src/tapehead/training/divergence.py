"""What to say when training goes wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.learning import Search, stream_gradient
from tapehead.learning.rule import as_vector
from tapehead.tasks import Task
from tapehead.tasks.task import Data, Turn
from tapehead.training.storage import named_leaves
from tapehead.training.update import Progress, Updater, draw, gradient


class Diverged(RuntimeError):
    """A loss, gradient or parameter became NaN or infinite; says which, where and what to try."""


def first_bad(arrays: dict[str, np.ndarray]) -> tuple[str, float] | None:
    """The name of the first array that is not finite, and its first bad number."""
    for name, array in arrays.items():
        bad = np.asarray(array)[~np.isfinite(array)]
        if bad.size:
            return name, float(bad[0])
    return None


def first_bad_step(array: np.ndarray) -> int | None:
    """The first index on the leading (time) axis at which anything is not finite."""
    steps = ~np.isfinite(array.reshape(array.shape[0], -1)).all(axis=1)
    return int(steps.argmax()) if steps.any() else None


def explain(
    updater: Updater, task: Task, data: Data, before: Progress, key: PRNGKeyArray, update: int
) -> str:
    """Repeat the one update that went wrong, of the one network, and name what was bad first."""
    config = updater.config
    if isinstance(config.rule, Search):
        return (
            f"what {type(config.rule).__name__} holds to be best is not finite. Try a smaller "
            "rule.spread or a larger rule.population; the last checkpoint is kept"
        )
    number = jnp.int32(update)
    turn = Turn(number, jax.random.fold_in(key, number), key)
    # Compiled for this one bucket, whose shape the sequences have.
    bucket = int(task.bucket(number, config.batch, data))

    @jax.jit
    def repeat(before: Progress):
        model = eqx.combine(before.arrays, updater.static)
        sequences, at, begun = draw(config, task, model, turn, data, before.carry, bucket)
        _, _, seen = stream_gradient(config.rule, at, begun, sequences, task.loss)
        grads = gradient(config, task, model, turn, data, before.carry).vector
        vector, model_at = as_vector(model)
        # Optimisers of single units have no step for the whole.
        change = jnp.zeros_like(vector)
        if not config.takes_turns:
            change, _ = updater.step(vector, before.optimizer, grads)
        named = (eqx.filter(model_at(v), eqx.is_inexact_array) for v in (grads, change))
        return sequences.inputs, seen, *named

    inputs, seen, grads, changes = jax.tree.map(np.asarray, repeat(before))
    if np.issubdtype(inputs.dtype, np.floating) and (step := first_bad_step(inputs)) is not None:
        return (
            f"the task's inputs are not finite from time step {step} on: mend the data or the "
            f"task's `sample`"
        )
    if (step := first_bad_step(seen.outputs)) is not None:
        where = f"the outputs are not finite from time step {step} on"
    elif not np.isfinite(seen.loss):
        where = f"the loss is {float(seen.loss)}, though the outputs are finite"
    else:
        where = f"the loss is {float(seen.loss):.4g}"
    if (bad := first_bad(named_leaves(grads))) is not None:
        what = f"the gradient of '{bad[0]}' is {bad[1]}"
    elif (bad := first_bad(named_leaves(changes))) is not None:
        what = f"the optimiser's change of '{bad[0]}' is {bad[1]}"
    elif config.online:
        what = "the parameters or a gradient grew without bound within the update's windows"
    else:
        sizes = {n: float(np.abs(g).max(initial=0)) for n, g in named_leaves(grads).items()}
        name = max(sizes, key=lambda n: sizes[n])
        what = f"the gradient overflows: that of '{name}' reaches {sizes[name]:.2g}"
    return f"{what}; {where}. {advice(updater)}"


def advice(updater: Updater) -> str:
    """What to try, from the settings that were used."""
    config = updater.config
    rate = config.optimizer.learning_rate
    tries = [f"a lower learning rate (it was {rate:g})"]
    if config.clip_norm is None:
        tries.append("clipping (clip-norm 10)")
    else:
        tries.append(f"a smaller clip-norm (it was {config.clip_norm:g})")
    if not config.optimizer.warmup:
        tries.append("a warm-up")
    return f"Try {', '.join(tries[:-1])} or {tries[-1]}; the last checkpoint is kept"
