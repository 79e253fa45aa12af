"""`Model`: the settings from which a network for any task is built."""

import abc
import dataclasses
from dataclasses import dataclass

import jax
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell, Chain
from tapehead.cells import Embedding
from tapehead.errors import UserError, at_least


@dataclass(frozen=True)
class Model(abc.ABC):
    """A recipe: plain settings, and how to build the whole network for given input and output.

    As with tasks, the fields are at once the options on the command line and the entry in a
    run's config.
    """

    embedding: int = 64
    """Features that stand for one symbol, where the task's inputs are symbols."""

    def __post_init__(self):
        at_least(type(self).__name__, 1, embedding=self.embedding)

    def expect_unset(self, prefix: str, needed: str) -> None:
        """Refuse settings that begin so and are not as by default: they need what is not there."""
        for field in dataclasses.fields(self):
            if field.name.startswith(prefix) and getattr(self, field.name) != field.default:
                raise UserError(f"{type(self).__name__}: {field.name} needs {needed}")

    @abc.abstractmethod
    def network(self, input_size: int, output_size: int, *, key: PRNGKeyArray) -> Cell:
        """The network from `input_size` features to `output_size`."""

    def build(
        self, input_size: int, output_size: int, *, tokens: bool = False, key: PRNGKeyArray
    ) -> Cell:
        """The network, from `input_size` features (or symbols, if `tokens`) to `output_size`."""
        if not tokens:
            return self.network(input_size, output_size, key=key)
        embedding_key, network_key = jax.random.split(key)
        return Chain(
            Embedding(input_size, self.embedding, key=embedding_key),
            self.network(self.embedding, output_size, key=network_key),
        )
