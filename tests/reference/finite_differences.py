"""Gradients from values alone."""

import numpy as np


def gradient(function, arrays, step=1e-6):
    """d function(*arrays) / d arrays by central differences, one entry at a time."""
    gradients = []
    for position, array in enumerate(arrays):
        slopes = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[position][index] += sign * step
                values.append(function(*moved))
            slopes[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(slopes)
    return gradients
