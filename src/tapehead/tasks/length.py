"""`LengthTask`: sequences as long as a setting says."""

import dataclasses
from typing import Self

from tapehead.tasks.task import Task


class LengthTask(Task):
    """A task with a setting `length`: steps of its shortest sequences. Tested at twice that."""

    length: int

    def resized(self, size: int) -> Self:
        """Sequences of that length."""
        return dataclasses.replace(self, length=size)

    def evaluations(self) -> dict[str, Task]:
        """Twice the length."""
        return {f"length {2 * self.length}": self.resized(2 * self.length)}
