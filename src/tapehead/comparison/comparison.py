"""`Comparison`: a folder of runs that differ in the model alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tapehead.errors import UserError
from tapehead.tasks import Task
from tapehead.training import AnyConfig, Run
from tapehead.training.run import check_schema

FILE = "comparison.json"
SCHEMA = 1
"""The version of the comparison folder's format; newer ones are refused."""

SHARED = ("task", "seed", "seeds", "batch", "updates")
"""The settings in which compared runs must agree."""


@dataclass(frozen=True)
class Comparison:
    """A folder with an ordinary run folder for each model, in order.

    ```
    comparison.json    the models, and the command that repeats the whole
    <model>/           a run folder
    table.md           what came of it, once all runs are finished
    figure.html        the same as curves
    ```

    **Attributes:**

    - `folder`: where it lies.
    - `runs`: a run for each model's name.
    - `command`: the command line that repeats it.
    """

    folder: Path
    runs: dict[str, Run]
    command: str

    @property
    def task(self) -> Task:
        """The task that all runs share."""
        return next(iter(self.runs.values())).config.task

    @classmethod
    def create(
        cls,
        folder: Path | str,
        configs: Mapping[str, AnyConfig],
        *,
        commands: Mapping[str, str],
        command: str = "",
    ) -> "Comparison":
        """Make the folder and all its runs, none of them begun.

        **Arguments:**

        - `folder`: must be new or empty.
        - `configs`: for each model's name the config of its run.
        - `commands`: for each the command that repeats that run alone.
        - `command`: repeats the comparison.

        **Raises:** `UserError` if the budgets differ, there are fewer than two models, or the
        folder is not empty or cannot be written.
        """
        folder = Path(folder)
        if len(configs) < 2:
            raise UserError(f"a comparison needs at least 2 models, got {len(configs)}")
        first, *others = configs.values()
        for other in others:
            for name in SHARED:
                if getattr(first, name) != getattr(other, name):
                    raise UserError(
                        f"a comparison needs the same {name} for every model, got "
                        f"{getattr(first, name)} and {getattr(other, name)}"
                    )
        try:
            if folder.exists() and any(folder.iterdir()):
                raise UserError(f"{folder} is not empty: choose another folder")
            runs = {
                name: Run.create(folder / name, config, commands[name])
                for name, config in configs.items()
            }
            content = {"schema": SCHEMA, "command": command, "models": list(runs)}
            # Written last, and in one move: a folder that has it has all its runs.
            beside = folder / f".{FILE}.new"
            beside.write_text(json.dumps(content, indent=2) + "\n")
            beside.replace(folder / FILE)
        except OSError as error:
            raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None
        return cls(folder, runs, command)

    @classmethod
    def open(cls, folder: Path | str) -> "Comparison":
        """Open an existing folder.

        **Raises:** `UserError` if it is missing, damaged or from a newer schema.
        """
        folder = Path(folder)
        path = folder / FILE
        try:
            content = json.loads(path.read_text())
            names = content["models"]
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path} is damaged: expected a schema and models") from None
        check_schema(path, content, SCHEMA)
        runs = {name: Run.open(folder / name) for name in names}
        return cls(folder, runs, content.get("command", ""))

    @staticmethod
    def at(folder: Path | str) -> bool:
        """Whether `folder` is that of a comparison."""
        return (Path(folder) / FILE).is_file()
