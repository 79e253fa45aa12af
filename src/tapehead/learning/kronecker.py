"""KF-RTRL: the influence of a plain net as a Kronecker product."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from tapehead.errors import UserError
from tapehead.learning.forward import Forward
from tapehead.learning.rank_one import length, signs
from tapehead.learning.rule import Exactness
from tapehead.learning.sparsity import expect_small, key_of, probe, remembered
from tapehead.learning.view import Step, View


class Kronecker(NamedTuple):
    """J_{k,(i,j)} ≈ A_{k,i} u_j.

    **Attributes:**

    - `inputs`: u, `(columns,)`: as long as what one unit sees.
    - `states`: A, `(size, size)`.
    - `key`: what the signs to come are drawn from.
    """

    inputs: Float[Array, " columns"]
    states: Float[Array, "size size"]
    key: PRNGKeyArray


def as_rows(view: View, vector: Float[Array, " parameters"]) -> Float[Array, "size columns"]:
    """A vector like θ as a matrix, a row for each unit."""
    leaves = jax.tree.leaves(view.gradient(vector))
    return jnp.concatenate([leaf.reshape(view.size, -1) for leaf in leaves], axis=1)


def as_vector(view: View, rows: Float[Array, "size columns"]) -> Float[Array, " parameters"]:
    """Back from `as_rows`."""
    parts, start = [], 0
    for leaf in jax.tree.leaves(view.gradient(view.parameters)):
        columns = leaf.size // view.size
        parts.append(rows[:, start : start + columns].reshape(leaf.shape))
        start += columns
    return ravel_pytree(parts)[0]


def factors(view: View, step: Step) -> tuple[Float[Array, " size"], Float[Array, " columns"]]:
    """d and h with I_{k,(i,j)} = [k = i] d_i h_j, from the sum of I's rows, which is d hᵀ."""
    rows = as_rows(view, step.pull(jnp.ones((1, view.size), view.dtype))[0])
    squares = jnp.sum(rows**2, axis=1)
    # The longest row is along h; d h does not depend on how long h is taken to be.
    along = rows[jnp.argmax(squares)]
    inputs = along / jnp.sqrt(jnp.maximum(jnp.max(squares), jnp.finfo(view.dtype).tiny))
    return rows @ inputs, inputs


def is_product(view: View, step: Step) -> Bool[Array, ""]:
    """Whether I is a Kronecker product at this step."""
    eye = jnp.eye(view.size, dtype=view.dtype)
    slopes, inputs = factors(view, step)
    expected = jax.vmap(lambda row: as_vector(view, (row * slopes)[:, None] * inputs))(eye)
    found = step.pull(eye)
    return jnp.all(jnp.abs(found - expected) <= 1e-4 * jnp.max(jnp.abs(found)))


class KFRTRL(Forward):
    """Kronecker-factored real-time recurrent learning: J ≈ u ⊗ A.

    In a plain net I is itself such a product, h ⊗ diag(d) with h what every unit sees (inputs,
    state and 1) and d the slopes of the units, so that two products are mixed into one at random:

        u ← c₁ p₁ u + c₂ p₂ h              c₁, c₂ random, each ±1
        A ← (c₁ / p₁) D A + (c₂ / p₂) diag(d)
        p₁ = √(|D A| / |u|)                p₂ = √(|d| / |h|)

    - *Exact for*: its mean over c, while the parameters are held. *Biased by*: an online run.
    - *Variance*: far below that of `UORO`: it does not grow with the parameters.
    - *Memory*: n² for each sequence with n units. *Time*: n³ for each step.
    - *Cannot*: serve any but nets of one plain recurrent layer that sees its inputs directly
      (`Elman`, `IRNN`, `FullyRecurrent` without a mask), their initial states not learned. All
      others are refused: whether I is such a product is found from the cell itself, at random
      states.

    **Arguments:**

    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large the factors of a batch may become, above 0 (default 4).

    Source: Mujika, Meier and Steger, "Approximating real-time recurrent learning with random
    Kronecker factors" (2018).
    """

    exact: ClassVar[Exactness] = "average"
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def start(self, view: View, pull: Callable[[Array], Array], key: PRNGKeyArray) -> Kronecker:
        """Zeros.

        **Raises:** `UserError` if I is no Kronecker product, or the initial state is learned.
        """
        if not remembered((key_of(view), "kf-rtrl"), lambda: self.serves(view)):
            raise UserError(
                "KFRTRL: serves nets of one plain recurrent layer (elman, irnn, fully-recurrent) "
                "whose initial state is not learned; take uoro, snap or rtrl for this one"
            )
        columns = view.parameters.size // view.size
        zeros = jnp.zeros((view.size, view.size), view.dtype)
        return Kronecker(jnp.zeros(columns, view.dtype), zeros, key)

    @staticmethod
    def serves(view: View) -> bool:
        """Whether I is a Kronecker product, and J_0 is 0."""
        leaves = jax.tree.leaves(view.gradient(view.parameters))
        if view.reach.begins or any(
            leaf.ndim not in (1, 2) or leaf.shape[0] != view.size for leaf in leaves
        ):
            return False
        expect_small("KFRTRL", view)
        return all(probe(view, is_product))

    def advance(self, view: View, step: Step, influence: Kronecker) -> Kronecker:
        """Both products mixed into one."""
        slopes, inputs = factors(view, step)
        now, later = jax.random.split(influence.key)
        old_sign, new_sign = signs(now, (2,), view.dtype)
        moved = step.jacobian() @ influence.states
        old = jnp.sqrt(length(moved.ravel()) / length(influence.inputs))
        new = jnp.sqrt(length(slopes) / length(inputs))
        return Kronecker(
            old_sign * old * influence.inputs + new_sign * new * inputs,
            old_sign / old * moved + new_sign / new * jnp.diag(slopes),
            later,
        )

    def credit(self, view: View, influence: Kronecker, row: Array) -> Array:
        """(row A)_i u_j."""
        return as_vector(view, (row @ influence.states)[:, None] * influence.inputs)
