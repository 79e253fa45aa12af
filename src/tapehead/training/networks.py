"""The networks of a run: what they have in common, how they begin, and their keys."""

from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from tapehead.cell import Cell
from tapehead.learning.rule import network_of
from tapehead.training.config import AnyConfig

Tree = TypeVar("Tree")

# What a network's keys are for: the number that is folded into its own key.
START, TRAINING, VALIDATION, TEST = range(4)
HELPER = 0
"""What is folded into the key a network is built from, for what the rule learns beside it."""


@jax.jit
def one_of(stacked: Tree, number: int) -> Tree:
    """Entry `number` of every leaf of a tree that is stacked over networks."""
    return jax.tree.map(lambda x: x[number], stacked)


@jax.jit
def _fold(keys: PRNGKeyArray, number: int) -> PRNGKeyArray:
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


class Networks:
    """The networks of a run.

    Everything random about network k derives from `fold_in(key(seed), k)`: it is the same
    experiment whether it is trained alone or among others.

    **Attributes:**

    - `static`: the model without its arrays, which all networks share.
    - `build`: the model from a key, with what the rule learns beside it.
    - `start_keys`: from which each network is built.
    - `training_keys`: from which each network's updates draw.
    """

    def __init__(self, config: AnyConfig):
        task, model = config.task, config.model
        root = jax.random.key(config.seed)
        numbers = jnp.arange(config.seeds)
        self._keys = jax.vmap(lambda number: jax.random.fold_in(root, number))(numbers)
        self.training_keys = _fold(self._keys, TRAINING)

        def build(key: PRNGKeyArray) -> Cell:
            network = model.build(task.input_size, task.output_size, tokens=task.tokens, key=key)
            return config.rule.extend(network, key=jax.random.fold_in(key, HELPER))

        self.build = build
        self.start_keys = _fold(self._keys, START)
        shapes = eqx.filter_eval_shape(build, root)
        self.static: Cell = eqx.filter(
            shapes, lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct)
        )

    def model(self, arrays: Any, number: int) -> Cell:
        """One network, without what the rule learns beside it."""
        return network_of(eqx.combine(one_of(arrays, number), self.static))

    def validation_keys(self, update: int) -> PRNGKeyArray:
        """Keys for the evaluation after `update` updates."""
        return _fold(_fold(self._keys, VALIDATION), update)

    def test_keys(self, number: int) -> PRNGKeyArray:
        """Keys for the test set with this number."""
        return _fold(_fold(self._keys, TEST), number)
