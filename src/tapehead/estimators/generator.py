"""`SequenceGenerator`: sequences like those that were seen."""

import itertools
from pathlib import Path
from typing import Any, Self, get_args

import jax
import numpy as np
from jaxtyping import Float
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from tapehead.errors import UserError, among, at_least
from tapehead.estimators.alphabet import END, Alphabet, Kind
from tapehead.estimators.export import symbols
from tapehead.estimators.export.function import Ways, What
from tapehead.estimators.foretelling import Foretelling
from tapehead.estimators.network import recipe
from tapehead.estimators.reading import is_ragged, is_text, matrices, one_line, texts
from tapehead.estimators.schema import Text
from tapehead.estimators.trained import ROWS, Trained, read_through
from tapehead.generation import generate
from tapehead.tasks.given import Examples, Given, GivenClasses

HELD = 2**26
"""Probabilities that are held at a time, at most."""


class SequenceGenerator(Trained):
    """Learn what comes after what in texts, lists of symbols or numbers, and make up new ones.

    ```python
    model = SequenceGenerator().fit(["anna", "hanna", "johanna"])
    model.generate(3, prompt="jo")
    ```

    A recurrent network gives the probability of each symbol after those before it, and of the end,
    p(s_t | s_1, ..., s_{t−1}). It is taught by the cross-entropy, long sequences in pieces of
    `window` symbols, and draws one symbol after another.

    **Arguments:**

    - `model`, `size`: as of `SequenceClassifier`.
    - `text`: whether texts are made of `"characters"` or of `"words"`.
    - `levels`: numbers that take more values than this are told apart by as many quantiles; of
      those that take fewer each value is a symbol.
    - `window`: symbols that are learned at a time.
    - the others as of `SequenceClassifier`; `held_out` is a share of the pieces.

    **Attributes:** `alphabet_`, the symbols; `curve_`, the learning curve; `n_updates_`;
    `best_update_`.

    Source: Graves, "Generating sequences with recurrent neural networks" (2013).
    """

    kind = "generator"
    ensemble = 1
    alphabet_: Alphabet

    def __init__(
        self,
        model: Any = "lstm",
        *,
        size: str = "medium",
        text: str = "characters",
        levels: int = 64,
        window: int = 64,
        held_out: float = 0.1,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 3e-3,
        dropout: float = 0.1,
        patience: int = 20,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.model = model
        self.size = size
        self.text = text
        self.levels = levels
        self.window = window
        self.held_out = held_out
        self.max_updates = max_updates
        self.batch = batch
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """Texts, or rows of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        return tags

    # -- reading ------------------------------------------------------------------------------

    def _read(self, X: Any, *, reset: bool) -> tuple[Kind, list[Any]]:
        """Of what kind the sequences are, and one after another."""
        owner = type(self).__name__
        if isinstance(X, str):
            raise UserError(f"{owner}: X is one text; give a list of texts, [text] if it is one")
        kind: Kind
        if is_text(X):
            kind, read = "text", texts(X)
        elif symbolic(X):
            kind, read = "symbols", [list(map(str, one)) for one in X]
            for number, one in enumerate(read):
                if not one:
                    raise UserError(f"X: sequence {number} is empty")
        elif is_ragged(X) or np.ndim(X) == 3:
            kind, read = "numbers", matrices(X)[1]
            if not all(isinstance(one, np.ndarray) and one.shape[1] == 1 for one in read):
                raise UserError(f"{owner}: sequences of numbers must have one column each")
            read = [one[:, 0] for one in read]
            for number, one in enumerate(read):
                if not np.isfinite(one).all():
                    raise UserError(f"X: sequence {number} contains NaN or infinity")
        else:
            try:
                given: Any = validate_data(self, X, reset=reset, dtype=np.float64)
            except ValueError as error:
                raise one_line(error) from None
            kind, read = "numbers", list(given)
        if not reset and kind != self.alphabet_.kind:
            raise UserError(f"{owner}: X has {kind}, where fit had {self.alphabet_.kind}")
        return kind, read

    # -- learning -----------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from sequences.

        **Arguments:**

        - `X`: texts, lists of symbols, an array `(samples, time)` of numbers, or a list of arrays
          `(time,)`.
        - `y`: is not looked at.

        **Raises:** `UserError` for what cannot be learned from, in one line; `Diverged` if a number
        became NaN or infinite.
        """
        self._check_settings()
        owner = type(self).__name__
        among(owner, get_args(Text), text=self.text)
        at_least(owner, 2, levels=self.levels, window=self.window)
        kind, read = self._read(X, reset=True)
        text: Any = self.text
        self.alphabet_ = Alphabet.learn(kind, read, text=text, levels=self.levels)
        self.recipe_ = recipe(self.model, self.size, pool="none", dropout=self.dropout)
        pieces = []
        for sequence in read:
            whole = np.concatenate([[END], self.alphabet_.encode(sequence), [END]])
            firsts = range(0, len(whole) - 1, self.window)
            pieces += [whole[first : first + self.window + 1] for first in firsts]
        rng = check_random_state(self.random_state)
        order = rng.permutation(len(pieces))
        held = self._held(len(pieces))
        learned = [pieces[number] for number in np.sort(order[held:])]
        test = [pieces[number] for number in order[:held]]
        groups = self._alike(np.array([len(piece) for piece in learned]))
        data = tuple(examples([learned[n] for n in group]) for group in groups)
        self._train(data, (examples(test),) if test else None, seed=rng.randint(2**31 - 1))
        self.parts_ = {"learned": len(learned), "held_out": len(test)}
        return self

    def task(self) -> Given:
        """To give the next symbol."""
        return GivenClasses(len(self.alphabet_), len(self.alphabet_), True)

    def functions(self, what: What) -> Ways:
        """Sequences to log-likelihoods, or a symbol of streams to what may follow."""
        return symbols.ways(self, what)

    def legend(self) -> dict[str, Any]:
        """What each number stands for, and of quantiles what lies between them."""
        alphabet = self.alphabet_
        return {"symbols": alphabet.symbols, "edges": alphabet.edges}

    def decoded(self, outputs: Any) -> Any:
        """Log-probabilities from logits `(1, *batch, symbols)`, in NumPy or in JAX."""
        xp = outputs.__array_namespace__()
        (logits,) = outputs
        apart = logits - logits.max(axis=-1, keepdims=True)
        return apart - xp.log(xp.exp(apart).sum(axis=-1, keepdims=True))

    # -- answering ----------------------------------------------------------------------------

    def read(self, X: Any) -> list[Any]:
        """The sequences in `X`, as `score_samples` reads them."""
        check_is_fitted(self, "weights_")
        return self._read(X, reset=False)[1]

    def log_likelihoods(self, X: Any) -> list[Float[np.ndarray, " symbols"]]:
        """Of each sequence the log-probability of every symbol after those before it, in nats.

        The last is that of its end.
        """
        coded = [self.alphabet_.encode(one) for one in self.read(X)]
        coded = [np.concatenate([[END], one, [END]]).astype(np.int32) for one in coded]
        room = HELD // (max(map(len, coded)) * len(self.alphabet_))
        rows = ROWS if room >= ROWS else max(1, min(room, len(coded)))
        inputs, whole = [one[:-1] for one in coded], [True] * len(coded)
        found: list[Any] = [None] * len(coded)
        for number, logits in read_through(self.networks(), inputs, whole, rows):
            targets, told = coded[number][1:], self.decoded(logits.astype(np.float64))
            found[number] = told[np.arange(len(targets)), targets]
        return found

    def score_samples(self, X: Any) -> Float[np.ndarray, " samples"]:
        """The log-likelihood of each sequence by its symbols, its end counted as one; in nats."""
        return np.array([one.mean() for one in self.log_likelihoods(X)])

    def score(self, X: Any, y: Any = None) -> float:
        """The log-likelihood by symbol of all sequences, in nats; −`score` / ln 2 is in bits."""
        return float(np.concatenate(self.log_likelihoods(X)).mean())

    def generate(
        self,
        n: int = 1,
        *,
        prompt: Any = None,
        temperature: float = 1.0,
        length: int = 200,
        random_state: Any = None,
    ) -> list[Any]:
        """Make up sequences.

        **Arguments:**

        - `n`: how many.
        - `prompt`: what each begins with, in the form of those in `fit`.
        - `temperature`: below 1 for the likelier, above 1 for the more surprising; at 0 always the
          likeliest.
        - `length`: symbols behind the prompt at most; a sequence may end before.
        - `random_state`: decides the draws; `None`: that of the estimator.

        **Returns:** `n` texts, lists of symbols or arrays, the prompt included.

        **Raises:** `UserError` if a number is out of range, or the prompt not of the form of those
        in `fit`.
        """
        check_is_fitted(self, "weights_")
        owner = type(self).__name__
        at_least(owner, 1, n=n)
        at_least(owner, 0, length=length, temperature=temperature)
        begun = self._prompted(prompt)
        seed = self.random_state if random_state is None else random_state
        key = jax.random.key(check_random_state(seed).randint(2**31 - 1))
        (network,) = self.networks()
        read, made = np.concatenate([[END], begun]), []
        for number in range(n):
            draw = jax.random.fold_in(key, number)
            drawn = generate(network, read, length=length, temperature=temperature, key=draw)
            told = list(itertools.takewhile(lambda symbol: symbol != END, drawn))
            made.append(self.alphabet_.decode([*map(int, begun), *told]))
        return made

    def stream(self, *, lanes: int | None = None, path: Path | str | None = None) -> Foretelling:
        """A stream that gives a `Foretold` after each symbol, as `log_likelihoods` would.

        Arguments and errors: as of the classifier's.
        """
        check_is_fitted(self, "weights_")
        made = Foretelling(self, lanes)
        return made if path is None else made.restore(path)

    def _prompted(self, prompt: Any) -> np.ndarray:
        """The numbers of a prompt's symbols."""
        if prompt is None:
            return np.zeros(0, np.int32)
        owner, kind = type(self).__name__, self.alphabet_.kind
        if isinstance(prompt, str) != (kind == "text"):
            raise UserError(f"{owner}: prompt must be of {kind}, as in fit, got {prompt!r}")
        try:
            found = self.alphabet_.encode(list(map(str, prompt)) if kind == "symbols" else prompt)
        except (TypeError, ValueError):
            raise UserError(f"{owner}: prompt must be of {kind}, got {prompt!r}") from None
        if (found == 1).any():
            raise UserError(f"{owner}: part of the prompt {prompt!r} did not occur in fit")
        return found

    # -- files --------------------------------------------------------------------------------

    def learned(self) -> dict[str, Any]:
        """What `fit` learned beside weights, as JSON data."""
        return {
            **super().learned(),
            "alphabet": self.alphabet_.to_json(),
            "features": getattr(self, "n_features_in_", None),
            "parts": self.parts_,
        }

    def learn_from(self, data: Any) -> None:
        """Take over what `learned` gave."""
        super().learn_from(data)
        self.alphabet_, self.parts_ = Alphabet.from_json(data["alphabet"]), data["parts"]
        if data["features"] is not None:
            self.n_features_in_ = int(data["features"])


def symbolic(X: Any) -> bool:
    """Whether these are sequences of symbols, each a word."""
    if not isinstance(X, list | tuple) or not len(X):
        return False
    return all(
        isinstance(one, list | tuple | np.ndarray) and all(isinstance(s, str) for s in one)
        for one in X
    )


def examples(pieces: list[np.ndarray]) -> Examples:
    """Pieces of which every symbol is to be followed by the next."""
    return Examples.of(
        [piece[:-1] for piece in pieces],
        [np.ones(len(piece) - 1, bool) for piece in pieces],
        [piece[1:] for piece in pieces],
        [np.ones(len(piece) - 1) for piece in pieces],
    )
