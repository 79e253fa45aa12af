"""Estimators that several files look at, fitted once."""

import numpy as np
import pytest
from quick_estimators import QUICK, walks

from tapehead.estimators import SequenceRegressor


@pytest.fixture(scope="session")
def gappy():
    """Sequences in which a number, the first step, the last or all is missing."""
    X = walks()
    X[0][1, 0] = np.nan
    X[1][:] = np.nan
    X[2][-1] = np.nan
    X[3][0] = np.nan
    return X


@pytest.fixture(scope="session")
def sums(gappy):
    """What there is to be told of them."""
    return np.array([0.0 if np.isnan(x).all() else np.nanmean(x[:, 0]) for x in gappy])


@pytest.fixture(scope="session")
def regressor(gappy, sums):
    """A regressor of them."""
    return SequenceRegressor(**QUICK, missing="indicator").fit(gappy, sums)
