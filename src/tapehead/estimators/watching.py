"""`Watch`: a fitted detector fed one observation at a time."""

from typing import Any, NamedTuple

import numpy as np

from tapehead.estimators.stream import Stream


class Verdict(NamedTuple):
    """What a stream of a detector says of an observation.

    **Attributes:**

    - `score`: higher is more normal; NaN where nothing was known.
    - `alarm`: whether it is below the limit.
    - `surprise`: the share of each column in it, `(columns,)`, NaN where one is missing.

    With several lanes each of them leads with the lanes.
    """

    score: Any
    alarm: Any
    surprise: np.ndarray


class Watch(Stream):
    """A stream of a detector; see `AnomalyDetector.stream`."""

    def __init__(self, estimator: Any, lanes: int | None):
        super().__init__(estimator, lanes, delayed=True)
        self._detector = estimator
        self._always = np.ones(self._lanes, bool)
        self.limit = estimator.step_limit_
        """The score to fall below, and the alarm rate to expect."""

    def feed(self, observation: Any) -> Verdict:
        """Go on by one observation; returns what is to be said of it.

        **Arguments:** as of a classifier's stream.
        """
        coded = self._detector.coded(self._rows(observation))
        # The networks read the observation before this one, and say what this should be.
        outputs = self._advance(coded.values, self._always)
        verdict = self._detector.verdict(coded, outputs, self.steps - 1, self.limit.value)
        return Verdict(*(part[0] for part in verdict)) if self._single else verdict
