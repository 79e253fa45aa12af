"""`Trained`: an estimator that holds trained networks."""

import abc
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from tapehead.cell import Cell
from tapehead.errors import UserError, at_least
from tapehead.estimators.export import export
from tapehead.estimators.export.function import Ways, What
from tapehead.estimators.files import write
from tapehead.estimators.hub import push
from tapehead.estimators.network import skeleton
from tapehead.learning import BPTT
from tapehead.models import Model
from tapehead.tasks.given import Examples, Given
from tapehead.tasks.lengths import by_length
from tapehead.training.config import AnyConfig, RunConfig
from tapehead.training.evaluation import answers
from tapehead.training.fitting import Moment, fit
from tapehead.training.optimizers import Adam
from tapehead.training.storage import fill, named_leaves

ROWS = 128
"""Sequences that are answered at a time; fewer are filled up."""
FEWEST = 8
"""What is held out comes in multiples of this many."""
SHAPES = 3
"""Lengths to which sequences of different lengths are padded; each is compiled."""


class Trained(BaseEstimator, abc.ABC):
    """How networks are trained, kept and written, whatever they answer."""

    kind: ClassVar[str]
    average: ClassVar[float] = 0  # of `fit` in `training/fitting.py`

    # What is learned.
    recipe_: Model
    weights_: dict[str, np.ndarray]

    model: Any
    size: Any
    held_out: float
    max_updates: int
    batch: int
    learning_rate: float
    dropout: float
    patience: int
    ensemble: int
    random_state: Any
    verbose: int

    @abc.abstractmethod
    def task(self) -> Given:
        """What the networks were taught."""

    @abc.abstractmethod
    def functions(self, what: What) -> Ways:
        """The function to be exported; see `export`."""

    @abc.abstractmethod
    def legend(self) -> dict[str, Any]:
        """What the numbers that go into it and come out of it are, as JSON data."""

    def _check_settings(self) -> None:
        """Refuse settings that mean nothing."""
        owner = type(self).__name__
        at_least(owner, 1, batch=self.batch, max_updates=self.max_updates, ensemble=self.ensemble)
        at_least(owner, 1, patience=self.patience)
        if not 0 <= self.held_out < 1:
            raise UserError(
                f"{owner}: held_out must be at least 0 and below 1, got {self.held_out}"
            )

    def _held(self, count: int) -> int:
        """How many of so many are held out: few different numbers, each of which is compiled."""
        return int(count * self.held_out) // FEWEST * FEWEST

    def _alike(self, lengths: np.ndarray) -> list[np.ndarray]:
        """The places of sequences to learn from, in groups of like length."""
        even = lengths.max() <= 1.25 * lengths.mean() or len(lengths) < 2 * self.batch
        return [np.arange(len(lengths))] if even else by_length(lengths, SHAPES)

    def _config(self, updates: int, every: int, seed: int, schedule: Any) -> AnyConfig:
        """The config of a training run."""
        return RunConfig(
            self.task(),
            self.recipe_,
            BPTT(),
            Adam(
                self.learning_rate,
                schedule,
                warmup=min(50, updates // 10) if schedule != "constant" else 0,
            ),
            batch=self.batch,
            updates=updates,
            seed=seed,
            seeds=self.ensemble,
            evaluate_every=every,
        )

    def _tell(self, moment: Moment) -> None:
        if self.verbose:
            held = moment.get("held_out_loss")
            more = "" if held is None else f", held-out loss {held:.4g}"
            print(
                f"{type(self).__name__}: update {moment['update']}: "
                f"loss {moment['loss']:.4g}{more}",
                file=sys.stderr,
            )

    def _train(
        self,
        data: tuple[Examples, ...],
        test: tuple[Examples, ...] | None,
        *,
        seed: int,
        arrays: Any = None,
    ) -> None:
        """Train the networks of `recipe_`, from `arrays` if there are any, and keep them."""
        epoch = sum(math.ceil(int(bucket.size) / self.batch) for bucket in data)
        every = min(max(25, min(100, epoch)), self.max_updates)
        config = self._config(self.max_updates, every, seed, "cosine")
        fitted = fit(
            config,
            data,
            test,
            patience=self.patience,
            average=self.average,
            arrays=arrays,
            tell=self._tell,
        )
        self.weights_ = {n: np.asarray(x) for n, x in named_leaves(fitted.arrays).items()}
        self.curve_ = fitted.curve
        self.best_update_ = fitted.best
        self.n_updates_ = fitted.updates

    def _arrays(self) -> Any:
        """The networks' arrays, stacked."""
        shapes, _ = eqx.partition(
            self._skeleton(), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        )
        count = self.ensemble
        wide = jax.tree.map(lambda s: jax.ShapeDtypeStruct((count, *s.shape), s.dtype), shapes)
        return fill(f"{type(self).__name__} from before", wide, self.weights_)

    def _skeleton(self) -> Cell:
        task = self.task()
        return skeleton(self.recipe_, task.input_size, task.output_size, tokens=task.tokens)

    def networks(self) -> list[Cell]:
        """The trained networks, one of each seed of the ensemble; each a `Cell`."""
        check_is_fitted(self, "weights_")
        shapes, static = eqx.partition(
            self._skeleton(), lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
        )
        count = len(next(iter(self.weights_.values())))
        return [
            eqx.combine(
                fill("weights", shapes, {n: x[k] for n, x in self.weights_.items()}), static
            )
            for k in range(count)
        ]

    def recipe_name(self) -> str:
        """What the networks are called."""
        return type(self.recipe_).__name__.removesuffix("Model")

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        check_is_fitted(self, "weights_")
        return {
            "updates": self.n_updates_,
            "best_update": self.best_update_,
            "curve": self.curve_,
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        self.n_updates_, self.best_update_ = data["updates"], data["best_update"]
        self.curve_ = data["curve"]

    def save(self, path: Path | str, **more: bytes) -> None:
        """Write the fitted estimator to a folder, for `tapehead.estimators.load`.

        It holds safetensors and JSON; `more` are further files, `report_html=` for `report.html`.

        **Raises:** `UserError` if the folder holds anything else, or it cannot be written.
        """
        check_is_fitted(self, "weights_")
        write(self, path, **more)

    def export(self, path: Path | str, *, what: What = "batch") -> None:
        """Write what the networks compute to a file that needs neither tapehead nor this estimator.

        `heartbeats.stablehlo` is read by `jax.export.deserialize`, `heartbeats.onnx` by any runtime
        of ONNX; beside it `heartbeats.onnx.json` says what goes in and comes out. Scales,
        indicators and probabilities are part of it. The function is, with any number of sequences
        and steps,

        - for `"batch"`, `(x, present) -> answers`, with x `(batch, time, columns)`, NaN where a
          value is missing and the place of a category among those of its column, or symbols
          `(batch, time)`; and present `(batch, time)`, False on padding;
        - for `"step"`, `(x, start, *state) -> (answers, *state)`, with x of one step, and start
          `(batch,)`, True where a new sequence begins; what the state held there does not matter.

        Answers are, of classifiers, probabilities; of regressors, values; of embedders, vectors; of
        clusterers, distances to the centres. The others differ in this:

        - detectors give `(scores, step_scores, surprise)` of sequences, which are padded at their
          ends, or `(scores, surprise)` of a step; those that rebuild take no steps, and at most
          `window` of them at a time;
        - generators give `(log_likelihoods, scores)` of sequences of symbols, the last of them the
          end, 0, or the `log_probabilities` of the symbols that may follow one; a stream of theirs
          begins with 0;
        - forecasters take `(x, unit, past, known)`, the last `lookback` values `(batch, lookback)`
          of series, the deviation `(batch,)` of each, its past covariates `(batch, lookback,
          columns)` and what is known ahead `(batch, lookback + horizon, columns)`, the last two
          where there are any, and give `(batch, horizon, levels)` quantiles; they take no steps.

        **Arguments:**

        - `path`: the file, whose name ends in `.stablehlo` or `.onnx`.
        - `what`: `"batch"` or `"step"`.

        **Raises:** `UserError` for a network that has no single step, for what the converter to
        ONNX cannot convert or gives other numbers for, and for a file that cannot be written.
        """
        check_is_fitted(self, "weights_")
        export(self, path, what)

    def push_to_hub(self, repo: str, *, private: bool = False, token: str | None = None) -> str:
        """Write the fitted estimator to a repository of Hugging Face, which is made if need be.

        `pip install 'tapehead[hub]'` brings what it takes; `hf auth login`, or a `token`, says who
        you are. `tapehead.estimators.from_hub` reads it.

        **Arguments:**

        - `repo`: such as `"somebody/heartbeats"`.
        - `private`: whether only you may see a repository that is made.
        - `token`: instead of the one you logged in with.

        **Returns:** its address.

        **Raises:** `UserError` if the library is missing, the network fails, or you may not.
        """
        check_is_fitted(self, "weights_")
        return push(self, repo, private=private, token=token)


def read_through(
    networks: Sequence[Cell],
    inputs: Sequence[np.ndarray],
    masks: Sequence[np.ndarray | bool],
    rows: int = ROWS,
) -> Iterator[tuple[int, np.ndarray]]:
    """What the networks answer to sequences, of which those of like length are read side by side.

    **Arguments:**

    - `inputs`: of each sequence `(time, ...)`.
    - `masks`: of each `(time,)`, or whether it is read at all.
    - `rows`: sequences at a time.

    **Returns:** one after another, the place of a sequence and `(networks, time, outputs)`.
    """
    order = np.argsort([len(one) for one in inputs], kind="stable")
    for first in range(0, len(order), rows):
        chunk = order[first : first + rows]
        longest = len(inputs[chunk[-1]])
        read = np.zeros((longest, rows, *inputs[0].shape[1:]), inputs[0].dtype)
        mask = np.zeros((longest, rows), bool)
        for lane, number in enumerate(chunk):
            read[: len(inputs[number]), lane] = inputs[number]
            mask[: len(inputs[number]), lane] = masks[number]
        outputs = np.stack([answers(network, read, mask) for network in networks])
        for lane, number in enumerate(chunk):
            yield int(number), outputs[:, : len(inputs[number]), lane]
