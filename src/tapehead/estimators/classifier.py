"""`SequenceClassifier`: which class a sequence, or each of its steps, is of."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from tapehead.errors import UserError, nearest
from tapehead.estimators.base import SequenceEstimator
from tapehead.estimators.files import array_from_json, array_to_json
from tapehead.estimators.mapping import Answers
from tapehead.estimators.reading import one_line
from tapehead.tasks.given import Given, GivenClasses


class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """Tell the class of a sequence, or of each of its steps, by a recurrent network.

    ```python
    model = SequenceClassifier().fit(X, y)
    model.predict(X_new)
    ```

    Training is by Adam on the cross-entropy, its learning rate falling by half a cosine over
    `max_updates`. It stops early by a held-out part of the sequences, on which a running mean of
    the weights is judged, and keeps the mean that did best there. Where there is one answer to a
    whole sequence, the readout sees the mean and the maximum of each of the network's outputs over
    all its steps.

    **Arguments:**

    - `model`: the name of a model (`tapehead list models`), or a `Model` or `Cell` of yours.
        `"mingru"` learns all steps in parallel; `"lstm"`, `"gru"` and `"dnc"` one after another.
    - `size`: `"small"`, `"medium"` or `"large"`, for a model by name: 32, 64 or 2 × 128 units.
    - `each_step`: an answer at every step, instead of one at the end.
    - `id`, `time`: where sequences come in one long table, the columns that say of which sequence
      a row is, and when.
    - `text`: whether texts are read as `"words"` or `"characters"`.
    - `missing`: what stands for a missing number: the `"mean"`; the mean, with an `"indicator"` of
      its own beside; or `"refuse"`. A step in which nothing is known is passed over.
    - `class_weight`: a weight for each class, or `"balanced"`: as much for rare ones as for others.
    - `held_out`: the share of sequences by which training is stopped.
    - `max_updates`, `batch`, `learning_rate`, `dropout`: of training; a `Model` or `Cell` of yours
      has its own dropout.
    - `patience`: evaluations without a better one after which training stops.
    - `ensemble`: networks from different seeds, whose probabilities are averaged.
    - `warm_start`: begin `fit` with the weights of the one before.
    - `random_state`: decides all that is random.
    - `verbose`: 1 prints the learning curve to stderr.

    **Attributes:** `classes_`; `curve_`, the learning curve; `n_updates_`; `best_update_`, the
    update each network's weights are of; `n_features_in_` and, for tables, `feature_names_in_`.
    """

    kind = "classifier"
    pool = "both"
    average = 0.8
    classes_: np.ndarray

    def __init__(
        self,
        model: Any = "mingru",
        *,
        size: str = "medium",
        each_step: bool = False,
        id: Any = None,
        time: Any = None,
        text: str = "words",
        missing: str = "mean",
        class_weight: Any = None,
        held_out: float = 0.1,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 3e-3,
        dropout: float = 0.1,
        patience: int = 20,
        ensemble: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.model = model
        self.size = size
        self.each_step = each_step
        self.id = id
        self.time = time
        self.text = text
        self.missing = missing
        self.class_weight = class_weight
        self.held_out = held_out
        self.max_updates = max_updates
        self.batch = batch
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.patience = patience
        self.ensemble = ensemble
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _check_answers(self, y: Any, count: int) -> np.ndarray:
        try:
            y = column_or_1d(y, warn=True)
            anything: Any = None
            check_array(y, dtype=anything, ensure_2d=False, input_name="y")
            check_classification_targets(y)
        except ValueError as error:
            raise one_line(error) from None
        if len(y) != count:
            raise UserError(f"y: has {len(y)} answers, where X has {count} sequences")
        return y

    def _learn_answers(self, y: list[np.ndarray]) -> None:
        everything = np.concatenate(y)
        if everything.ndim != 1:
            raise UserError(f"y: expected one class at each step, got shape {y[0].shape}")
        self.classes_ = np.unique(everything)
        if len(self.classes_) < 2:
            raise UserError(
                f"{type(self).__name__}: y holds only one class, '{self.classes_[0]}'; there is "
                "nothing to tell apart"
            )

    def _codes(self, y: np.ndarray) -> np.ndarray:
        """The numbers of classes. **Raises:** `UserError` for one that `fit` did not see."""
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        wrong = self.classes_[codes] != y
        if wrong.any():
            name = str(y[wrong][0])
            raise UserError(
                f"y: class '{name}' is not one of the classes "
                f"{', '.join(map(str, self.classes_))}{nearest(name, map(str, self.classes_))}"
            )
        return codes.astype(np.int32)

    def _answers(self, y: list[np.ndarray]) -> Answers:
        codes = [self._codes(one) for one in y]
        everything = np.concatenate(codes)
        try:
            by_class = compute_class_weight(
                self.class_weight, classes=np.arange(len(self.classes_)), y=everything
            )
            if isinstance(self.class_weight, dict):
                by_class = compute_class_weight(
                    self.class_weight, classes=self.classes_, y=self.classes_
                )
        except ValueError as error:
            raise UserError(f"class_weight: {error}") from None
        counts = [by_class[one] for one in codes]
        return Answers(codes, counts, None if self.each_step else everything)

    def _weighted(self, read: Any, wanted: Answers, sample_weight: Any) -> Any:
        whole, weights = super()._weighted(read, wanted, sample_weight)
        total = np.zeros(len(self.classes_))
        np.add.at(total, np.concatenate(wanted.targets), np.concatenate(weights))
        if (total > 0).sum() < 2:
            raise UserError(
                f"{type(self).__name__}: only one class has weight, "
                f"'{self.classes_[int(total.argmax())]}'; there is nothing to tell apart"
            )
        return whole, weights

    def _task(self, features: int, symbols: bool) -> Given:
        return GivenClasses(features, len(self.classes_), symbols)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go over some sequences once, from where the network stands, at a constant rate.

        The first call learns scales from its sequences, and needs `classes` where these are not
        all in `y`. Other arguments and errors: as `fit`.
        """
        self._check_settings()
        first = not hasattr(self, "weights_")
        if classes is not None:
            if first:
                self.classes_ = np.unique(classes)
            elif not np.array_equal(np.unique(classes), self.classes_):
                raise UserError("classes: are not those of the first call")
        return self._pass(X, y, sample_weight, first=first, learn=first and classes is None)

    def legend(self) -> dict[str, Any]:
        """As of all readers of sequences, and the classes."""
        return {**super().legend(), "classes": list(map(str, self.classes_))}

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {**super().learned(), "classes": array_to_json(self.classes_)}

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.classes_ = array_from_json(data["classes"])

    def decoded(self, outputs: Any) -> Any:
        """Probabilities from logits, the mean over the networks."""
        xp = outputs.__array_namespace__()
        apart = xp.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return (apart / apart.sum(axis=-1, keepdims=True)).mean(axis=0)

    def _probabilities(self, X: Any) -> list[np.ndarray]:
        """For each sequence `(time or 1, classes)`."""
        return [self.decoded(outputs) for outputs in self._outputs(X)[1]]

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class: `(samples, classes)`; for each step if `each_step`.

        Then it is `(samples, time, classes)` where all sequences are as long, else a list.
        """
        return self._gathered(self._probabilities(X))

    def predict(self, X: Any) -> Any:
        """The most probable class of each sequence, or of each of its steps."""
        return self._gathered([self.classes_[p.argmax(axis=-1)] for p in self._probabilities(X)])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of answers that are right."""
        X, given = self._asked(X, y)
        found = self.predict(X)
        right = [
            np.mean(one == (f if self.each_step else [f]))
            for one, f in zip(given, found, strict=True)
        ]
        return float(np.average(right, weights=sample_weight))
