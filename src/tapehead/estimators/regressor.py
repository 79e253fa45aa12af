"""`SequenceRegressor`: numbers for a sequence, or for each of its steps."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from tapehead.errors import UserError
from tapehead.estimators.base import SequenceEstimator
from tapehead.estimators.mapping import Answers
from tapehead.estimators.reading import one_line
from tapehead.estimators.schema import Scale
from tapehead.tasks.given import Given, GivenValues


class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """Give numbers for a sequence, or for each of its steps, by a recurrent network.

    ```python
    model = SequenceRegressor().fit(X, y)
    model.predict(X_new)
    ```

    As `SequenceClassifier`, with the same arguments but `class_weight`, on the squared error. What
    is to be given is brought to mean 0 and deviation 1 by the training part, and predictions back;
    there may be several numbers, `(samples, values)`. With `each_step`, an answer that is NaN is
    not asked for.

    **Attributes:** `curve_`, the learning curve; `n_updates_`; `best_update_`; `n_features_in_`
    and, for tables, `feature_names_in_`.
    """

    kind = "regressor"

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
        held_out: float = 0.1,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 3e-3,
        dropout: float = 0.0,
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

    def __sklearn_tags__(self) -> Any:
        """Several numbers may be asked for."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_answers(self, y: Any, count: int) -> np.ndarray:
        try:
            checked: Any = check_array(y, dtype="float64", ensure_2d=False, input_name="y")
            values = np.asarray(checked)
        except ValueError as error:
            raise one_line(error) from None
        if values.ndim not in (1, 2):
            raise UserError(f"y: expected (samples,) or (samples, values), got {values.shape}")
        if len(values) != count:
            raise UserError(f"y: has {len(values)} answers, where X has {count} sequences")
        return values

    def _matrix(self, y: list[np.ndarray]) -> list[np.ndarray]:
        """The answers as `(time or 1, values)`."""
        try:
            made = [np.asarray(one, float) for one in y]
        except (TypeError, ValueError):
            raise UserError("y: expected numbers") from None
        made = [one[:, None] if one.ndim == 1 else one for one in made]
        values = made[0].shape[1:]
        for number, one in enumerate(made):
            if one.shape[1:] != values or one.ndim != 2:
                raise UserError(f"y: sequence {number} is not shaped as the first, {y[0].shape}")
            if np.isinf(one).any():
                raise UserError(f"y: sequence {number} contains infinity")
        return made

    def _learn_answers(self, y: list[np.ndarray]) -> None:
        values = np.concatenate(self._matrix(y))
        if np.isnan(values).all(axis=0).any():
            raise UserError("y: a value is missing throughout")
        self.flat_ = y[0].ndim == 1
        self.scale_ = Scale(np.zeros(values.shape[1]), np.ones(values.shape[1]))

    def _rescale(self, y: list[np.ndarray], weights: np.ndarray) -> None:
        made = self._matrix(y)
        self.scale_ = Scale.of(np.concatenate(made), np.repeat(weights, list(map(len, made))))

    def _answers(self, y: list[np.ndarray]) -> Answers:
        scaled = [self.scale_.apply(one) for one in self._matrix(y)]
        asked = [~np.isnan(one).any(axis=1) for one in scaled]
        return Answers([np.nan_to_num(one) for one in scaled], [a.astype(float) for a in asked])

    def _task(self, features: int, symbols: bool) -> Given:
        return GivenValues(features, len(self.scale_.mean), symbols)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go over some sequences once, from where the network stands, at a constant rate.

        The first call learns scales from its sequences. Other arguments and errors: as `fit`.
        """
        self._check_settings()
        first = not hasattr(self, "weights_")
        return self._pass(X, y, sample_weight, first=first, learn=first)

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {**super().learned(), "scale": self.scale_.to_json(), "flat": self.flat_}

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.scale_, self.flat_ = Scale.from_json(data["scale"]), bool(data["flat"])

    def decoded(self, outputs: Any) -> Any:
        """Values on their own scale, the mean over the networks."""
        values = self.scale_.undo(outputs.mean(axis=0))
        return values.squeeze(axis=-1) if self.flat_ else values

    def predict(self, X: Any) -> Any:
        """The numbers: `(samples,)` or `(samples, values)`; for each step if `each_step`.

        Then it is `(samples, time, ...)` where all sequences are as long, else a list.
        """
        return self._gathered([self.decoded(outputs) for outputs in self._outputs(X)[1]])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R², over all answers."""
        X, answers = self._asked(X, y)
        given = self._matrix(answers)
        found = [
            np.asarray(f).reshape(g.shape) for f, g in zip(self.predict(X), given, strict=True)
        ]
        whole, seen = np.concatenate(given), np.concatenate(found)
        asked = ~np.isnan(whole).any(axis=1)
        weights = None
        if sample_weight is not None:
            weights = np.repeat(np.asarray(sample_weight, float), list(map(len, given)))[asked]
        return float(r2_score(whole[asked], seen[asked], sample_weight=weights))
