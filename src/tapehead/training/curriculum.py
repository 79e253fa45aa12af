"""Curricula: the tasks that a network goes through, from easy ones on."""

import abc
from dataclasses import dataclass

from tapehead.errors import UserError
from tapehead.tasks import Task


class Curriculum(abc.ABC):
    """Lessons, numbered from 0, each of which is a task."""

    @abc.abstractmethod
    def task(self, lesson: int) -> Task:
        """What is trained on in a lesson."""

    @abc.abstractmethod
    def is_last(self, lesson: int) -> bool:
        """Whether no lesson comes after it."""

    @abc.abstractmethod
    def foreseen(self) -> tuple[Task, ...]:
        """The lessons of which it is known that there will be time for them."""

    @abc.abstractmethod
    def title(self, lesson: int) -> str:
        """Which lesson it is, in words."""

    @abc.abstractmethod
    def passes(self, loss: float) -> bool:
        """Whether this mean training loss since the last line of metrics masters a lesson."""

    @abc.abstractmethod
    def passes_when(self, solved: bool) -> bool:
        """Whether a validation that counts as solved, or does not, masters a lesson."""

    def level(self, lesson: int) -> int | None:
        """The largest size on the task's axis, where that is what grows."""
        return None

    def tests(self, lesson: int) -> dict[str, tuple[int | None, Task]]:
        """Further test sets for a network that came to a lesson: by name, the size and a task."""
        return {}


@dataclass(frozen=True)
class Lessons(Curriculum):
    """The task's own lessons, of which the task itself is the last; or the task alone.

    **Attributes:**

    - `tasks`: the lessons.
    """

    tasks: tuple[Task, ...]

    def task(self, lesson: int) -> Task:
        """One of them."""
        return self.tasks[lesson]

    def is_last(self, lesson: int) -> bool:
        """Whether it is the task itself."""
        return lesson == len(self.tasks) - 1

    def passes(self, loss: float) -> bool:
        """No loss says so."""
        return False

    def passes_when(self, solved: bool) -> bool:
        """Yes, if it is solved."""
        return solved

    def foreseen(self) -> tuple[Task, ...]:
        """All."""
        return self.tasks

    def title(self, lesson: int) -> str:
        """Its number among all."""
        return f"lesson {lesson + 1} of {len(self.tasks)}"


@dataclass(frozen=True)
class Growing(Curriculum):
    """The task at ever larger sizes, without end; a small training loss masters a lesson.

    **Attributes:**

    - `start`: the task whose sizes grow.
    - `threshold`: of the loss, in its own unit: nats per scored step.
    - `limit`: the largest size, if there is one.

    **Raises:** `UserError` if the task has no sizes to grow in, or the limit is below the first.
    """

    start: Task
    threshold: float
    limit: int | None = None

    def __post_init__(self):
        first = self.reach(self.grown(0))
        if self.limit is not None and self.limit < first:
            raise UserError(
                f"curriculum: the limit must be at least the first {self.start.axis}, "
                f"{first}, got {self.limit}"
            )

    @abc.abstractmethod
    def grown(self, lesson: int) -> Task:
        """The task of a lesson if there were no limit."""

    @abc.abstractmethod
    def within_limit(self, limit: int) -> Task:
        """The task of the last lesson."""

    @staticmethod
    def reach(task: Task) -> int:
        """The largest size on a task's axis; 1 if it has none."""
        return 1 if task.span is None else task.span[1]

    def task(self, lesson: int) -> Task:
        """The lesson's, or that of the limit."""
        task = self.grown(lesson)
        if self.limit is None or self.reach(task) <= self.limit:
            return task
        return self.within_limit(self.limit)

    def is_last(self, lesson: int) -> bool:
        """Whether the limit is reached, or the task has no larger sizes."""
        return self.task(lesson + 1) == self.task(lesson)

    def passes(self, loss: float) -> bool:
        """Whether it is below the threshold."""
        return loss < self.threshold

    def passes_when(self, solved: bool) -> bool:
        """The loss alone decides."""
        return False

    def foreseen(self) -> tuple[Task, ...]:
        """The first alone."""
        return (self.task(0),)

    def level(self, lesson: int) -> int:
        """Its largest size."""
        return self.reach(self.task(lesson))


class Widening(Growing):
    """Sizes up to h, each as likely, where h grows with every lesson.

    The first h is the task's own largest size. Every sequence draws its own size, so that what was
    learned first is not forgotten.
    """

    def within_limit(self, limit: int) -> Task:
        """Sizes up to the limit."""
        return self.start.up_to(limit)

    def title(self, lesson: int) -> str:
        """Its h."""
        return f"{self.start.axis} up to {self.level(lesson)}"

    def tests(self, lesson: int) -> dict[str, tuple[int | None, Task]]:
        """The lesson's sequences; those of exactly h, and twice and four times that if they can."""
        axis, level = self.start.axis, self.level(lesson)
        sizes = {self.reach(self.start.up_to(level * factor)) for factor in (1, 2, 4)}
        exact = {f"{axis} {size}": (size, self.start.resized(size)) for size in sorted(sizes)}
        return {f"{axis} up to {level}": (None, self.task(lesson)), **exact}


@dataclass(frozen=True)
class Doubling(Widening):
    """`Widening`, with an h that doubles with every lesson.

    Source: Rae, Hunt et al., "Scaling memory-augmented neural networks with sparse reads and
    writes" (2016), section 4.3.
    """

    def grown(self, lesson: int) -> Task:
        """Sizes up to the first h times 2^lesson."""
        return self.start.up_to(self.reach(self.start) * 2**lesson)


@dataclass(frozen=True)
class Stepwise(Widening):
    """`Widening`, with an h that is one larger with every lesson."""

    def grown(self, lesson: int) -> Task:
        """Sizes up to the first h and one more for every lesson."""
        return self.start.up_to(self.reach(self.start) + lesson)


@dataclass(frozen=True)
class OneMore(Growing):
    """Sequences of exactly one size, from the task's smallest on, one larger with every lesson.

    Where sizes end, at the limit or at the task's largest, one more lesson has all of them, each as
    likely. How far a network comes within a budget says how well its learning rule assigns credit.
    Sources: Jaderberg et al., "Decoupled neural interfaces using synthetic gradients" (2017),
    section 3.1; Menick et al., "A practical sparse approximation for real time recurrent learning"
    (2020).
    """

    def grown(self, lesson: int) -> Task:
        """The smallest size and one more for every lesson; all sizes where that is too large."""
        if self.start.span is None:
            raise UserError(
                f"{type(self.start).__name__}: its sequences come in one size only, so it has no "
                "curriculum that grows by one; leave it out"
            )
        size = self.start.span[0] + lesson
        able = self.start.up_to(size)
        return self.start.resized(size) if self.reach(able) == size else able

    def within_limit(self, limit: int) -> Task:
        """All sizes up to it."""
        return self.start.up_to(limit)

    def title(self, lesson: int) -> str:
        """Its size, or that it has all."""
        task, level = self.task(lesson), self.level(lesson)
        alone = task == self.start.resized(level)
        return f"{self.start.axis} {'' if alone else 'up to '}{level}"
