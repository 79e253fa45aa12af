"""`Model`: the settings from which a network for any task is built."""

import abc
from dataclasses import dataclass

from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell


@dataclass(frozen=True)
class Model(abc.ABC):
    """A recipe: plain settings, and how to build the whole network for given input and output.

    As with tasks, the fields are at once the options on the command line and the entry in a
    run's config.
    """

    @abc.abstractmethod
    def build(
        self, input_size: int, output_size: int, *, tokens: bool = False, key: PRNGKeyArray
    ) -> Cell:
        """The network, from `input_size` features (or symbols, if `tokens`) to `output_size`."""
