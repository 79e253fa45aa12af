"""`SequenceEstimator`: what all estimators of answers to sequences have in common."""

import abc
import math
from typing import Any, Self

import jax
import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from tapehead.errors import UserError
from tapehead.estimators.mapping import Answers, SequenceMapper, readable, weighed
from tapehead.estimators.reading import Read, expect_column
from tapehead.estimators.schema import Schema
from tapehead.tasks.given import Examples
from tapehead.training.fitting import fit
from tapehead.training.storage import named_leaves


class SequenceEstimator(SequenceMapper):
    """Fit and predict; subclasses say what is asked and what is answered."""

    warm_start: bool

    @abc.abstractmethod
    def _learn_answers(self, y: list[np.ndarray]) -> None:
        """Learn from the answers what they are: classes, a scale."""

    @abc.abstractmethod
    def _answers(self, y: list[np.ndarray]) -> Answers:
        """The answers as the task's loss has them."""

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
        return whole, weighed(wanted.counts, whole)

    def _examples(
        self, read: Read, wanted: Answers, weights: list[np.ndarray], part: np.ndarray
    ) -> Examples:
        inputs, masks, placed = [], [], []
        for number in part:
            weight = weights[number]
            values, known = self.schema_.encode(read.sequences[number])
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
        targets = [wanted.targets[number] for number in part]
        return Examples.of(inputs, masks, targets, placed)

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
        parts = self._parts(len(given), rng, wanted.strata)
        learned, _ = parts
        self.schema_ = Schema.learn(
            read.form,
            [read.sequences[number] for number in learned],
            missing=self.missing,
            text=self.text,
            weights=whole[learned],
        )
        self._rescale([given[n] for n in learned], whole[learned])
        wanted = self._answers(given)
        seed = rng.randint(2**31 - 1)
        self._learn(read, wanted, weights, parts, seed=seed, again=again)
        vars(self).pop("_progress", None)
        return self

    def _rescale(self, y: list[np.ndarray], weights: np.ndarray) -> None:
        """Learn the answers' scale from those of the training part; by default there is none."""

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
        data = (self._examples(read, wanted, weights, everything),)
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
