"""`SequenceEstimator`: what all estimators of answers to sequences have in common."""

import abc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tapehead.errors import UserError
from tapehead.estimators.export import What, export
from tapehead.estimators.network import recipe
from tapehead.estimators.reading import Raw, Read, expect_column
from tapehead.estimators.schema import Schema, symbols_of
from tapehead.estimators.sequential import SequenceReader
from tapehead.estimators.trained import read_through
from tapehead.models import Model
from tapehead.tasks.given import Examples, Given
from tapehead.training.fitting import fit
from tapehead.training.storage import named_leaves


class Answers(NamedTuple):
    """What is wanted of a network, sequence by sequence.

    **Attributes:**

    - `targets`: for each sequence `(time or 1, ...)`, as the task's loss has them.
    - `counts`: for each sequence `(time or 1,)`, how much each of these answers counts by itself.
    - `strata`: by what examples are held out evenly; `None` if by nothing.
    """

    targets: list[np.ndarray]
    counts: list[np.ndarray]
    strata: np.ndarray | None = None


class SequenceEstimator(SequenceReader):
    """Fit, predict and remember; subclasses say what is asked and what is answered."""

    each_step: bool
    text: Any
    warm_start: bool

    @abc.abstractmethod
    def _learn_answers(self, y: list[np.ndarray]) -> None:
        """Learn from the answers what they are: classes, a scale."""

    @abc.abstractmethod
    def _answers(self, y: list[np.ndarray]) -> Answers:
        """The answers as the task's loss has them."""

    @abc.abstractmethod
    def _task(self, features: int, symbols: bool) -> Given:
        """The task of which the answers are the targets."""

    @abc.abstractmethod
    def _check_answers(self, y: Any, count: int) -> Any:
        """One answer for each of `count` sequences, as an array."""

    # -- reading ------------------------------------------------------------------------------

    def _split_target(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """Where `y` names a column of a table: the table without it, and the column."""
        if not isinstance(y, str):
            if reset:
                self.target_ = None
            return X, y
        if not isinstance(X, pd.DataFrame):
            raise UserError(f"y: '{y}' can name a column of a table only, got {type(X).__name__}")
        expect_column(X, y, "target")
        self.target_ = y
        return X.drop(columns=y), X[y]

    def _by_sequence(self, y: Any, read: Read) -> list[np.ndarray]:
        """The answers of each sequence: an array over its steps if `each_step`, else one entry."""
        if y is None:
            raise UserError(
                f"{type(self).__name__}: requires y to be passed, but the target y is None"
            )
        sequences = read.sequences
        if read.rows is not None and len(y) == sum(map(len, read.rows)):
            if isinstance(y, pd.Series | pd.DataFrame):
                y = y.to_numpy()
            y = [np.asarray(y)[rows] for rows in read.rows]
            if not self.each_step:
                for key, one in zip(read.keys or [], y, strict=True):
                    if any(value != one[0] for value in one[1:]):
                        raise UserError(
                            f"table: the target of '{key}' changes from '{one[0]}'; set "
                            "each_step=True for an answer at every step"
                        )
                y = np.array([one[0] for one in y])
        elif read.keys is not None and isinstance(y, pd.Series) and not self.each_step:
            lacking = [key for key in read.keys if key not in y.index]
            if lacking:
                raise UserError(f"y: has no answer for '{lacking[0]}'")
            y = y.loc[read.keys].to_numpy()
        if self.each_step:
            if len(y) != len(sequences):
                raise UserError(f"y: has {len(y)} sequences, where X has {len(sequences)}")
            y = [np.asarray(one) for one in y]
            lengths = self._lengths(read)
            for number, (one, length) in enumerate(zip(y, lengths, strict=True)):
                if one.ndim == 0 or len(one) != length:
                    raise UserError(
                        f"y: sequence {number} has {length} steps, got answers of shape {one.shape}"
                    )
            return y
        y = self._check_answers(y, len(sequences))
        return [y[number : number + 1] for number in range(len(y))]

    def _lengths(self, read: Read) -> list[int]:
        """The steps of each sequence."""
        if read.form != "text":
            return [len(sequence) for sequence in read.sequences]
        return [len(symbols_of(text, self.text)) for text in read.sequences]

    # -- learning -----------------------------------------------------------------------------

    def _weighted(
        self, read: Read, wanted: Answers, sample_weight: Any
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Each sequence's weight as a whole, and that of each answer; they are 1 on average."""
        count = len(read.sequences)
        whole = np.ones(count)
        if sample_weight is not None:
            try:
                whole = np.asarray(sample_weight, float)
            except (TypeError, ValueError):
                raise UserError("sample_weight: expected numbers") from None
            if whole.ndim == 0:
                whole = np.full(count, float(whole))
            if whole.ndim != 1:
                raise UserError("Sample weights must be 1D array or scalar")
            if whole.shape != (count,):
                raise UserError(
                    f"sample_weight.shape == {whole.shape}, expected {(count,)}: one for each "
                    "sequence"
                )
            if not np.isfinite(whole).all() or (whole < 0).any():
                raise UserError("sample_weight: expected finite numbers from 0 on")
            if not whole.any():
                raise UserError("sample_weight: every weight is zero; at least one must be above")
        answer = [w * c for w, c in zip(whole, wanted.counts, strict=True)]
        total = sum(float(a.sum()) for a in answer)
        asked = sum(int((a > 0).sum()) for a in answer)
        if not asked:
            raise UserError("y: asks for nothing: no answer has weight")
        return whole, [a * asked / total for a in answer]

    def _parts(self, wanted: Answers, rng: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
        """Which sequences to learn from, and which to stop by; none if that would be too few."""
        everything = np.arange(len(wanted.targets))
        held = self._held(len(everything))
        if not held:
            return everything, everything[:0]
        seed = rng.randint(2**31 - 1)
        try:
            learned, held_out = train_test_split(
                everything, test_size=held, random_state=seed, stratify=wanted.strata
            )
        except ValueError:  # a class with one example
            learned, held_out = train_test_split(everything, test_size=held, random_state=seed)
        return np.sort(learned), np.sort(held_out)

    def _examples(
        self, schema: Schema, sequences: Sequence[Raw], wanted: Answers, weights: list[np.ndarray]
    ) -> Examples:
        """The padded arrays of some sequences and their answers."""
        inputs, masks, placed = [], [], []
        for sequence, weight in zip(sequences, weights, strict=True):
            values, known = schema.encode(sequence)
            if self.each_step:
                mask = np.ones(len(values), bool)
                placed.append(weight)
            else:
                mask = readable(known)
                spread = np.zeros(len(values))
                spread[np.flatnonzero(mask)[-1]] = weight[0]
                placed.append(spread)
            inputs.append(values)
            masks.append(mask)
        return Examples.of(inputs, masks, wanted.targets, placed)

    def _buckets(
        self, schema: Schema, read: Read, wanted: Answers, weights: list[np.ndarray], part: Any
    ) -> tuple[Examples, ...]:
        """The sequences of a part in buckets of like length."""
        groups = self._alike(np.array(self._lengths(read))[part])
        return tuple(self._of(schema, read, wanted, weights, part[group]) for group in groups)

    def _of(
        self, schema: Schema, read: Read, wanted: Answers, weights: list[np.ndarray], part: Any
    ) -> Examples:
        def some(x: list[Any]) -> list[Any]:
            return [x[number] for number in part]

        own = wanted._replace(targets=some(wanted.targets), counts=some(wanted.counts))
        return self._examples(schema, some(read.sequences), own, some(weights))

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from sequences and their answers.

        **Arguments:**

        - `X`: the sequences, in any of these forms: an array `(samples, time)`, each number a step;
          an array `(samples, time, columns)`; a list of arrays `(time, columns)`, tables or texts;
          a long table, with the columns that `id` and `time` name.
        - `y`: an answer for each sequence; a list of arrays, one for each of its steps, where
          `each_step` is set; of a long table also a series indexed by id, a value for each row,
          or the name of its column.
        - `sample_weight`: how much each sequence counts.

        **Raises:** `UserError` for what cannot be learned from, in one line; `Diverged` if a number
        became NaN or infinite.
        """
        self._check_settings()
        again = self.warm_start and hasattr(self, "weights_")
        X, y = self._split_target(X, y, reset=True)
        read = self._read_form(X, reset=True)
        given = self._by_sequence(y, read)
        self._learn_answers(given)
        wanted = self._answers(given)
        whole, weights = self._weighted(read, wanted, sample_weight)
        rng = check_random_state(self.random_state)
        learned, held = self._parts(wanted, rng)
        schema = Schema.learn(
            read.form,
            [read.sequences[number] for number in learned],
            missing=self.missing,
            text=self.text,
            weights=whole[learned],
        )
        self._rescale([given[n] for n in learned], whole[learned])
        wanted = self._answers(given)
        self.schema_ = schema
        self.recipe_ = self._recipe()
        data = self._buckets(schema, read, wanted, weights, learned)
        test = (self._of(schema, read, wanted, weights, held),) if len(held) else None
        self._train(
            data, test, seed=rng.randint(2**31 - 1), arrays=self._arrays() if again else None
        )
        self.parts_ = {"learned": len(learned), "held_out": len(held)}
        vars(self).pop("_progress", None)
        return self

    def _recipe(self) -> Model:
        """The network's; one answer to a whole sequence is read from the mean over its steps."""
        pool = "none" if self.each_step else "mean"
        return recipe(self.model, self.size, pool=pool, dropout=self.dropout)

    def _rescale(self, y: list[np.ndarray], weights: np.ndarray) -> None:
        """Learn the answers' scale from those of the training part; by default there is none."""

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

        **Arguments:**

        - `path`: the file, whose name ends in `.stablehlo` or `.onnx`.
        - `what`: `"batch"` or `"step"`.

        **Raises:** `UserError` for a network that has no single step, for what the converter to
        ONNX cannot convert or gives other numbers for, and for a file that cannot be written.
        """
        check_is_fitted(self, "weights_")
        export(self, path, what)

    def _pass(self, X: Any, y: Any, sample_weight: Any, *, first: bool, learn: bool) -> Self:
        """Go over some sequences once, from where the networks stand: `partial_fit`.

        The first time scales are learned, and, if `learn`, what the answers are.
        """
        X, y = self._split_target(X, y, reset=first)
        read = self._read_form(X, reset=first)
        given = self._by_sequence(y, read)
        if learn:
            self._learn_answers(given)
        wanted = self._answers(given)
        whole, weights = self._weighted(read, wanted, sample_weight)
        if first:
            self.schema_ = Schema.learn(
                read.form, read.sequences, missing=self.missing, text=self.text, weights=whole
            )
            self._rescale(given, whole)
            wanted = self._answers(given)
            self.recipe_ = self._recipe()
            self.n_updates_, self.curve_, self.best_update_ = 0, [], [0]
            self._seed = check_random_state(self.random_state).randint(2**31 - 1)
        everything = np.arange(len(given))
        data = (self._of(self.schema_, read, wanted, weights, everything),)
        updates = math.ceil(len(given) / self.batch)
        config = self._config(updates, updates, getattr(self, "_seed", 0), "constant")
        begun = getattr(self, "_progress", None)
        arrays = self._arrays() if begun is None and not first else None
        fitted = fit(config, data, begun=begun, arrays=arrays, start=self.n_updates_)
        self._progress = jax.tree.map(np.asarray, fitted.progress)
        self.weights_ = {n: np.asarray(x) for n, x in named_leaves(fitted.arrays).items()}
        self.n_updates_, self.best_update_ = fitted.updates, fitted.best
        self.curve_ = [*self.curve_, *fitted.curve]
        self.parts_ = {"learned": len(given), "held_out": 0}
        return self

    # -- answering ----------------------------------------------------------------------------

    def told(self, y: Any, read: Read) -> np.ndarray:
        """The answers in `y`, one for each sequence that was read."""
        return np.concatenate(self._by_sequence(y, read))

    def _asked(self, X: Any, y: Any) -> tuple[Any, list[np.ndarray]]:
        """The sequences to be scored on, without the column that `y` may name, and the answers."""
        if isinstance(y, str):
            X, y = X.drop(columns=y), X[y]
        return X, self._by_sequence(y, self.read(X))

    def _outputs(self, X: Any) -> tuple[Read, list[np.ndarray]]:
        """What was read, and for each sequence the outputs `(networks, time or 1, outputs)`."""
        read = self.read(X)
        coded = [self.schema_.encode(sequence) for sequence in read.sequences]
        masks = [np.ones_like(known) if self.each_step else readable(known) for _, known in coded]
        found: list[Any] = [None] * len(coded)
        values = [one for one, _ in coded]
        for number, outputs in read_through(self.networks(), values, masks):
            last = [np.flatnonzero(masks[number])[-1]]
            found[number] = outputs if self.each_step else outputs[:, last]
        return read, found

    @abc.abstractmethod
    def decoded(self, outputs: Any) -> Any:
        """Answers from the networks' outputs `(networks, *batch, outputs)`, in NumPy or in JAX."""

    def task(self) -> Given:
        """The task of which the answers are the targets."""
        return self._task(self.schema_.features, self.schema_.tokens)

    def _gathered(self, answers: list[np.ndarray]) -> Any:
        """Answers for sequences: an array if there is one each, or all are as long; else a list."""
        if not self.each_step:
            return np.array([one[0] for one in answers])
        if len({len(one) for one in answers}) == 1:
            return np.array(answers)
        return answers


def readable(known: np.ndarray) -> np.ndarray:
    """Which steps are read: those in which anything is known, or the last if nothing is."""
    if known.any():
        return known
    last = np.zeros(len(known), bool)
    last[-1] = True
    return last
