"""`Scorer`: how normal sequences and their steps are."""

from typing import Any

import numpy as np
from jaxtyping import Float

from tapehead.estimators.expecting import Expecter
from tapehead.estimators.reading import Read
from tapehead.estimators.schema import Scale
from tapehead.estimators.surprises import (
    Coded,
    enough,
    error_scale,
    known_scores,
    scales_of_others,
    scores_of,
    some,
    surprises_of,
)
from tapehead.estimators.trained import ROWS
from tapehead.estimators.watching import Verdict


class Scorer(Expecter):
    """Errors in units of what they are where all is normal, and scores from these."""

    whole: str
    error_scale_: Scale  # of normal errors, see `error_scale`
    normal_scores_: dict[str, np.ndarray]  # by which thresholds are set

    def _calibrate(self, coded: list[Coded], cuts: list[int]) -> None:
        """Measure errors after the cuts, and the scores that thresholds are set by."""
        late = [(one, cut) for one, cut in zip(coded, cuts, strict=True) if cut < len(one.values)]
        errors = self._errors([one for one, _ in late])
        parts = [error[cut:] for error, (_, cut) in zip(errors, late, strict=True)]
        starts, alike = [], all(cut == 0 for _, cut in late)
        if not self.way.ahead:
            pass  # having seen all of a sequence, no step is harder than another
        elif alike and enough(parts):
            starts = parts
        elif max(len(one.values) for one in coded) > self.window_:
            pieces = some(self._windows(coded), ROWS)
            starts = self._errors([one.part(0, self.window_ // 2) for one in pieces])
        self.error_scale_ = error_scale(parts, starts)
        # A scale flatters those that it was measured by: each is scored by that of others.
        scales = scales_of_others(parts) if starts is parts else [self.error_scale_] * len(parts)
        steps = [
            scores_of(
                surprises_of(part, np.arange(cut, cut + len(part)), scale, self.schema_.places)
            )
            for part, (_, cut), scale in zip(parts, late, scales, strict=True)
        ]
        self.normal_scores_ = {
            "sequences": known_scores(np.array([self.of_steps(one) for one in steps])),
            "steps": known_scores(np.concatenate(steps)),
        }

    def surprise_of(self, errors: Any, numbers: Any) -> Any:
        """The surprise of each column from the errors of steps of these numbers."""
        return surprises_of(errors, numbers, self.error_scale_, self.schema_.places)

    def of_steps(self, scores: Any) -> Any:
        """The scores of sequences from those of their steps `(*axes, time)`, in NumPy or in JAX.

        NaN if nothing in a sequence is known.
        """
        xp = scores.__array_namespace__()
        known = ~xp.isnan(scores)
        count = known.sum(axis=-1).astype(scores.dtype)
        if self.whole == "mean":
            found = xp.where(known, scores, 0.0).sum(axis=-1) / xp.maximum(count, 1)
        else:
            found = xp.where(known, scores, xp.inf).min(axis=-1)
        return xp.where(count > 0, found, xp.nan)

    def surprise(self, X: Any) -> list[Float[np.ndarray, "time columns"]]:
        """How surprising each column was at each step of each sequence; NaN where one is missing.

        The columns are those of `schema_.names`. A normal step's surprise is 1 on average.
        """
        return self.surprises(self.read(X))

    def surprises(self, read: Read) -> list[np.ndarray]:
        """As `surprise`, of sequences that `read` has read."""
        errors = self._errors([self.coded(one) for one in read.sequences])
        return [self.surprise_of(error, np.arange(len(error))) for error in errors]

    def score_steps(self, X: Any) -> list[Float[np.ndarray, " time"]]:
        """The score of every step of each sequence, higher for what is more normal."""
        return [scores_of(one) for one in self.surprise(X)]

    def score_samples(self, X: Any) -> Float[np.ndarray, " samples"]:
        """The score of each sequence, higher for what is more normal."""
        return np.array([self.of_steps(one) for one in self.score_steps(X)])

    def verdict(self, coded: Coded, outputs: np.ndarray, step: int, limit: float) -> Verdict:
        """What is to be said of a step of several lanes, of which `outputs` were expected."""
        errors = coded.truth - outputs.mean(axis=0, dtype=np.float64)
        surprise = self.surprise_of(errors, np.full(len(errors), step))
        scores = scores_of(surprise)
        return Verdict(scores, scores < limit, surprise)

    def blamed(self, surprise: Float[np.ndarray, "time columns"]) -> tuple[str, ...]:
        """The columns that caused alarms, most surprising first: all above the columns' mean."""
        known = ~np.isnan(surprise)
        means = np.where(known, surprise, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        order = np.argsort(-means, kind="stable")
        return tuple(self.schema_.names[n] for n in order if means[n] >= means.mean())

    # -- files --------------------------------------------------------------------------------

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {
            **super().learned(),
            "error_scale": self.error_scale_.to_json(),
            "normal_scores": {name: x.tolist() for name, x in self.normal_scores_.items()},
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.error_scale_ = Scale.from_json(data["error_scale"])
        self.normal_scores_ = {
            level: np.array(data["normal_scores"][level], float) for level in ("sequences", "steps")
        }
