"""`check_task`: what every task must hold to."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from tapehead.sequences import Sequences
from tapehead.tasks import Task

SURE = 50.0
"""The size of a logit that leaves no doubt."""


def check_task(task: Task, *, batch: int = 8, data: Any = None) -> None:
    """Check that `task` is a well-formed task, as the trainer and the report rely on.

    - It is a frozen, hashable dataclass of settings that survive JSON.
    - Batches have the stated shapes and types, are finite, weigh nothing on padding, and follow
      from the key alone, the same whenever they are compiled.
    - The loss is per step, finite, and nothing for the right answer; so say the metrics, which
      lie in their ranges and ignore what has no weight.
    - Tasks that draw sequences without end have a solver that finds the targets from inputs and
      mask alone; where these do not determine the targets, its probabilities cost what
      `optimal_bits` says. Tasks over finite data give every sequence by its index.
    - Other sizes, lessons (the last is the task itself), evaluations and the validation task fit
      the same network.

    **Arguments:**

    - `task`: the task; small settings make a quick check.
    - `batch`: sequences per batch.
    - `data`: its data; `None` to load it by `task.data()`.

    **Raises:** `AssertionError` that says what does not hold.
    """
    data = task.data() if data is None else data
    keys = [jax.random.key(seed) for seed in range(2)]
    sample = sampler(task, batch)
    sequences, other = (in_numpy(sample(key, data)) for key in keys)
    check_settings(task)
    check_sequences(task, sequences, batch)
    check_randomness(sequences, in_numpy(sampler(task, batch)(keys[0], data)), other)
    check_loss(task, sequences)
    check_metrics(task, sequences)
    if task.size(data) is None:
        check_solver(task, sequences)
    else:
        check_indices(task, data, batch)
    check_family(task, batch, data)


def sampler(task: Task, batch: int) -> Callable[[PRNGKeyArray, Any], Sequences]:
    """`task.sample`, to be traced and compiled anew."""

    @jax.jit
    def sample(key: PRNGKeyArray, data: Any) -> Sequences:
        return task.sample(key, batch, data)

    return sample


def in_numpy(sequences: Sequences) -> Sequences:
    """The same in NumPy, which compiles nothing for what is looked at."""
    return jax.tree.map(np.asarray, sequences)


def check_settings(task: Task) -> None:
    """A frozen, hashable dataclass whose fields survive JSON."""
    name = type(task).__name__
    assert dataclasses.is_dataclass(task), f"{name}: must be a dataclass"
    twin = dataclasses.replace(task)
    assert twin == task, f"{name}: must equal a copy of itself"
    assert hash(twin) == hash(task), f"{name}: must have the hash of a copy of itself"
    settings = {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}
    for setting in settings:
        try:
            setattr(task, setting, settings[setting])
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(f"{name}: must be frozen, but {setting} can be set")
    read = {
        n: tuple(v) if isinstance(v, list) else v
        for n, v in json.loads(json.dumps(settings)).items()
    }
    assert type(task)(**read) == task, f"{name}: settings must survive JSON"


def check_sequences(task: Task, sequences: Sequences, batch: int) -> None:
    """Shapes, types, finite values, and no weight on padding."""
    mask = None if sequences.mask is None else np.asarray(sequences.mask)
    inputs, targets, weights = (np.asarray(x) for x in sequences[:3])
    time = weights.shape[0]
    assert weights.shape == (time, batch), f"weights: shape {weights.shape}"
    assert jnp.issubdtype(weights.dtype, jnp.floating), f"weights: type {weights.dtype}"
    if task.tokens:
        assert inputs.shape == (time, batch), f"tokens: shape {inputs.shape}"
        assert jnp.issubdtype(inputs.dtype, jnp.integer), f"tokens: type {inputs.dtype}"
        assert np.all((inputs >= 0) & (inputs < task.input_size)), "tokens: out of range"
    else:
        expected = (time, batch, task.input_size)
        assert inputs.shape == expected, f"inputs: shape {inputs.shape}, expected {expected}"
        assert jnp.issubdtype(inputs.dtype, jnp.floating), f"inputs: type {inputs.dtype}"
    assert targets.shape[:2] == (time, batch), f"targets: shape {targets.shape}"
    if task.output_kind == "classes":
        expected = (time, batch) if task.softmaxes == 1 else (time, batch, task.softmaxes)
        assert targets.shape == expected, f"targets: shape {targets.shape}, expected {expected}"
        assert jnp.issubdtype(targets.dtype, jnp.integer), f"targets: type {targets.dtype}"
        classes, left = divmod(task.output_size, task.softmaxes)
        assert left == 0, f"output_size: {task.output_size} is not {task.softmaxes} softmaxes"
        assert np.all((targets >= 0) & (targets < classes)), "targets: out of range"
    else:
        expected = (time, batch, task.output_size)
        assert targets.shape == expected, f"targets: shape {targets.shape}, expected {expected}"
        assert jnp.issubdtype(targets.dtype, jnp.floating), f"targets: type {targets.dtype}"
    if task.output_kind == "bits":
        assert np.all((targets == 0) | (targets == 1)), "targets: bits must be 0 or 1"
    for name, value in (("inputs", inputs), ("targets", targets), ("weights", weights)):
        assert np.all(np.isfinite(value)), f"{name}: not all finite"
    assert np.all(weights >= 0), "weights: must not be negative"
    assert np.all(np.any(weights > 0, axis=0)), "weights: a sequence without any"
    if mask is not None:
        assert mask.shape == (time, batch), f"mask: shape {mask.shape}"
        assert mask.dtype == jnp.bool_, f"mask: type {mask.dtype}"
        assert np.all(np.where(mask, 0, weights) == 0), "weights: must be 0 on padding"


def check_randomness(sequences: Sequences, again: Sequences, other: Sequences) -> None:
    """The key alone decides: `again`, compiled anew, has the same, and `other` has another."""
    for name, a, b in zip(Sequences._fields, again, sequences, strict=True):
        if a is None or b is None:
            assert a is b, f"{name}: None only at times"
            continue
        assert a.dtype == b.dtype, f"{name}: {a.dtype} when compiled again, {b.dtype} before"
        assert np.allclose(a, b, rtol=1e-6, atol=1e-6), f"{name}: the batch is not the key's alone"
    differ = [not np.array_equal(a, b) for a, b in zip(sequences[:2], other[:2], strict=True)]
    assert any(differ), "sample: two keys gave the same batch"


def right_outputs(task: Task, targets: np.ndarray) -> np.ndarray:
    """The outputs of a network that knows the targets and has no doubt."""
    if task.output_kind == "bits":
        return (2 * targets - 1) * SURE
    if task.output_kind == "classes":
        sure = np.eye(task.output_size // task.softmaxes, dtype=np.float32)[targets] * SURE
        return sure.reshape(*targets.shape[:2], -1)
    return targets


def random_outputs(task: Task, sequences: Sequences) -> np.ndarray:
    """The outputs of a network that knows nothing."""
    shape = (*sequences.weights.shape, task.output_size)
    return np.random.default_rng(0).normal(scale=3, size=shape).astype(np.float32)


def check_loss(task: Task, sequences: Sequences) -> None:
    """One finite number a step, which depends on that step alone and is 0 for the right answer."""
    weights, targets = np.asarray(sequences.weights), np.asarray(sequences.targets)
    outputs = random_outputs(task, sequences)
    loss = jax.jit(task.loss)
    losses = np.asarray(loss(outputs, targets))
    assert losses.shape == weights.shape, f"loss: shape {losses.shape}, expected {weights.shape}"
    assert np.all(np.isfinite(losses)), "loss: not all finite"
    assert np.any(losses * weights > 0), "loss: a network that knows nothing pays nothing"
    turned = np.asarray(loss(outputs[::-1], targets[::-1]))[::-1]
    half = weights.shape[0] // 2
    mixed = np.asarray(loss(np.concatenate([outputs[:half], -outputs[half:]]), targets))
    same = np.allclose(turned, losses, rtol=1e-6)
    same &= np.allclose(mixed[:half], losses[:half], rtol=1e-6)
    assert same, "loss: a step's depends on other steps"
    right = np.asarray(loss(right_outputs(task, targets), targets))
    assert np.max(np.abs(right * weights)) < 1e-6, "loss: the right answer pays"


def check_metrics(task: Task, sequences: Sequences) -> None:
    """Named numbers, one a sequence, in their ranges, and blind to what has no weight."""
    batch = sequences.weights.shape[1]
    outputs = random_outputs(task, sequences)
    scored = (np.asarray(sequences.weights) > 0)[..., None]
    measure = jax.jit(task.metrics)
    guessed, right, elsewhere = (
        {name: np.asarray(value) for name, value in measure(case, sequences).items()}
        for case in (
            outputs,
            right_outputs(task, np.asarray(sequences.targets)),
            np.where(scored, outputs, np.nan).astype(np.float32),
        )
    )
    knows_nothing, knows_all = (
        task.summary({name: float(np.mean(value)) for name, value in found.items()})
        for found in (guessed, right)
    )
    assert set(guessed) <= set(knows_nothing), "summary: leaves out a metric"
    assert task.score in knows_nothing, f"metrics: lack the score '{task.score}'"
    if task.output_kind == "bits" and task.determined:
        required = {"bits", "bit_accuracy", "wrong_bits", "sequence_accuracy"}
        assert required <= set(guessed), f"metrics: lack {sorted(required - set(guessed))}"
    for name, value in guessed.items():
        assert value.shape == (batch,), f"metrics: {name} has shape {value.shape}"
        assert np.all(np.isfinite(value)), f"metrics: {name} is not finite"
        assert np.all(value >= 0), f"metrics: {name} is negative"
        if name.endswith("accuracy"):
            assert np.all(value <= 1), f"metrics: {name} is above 1"
            assert np.all(right[name] == 1), f"metrics: {name} of the right answer is not 1"
        same = np.allclose(elsewhere[name], value, rtol=1e-6)
        assert same, f"metrics: {name} depends on outputs without weight"
    if "bits" in right:
        assert np.max(right["bits"]) < 1e-6, "metrics: the right answer costs bits"
    if "wrong_bits" in right:
        assert np.max(right["wrong_bits"]) == 0, "metrics: the right answer has wrong bits"
    better = knows_all[task.score] - knows_nothing[task.score]
    better = better if task.higher_is_better else -better
    assert better > 0, "score: a network that knows nothing does as well as one"


def check_solver(task: Task, sequences: Sequences) -> None:
    """The solver finds what is wanted, from inputs and mask alone."""
    hidden = np.full_like(sequences.targets, -1)
    seen = sequences._replace(targets=hidden, weights=np.full_like(sequences.weights, -1))
    found = task.solve(seen)
    targets, weights = np.asarray(sequences.targets), np.asarray(sequences.weights)
    chances = not task.determined and task.output_kind == "classes"
    expected = (*weights.shape, task.output_size) if chances else targets.shape
    assert found.shape == expected, f"solve: shape {found.shape}, expected {expected}"
    values = task.output_kind == "values"
    if task.determined:
        # Sums of numbers are rounded otherwise in another order.
        same = np.isclose(found, targets, 1e-5, 1e-6) if values else found == targets
        wrong = ~same[weights > 0]
        assert not wrong.any(), f"solve: {wrong.sum()} entries differ from the targets"
        return
    assert ((found > 0) & (found < 1)).all(), "solve: must give probabilities"
    logits = np.log(found if chances else found / (1 - found)).astype(np.float32)
    metrics = jax.jit(task.metrics)(logits, sequences)
    assert "optimal_bits" in metrics, "metrics: lack optimal_bits"
    same = np.allclose(metrics["bits"], metrics["optimal_bits"], rtol=1e-4)
    assert same, "metrics: optimal_bits is not what the solver's probabilities cost"


def check_indices(task: Task, data: Any, batch: int) -> None:
    """Every sequence of finite data can be had by its index."""
    size = task.size(data)
    assert isinstance(size, int), f"size: must be a whole number, got {size!r}"
    assert size > 0, f"size: must be at least 1, got {size}"
    at = jax.jit(task.batch_at)
    last = np.full(batch, size - 1, np.int32)
    first_and_last = np.where(np.arange(batch) == 0, 0, last)
    sequences, again = (in_numpy(at(indices, data)) for indices in (first_and_last, last))
    check_sequences(task, sequences, batch)
    for name, a, b in zip(Sequences._fields, sequences, again, strict=True):
        if a is None or b is None:
            assert a is b, f"{name}: None only at times"
            continue
        same = np.allclose(a[:, 1:], b[:, 1:], rtol=1e-6, atol=1e-6)
        assert same, f"batch_at: {name} of a sequence depends on the others"


def _has_levels(task: Task) -> bool:
    """Whether it can be drawn in sizes up to any."""
    return hasattr(task, f"max_{task.axis}") or type(task).up_to is not Task.up_to


def check_family(task: Task, batch: int, data: Any) -> None:
    """The tasks it leads to fit the same network, and grow as they should."""
    lessons = task.lessons()
    assert lessons, "lessons: none"
    assert lessons[-1] == task, "lessons: the last must be the task itself"
    sizes = list(task.sizes)
    assert sizes == sorted(set(sizes)), f"sizes: must grow, got {sizes}"
    evaluations = task.evaluations()
    assert all(evaluations), "evaluations: a name is empty"
    resized = [task.resized(size) for size in sizes]
    levels = [task.up_to(size) for size in sizes] if _has_levels(task) else []
    for other in (*lessons, *resized, *levels, *evaluations.values(), task.validation()):
        assert isinstance(other, Task), f"{other!r} is not a task"
        for name in ("input_size", "output_size", "tokens", "output_kind", "softmaxes"):
            assert getattr(other, name) == getattr(task, name), f"{other}: another {name}"
    if task.size(data) is not None:
        return

    def steps(task: Task) -> int:
        shapes = jax.eval_shape(lambda key: task.sample(key, batch, data), jax.random.key(0))
        return shapes.weights.shape[0]

    for name, tasks in (("lessons", lessons), ("sizes", resized), ("up_to", levels)):
        times = [steps(other) for other in tasks]
        assert times == sorted(times), f"{name}: steps must not shrink, got {times}"
    for size, other in zip(sizes, resized, strict=True):
        assert other.resized(size) == other, f"resized: not to {size} from itself"
    for other in evaluations.values():
        steps(other)
