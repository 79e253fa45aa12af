"""`Expecter`: a network that was taught what is normal, and what it expects of sequences."""

from typing import Any

import numpy as np

from tapehead.errors import UserError
from tapehead.estimators.methods import METHODS, Method
from tapehead.estimators.reading import Raw
from tapehead.estimators.sequential import SequenceReader
from tapehead.estimators.surprises import Coded, some
from tapehead.estimators.trained import ROWS, read_through
from tapehead.tasks.given import Examples, Given, GivenValues

WHOLE = 256
"""Sequences of up to this many steps are learned from whole where the user does not say."""
WINDOW = 128
"""Steps of the windows that longer ones are cut into then."""
LANES = 8
"""Long sequences that are read at a time."""
WINDOWS = 20_000
"""Windows to learn from, at most; of more, evenly spaced ones are taken."""


class Expecter(SequenceReader):
    """Learns what comes in normal sequences, and says by how much others are off."""

    method: str
    window: int | None
    window_: int  # steps of the windows that are learned from

    @property
    def way(self) -> Method:
        """How it is told what to expect."""
        return METHODS[self.method](self.window_)

    @property
    def _wanted(self) -> int:
        """Features that the network is to give: all but those that say what is missing."""
        schema = self.schema_
        return schema.features - (len(schema.numeric) if schema.missing == "indicator" else 0)

    def task(self) -> Given:
        """The next step of a sequence, or all of its steps backwards after it has been read."""
        return GivenValues(self.schema_.features + self.way.marks, self._wanted)

    def coded(self, sequence: Raw) -> Coded:
        """A sequence, or the lanes of a stream, as the network is to see it."""
        values, _ = self.schema_.encode(sequence)
        truth = values[:, : self._wanted].astype(np.float64)
        for place, absent in zip(self.schema_.places, self.schema_.absent(sequence).T, strict=True):
            truth[absent, place] = np.nan
        return Coded(values, truth)

    # -- learning -----------------------------------------------------------------------------

    def _learn(self, learned: list[Coded], held: list[Coded], *, seed: int) -> bool:
        """Train the networks on some sequences, and stop by others; whether any were left for that.

        **Raises:** `UserError` if nothing can be learned from.
        """
        parts = [self._windows(learned), self._windows(held)]
        if not parts[0]:
            raise UserError(f"{type(self).__name__}: no step is whole; too much is missing")
        data, *test = [(self._examples(part),) for part in parts if part]
        self._train(data, test[0] if test else None, seed=seed)
        return bool(test)

    def _windows(self, sequences: list[Coded]) -> list[Coded]:
        """What is learned from: overlapping windows of some sequences."""
        size, found = self.window_, []
        for one in sequences:
            last = max(0, len(one.values) - size)
            starts = sorted({*range(0, last, max(1, size // 8)), last})
            found += [one.part(start, start + size) for start in starts if len(one.values)]
        found = [one for one in found if one.whole.any()]
        return some(found, WINDOWS)

    def _examples(self, windows: list[Coded]) -> Examples:
        """Windows, of which those steps count in which everything is known."""
        way = self.way
        inputs = [way.inputs(one.values) for one in windows]
        targets = [way.wanted(one.values[:, : self._wanted]) for one in windows]
        weights = [way.wanted(one.whole.astype(float)) for one in windows]
        return Examples.of(inputs, [np.ones(len(x), bool) for x in inputs], targets, weights)

    # -- errors -------------------------------------------------------------------------------

    def _errors(self, coded: list[Coded]) -> list[np.ndarray]:
        """What each step was, less what the networks made of it, `(time, features)`."""
        way = self.way
        places = [
            (number, start, end)
            for number, one in enumerate(coded)
            for start, end in way.pieces(len(one.values))
        ]
        pieces = [coded[number].part(start, end) for number, start, end in places]
        found = [np.full_like(one.truth, np.nan) for one in coded]
        outputs = self._outputs([way.inputs(piece.values) for piece in pieces])
        for (number, start, end), piece, output in zip(places, pieces, outputs, strict=True):
            found[number][start:end] = piece.truth - way.expected(output)
        return found

    def _outputs(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The mean of the networks' outputs for each sequence, `(time, features)`."""
        lanes = ROWS if max(map(len, inputs)) <= 2 * WHOLE else LANES
        whole, found = [True] * len(inputs), [np.zeros(0)] * len(inputs)
        for number, outputs in read_through(self.networks(), inputs, whole, lanes):
            found[number] = outputs.mean(axis=0, dtype=np.float64)
        return found

    # -- files --------------------------------------------------------------------------------

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {**super().learned(), "window": self.window_}

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.window_ = int(data["window"])
