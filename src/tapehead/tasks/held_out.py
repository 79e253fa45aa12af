"""`HeldOutTask`: real data in three parts, one of which is learned from."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from tapehead.datasets.registry import Split
from tapehead.errors import among
from tapehead.tasks.task import Task


@dataclass(frozen=True)
class HeldOutTask(Task):
    """A task on data of which a part is held out for validation, and another for the test.

    It uses all the updates it is given: it never counts as solved.
    """

    split: Split = "train"
    """Which part of the data: train, validation or test."""

    def __post_init__(self):
        super().__post_init__()
        among(type(self).__name__, get_args(Split), split=self.split)

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """Never: there is always something to be learned."""
        return False

    def validation(self) -> Task:
        """The validation part."""
        return dataclasses.replace(self, split="validation")

    def evaluations(self) -> dict[str, Task]:
        """The test part."""
        return {"test": dataclasses.replace(self, split="test")}
