"""Tasks by name: what is to be learned."""

from tapehead.registry import Registry
from tapehead.tasks.algorithmic.copy import Copy
from tapehead.tasks.algorithmic.reverse import Reverse
from tapehead.tasks.task import Task

TASKS: Registry[type[Task]] = Registry(
    "task",
    {
        "copy": Copy,
        "reverse": Reverse,
    },
)

__all__ = ["TASKS", "Copy", "Reverse", "Task"]
