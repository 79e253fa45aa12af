"""Tasks by name: what is to be learned."""

from tapehead.registry import Registry
from tapehead.tasks.task import Task

TASKS: Registry[type[Task]] = Registry("task", {})

__all__ = ["TASKS", "Task"]
