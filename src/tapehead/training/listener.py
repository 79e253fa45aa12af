"""What a trainer tells while it runs, and to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tapehead.training.run import Run

Outcome = Literal["solved", "budget", "stopped", "diverged"]

SeedMetrics = Mapping[str, Sequence[float | None]]
"""A value for each network under each metric's name; `None` for networks that are held because
they have solved the task, and for values that are not finite."""


@dataclass(frozen=True)
class Timing:
    """How fast it goes.

    **Attributes:**

    - `seconds`: of this sitting so far, compilation included.
    - `updates_per_second`, `steps_per_second`: of the last call; a step is one time step of one
        sequence, and all networks' steps count.
    - `remaining`: estimated seconds until all updates are done, evaluations included.
    """

    seconds: float
    updates_per_second: float
    steps_per_second: float
    remaining: float


@dataclass(frozen=True)
class Result:
    """How `train` ended.

    **Attributes:**

    - `outcome`: `"solved"` (every network), `"budget"` (all updates used) or `"stopped"` (by
        request).
    - `update`: updates done.
    - `solved_at`: for each network the update at which it had solved the task, or `None`.
    - `seconds`: of this sitting.
    """

    outcome: Outcome
    update: int
    solved_at: tuple[int | None, ...]
    seconds: float


class Listener(Protocol):
    """What a trainer tells while it runs; called from its own thread, and should return quickly."""

    def on_start(self, run: Run, update: int) -> None:
        """Training begins at `update` (above 0 when it continues); compilation comes next."""

    def on_block(self, update: int, metrics: SeedMetrics, timing: Timing) -> None:
        """About twice a second: means since the last line of metrics, up to `update`."""

    def on_evaluation(
        self, update: int, name: str, metrics: SeedMetrics, solved: Sequence[bool]
    ) -> None:
        """The evaluation `name` was made (`"validation"` during training)."""

    def on_message(self, text: str) -> None:
        """One line a user should see: a damaged checkpoint passed over, a lesson begun."""

    def on_end(self, result: Result) -> None:
        """Everything is written; not called when training raises."""


class Silent:
    """A `Listener` that says nothing."""

    def on_start(self, run: Run, update: int) -> None:
        """Nothing."""

    def on_block(self, update: int, metrics: SeedMetrics, timing: Timing) -> None:
        """Nothing."""

    def on_evaluation(
        self, update: int, name: str, metrics: SeedMetrics, solved: Sequence[bool]
    ) -> None:
        """Nothing."""

    def on_message(self, text: str) -> None:
        """Nothing."""

    def on_end(self, result: Result) -> None:
        """Nothing."""
