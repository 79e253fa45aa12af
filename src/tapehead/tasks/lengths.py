"""`by_length`: sequences of like length together, so that little of a batch is padding."""

import numpy as np
from jaxtyping import Int


def by_length(lengths: Int[np.ndarray, " sequences"], count: int) -> list[np.ndarray]:
    """The indices of sequences in at most `count` groups, each of about as many steps in all.

    Groups are in order of length, and sequences of one length are in one group.

    >>> [group.tolist() for group in by_length(np.array([5, 1, 1, 2, 4]), 2)]
    [[1, 2, 3, 4], [0]]
    """
    ordered = np.sort(lengths)
    read = np.cumsum(ordered)
    # Of as many steps, that is of about as much work.
    ends = np.searchsorted(read, read[-1] * np.arange(1, count + 1) / count)
    longest = np.unique(ordered[ends])
    of = np.searchsorted(longest, lengths)
    return [np.flatnonzero(of == number) for number in range(len(longest))]
