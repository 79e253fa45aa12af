"""`AnomalyDetector`: what is unlike what was seen."""

from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.base import OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tapehead.cell import expect_steps
from tapehead.errors import UserError, among, at_least
from tapehead.estimators.network import recipe
from tapehead.estimators.reading import Raw, Read, stamps
from tapehead.estimators.schema import Scale, Schema
from tapehead.estimators.sequential import SequenceReader
from tapehead.estimators.surprises import (
    Coded,
    enough,
    error_scale,
    known_scores,
    runs,
    scales_of_others,
    some,
)
from tapehead.estimators.thresholds import (
    Limit,
    p_values,
    threshold,
    threshold_from_json,
    threshold_to_json,
)
from tapehead.estimators.trained import ROWS, read_through
from tapehead.estimators.watching import Verdict, Watch
from tapehead.tasks.given import Examples, Given, GivenValues

WHOLE = 256
"""Sequences of up to this many steps are learned from whole where the user does not say."""
WINDOW = 128
"""Steps of the windows that longer ones are cut into then."""
LANES = 8
"""Long sequences that are read at a time."""
WINDOWS = 20_000
"""Windows to learn from, at most; of more, evenly spaced ones are taken."""

Method = Literal["prediction", "reconstruction"]
Whole = Literal["mean", "lowest"]
Level = Literal["sequences", "steps"]

DAY = np.timedelta64(1, "D")


