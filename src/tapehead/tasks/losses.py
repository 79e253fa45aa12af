"""Losses per step and measures per sequence, for outputs that are bits, classes or values."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from tapehead.sequences import Sequences

NATS_PER_BIT = 0.6931471805599453


def bit_losses(
    outputs: Float[Array, "*shape"], targets: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The sigmoid cross-entropy of every bit by itself, `-t log σ(o) - (1 - t) log σ(-o)`, in nats.

    `log σ` is formed without overflow and without losing the small losses of confident right
    answers.
    """
    return -targets * jax.nn.log_sigmoid(outputs) - (1 - targets) * jax.nn.log_sigmoid(-outputs)


def bits_loss(
    outputs: Float[Array, "*batch bits"], targets: Float[Array, "*batch bits"]
) -> Float[Array, "*batch"]:
    """The loss of every step: the sum over its bits of their cross-entropy, in nats."""
    return jnp.sum(bit_losses(outputs, targets), axis=-1)


def bit_metrics(
    outputs: Float[Array, "time *batch bits"], sequences: Sequences
) -> dict[str, Float[Array, "*batch"]]:
    """Measures of every sequence over the steps that have weight.

    - `bits`: the total cross-entropy in bits (base 2), as the papers' "bits per sequence".
    - `bit_accuracy`: the share of bits that are right, a logit's sign being its decision.
    - `wrong_bits`: how many are wrong. A logit of exactly 0 decides nothing and is wrong, and so
        is a NaN.
    - `sequence_accuracy`: 1 where no bit is wrong, else 0.
    """
    scored = sequences.weights > 0
    right = jnp.where(sequences.targets > 0.5, outputs > 0, outputs < 0)
    wrong = jnp.sum(jnp.where(scored[..., None], ~right, False), axis=(0, -1)).astype(outputs.dtype)
    asked = jnp.sum(scored, axis=0).astype(outputs.dtype) * outputs.shape[-1]
    nats = jnp.sum(jnp.where(scored, bits_loss(outputs, sequences.targets), 0), axis=0)
    return {
        "bits": nats / NATS_PER_BIT,
        "bit_accuracy": 1 - wrong / jnp.maximum(asked, 1),
        "wrong_bits": wrong,
        "sequence_accuracy": (wrong == 0).astype(outputs.dtype),
    }


def class_loss(
    outputs: Float[Array, "*batch classes"], targets: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """The softmax cross-entropy of every step, in nats; `targets` are class numbers.

    Where `targets` have an axis more, `(*batch, softmaxes)`, the outputs are as many softmaxes side
    by side, and a step's loss is the sum of theirs.
    """
    several = targets.ndim == outputs.ndim
    outputs = outputs.reshape(*targets.shape, -1)
    chosen = jnp.take_along_axis(outputs, targets[..., None], axis=-1)[..., 0]
    losses = jax.nn.logsumexp(outputs, axis=-1) - chosen
    return jnp.sum(losses, axis=-1) if several else losses


def right_classes(
    outputs: Float[Array, "*batch classes"], targets: Int[Array, "*answers"]
) -> Bool[Array, "*answers"]:
    """Of which answers the target's logit is above every other.

    A tie decides nothing and is wrong, and so is a NaN. There may be several softmaxes, as in
    `class_loss`.
    """
    outputs = outputs.reshape(*targets.shape, -1)
    classes = jnp.arange(outputs.shape[-1], dtype=targets.dtype)
    chosen = jnp.take_along_axis(outputs, targets[..., None], axis=-1)
    right = jnp.all((chosen > outputs) | (classes == targets[..., None]), axis=-1)
    return right & ~jnp.isnan(chosen[..., 0])


def all_classes_right(
    outputs: Float[Array, "time *batch classes"], sequences: Sequences
) -> Bool[Array, "*batch"]:
    """In which sequences every answer is right at every step that has weight."""
    scored = sequences.weights > 0
    right = right_classes(outputs, sequences.targets)
    right = right.reshape(*scored.shape, -1).all(axis=-1)
    return jnp.all(right | ~scored, axis=0)


def class_metrics(
    outputs: Float[Array, "time *batch classes"], sequences: Sequences
) -> dict[str, Float[Array, "*batch"]]:
    """Measures of every sequence over the steps that have weight.

    - `accuracy`: the share of answers that are right (see `right_classes`).
    - `loss`: the mean cross-entropy of those steps, in nats.
    """
    scored = sequences.weights > 0
    asked = jnp.maximum(jnp.sum(scored, axis=0).astype(outputs.dtype), 1)
    right = right_classes(outputs, sequences.targets).reshape(*scored.shape, -1)
    share = jnp.mean(right.astype(outputs.dtype), axis=-1)
    nats = jnp.where(scored, class_loss(outputs, sequences.targets), 0)
    return {
        "accuracy": jnp.sum(jnp.where(scored, share, 0), axis=0) / asked,
        "loss": jnp.sum(nats, axis=0) / asked,
    }


def whole_class_metrics(
    outputs: Float[Array, "time *batch classes"], sequences: Sequences
) -> dict[str, Float[Array, "*batch"]]:
    """Those of `class_metrics`, and `sequence_accuracy`: 1 where every answer is right, else 0."""
    whole = all_classes_right(outputs, sequences).astype(outputs.dtype)
    return {**class_metrics(outputs, sequences), "sequence_accuracy": whole}


def value_loss(
    outputs: Float[Array, "*batch values"], targets: Float[Array, "*batch values"]
) -> Float[Array, "*batch"]:
    """The loss of every step: the sum over its values of their squared error."""
    return jnp.sum((outputs - targets) ** 2, axis=-1)


def value_metrics(
    outputs: Float[Array, "time *batch values"], sequences: Sequences, *, tolerance: float
) -> dict[str, Float[Array, "*batch"]]:
    """Measures of every sequence over the steps that have weight.

    - `error`: the mean absolute error.
    - `squared_error`: the mean squared error.
    - `accuracy`: the share of values whose error is below `tolerance`. A NaN is wrong.
    """
    scored = (sequences.weights > 0)[..., None]
    asked = jnp.sum(scored, axis=(0, -1)).astype(outputs.dtype) * outputs.shape[-1]
    error = jnp.where(scored, jnp.abs(outputs - sequences.targets), 0)
    right = scored & (error < tolerance)
    return {
        "error": jnp.sum(error, axis=(0, -1)) / jnp.maximum(asked, 1),
        "squared_error": jnp.sum(error**2, axis=(0, -1)) / jnp.maximum(asked, 1),
        "accuracy": jnp.sum(right, axis=(0, -1)).astype(outputs.dtype) / jnp.maximum(asked, 1),
    }


def quantile_loss(
    outputs: Float[Array, "*batch quantiles"],
    targets: Float[Array, "*batch values"],
    levels: tuple[float, ...],
) -> Float[Array, "*batch"]:
    """The pinball loss of every step: the mean over `levels`, summed over its values.

    For a quantile q of level τ and a value y: max(τ (y − q), (τ − 1) (y − q)). The outputs are a
    value's quantiles side by side, value after value, in the order of `levels`.

    Source: Koenker and Bassett, "Regression quantiles" (1978).
    """
    outputs = outputs.reshape(*targets.shape, len(levels))
    level = jnp.asarray(levels, outputs.dtype)
    error = targets[..., None] - outputs
    return jnp.sum(jnp.mean(jnp.maximum(level * error, (level - 1) * error), axis=-1), axis=-1)
