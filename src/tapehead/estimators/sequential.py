"""`SequenceReader`: what all estimators that read sequences have in common."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted, validate_data

from tapehead.errors import UserError
from tapehead.estimators.export.answers import legend
from tapehead.estimators.reading import (
    Form,
    Read,
    cut_table,
    is_ragged,
    is_text,
    matrices,
    one_line,
    texts,
)
from tapehead.estimators.schema import Schema
from tapehead.estimators.stream import Stream
from tapehead.estimators.trained import Trained


class SequenceReader(Trained):
    """Sequences in any of the forms that people have them in, read as `fit` found them."""

    schema_: Schema  # how sequences become inputs

    id: Any
    time: Any
    missing: Any

    def __sklearn_tags__(self) -> Any:
        """Two or three axes; missing values may be let pass."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing != "refuse"
        return tags

    def _read_form(self, X: Any, *, reset: bool) -> Read:
        """The sequences in `X`, which must be of the form that `fit` saw, unless this is `fit`."""
        read = self._sequences(X, reset=reset)
        if reset:
            if read.form != "scalars":
                for name in ("n_features_in_", "feature_names_in_"):
                    vars(self).pop(name, None)
            if read.form == "steps":
                self.n_features_in_ = read.sequences[0].shape[1]
        else:
            self._expect_form(read.form)
        return read

    def _expect_form(self, form: Form) -> None:
        if form != self.schema_.form:
            shown = {
                "scalars": "rows of numbers, (samples, time)",
                "steps": "sequences (samples, time, columns)",
                "table": "tables",
                "text": "texts",
            }
            raise UserError(
                f"{type(self).__name__}: X has {shown[form]}, where fit had "
                f"{shown[self.schema_.form]}"
            )

    def _sequences(self, X: Any, *, reset: bool) -> Read:
        if isinstance(X, pd.DataFrame) and (self.id is not None or self.time is not None):
            keys, rows = cut_table(X, self.id, self.time)
            known = [c for c in X.columns if c not in (self.id, self.time)]
            if (target := getattr(self, "target_", None)) is not None and not reset:
                known = [c for c in known if c != target]
            body = X[known]
            return Read("table", [body.iloc[part] for part in rows], rows, keys)
        if is_text(X):
            return Read("text", texts(X))
        if is_ragged(X) or (isinstance(X, np.ndarray) and X.ndim > 2):
            return Read(*matrices(X))
        if isinstance(X, list | tuple) and len(X) and np.ndim(X) == 3:
            return Read(*matrices(np.asarray(X)))
        if isinstance(X, pd.DataFrame):
            if not len(X.columns):
                raise UserError("table: has no columns to learn from")
            wrong = [c for c in X.columns if not pd.api.types.is_numeric_dtype(X[c])]
            # scikit-learn has its own words for what is no number at all.
            if wrong and all(np.isscalar(value) for value in X[wrong[0]]):
                raise UserError(
                    f"table: column '{wrong[0]}' is not numbers; in a table without id and time "
                    "every column is a step of time: name the columns with id= and time="
                )
        if not reset and isinstance(X, np.ndarray | pd.DataFrame | list) and np.ndim(X) == 2:
            self._expect_form("scalars")
        try:
            given: Any = X
            values = validate_data(
                self, given, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
        except ValueError as error:
            raise one_line(error) from None
        return Read("scalars", list(np.asarray(values)[:, :, None]))

    def legend(self) -> dict[str, Any]:
        """The columns, the categories of each, and the symbols of texts."""
        return legend(self.schema_)

    # -- answering ----------------------------------------------------------------------------

    def read(self, X: Any) -> Read:
        """The sequences in `X`, as `predict` reads them."""
        check_is_fitted(self, "weights_")
        if isinstance(X, pd.DataFrame) and (target := getattr(self, "target_", None)) is not None:
            X = X.drop(columns=target, errors="ignore")
        return self._read_form(X, reset=False)

    def stream(self, *, lanes: int | None = None, path: Path | str | None = None) -> Stream:
        """A stream that is fed one observation at a time, equal to the batch answer to rounding.

        **Arguments:**

        - `lanes`: how many run side by side; `None`: a single one, without an axis for them.
        - `path`: of a file that `Stream.save` wrote, to go on from there.

        **Raises:** `UserError` for a network that must read a sequence whole, and for a file that
        is damaged or of another model.
        """
        check_is_fitted(self, "weights_")
        made = Stream(self, lanes)
        return made if path is None else made.restore(path)

    # -- files --------------------------------------------------------------------------------

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        names = getattr(self, "feature_names_in_", None)
        return {
            **super().learned(),
            "schema": self.schema_.to_json(),
            "target": getattr(self, "target_", None),
            "features": getattr(self, "n_features_in_", None),
            "names": None if names is None else list(map(str, names)),
            "parts": self.parts_,
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.schema_ = Schema.from_json(data["schema"])
        self.target_ = data["target"]
        if data["features"] is not None:
            self.n_features_in_ = int(data["features"])
        if data["names"] is not None:
            self.feature_names_in_ = np.array(data["names"], object)
        self.parts_ = data["parts"]
