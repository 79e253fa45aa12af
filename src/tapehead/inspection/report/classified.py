"""`Classified`: sequences with one answer each, a class, and what a network made of them."""

import dataclasses
from typing import Any

import numpy as np

from tapehead.cell import Cell
from tapehead.inspection.maps import units_taken
from tapehead.inspection.report.examples import is_image, picture, softmax
from tapehead.inspection.report.pack import pack
from tapehead.inspection.report.sequences import outputs_of
from tapehead.sequences import Sequences
from tapehead.tasks import Task


@dataclasses.dataclass(frozen=True)
class Classified:
    """A batch of sequences that ask for one class, at one step.

    **Attributes:**

    - `sequences`: the batch.
    - `chance`: the probability of each class after every step, `(time, batch, classes)`.
    - `step`: the one that is judged; `truth`, `chosen`: the right class and the likeliest at it;
        all `(batch,)`.
    - `names`: of the classes.
    """

    sequences: Sequences
    chance: np.ndarray
    step: np.ndarray
    truth: np.ndarray
    chosen: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, model: Cell, task: Task, sequences: Sequences) -> "Classified":
        """What `model` makes of `sequences`."""
        chance = softmax(np.asarray(outputs_of(model, sequences.inputs, sequences.mask)))
        step = np.asarray(sequences.weights).argmax(axis=0)
        lanes = np.arange(len(step))
        return cls(
            sequences,
            chance,
            step,
            truth=np.asarray(sequences.targets)[step, lanes],
            chosen=chance[step, lanes].argmax(axis=-1),
            names=[task.class_name(n) for n in range(chance.shape[-1])],
        )

    def shown(self, first: int, most: int) -> list[int]:
        """The `first` sequences, and then mistakes, up to `most` in all."""
        lanes = range(len(self.truth))
        wrong = [lane for lane in lanes[first:] if self.chosen[lane] != self.truth[lane]]
        return [*lanes[:first], *wrong][:most]

    def confusion(self) -> list[list[int]]:
        """How often each class (row) was taken for each class (column)."""
        counts = np.zeros((len(self.names),) * 2, int)
        np.add.at(counts, (self.truth, self.chosen), 1)
        return counts.tolist()

    def cards(self, model: Cell) -> list[dict[str, Any]]:
        """Pictures of inputs that are features, with the probability of each class.

        Where `model`, the network, tells how much it computed at every position, with a map of it.
        """
        lanes = self.shown(8, 12)
        inputs = np.asarray(self.sequences.inputs)[:, lanes]
        taken = units_taken(model, inputs[0]) if is_image(inputs) else None
        most = 0.0 if taken is None else float(taken.max())
        return [
            {
                "image": picture(inputs[:, number]),
                "truth": int(self.truth[lane]),
                "names": self.names,
                "probabilities": [round(float(p), 4) for p in self.chance[self.step[lane], lane]],
            }
            | ({} if taken is None else {"taken": pack(taken[number].T, 0, most)})
            for number, lane in enumerate(lanes)
        ]
