"""`MusicTask`: say at every step which keys of a piano sound next."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from tapehead.datasets.polymusic import KEYS, Collection, Rolls, load_polymusic
from tapehead.datasets.registry import Split
from tapehead.errors import UserError, among, at_least
from tapehead.sequences import Sequences
from tapehead.tasks.finite import FiniteTask
from tapehead.tasks.losses import bits_loss
from tapehead.tasks.task import Data, Task


class Pieces(NamedTuple):
    """The arrays of a split.

    **Attributes:**

    - `rolls`: 1 where a key sounds. Row 0 is the step before the piece: silence, or, where a piece
        is cut into parts, the last step of the part before. Zero after a piece's end.
    - `lengths`: the steps of each piece, row 0 not counted.
    """

    rolls: UInt8[Array, "pieces time+1 88"]
    lengths: Int[Array, " pieces"]


def gather(rolls: Rolls, most: int | None = None) -> Pieces:
    """Pieces of different lengths as one array, those longer than `most` cut into parts.

    **Raises:** `UserError` if there is no piece, or one is not of at least one step of 88 keys.
    """
    parts = []
    if not rolls:
        raise UserError("gather: expected at least one piece, got none")
    for number, roll in enumerate(rolls):
        if roll.ndim != 2 or roll.shape[1] != KEYS or not len(roll):
            raise UserError(
                f"gather: expected pieces (steps, {KEYS}) of at least one step, but piece {number} "
                f"has shape {roll.shape}"
            )
        led = np.concatenate([np.zeros((1, KEYS), np.uint8), roll])
        size = most or len(roll)
        parts += [led[first : first + size + 1] for first in range(0, len(roll), size)]
    lengths = np.array([len(part) - 1 for part in parts], np.int32)
    padded = np.zeros((len(parts), lengths.max() + 1, KEYS), np.uint8)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return Pieces(jnp.asarray(padded), jnp.asarray(lengths))


@dataclass(frozen=True)
class MusicTask(FiniteTask):
    """The next step of a piano roll from all before it; a subclass says of which music.

    - Inputs `(time, batch, 88)`: at step t the keys of step t − 1, 1 where one sounds; all 0 at the
        first, so that a model says how likely the whole piece is.
    - Targets `(time, batch, 88)`: the keys of step t. Given what was before, each sounds or not
        independently of the others: the loss is the sum of 88 cross-entropies.
    - `mask` is False after a piece's end. Every step up to there weighs 1 / (the mean length of the
        split's pieces).

    `nll`, the score, is the negative log-likelihood of a piece in nats, divided by that mean
    length. Its mean over the pieces of a split is thereby exactly what the papers report, the mean
    over all of the split's *steps*, in which a long piece counts for more than a short one.

    The task uses all the updates it is given: it never counts as solved.

    Source: Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in
    high-dimensional sequences: application to polyphonic music generation and transcription"
    (2012).
    """

    split: Split = "train"
    """Which pieces: train, validation or test, as published."""
    max_length: int | None = None
    """Cut longer pieces into parts of so many steps, the last one shorter; None: whole."""

    collection: ClassVar[Collection]
    score: ClassVar[str] = "nll"
    higher_is_better: ClassVar[bool] = False
    output_kind = "bits"
    determined: ClassVar[bool] = False

    def __post_init__(self):
        name = type(self).__name__
        among(name, get_args(Split), split=self.split)
        if self.max_length is not None:
            at_least(name, 1, max_length=self.max_length)

    @property
    def input_size(self) -> int:
        """The keys of a piano."""
        return KEYS

    @property
    def output_size(self) -> int:
        """The keys of a piano."""
        return KEYS

    def data(self) -> Pieces:
        """The pieces of the split; see `tapehead.datasets.load_polymusic`."""
        return gather(load_polymusic(self.collection, self.split), self.max_length)

    def size(self, data: Data) -> int:
        """How many pieces the split has, or parts of pieces where they are cut."""
        return data.lengths.shape[0]

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The pieces at `indices`, padded to the longest of the split."""
        rolls = data.rolls[indices].swapaxes(0, 1).astype(jnp.float32)
        steps = jnp.arange(rolls.shape[0] - 1, dtype=jnp.int32)[:, None]
        mask = steps < data.lengths[indices]
        return Sequences(
            inputs=jnp.where(mask[..., None], rolls[:-1], 0),
            targets=rolls[1:],
            weights=mask.astype(jnp.float32) / jnp.mean(data.lengths.astype(jnp.float32)),
            mask=mask,
        )

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """`nll`: see above."""
        scored = sequences.weights > 0
        losses = jnp.where(scored, bits_loss(outputs, sequences.targets), 0)
        return {"nll": jnp.sum(sequences.weights * losses, axis=0)}

    def validation(self) -> Task:
        """The held-out pieces, whole."""
        return dataclasses.replace(self, split="validation", max_length=None)

    def evaluations(self) -> dict[str, Task]:
        """The published test pieces, whole."""
        return {"test": dataclasses.replace(self, split="test", max_length=None)}
