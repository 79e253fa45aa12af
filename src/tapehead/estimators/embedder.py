"""`SequenceEmbedder`: a vector for each sequence, learned without labels."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state

from tapehead.cell import Cell
from tapehead.errors import at_least
from tapehead.estimators.mapping import Answers, SequenceMapper, readable, weighed
from tapehead.estimators.network import skeleton
from tapehead.estimators.reading import Read
from tapehead.estimators.schema import Schema
from tapehead.models import Model
from tapehead.networks import Autoencoder
from tapehead.tasks.given import Examples, Given, GivenClasses, GivenValues
from tapehead.training.config import AnyConfig


@dataclass(frozen=True)
class Autoencoding(Model):
    """An `Autoencoder` around the network of another recipe."""

    encoder: Model = dataclasses.field(kw_only=True)
    """The recipe of the encoder."""
    vector: int = 16
    """Numbers between encoder and decoder."""

    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """Of sequences of numbers."""
        return self.build(input_size, output_size, key=key)

    def build(
        self, input_size: int, output_size: int, *, tokens: bool = False, key: PRNGKeyArray
    ) -> Cell:
        """The encoder is built as it would be by itself."""
        ahead, back = jax.random.split(key)
        encoder = self.encoder.build(input_size, self.vector, tokens=tokens, key=ahead)
        return Autoencoder(encoder, output_size, key=back)


class SequenceEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceMapper):
    """Learn to stand for each sequence by a vector of fixed size, without labels.

    ```python
    vectors = SequenceEmbedder(dimensions=8).fit_transform(X)
    ```

    A recurrent network reads the sequence into the vector, from which a second one must tell every
    step again (`tapehead.networks.Autoencoder`): by least squares for numbers, by cross-entropy for
    text. Sequences that are alike then have vectors that are near one another. What is missing
    counts as the mean; steps of which nothing is known are left out.

    **Arguments:**

    - `dimensions`: numbers in a vector, of each network where there are several.
    - `ensemble`: networks from different seeds, whose vectors are joined.
    - the others as of `SequenceClassifier`.

    **Attributes:** `curve_`, the learning curve; `n_updates_`; `best_update_`; `n_features_in_`
    and, for tables, `feature_names_in_`.
    """

    kind = "embedder"
    each_step = False

    def __init__(
        self,
        model: Any = "mingru",
        *,
        dimensions: int = 16,
        size: str = "medium",
        id: Any = None,
        time: Any = None,
        text: str = "words",
        missing: str = "mean",
        held_out: float = 0.1,
        max_updates: int = 1500,
        batch: int = 32,
        learning_rate: float = 3e-3,
        dropout: float = 0.0,
        patience: int = 20,
        ensemble: int = 1,
        random_state: Any = None,
        verbose: int = 0,
    ):
        self.model = model
        self.dimensions = dimensions
        self.size = size
        self.id = id
        self.time = time
        self.text = text
        self.missing = missing
        self.held_out = held_out
        self.max_updates = max_updates
        self.batch = batch
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.patience = patience
        self.ensemble = ensemble
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """Vectors are in single precision, whatever the sequences are."""
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    # -- learning -----------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from sequences.

        **Arguments:**

        - `X`: the sequences, in any of the forms that `SequenceClassifier` takes.
        - `y`: is not looked at.

        **Raises:** `UserError` for what cannot be learned from, in one line; `Diverged` if a number
        became NaN or infinite.
        """
        self._check_settings()
        at_least(type(self).__name__, 1, dimensions=self.dimensions)
        self.target_ = None
        read = self._read_form(X, reset=True)
        rng = check_random_state(self.random_state)
        parts = self._parts(len(read.sequences), rng)
        self.schema_ = schema = Schema.learn(
            read.form,
            [read.sequences[number] for number in parts[0]],
            missing=self.missing,
            text=self.text,
        )
        coded = [schema.encode(sequence) for sequence in read.sequences]
        wanted = Answers([values for values, _ in coded], [known * 1.0 for _, known in coded])
        weights = weighed(wanted.counts, np.ones(len(coded)))
        self._learn(read, wanted, weights, parts, seed=rng.randint(2**31 - 1))
        return self

    def _examples(
        self, read: Read, wanted: Answers, weights: list[np.ndarray], part: np.ndarray
    ) -> Examples:
        """Sequences are their own answers."""
        inputs = [wanted.targets[number] for number in part]
        masks = [readable(wanted.counts[number] > 0) for number in part]
        return Examples.of(inputs, masks, inputs, [weights[number] for number in part])

    def _lesson(self) -> Given:
        """What encoder and decoder are taught: to give back what was read."""
        features, symbols = self.schema_.features, self.schema_.tokens
        kind = GivenClasses if symbols else GivenValues
        return kind(features, features, symbols)

    def _config(self, updates: int, every: int, seed: int, schedule: Any) -> AnyConfig:
        config = super()._config(updates, every, seed, schedule)
        return dataclasses.replace(config, task=self._lesson(), model=self._autoencoding())

    def _autoencoding(self) -> Model:
        return Autoencoding(encoder=self.recipe_, vector=self.dimensions)

    def _skeleton(self) -> Cell:
        lesson = self._lesson()
        sizes = lesson.input_size, lesson.output_size
        return skeleton(self._autoencoding(), *sizes, tokens=lesson.tokens)

    # -- answering ----------------------------------------------------------------------------

    def _task(self, features: int, symbols: bool) -> Given:
        return GivenValues(features, self.dimensions, symbols)

    def networks(self) -> list[Cell]:
        """The trained encoders, one of each seed of the ensemble; each a `Cell`."""
        made: Any = super().networks()
        return [network.encoder for network in made]

    @property
    def _n_features_out(self) -> int:
        return self.dimensions * self.ensemble

    def decoded(self, outputs: Any) -> Any:
        """Vectors, those of all networks joined."""
        xp = outputs.__array_namespace__()
        return xp.concatenate([one.squeeze(axis=0) for one in xp.split(outputs, len(outputs))], -1)

    def transform(self, X: Any) -> Float[np.ndarray, "samples dimensions"]:
        """The vector of each sequence."""
        return self._gathered([self.decoded(outputs) for outputs in self._outputs(X)[1]])
