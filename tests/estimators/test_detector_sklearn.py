"""scikit-learn's own checks of an outlier detector; they fit it some fifty times."""

import pytest
from quick_estimators import QUICK
from sklearn.utils.estimator_checks import parametrize_with_checks

from tapehead.estimators import AnomalyDetector


@pytest.mark.slow
@parametrize_with_checks([AnomalyDetector(**QUICK)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)
