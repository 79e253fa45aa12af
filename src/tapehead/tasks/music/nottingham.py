"""The Nottingham folk tunes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from tapehead.datasets.polymusic import Collection
from tapehead.tasks.music.music import MusicTask


@dataclass(frozen=True)
class Nottingham(MusicTask):
    """Predict the next step of a folk tune with its chords.

    694 tunes to learn from, 173 for validation, 170 for the test; 40 to 1793 steps long. For
    training they are cut into parts, since otherwise most of a batch would be padding; tests are on
    whole tunes. What goes in, what is wanted and how it is measured: see `MusicTask`.

    A worked example with a made-up tune of three steps, cut after the second. The part that begins
    in the middle of the tune is shown the step before it:

    >>> import numpy as np, jax.numpy as jnp
    >>> from tapehead.tasks.music.music import gather
    >>> roll = np.eye(88, dtype=np.uint8)[[40, 42, 44]]
    >>> batch = Nottingham().batch_at(jnp.array([0, 1]), gather([roll], 2))
    >>> batch.inputs.argmax(-1).T.tolist()
    [[0, 40], [42, 0]]
    >>> batch.targets.argmax(-1).T.tolist()
    [[40, 42], [44, 0]]
    >>> batch.mask.T.tolist()
    [[True, True], [True, False]]
    """

    max_length: int | None = 200
    """Cut longer pieces into parts of so many steps, the last one shorter; None: whole."""

    collection: ClassVar[Collection] = "nottingham"
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 16, "updates": 4000, "stop_when_solved": False}
    )
