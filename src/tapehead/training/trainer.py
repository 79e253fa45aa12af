"""`train`: runs a `Run` from wherever it stands to its end."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tapehead.training.run import Run

Outcome = Literal["solved", "budget", "stopped", "diverged"]


class StopSignal:
    """Asks a training run to write a checkpoint and stop; may be set from a signal handler."""

    def __init__(self):
        self._event = threading.Event()

    def set(self) -> None:
        """Ask to stop as soon as the running call has ended (about a second)."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self._event.is_set()


class Diverged(RuntimeError):
    """A loss, gradient or parameter became NaN or infinite; says which, where and what to try."""


@dataclass(frozen=True)
class Timing:
    """How fast it goes.

    **Attributes:**

    - `seconds`: of this sitting so far, compilation included.
    - `updates_per_second`, `steps_per_second`: over the last stretch; a step is one time step of
        one sequence, and all networks' steps count.
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

    - `outcome`: `"solved"` (every network), `"budget"` (all updates used) or `"stopped"` (asked to).
    - `update`: updates done.
    - `solved_at`: for each network the update at which it had solved the task, or `None`.
    - `seconds`: of this sitting.
    """

    outcome: Outcome
    update: int
    solved_at: tuple[int | None, ...]
    seconds: float


SeedMetrics = Mapping[str, Sequence[float | None]]
"""A value for each network under each metric's name; `None` for networks that are held."""


class Listener(Protocol):
    """What a trainer tells while it runs; called from its own thread, and should return quickly."""

    def on_start(self, run: Run, update: int) -> None:
        """Training begins at `update` (above 0 when it continues); compilation comes next."""

    def on_block(self, update: int, metrics: SeedMetrics, timing: Timing) -> None:
        """About once a second: means since the last line of metrics, up to `update`."""

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


def train(run: Run, listener: Listener | None = None, stop: StopSignal | None = None) -> Result:
    """Run or continue `run` to its end, from its newest intact checkpoint if it has one.

    A run stopped at any moment and continued by another call writes the same `metrics.jsonl`, bit
    for bit on the same machine, as one that was never stopped. A finished run is left as it is
    and its `Result` returned.

    **Raises:** `Diverged` if a number became NaN or infinite; `UserError` if the folder cannot be
    written (a full disk; the run can be continued afterwards).
    """
    raise NotImplementedError
