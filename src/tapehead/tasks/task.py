"""`Task`: data, a loss that decomposes over time, and tests of generalisation."""

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from tapehead.errors import UserError, among
from tapehead.sequences import Sequences
from tapehead.tasks.losses import (
    bit_metrics,
    bits_loss,
    class_loss,
    class_metrics,
    value_loss,
    value_metrics,
)
from tapehead.tasks.vocabulary import Vocabulary

Data = Any
"""The arrays a task draws from, as a pytree; `()` for generated tasks."""


class Turn(NamedTuple):
    """Which update of a run asks for a batch; by this alone the batch is decided.

    **Attributes:**

    - `number`: updates made before it.
    - `key`: the update's own.
    - `run`: a key that all updates of the network share.
    """

    number: Int[Array, ""]
    key: PRNGKeyArray
    run: PRNGKeyArray


def expect_data(owner: str, data: Data) -> None:
    """Refuse the `()` of generated tasks where `owner` draws from real data."""
    if isinstance(data, tuple) and not data:
        raise UserError(f"{owner}: sample needs the task's data: sample(key, n, task.data())")


@dataclass(frozen=True)
class Task(abc.ABC):
    """What is to be learned.

    A task is a frozen dataclass of plain settings: its fields are at once its options on the
    command line and its entry in a run's config, and it is hashable, so that compiled functions
    can depend on it. Batches are drawn by a pure function that is compiled into the training
    step. Real data is loaded by `data` and handed to `sample`; generated tasks have none.

    **Class attributes:**

    - `axis`: what grows in the test of generalisation ("length", "items", ...).
    - `sizes`: the sizes on that axis at which the generalisation curve is drawn.
    - `score`: the metric that says how well it is solved; `higher_is_better` its direction.
    - `output_kind`: `"bits"` (independent logits), `"classes"` (a softmax, or several: see
        `softmaxes`) or `"values"`; decides how outputs are decoded and drawn.
    - `tolerance`: how large the error of a value that is right may be, where outputs are values.
    - `determined`: whether the inputs determine the targets. Where they do not, `solve` of a
        generated task gives the best probabilities there are, and the metrics include
        `"optimal_bits"`, what they cost.
    - `streams`: whether updates see consecutive parts of long streams, so that what a network
        carries at the end of one update's sequences is where the next begins.
    - `defaults`: training settings that suit the task where the user names none, by their names
        in the run's config.
    """

    axis: ClassVar[str] = "length"
    sizes: ClassVar[tuple[int, ...]] = ()
    score: ClassVar[str] = "sequence_accuracy"
    higher_is_better: ClassVar[bool] = True
    output_kind: ClassVar[Literal["bits", "classes", "values"]] = "bits"
    tolerance: ClassVar[float] = 0.04
    determined: ClassVar[bool] = True
    streams: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init_subclass__(cls, **settings: Any):
        super().__init_subclass__(**settings)
        among(cls.__name__, ("bits", "classes", "values"), output_kind=cls.output_kind)

    def __post_init__(self) -> None:  # noqa: B027
        """Where checks of settings end that mixed subclasses hand on to one another."""

    @property
    @abc.abstractmethod
    def input_size(self) -> int:
        """Features of an input, or the number of symbols where inputs are tokens."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """Features of the model's output."""

    @property
    def tokens(self) -> bool:
        """Whether inputs are integer tokens `(time, batch)` rather than features."""
        return False

    @property
    def softmaxes(self) -> int:
        """Answers of one step where outputs are classes, each a softmax of its own.

        With more than one, the outputs are as many softmaxes of one size side by side, and targets
        are `(time, batch, softmaxes)`.
        """
        return 1

    def class_name(self, number: int) -> str:
        """What a class is called: its number, unless it has a name."""
        return str(number)

    def vocabulary(self) -> Vocabulary | None:
        """What the numbers of inputs that are tokens stand for; `None` if they are but numbers.

        A run keeps it beside the trained model.
        """
        return None

    def data(self) -> Data:
        """The arrays that `sample` draws from, loaded once; `()` for generated tasks."""
        return ()

    @abc.abstractmethod
    def sample(self, key: PRNGKeyArray, batch: int, data: Data = ()) -> Sequences:
        """Draw `batch` sequences. Pure and jittable; all of a task's batches have one length.

        **Arguments:**

        - `key`: all that is random about the batch.
        - `batch`: how many sequences, a Python integer.
        - `data`: what `data` returned, passed through `jit` as an argument.

        **Returns:** `Sequences` with exactly one batch axis.
        """

    def draw(self, turn: Turn, batch: int, data: Data = (), bucket: int = 0) -> Sequences:
        """What an update of a run learns from: fresh sequences, unless a subclass keeps an order.

        As `sample`, but for a stated `turn`, and from the `bucket` that `bucket` names.
        """
        return self.sample(turn.key, batch, data)

    def buckets(self, data: Data) -> int:
        """How many shapes the batches of `draw` come in: data sorted by length has several."""
        return 1

    def bucket(self, number: Int[Array, ""], batch: int, data: Data) -> Int[Array, ""]:
        """Which bucket update `number` draws from; the same for all networks of a run."""
        return jnp.zeros((), jnp.int32)

    def begins(self, turn: Turn, batch: int, data: Data) -> Bool[Array, " batch"]:
        """Which of the streams begin anew at this `turn`; for tasks that stream."""
        return jnp.ones(batch, bool)

    def size(self, data: Data) -> int | None:
        """How many different sequences `data` holds; `None` where they are generated."""
        return None

    def batch_at(self, indices: Int[Array, " batch"], data: Data) -> Sequences:
        """The sequences at `indices`, each in `[0, size(data))`, for exact passes over a test set.

        Only for tasks whose `size` is not `None`.
        """
        raise NotImplementedError(f"{type(self).__name__} is generated: draw from it by `sample`")

    def loss(
        self, outputs: Float[Array, "time *batch outputs"], targets: Array
    ) -> Float[Array, "time *batch"]:
        """The loss of every step by itself, in nats, as `output_kind` has it.

        - `"bits"`: the sum over a step's bits of their sigmoid cross-entropy.
        - `"classes"`: the softmax cross-entropy, summed over `softmaxes` if there are several.
        - `"values"`: the sum over a step's values of their squared error, which is no nats.
        """
        kinds = {"bits": bits_loss, "classes": class_loss, "values": value_loss}
        return kinds[self.output_kind](outputs, targets)

    def metrics(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> dict[str, Float[Array, "*batch"]]:
        """Named measures of every sequence by itself; their means over a test set are reported.

        By default those of `bit_metrics`, `class_metrics` or `value_metrics`.
        """
        match self.output_kind:
            case "bits":
                return bit_metrics(outputs, sequences)
            case "classes":
                return class_metrics(outputs, sequences)
        return value_metrics(outputs, sequences, tolerance=self.tolerance)

    def summary(self, means: Mapping[str, float]) -> dict[str, float]:
        """What is reported of the metrics' means over a test set: the means, and what follows."""
        return dict(means)

    def solve(self, sequences: Sequences) -> np.ndarray:
        """The right targets, found from the inputs alone by an exact algorithm in NumPy.

        It shares no code with `sample`, and is what tests the task. Shape as `targets`; entries
        without weight are not meaningful. Where the inputs do not determine the targets
        (`determined` is False) these are the best probabilities of a 1, or of every class.
        """
        raise NotImplementedError(f"{type(self).__name__} has no exact solver")

    def solved(self, metrics: Mapping[str, float]) -> bool:
        """Whether these means over a fresh test set count as having solved the task."""
        return self.higher_is_better and metrics[self.score] >= 1.0

    def resized(self, size: int) -> "Task":
        """The same task at exactly `size` on its `axis`, for tests of generalisation."""
        raise UserError(f"{type(self).__name__}: comes in one size only, so not in {size}")

    @property
    def span(self) -> tuple[int, int] | None:
        """The smallest and the largest size on its `axis` that it draws.

        Tasks name them in their settings: `min_<axis>` and `max_<axis>`, or `<axis>` alone where
        all sequences are alike; `None` for a task without such settings.
        """
        all_alike = getattr(self, self.axis, None)
        low, high = (getattr(self, f"{end}_{self.axis}", None) for end in ("min", "max"))
        low, high = (all_alike if end is None else end for end in (low, high))
        return None if low is None or high is None else (low, high)

    def up_to(self, size: int) -> Self:
        """The same task with sizes on its `axis` from the smallest up to `size`, or up to what is
        possible, each as likely: a level of a curriculum without end."""
        largest = f"max_{self.axis}"
        if not hasattr(self, largest):
            raise UserError(
                f"{type(self).__name__}: its sizes do not vary within a batch, so it has no "
                "curriculum that grows; leave it out"
            )
        return dataclasses.replace(self, **{largest: size})

    def validation(self) -> "Task":
        """What progress is judged on during training: the task itself, or held-out real data."""
        return self

    def evaluations(self) -> dict[str, "Task"]:
        """Named test sets beside the training distribution (longer, held-out, ...)."""
        return {}

    def lessons(self) -> tuple["Task", ...]:
        """The task as a curriculum: easier tasks first, the task itself last."""
        return (self,)