class AnomalyDetector(OutlierMixin, SequenceReader):
    """Tell what is unlike the sequences that were learned from, as wholes and step by step.

    ```python
    detector = AnomalyDetector().fit(normal)
    detector.predict(X)  # -1 for anomalies, 1 for what is normal
    detector.windows(X)  # where in each sequence, and in which columns
    ```

    A network is taught what is normal. Its error e at each step, which is x − x̂ on the scale of
    the inputs, is measured on normal sequences that it has not learned from, and from then on in
    units of what it was there: the surprise of a column is ((e − mean) / deviation)². The score of
    a step is −(the mean surprise of the columns that are known).

    - `"prediction"`: x̂ is forecast from all steps before.
    - `"reconstruction"`: the network reads a sequence, or a window of it, and then writes it down
      again from its end, as all that it remembers; x̂ is what it wrote (Malhotra et al. 2016).

    **Arguments:**

    - `model`, `size`, `id`, `time`, `missing`: as of `SequenceClassifier`.
    - `method`: see above. Only predictions can be streamed.
    - `threshold`: `"quantile"`, `"peaks"`, `"conformal"`, `"per-day"` or a `Threshold`. It can be
      changed after `fit`.
    - `whole`: a sequence's score: the `"mean"` of those of its steps, or the `"lowest"`.
    - `window`: steps of the windows that longer sequences are cut into, to be learned from and to
      be rebuilt; `None`: 128, but sequences of up to 256 steps are left whole.
    - `held_out`: the share of what is given by which training stops, errors are measured and
      thresholds are set: sequences by chance, or, if there are too few, the last steps of each.
      If these are too short as well it is done by what was learned from, and alarms will be more
      frequent than expected.
    - the others as of `SequenceClassifier`.

    **Attributes:** `limit_` and `step_limit_`, what the threshold came to for sequences and for
    steps, with the alarm rate to expect; `offset_`, the first as scikit-learn has it; `curve_`;
    `n_updates_`; `best_update_`; `n_features_in_` and, for tables, `feature_names_in_`.

    Source: Malhotra et al., "Long short term memory networks for anomaly detection in time series"
    (ESANN 2015), and "LSTM-based encoder-decoder for multi-sensor anomaly detection" (2016).
    """

    kind = "detector"
    each_step = True  # every step is answered

    def __init__(
        self,
        model: Any = "gru",
        *,
        method: str = "prediction",
        threshold: Any = "quantile",
        whole: str = "mean",
        window: int | None = None,
        id: Any = None,
        time: Any = None,
        missing: str = "mean",
        size: str = "medium",
        held_out: float = 0.2,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 1e-2,
        dropout: float = 0.0,
        patience: int = 10,
        ensemble: int = 1,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.model = model
        self.method = method
        self.threshold = threshold
        self.whole = whole
        self.window = window
        self.id = id
        self.time = time
        self.missing = missing
        self.size = size
        self.held_out = held_out
        self.max_updates = max_updates
        self.batch = batch
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.patience = patience
        self.ensemble = ensemble
        self.random_state = random_state
        self.verbose = verbose

    def _check_settings(self) -> None:
        super()._check_settings()
        among("AnomalyDetector", get_args(Method), method=self.method)
        among("AnomalyDetector", get_args(Whole), whole=self.whole)
        if self.window is not None:
            at_least("AnomalyDetector", 2, window=self.window)
        threshold(self.threshold)

    # -- what the network does -----------------------------------------------------------------

    @property
    def _rebuilds(self) -> bool:
        return self.method == "reconstruction"

    @property
    def _wanted(self) -> int:
        """Features that the network is to give: all but those that say what is missing."""
        schema = self.schema_
        return schema.features - (len(schema.numeric) if schema.missing == "indicator" else 0)

    def task(self) -> Given:
        """The next step of a sequence, or all of its steps backwards after it has been read."""
        return GivenValues(self.schema_.features + self._rebuilds, self._wanted)

    def _inputs(self, values: np.ndarray) -> np.ndarray:
        """What is read: each step after the one before, or all of them and then as many blanks."""
        if not self._rebuilds:
            return np.concatenate([np.zeros_like(values[:1]), values[:-1]])
        blank = np.zeros_like(values)
        # While it writes it is told how much is left, in windows; or it would have to count.
        left = np.arange(len(values), 0, -1) / self.window_
        mark = np.concatenate([np.zeros_like(left), left]).astype(np.float32)[:, None]
        return np.concatenate([np.concatenate([values, blank]), mark], axis=1)

    def _examples(self, windows: list[Coded]) -> Examples:
        """Windows, of which those steps count in which everything is known."""
        inputs, targets, weights = [], [], []
        for one in windows:
            after, counts = one.values[:, : self._wanted], one.whole.astype(float)
            if self._rebuilds:
                after = np.concatenate([np.zeros_like(after), after[::-1]])
                counts = np.concatenate([np.zeros_like(counts), counts[::-1]])
            inputs.append(self._inputs(one.values))
            targets.append(after)
            weights.append(counts)
        masks = [np.ones(len(x), bool) for x in inputs]
        return Examples.of(inputs, masks, targets, weights)

    # -- learning -----------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what is normal.

        **Arguments:**

        - `X`: sequences, all or nearly all of them normal: an array `(samples, time)` or
          `(samples, time, columns)`; a list of arrays `(time, columns)` or tables; a long table,
          with the columns that `id` and `time` name. One long series is a list of one array
          `(time, columns)`.
        - `y`: not used.

        **Raises:** `UserError` for what cannot be learned from, in one line; `Diverged` if a number
        became NaN or infinite.
        """
        self._check_settings()
        self.target_ = None
        read = self._read_form(X, reset=True)
        if read.form == "text":
            raise UserError("AnomalyDetector: X has texts; expected sequences of numbers")
        rng = check_random_state(self.random_state)
        lengths = [len(sequence) for sequence in read.sequences]
        longest = max(lengths)
        self.window_ = self.window or (longest if longest <= WHOLE else WINDOW)
        self.per_day_ = self._frequency(X, read)
        cuts = self._cuts(lengths, rng)
        seen = [
            sequence[:cut] for sequence, cut in zip(read.sequences, cuts, strict=True) if cut > 0
        ]
        self.schema_ = Schema.learn(read.form, seen, missing=self.missing, text="words")
        self.recipe_ = recipe(self.model, self.size, pool="none", dropout=self.dropout)
        if not self._rebuilds:  # else it would see in the next input what it is to foretell
            expect_steps(
                "AnomalyDetector with method='prediction'",
                self._skeleton(),
                "take one of one direction, or method='reconstruction'",
            )
        coded = [self.coded(one) for one in read.sequences]
        learned = self._windows([one.part(0, cut) for one, cut in zip(coded, cuts, strict=True)])
        if not learned:
            raise UserError("AnomalyDetector: no step is whole; too much is missing")
        held = self._windows([one.part(cut, None) for one, cut in zip(coded, cuts, strict=True)])
        test = (self._examples(held),) if held else None
        self._train((self._examples(learned),), test, seed=rng.randint(2**31 - 1))
        self._calibrate(coded, cuts if held else [0] * len(cuts))
        self.parts_ = {"learned": sum(cuts), "held_out": sum(lengths) - sum(cuts)}
        return self

    def _frequency(self, X: Any, read: Read) -> float | None:
        """Steps in a day, where a table has dates."""
        if self.time is None or read.rows is None:
            return None
        when = stamps(X, self.time).to_numpy()
        if not np.issubdtype(when.dtype, np.datetime64):
            return None
        apart = np.concatenate([np.diff(when[rows]) for rows in read.rows])
        return float(DAY / np.median(apart)) if len(apart) else None

    def _cuts(self, lengths: list[int], rng: np.random.RandomState) -> list[int]:
        """How many steps of each sequence are learned from; what comes after is held out."""
        held = self._held(len(lengths))
        if held:
            out = set(rng.permutation(len(lengths))[:held].tolist())
            return [0 if number in out else length for number, length in enumerate(lengths)]
        parts = [int(length * self.held_out) for length in lengths]
        if sum(part >= min(self.window_, 32) for part in parts):
            return [length - part for length, part in zip(lengths, parts, strict=True)]
        return lengths

    def coded(self, sequence: Raw) -> Coded:
        """A sequence, or the lanes of a stream, as the network is to see it."""
        values, _ = self.schema_.encode(sequence)
        truth = values[:, : self._wanted].astype(np.float64)
        for place, absent in zip(self._places(), self.schema_.absent(sequence).T, strict=True):
            truth[absent, place] = np.nan
        return Coded(values, truth)

    def _windows(self, sequences: list[Coded]) -> list[Coded]:
        """What is learned from: overlapping windows of some sequences."""
        size, found = self.window_, []
        for one in sequences:
            last = max(0, len(one.values) - size)
            starts = sorted({*range(0, last, max(1, size // 8)), last})
            found += [one.part(start, start + size) for start in starts if len(one.values)]
        found = [one for one in found if one.whole.any()]
        return some(found, WINDOWS)

    def _calibrate(self, coded: list[Coded], cuts: list[int]) -> None:
        """Measure errors after the cuts, and the scores that thresholds are set by."""
        late = [(one, cut) for one, cut in zip(coded, cuts, strict=True) if cut < len(one.values)]
        errors = self._errors([one for one, _ in late])
        parts = [error[cut:] for error, (_, cut) in zip(errors, late, strict=True)]
        starts, alike = [], all(cut == 0 for _, cut in late)
        if self._rebuilds:
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
            self.scores(self._surprise(part, np.arange(cut, cut + len(part)), scale))
            for part, (_, cut), scale in zip(parts, late, scales, strict=True)
        ]
        self.normal_scores_ = {
            "sequences": known_scores(np.array([self.of_steps(one) for one in steps])),
            "steps": known_scores(np.concatenate(steps)),
        }

    # -- scores -------------------------------------------------------------------------------

    def _errors(self, coded: list[Coded]) -> list[np.ndarray]:
        """What each step was, less what the networks made of it, `(time, features)`."""
        pieces, places = [], []
        for number, one in enumerate(coded):
            steps = len(one.values)
            size = min(self.window_, steps) if self._rebuilds else steps
            # The last window ends with the sequence, and is read over the one before.
            for start in sorted({*range(0, steps - size + 1, size), steps - size}):
                pieces.append(one.part(start, start + size))
                places.append((number, start))
        found = [np.full_like(one.truth, np.nan) for one in coded]
        for (number, start), piece, output in zip(
            places, pieces, self._outputs([self._inputs(p.values) for p in pieces]), strict=True
        ):
            steps = len(piece.values)
            rebuilt = output[: steps - 1 : -1] if self._rebuilds else output
            found[number][start : start + steps] = piece.truth - rebuilt
        return found

    def _outputs(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """The mean of the networks' outputs for each sequence, `(time, features)`."""
        lanes = ROWS if max(map(len, inputs)) <= 2 * WHOLE else LANES
        whole, found = [True] * len(inputs), [np.zeros(0)] * len(inputs)
        for number, outputs in read_through(self.networks(), inputs, whole, lanes):
            found[number] = self._mean(outputs)
        return found

    @staticmethod
    def _mean(outputs: np.ndarray) -> np.ndarray:
        """What several networks expect together."""
        return outputs.mean(axis=0, dtype=np.float64)

    def _surprise(
        self, errors: Float[np.ndarray, "time features"], numbers: Any = None, scale: Any = None
    ) -> np.ndarray:
        """The surprise of each column, `(time, columns)`: of categories the mean over them.

        `numbers` are those of the steps, if they do not begin with the first; the `scale` is that
        of the errors, if it is not `error_scale_`.
        """
        scale = self.error_scale_ if scale is None else scale
        numbers = np.arange(len(errors)) if numbers is None else numbers
        places = np.minimum(numbers, len(scale.mean) - 1)
        marks = ((errors - scale.mean[places]) / scale.deviation[places]) ** 2
        made = [marks[:, place].mean(axis=-1) for place in self._places()]
        return np.stack(made, axis=-1)

    @staticmethod
    def scores(surprise: Float[np.ndarray, "*time columns"]) -> Float[np.ndarray, "*time"]:
        """The scores of steps from the surprise of their columns; NaN where nothing is known."""
        known = ~np.isnan(surprise)
        count = known.sum(axis=-1)
        total = np.where(known, surprise, 0).sum(axis=-1)
        return np.where(count > 0, -total / np.maximum(count, 1), np.nan)

    def of_steps(self, scores: Float[np.ndarray, " time"]) -> float:
        """The score of a sequence; NaN if nothing in it is known."""
        known = scores[~np.isnan(scores)]
        if not len(known):
            return np.nan
        return float(known.mean() if self.whole == "mean" else known.min())

    def _places(self) -> list[slice]:
        """Where the features of each column are."""
        schema, made = self.schema_, []
        number, category = 0, len(schema.numeric)
        for name in schema.names:
            if name in schema.categories:
                made.append(slice(category, category + len(schema.categories[name])))
                category = made[-1].stop
            else:
                made.append(slice(number, number + 1))
                number += 1
        return made

    def surprise(self, X: Any) -> list[Float[np.ndarray, "time columns"]]:
        """How surprising each column was at each step of each sequence; NaN where one is missing.

        The columns are those of `schema_.names`. A normal step's surprise is 1 on average.
        """
        return self.surprises(self.read(X))

    def surprises(self, read: Read) -> list[np.ndarray]:
        """As `surprise`, of sequences that `read` has read."""
        errors = self._errors([self.coded(one) for one in read.sequences])
        return [self._surprise(error) for error in errors]

    def score_steps(self, X: Any) -> list[Float[np.ndarray, " time"]]:
        """The score of every step of each sequence, higher for what is more normal."""
        return [self.scores(one) for one in self.surprise(X)]

    def score_samples(self, X: Any) -> Float[np.ndarray, " samples"]:
        """The score of each sequence, higher for what is more normal."""
        return np.array([self.of_steps(one) for one in self.score_steps(X)])

    def verdict(self, coded: Coded, outputs: np.ndarray, step: int, limit: Limit) -> Verdict:
        """What is to be said of a step of several lanes, of which `outputs` were expected."""
        errors = coded.truth - self._mean(outputs)
        surprise = self._surprise(errors, np.full(len(errors), step))
        scores = self.scores(surprise)
        return Verdict(scores, scores < limit.value, surprise)

    # -- thresholds ---------------------------------------------------------------------------

    def limit(self, level: Level = "sequences") -> Limit:
        """What the threshold comes to: the score to fall below, and the alarm rate to expect.

        **Raises:** `UserError` if too few normal scores are known for it.
        """
        check_is_fitted(self, "weights_")
        among("limit", get_args(Level), level=level)
        if not len(self.normal_scores_[level]):
            raise UserError("AnomalyDetector: too much was missing in fit to set a threshold by")
        per_day = self.per_day_ if level == "steps" else None
        return threshold(self.threshold).limit(self.normal_scores_[level], per_day)

    @property
    def limit_(self) -> Limit:
        """The limit for sequences."""
        return self.limit("sequences")

    @property
    def step_limit_(self) -> Limit:
        """The limit for steps."""
        return self.limit("steps")

    @property
    def offset_(self) -> float:
        """The score from which on a sequence is normal."""
        return self.limit_.value

    def decision_function(self, X: Any) -> Float[np.ndarray, " samples"]:
        """The score of each sequence less the limit: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for each sequence that is an anomaly, 1 for the others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def predict_steps(self, X: Any) -> list[np.ndarray]:
        """-1 for each step that is an anomaly, 1 for the others, sequence by sequence."""
        value = self.step_limit_.value
        return [np.where(one < value, -1, 1) for one in self.score_steps(X)]

    def p_values(self, X: Any) -> Float[np.ndarray, " samples"]:
        """How rare a score at least as low as that of each sequence is; see `Conformal`."""
        return p_values(self.score_samples(X), self.normal_scores_["sequences"])

    def windows(self, X: Any, *, gap: int = 0) -> pd.DataFrame:
        """Where the anomalies are, a row for each run of steps below the limit.

        **Arguments:**

        - `X`: sequences as in `fit`.
        - `gap`: so many normal steps between two alarms still leave them one window.

        **Returns:** a table of `sequence`, its number or id; `start` and `end`, the first and last
        step, counted from 0, or their times where there are any; `score`, the lowest; `columns`,
        the names of those that are more surprising than the limit allows the whole to be, most
        surprising first, by their means over the window.
        """
        at_least("windows", 0, gap=gap)
        read, value = self.read(X), self.step_limit_.value
        times = None
        if self.time is not None and read.rows is not None:
            times = stamps(X, self.time).to_numpy()
        rows = []
        for number, surprise in enumerate(self.surprises(read)):
            scores = self.scores(surprise)
            for start, end in runs(scores < value, gap):
                part = surprise[start : end + 1]
                ends: Any = (start, end)
                if times is not None and read.rows is not None:
                    ends = times[read.rows[number][[start, end]]]
                rows.append(
                    {
                        "sequence": number
                        if self.id is None or not read.keys
                        else read.keys[number],
                        "start": ends[0],
                        "end": ends[1],
                        "score": float(np.nanmin(scores[start : end + 1])),
                        "columns": self.blamed(part[scores[start : end + 1] < value]),
                    }
                )
        return pd.DataFrame(rows, columns=["sequence", "start", "end", "score", "columns"])

    def blamed(self, surprise: Float[np.ndarray, "time columns"]) -> tuple[str, ...]:
        """The columns that caused alarms, most surprising first: all above the columns' mean."""
        known = ~np.isnan(surprise)
        means = np.where(known, surprise, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        order = np.argsort(-means, kind="stable")
        return tuple(self.schema_.names[n] for n in order if means[n] >= means.mean())

    def stream(self, *, lanes: int | None = None, path: Path | str | None = None) -> Watch:
        """A stream that gives a `Verdict` after each observation, as `score_steps` would.

        Arguments and errors: as of the classifier's. The limit is the one of when it was made.

        **Raises:** `UserError` where sequences are rebuilt: that is done from their end.
        """
        check_is_fitted(self, "weights_")
        if self._rebuilds:
            raise UserError(
                "stream: a reconstruction begins at a sequence's end; fit with method='prediction'"
            )
        made = Watch(self, lanes)
        return made if path is None else made.restore(path)

    # -- files --------------------------------------------------------------------------------

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {
            **super().learned(),
            "window": self.window_,
            "per_day": self.per_day_,
            "error_scale": self.error_scale_.to_json(),
            "normal_scores": {name: x.tolist() for name, x in self.normal_scores_.items()},
            "threshold": threshold_to_json(threshold(self.threshold)),
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.window_ = int(data["window"])
        self.per_day_ = data["per_day"]
        self.error_scale_ = Scale.from_json(data["error_scale"])
        self.normal_scores_ = {
            level: np.array(data["normal_scores"][level], float) for level in get_args(Level)
        }
        if self.threshold is None:  # it was no name
            self.threshold = threshold_from_json(data["threshold"])
