"""`check_estimator`: what holds for every estimator of answers to sequences.

scikit-learn's own checks hand over 2-D arrays only; these hand over the forms that sequences have.
"""

import copy
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tapehead.errors import UserError

COUNT, COLUMNS = 24, 2


def check_estimator(estimator: Any) -> None:
    """Assert, on 3-D arrays and on lists of arrays of different lengths:

    - the same sequences give the same answers as one array and as a list, alone and among longer
      ones, in any order, and after pickling, saving and loading;
    - the same `random_state` gives the same estimator again, and `fit` changes neither its data nor
      its settings;
    - answers have the shapes that scikit-learn's conventions give them;
    - missing values are let pass, and a stream answers as the batch does;
    - what cannot be learned from or answered is refused in one line.

    **Arguments:**

    - `estimator`: a classifier, a regressor or a transformer that is not fitted, with one answer
        for a sequence, an integer `random_state` and settings that make it quick to fit: it is
        fitted twice.

    **Raises:** `AssertionError` that names what failed.
    """
    from sklearn.base import clone, is_classifier

    rng = np.random.default_rng(0)
    ragged = [rng.normal(size=(3 + n % 7, COLUMNS)) for n in range(COUNT)]
    ragged[3][1, 0] = np.nan
    given = copy.deepcopy(ragged)
    answers = np.array([np.nanmean(x[:, 0]) for x in ragged])
    if is_classifier(estimator):
        answers = np.where(answers > 0, "above", "below")
    settings = repr(estimator.get_params())

    fresh: Any = clone(estimator)
    fitted = fresh.fit(ragged, answers)
    assert repr(fitted.get_params()) == settings, "fit changed the settings"
    for before, after in zip(given, ragged, strict=True):
        np.testing.assert_array_equal(before, after, "fit changed its data")

    def answer(model: Any, X: Any) -> np.ndarray:
        if is_classifier(model):
            return model.predict_proba(X)
        return model.transform(X) if hasattr(model, "transform") else model.predict(X)

    whole = answer(fitted, ragged)
    _check_shapes(fitted, ragged, whole)
    other: Any = clone(estimator)
    again = answer(other.fit(ragged, answers), ragged)
    np.testing.assert_array_equal(again, whole, "the same random_state gave another estimator")

    order = rng.permutation(COUNT)
    shuffled = answer(fitted, [ragged[n] for n in order])
    np.testing.assert_allclose(shuffled, whole[order], rtol=1e-5, err_msg="the order matters")
    for number in (0, COUNT - 1):
        alone = answer(fitted, [ragged[number]])[0]
        np.testing.assert_allclose(alone, whole[number], rtol=1e-5, err_msg="padding is read")
    even = [x for x in ragged if len(x) == 5]
    as_list, as_array = answer(fitted, even), answer(fitted, np.array(even))
    np.testing.assert_array_equal(as_list, as_array, "a list is not an array of its entries")

    np.testing.assert_array_equal(answer(pickle.loads(pickle.dumps(fitted)), ragged), whole)
    _check_files(fitted, lambda model: answer(model, ragged), whole)
    _check_stream(fitted, ragged, whole)
    _check_refusals(fitted, ragged, answers)


def _check_shapes(fitted: Any, X: Any, whole: np.ndarray) -> None:
    """One answer for each sequence."""
    assert len(whole) == COUNT, "there is one answer for each sequence"
    if hasattr(fitted, "predict"):
        assert fitted.predict(X).shape == (COUNT,), "predict gives one answer for each sequence"
    assert np.isfinite(whole).all(), "an answer is not finite"
    assert fitted.n_features_in_ == COLUMNS, "n_features_in_ is the number of columns"
    if hasattr(fitted, "classes_"):
        assert whole.shape == (COUNT, len(fitted.classes_)), "a probability for each class"
        np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_array_equal(fitted.classes_[whole.argmax(axis=1)], fitted.predict(X))


def _check_files(fitted: Any, answer: Callable[[Any], np.ndarray], whole: np.ndarray) -> None:
    """What was saved and loaded answers to the bit the same; a damaged file is refused."""
    from tapehead.estimators import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        fitted.save(path)
        np.testing.assert_array_equal(answer(load(path)), whole, "loaded, it answers otherwise")
        weights = path / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-8])
        _refused("a truncated file", lambda: load(path))


def _check_stream(fitted: Any, X: list[np.ndarray], whole: np.ndarray) -> None:
    """Fed one observation at a time, it gives the batch's answer."""
    for number in (0, 3):
        stream = fitted.stream()
        found = [stream.feed(x) for x in X[number]][-1]
        np.testing.assert_allclose(
            found, whole[number], rtol=1e-4, atol=1e-6, err_msg="a stream answers otherwise"
        )


def _check_refusals(fitted: Any, X: list[np.ndarray], y: np.ndarray) -> None:
    """Each mistake is told in one line."""
    answer = fitted.transform if hasattr(fitted, "transform") else fitted.predict
    wide = [np.pad(x, [(0, 0), (0, 1)]) for x in X]
    infinite = [*X[:-1], np.full((3, COLUMNS), np.inf)]
    cases: dict[str, Callable[[], Any]] = {
        "another number of columns": lambda: answer(wide),
        "an empty sequence": lambda: answer([*X, np.zeros((0, COLUMNS))]),
        "no sequences": lambda: answer([]),
        "infinity": lambda: answer(infinite),
        "text": lambda: answer(["one", "two"]),
        "rows of numbers": lambda: answer(np.zeros((3, 4))),
        "four axes": lambda: answer(np.zeros((3, 4, COLUMNS, 1))),
    }
    if not hasattr(fitted, "transform"):
        cases["too few answers"] = lambda: fitted.fit(X, y[:-1])
        cases["too few weights"] = lambda: fitted.fit(X, y, sample_weight=np.ones(3))
    for name, call in cases.items():
        _refused(name, call)


def _refused(name: str, call: Callable[[], Any]) -> None:
    message = None
    try:
        call()
    except UserError as error:
        message = str(error)
    assert message is not None, f"{name} is not refused"
    assert "\n" not in message, f"{name} is refused in more than one line"
