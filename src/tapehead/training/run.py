"""`Run`: the folder that holds all there is to a training run.

```
config.json        schema version, command, library versions, and everything needed to repeat it
metrics.jsonl      one object a line; holds no clock, so it is the same to the bit after a resume
timing.jsonl       seconds, updates and steps per second, of every sitting
checkpoints/       the newest few, each in a folder named by its update
model/             weights.safetensors and config.json: loadable without running anything in them
report.html
```

Lines of `metrics.jsonl` (every list has one entry per seed; `null` where that network is held
because it has solved the task):

- `{"kind": "train", "update": u, "lesson": [0], "metrics": {"loss": [...], ...}}`: means over the
  updates since the line before. `loss` is in nats per scored step; `gradient_norm` is before
  clipping; the rest are the task's own.
- `{"kind": "evaluation", "update": u, "set": "validation", "axis": null, "size": null,
  "sequences": 1000, "metrics": {...}, "solved": [true]}`: means over fresh or held-out sequences.
  During training `set` is `"validation"`; after it come `"test"` (fresh sequences of the training
  distribution), the task's named sets, and the generalisation curve with `set` `"length 50"`,
  `axis` `"length"` and `size` 50.
- `{"kind": "lesson", "update": u, "seed": k, "lesson": i}`: network k moved on to lesson i.
- `{"kind": "end", "update": u, "outcome": "solved" | "budget" | "stopped" | "diverged",
  "solved_at": [u or null]}`: always the last line.

Lines of `timing.jsonl`: `{"kind": "start", "update", "time"}` at each sitting (`time` in ISO form),
`{"kind": "block", "update", "seconds", "updates_per_second", "steps_per_second"}`,
`{"kind": "evaluation", "update", "set", "seconds"}` and `{"kind": "end", "update", "seconds"}` (the
whole sitting).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapehead.cell import Cell
from tapehead.training.config import AnyConfig


@dataclass(frozen=True)
class Run:
    """A run folder with its config.

    **Attributes:**

    - `folder`: where it lies.
    - `config`: the `RunConfig` of the run.
    - `command`: the command line that repeats it.
    """

    folder: Path
    config: AnyConfig
    command: str

    @classmethod
    def create(cls, folder: Path | str, config: AnyConfig, command: str = "") -> "Run":
        """Make the folder and write `config.json`.

        **Raises:** `UserError` if the folder holds anything already (a run is never overwritten)
        or cannot be written.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """Open an existing run folder, finished or not.

        **Raises:** `UserError` if it is missing, damaged or from a newer schema.
        """
        raise NotImplementedError

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`; a last line torn by a kill is left out."""
        raise NotImplementedError

    def timing(self) -> list[dict[str, Any]]:
        """The lines of `timing.jsonl`."""
        raise NotImplementedError

    @property
    def outcome(self) -> str | None:
        """How the run ended, or `None` if it has not."""
        raise NotImplementedError

    def model(self, seed: int = 0) -> Cell:
        """The trained network number `seed` (0 up to the config's `seeds` − 1)."""
        raise NotImplementedError


def load_model(folder: Path | str, seed: int = 0) -> Cell:
    """The network in a `model/` folder, or in a run folder that has one; nothing is executed.

    **Raises:** `UserError` if it is missing, damaged or from a newer schema.
    """
    raise NotImplementedError


def next_folder(root: Path | str, task: str, model: str) -> Path:
    """`root/<task>-<model>-<n>` with the first n, from 1, that is above all that exist."""
    raise NotImplementedError
