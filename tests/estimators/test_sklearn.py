"""scikit-learn's own checks, our checks of sequences, and life among scikit-learn's tools."""

import numpy as np
import pandas as pd
import pytest
from quick_estimators import QUICK, signs, walks
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from tapehead.estimators import SequenceClassifier, SequenceRegressor
from tapehead.testing import check_estimator

CLASSIFIER, REGRESSOR = BOTH = [SequenceClassifier(**QUICK), SequenceRegressor(**QUICK)]
# scikit-learn's checks fit it a hundred times, and ask for little.
HASTY = clone(CLASSIFIER).set_params(max_updates=50)


def failing(estimator):
    """The checks that are not passed, and why."""
    why = "single precision, and batches drawn one by one: as scikit-learn's own networks"
    return {"check_sample_weight_equivalence_on_dense_data": why}


@parametrize_with_checks([HASTY], expected_failed_checks=failing)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([REGRESSOR], expected_failed_checks=failing)
def test_scikit_learns_checks_of_regressors(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", BOTH, ids=lambda e: type(e).__name__)
def test_sequences(estimator):
    check_estimator(estimator)


def test_cross_validation_of_ragged_sequences():
    X = walks(120)
    scores = cross_val_score(SequenceClassifier(**QUICK), X, signs(X), cv=3)
    assert scores.mean() > 0.8


def test_a_grid_search_over_its_own_settings():
    X = walks(60)
    search = GridSearchCV(
        SequenceClassifier(**QUICK), {"learning_rate": [1e-7, 3e-2]}, cv=2, refit=False
    ).fit(X, signs(X))
    assert search.best_params_ == {"learning_rate": 3e-2}


def test_a_pipeline_with_tables_between():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 6)), columns=list("abcdef"))
    y = table.mean(axis=1) > 0
    pipeline = make_pipeline(StandardScaler(), SequenceClassifier(**QUICK))
    pipeline.set_output(transform="pandas").fit(table, y)
    assert list(pipeline[-1].feature_names_in_) == list("abcdef")
    assert pipeline.score(table, y) > 0.8


def test_a_clone_is_not_fitted():
    X = walks()
    made = clone(SequenceClassifier(**QUICK).fit(X, signs(X)))
    assert not hasattr(made, "weights_")


@pytest.mark.slow
def test_an_ensemble_is_the_mean_of_its_networks():
    X = walks()
    both = SequenceRegressor(**QUICK, ensemble=2).fit(X, np.arange(40.0))
    one = SequenceRegressor(**QUICK).fit(X, np.arange(40.0))
    each = []
    for number in range(2):
        alone = clone(both).set_params(ensemble=1)
        alone.__dict__.update({k: v for k, v in both.__dict__.items() if k.endswith("_")})
        alone.weights_ = {name: x[number : number + 1] for name, x in both.weights_.items()}
        each.append(alone.predict(X))
    np.testing.assert_allclose(np.mean(each, axis=0), both.predict(X), rtol=1e-5)
    np.testing.assert_allclose(each[0], one.predict(X), rtol=1e-3)  # the same experiment
    assert np.abs(each[0] - each[1]).max() > 0.1


def test_class_weights_count():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), np.arange(60) % 10 == 0
    X = 0 * X  # nothing to tell them apart by
    rare = SequenceClassifier(**QUICK, class_weight={True: 9.0}).fit(X, y)
    even = SequenceClassifier(**QUICK).fit(X, y)
    np.testing.assert_allclose(rare.predict_proba(X)[:, 1], 0.5, atol=0.02)
    np.testing.assert_allclose(even.predict_proba(X)[:, 1], 0.1, atol=0.02)


@pytest.mark.slow
def test_warm_start_and_partial_fit_go_on():
    X = walks()
    y = np.array([x[:, 0].mean() for x in X])
    warm = SequenceRegressor(**QUICK | {"learning_rate": 1e-3}, warm_start=True).fit(X, y)
    first = warm.score(X, y)
    for _ in range(3):
        warm.fit(X, y)
    assert warm.score(X, y) > first
    part = SequenceRegressor(**QUICK | {"learning_rate": 3e-3})
    scores = []
    for _ in range(60):
        scores.append(part.partial_fit(X, y).score(X, y))
    assert part.n_updates_ == 60
    assert scores[-1] > max(scores[0], 0.5)


def test_the_best_weights_on_held_out_sequences_are_kept():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 8)), rng.normal(size=80)  # nothing to be learned
    model = SequenceRegressor(**QUICK | {"held_out": 0.2}, patience=1).fit(X, y)
    losses = {m["update"]: m["held_out_loss"] for m in model.curve_}
    assert min(losses, key=losses.get) == model.best_update_[0]
    assert model.n_updates_ < 100
    assert model.parts_ == {"learned": 64, "held_out": 16}


def test_classifiers_are_judged_by_the_mean_of_their_weights_so_far():
    class Plain(SequenceClassifier):
        average = 0

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 8)), rng.integers(2, size=80)
    kinds = (SequenceClassifier, Plain)
    curves = [kind(**QUICK | {"held_out": 0.2}).fit(X, y).curve_ for kind in kinds]
    trained, judged = (
        [[moment[name] for moment in curve] for curve in curves]
        for name in ("loss", "held_out_loss")
    )
    assert len(trained[0]) == 4
    assert trained[0] == trained[1]  # what is learned does not see the mean
    assert judged[0][0] == judged[1][0]
    assert judged[0][-1] < judged[1][-1]  # there is nothing to be learned, and noise does harm
