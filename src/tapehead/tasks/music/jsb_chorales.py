"""Bach's chorales."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from tapehead.datasets.polymusic import Collection
from tapehead.tasks.music.music import MusicTask


@dataclass(frozen=True)
class JsbChorales(MusicTask):
    """Predict the next quarter note of a four-part chorale by J. S. Bach.

    229 chorales to learn from, 76 for validation, 77 for the test; 25 to 160 steps long. What goes
    in, what is wanted and how it is measured: see `MusicTask`. Keys sounding independently, each as
    often as in the training pieces, cost 11.06 nats a step on the test pieces.

    The weight noise among the defaults is that of Chung, Gulcehre, Cho and Bengio, "Empirical
    evaluation of gated recurrent neural networks on sequence modeling" (2014): so few pieces are
    soon known by heart without it.

    A worked example with a made-up piece of two steps, of which the keys 40 and 44 are shown:

    >>> import numpy as np, jax.numpy as jnp
    >>> from tapehead.tasks.music.music import gather
    >>> roll = np.zeros((2, 88), np.uint8)
    >>> roll[0, [40, 44]] = roll[1, 44] = 1
    >>> batch = JsbChorales().batch_at(jnp.array([0]), gather([roll]))
    >>> batch.inputs[:, 0, jnp.array([40, 44])].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    >>> batch.targets[:, 0, jnp.array([40, 44])].tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    >>> batch.weights[:, 0].tolist(), batch.mask[:, 0].tolist()
    ([0.5, 0.5], [True, True])
    """

    collection: ClassVar[Collection] = "jsb-chorales"
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"batch": 16, "updates": 2000, "weight_noise": 0.075, "stop_when_solved": False}
    )
