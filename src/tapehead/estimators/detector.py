"""`AnomalyDetector`: what is unlike what was seen."""

import dataclasses
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
from tapehead.estimators.expecting import WHOLE, WINDOW
from tapehead.estimators.export import surprises
from tapehead.estimators.export.function import Ways, What
from tapehead.estimators.methods import METHODS
from tapehead.estimators.network import recipe
from tapehead.estimators.reading import Read, stamps
from tapehead.estimators.schema import Schema
from tapehead.estimators.scoring import Scorer
from tapehead.estimators.surprises import runs, scores_of
from tapehead.estimators.thresholds import (
    Limit,
    p_values,
    threshold,
    threshold_from_json,
    threshold_to_json,
)
from tapehead.estimators.watching import Watch

Whole = Literal["mean", "lowest"]
Level = Literal["sequences", "steps"]

DAY = np.timedelta64(1, "D")


class AnomalyDetector(OutlierMixin, Scorer):
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
        among("AnomalyDetector", METHODS, method=self.method)
        among("AnomalyDetector", get_args(Whole), whole=self.whole)
        if self.window is not None:
            at_least("AnomalyDetector", 2, window=self.window)
        threshold(self.threshold)

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
        if self.way.ahead:  # else it would see in the next input what it is to foretell
            expect_steps(
                "AnomalyDetector with method='prediction'",
                self._skeleton(),
                "take one of one direction, or method='reconstruction'",
            )
        coded = [self.coded(one) for one in read.sequences]
        early = [one.part(0, cut) for one, cut in zip(coded, cuts, strict=True)]
        late = [one.part(cut, None) for one, cut in zip(coded, cuts, strict=True)]
        held = self._learn(early, late, seed=rng.randint(2**31 - 1))
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
            scores = scores_of(surprise)
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

    def stream(self, *, lanes: int | None = None, path: Path | str | None = None) -> Watch:
        """A stream that gives a `Verdict` after each observation, as `score_steps` would.

        Arguments and errors: as of the classifier's. The limit is the one of when it was made.

        **Raises:** `UserError` where sequences are rebuilt: that is done from their end.
        """
        check_is_fitted(self, "weights_")
        if not self.way.ahead:
            raise UserError(
                "stream: a reconstruction begins at a sequence's end; fit with method='prediction'"
            )
        made = Watch(self, lanes)
        return made if path is None else made.restore(path)

    # -- files --------------------------------------------------------------------------------

    def functions(self, what: What) -> Ways:
        """Sequences, or steps of streams, to scores."""
        return surprises.ways(self, what)

    def legend(self) -> dict[str, Any]:
        """As of all readers of sequences, and the scores to fall below."""
        limits: dict[str, Any] = {}
        for level in get_args(Level):
            try:
                limits[level] = dataclasses.asdict(self.limit(level))
            except UserError:  # too few scores are known for it
                limits[level] = None
        return {**super().legend(), "limits": limits}

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {
            **super().learned(),
            "per_day": self.per_day_,
            "threshold": threshold_to_json(threshold(self.threshold)),
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.per_day_ = data["per_day"]
        if self.threshold is None:  # it was no name
            self.threshold = threshold_from_json(data["threshold"])
