"""A model as functions of two vectors: the parameters that reach its state, and the state."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from tapehead.cell import Cell, State
from tapehead.learning.dependence import Reach, begin_like, lane_of, reach

Rest = Any
"""What of a state no influence is about: whole numbers, keys, what no parameter reaches."""


class Step(NamedTuple):
    """One step of one sequence, to be differentiated: s' = F(θ, s).

    **Attributes:**

    - `function`: F.
    - `parameters`: θ, `(parameters,)`.
    - `state`: s, `(size,)`.
    """

    function: Callable[[Array, Array], Array]
    parameters: Float[Array, " parameters"]
    state: Float[Array, " size"]

    def pull(self, rows: Float[Array, "rows size"]) -> Float[Array, "rows parameters"]:
        """Rows times ∂F/∂θ, in reverse mode."""
        _, back = jax.vjp(lambda p: self.function(p, self.state), self.parameters)
        return jax.vmap(lambda row: back(row)[0])(rows)

    def push(self, columns: Float[Array, "columns size"]) -> Float[Array, "columns size"]:
        """D = ∂F/∂s times every column, in forward mode if the cell has one."""

        def one(column: Array) -> Array:
            return jax.jvp(lambda s: self.function(self.parameters, s), (self.state,), (column,))[1]

        try:
            return jax.vmap(one)(columns)
        except TypeError:  # what has a gradient of its own may have it in reverse mode alone
            return columns @ self._by_rows().T

    def jacobian(self) -> Float[Array, "size size"]:
        """D, a row for each number of s'.

        In forward mode, whose first product is that of the unit matrix with the weights: the same
        for all sequences, it is made once.
        """
        return self.push(jnp.eye(self.state.size, dtype=self.state.dtype)).T

    def _by_rows(self) -> Float[Array, "size size"]:
        return jax.jacrev(lambda s: self.function(self.parameters, s))(self.state)


class View:
    """What of a model an influence is about.

    **Attributes:**

    - `model`: the model.
    - `batch`: the batch axes of its state.
    - `state`: the shapes of one sequence's state.
    - `reach`: which parameters make up θ, and which leaves of a state make up s.
    - `parameters`: θ, all parameters that reach the state, `(parameters,)`.
    - `size`: how many numbers s has.
    """

    def __init__(self, model: Cell, state: State, batch: tuple[int, ...]):
        self.model = model
        self.batch = batch
        self.state = lane_of(state, len(batch))
        self.reach: Reach = reach(model, self.state)
        arrays, static = eqx.partition(model, eqx.is_array)
        leaves, tree = jax.tree.flatten(arrays)
        learned, fixed = (
            tree.unflatten(
                leaf if flag == wanted else None
                for leaf, flag in zip(leaves, self.reach.parameters, strict=True)
            )
            for wanted in (True, False)
        )
        self.parameters, self.gradient = ravel_pytree(learned)
        self._fixed = eqx.combine(fixed, static)
        shapes = jax.eval_shape(lambda s: self.split(s)[0], self.state)
        self.size: int = shapes.shape[0]
        self.dtype = shapes.dtype

    def at(self, parameters: Float[Array, " parameters"]) -> Cell:
        """The model with another θ."""
        return eqx.combine(self.gradient(parameters), self._fixed)

    def part(self, tree: Any) -> Float[Array, " parameters"]:
        """What of a tree like the model's trainable arrays belongs to θ."""
        arrays = jax.tree.leaves(eqx.filter(self.model, eqx.is_array))
        flags = [
            flag
            for array, flag in zip(arrays, self.reach.parameters, strict=True)
            if eqx.is_inexact_array(array)
        ]
        return ravel_pytree(
            [leaf for leaf, flag in zip(jax.tree.leaves(tree), flags, strict=True) if flag]
        )[0]

    def split(self, state: State) -> tuple[Float[Array, " size"], Rest]:
        """s, and the rest of one sequence's state."""
        leaves, tree = jax.tree.flatten(state)
        flags = self.reach.states
        moving = [leaf.ravel() for leaf, flag in zip(leaves, flags, strict=True) if flag]
        rest = [None if flag else leaf for leaf, flag in zip(leaves, flags, strict=True)]
        dtype = self.parameters.dtype
        return jnp.concatenate([*moving, jnp.zeros(0, dtype)]), tree.unflatten(rest)

    def join(self, vector: Float[Array, " size"], rest: Rest) -> State:
        """One sequence's state, from both."""
        leaves, tree = jax.tree.flatten(self.state)
        others = jax.tree.leaves(rest, is_leaf=lambda leaf: leaf is None)
        joined, start = [], 0
        for leaf, flag, other in zip(leaves, self.reach.states, others, strict=True):
            if flag:
                joined.append(vector[start : start + leaf.size].reshape(leaf.shape))
                start += leaf.size
            else:
                joined.append(other)
        return tree.unflatten(joined)

    def step(self, state: State, x: Array) -> Step:
        """One step of one sequence."""
        vector, rest = self.split(state)

        def function(parameters: Array, vector: Array) -> Array:
            return self.split(self.at(parameters).step(self.join(vector, rest), x)[0])[0]

        return Step(function, self.parameters, vector)

    def begin(self) -> Step:
        """The initial state of one sequence, as a step that depends on θ alone."""

        def function(parameters: Array, vector: Array) -> Array:
            return self.split(begin_like(self.at(parameters), self.state))[0]

        return Step(function, self.parameters, jnp.zeros(self.size, self.dtype))

    def lanes(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of one sequence as one of all; what it closes over is shared."""
        for size in reversed(self.batch):
            function = jax.vmap(function, axis_size=size)
        return function
