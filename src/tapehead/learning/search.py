"""Searches: networks are proposed, tried and compared, and no gradient is ever taken."""

import abc
from types import ModuleType
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.errors import UserError, above, at_least
from tapehead.learning.bptt import window_loss
from tapehead.learning.rule import Loss, Rule, as_vector
from tapehead.sequences import Sequences

Standing = Any
"""Where a search stands: a tree of arrays, which a run keeps in place of an optimiser's state."""


class Search(Rule):
    """How networks are found by trying: candidates are proposed, tried and compared.

    A search takes the place of learning rule and optimiser. An update is one generation: all
    candidates are tried on the same batch, side by side under `vmap`, each on whole sequences from
    their beginning. Of a run's settings, those of the optimiser and of clipping play no part.

    **Attributes:**

    - `population`: candidates of a generation.
    """

    population: eqx.AbstractVar[int]
    window: int | None = eqx.field(static=True, default=None, init=False)

    def begin(
        self, model: Cell, batch: tuple[int, ...], *, key: PRNGKeyArray | None
    ) -> PRNGKeyArray | None:
        """Only the key, for states that every candidate makes itself."""
        return key

    @abc.abstractmethod
    def start(self, parameters: Float[Array, " parameters"], key: PRNGKeyArray) -> Standing:
        """Where the search stands before the first generation, of a network newly drawn."""

    @abc.abstractmethod
    def propose(
        self, standing: Standing, key: PRNGKeyArray
    ) -> tuple[Float[Array, "candidates parameters"], Standing]:
        """The candidates of a generation."""

    @abc.abstractmethod
    def judge(
        self,
        standing: Standing,
        candidates: Float[Array, "candidates parameters"],
        losses: Float[Array, " candidates"],
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " parameters"], Standing]:
        """What the search holds to be best now that the candidates' losses are known."""

    def generation(
        self,
        standing: Standing,
        model: Cell,
        sequences: Sequences,
        loss: Loss,
        *,
        begun: PRNGKeyArray | None,
        key: PRNGKeyArray,
    ) -> tuple[Float[Array, " parameters"], Standing]:
        """Propose, try and judge.

        **Arguments:**

        - `standing`: where the search stands.
        - `model`: a network whose parameters the candidates take the place of.
        - `sequences`: to try them on.
        - `loss`: of every step by itself.
        - `begun`: puts the candidates into training mode; `None` for deterministic ones.
        - `key`: all that the search itself draws.

        **Returns:** what is best, and where the search stands. A loss that is not finite counts as
        the largest there is.
        """
        _, model_at = as_vector(model)
        sequences = sequences.normalised()
        propose, judge = jax.random.split(key)

        def tried(candidate: Array) -> Array:
            at = model_at(candidate)
            state = at.initial_state(sequences.batch, key=begun)
            return window_loss(at, state, sequences, loss)[0]

        candidates, standing = self.propose(standing, propose)
        losses = jax.vmap(tried)(candidates)
        losses = jnp.where(jnp.isfinite(losses), losses, jnp.finfo(losses.dtype).max)
        return self.judge(standing, candidates, losses, judge)


class Guesses(NamedTuple):
    """Where `RandomGuessing` stands.

    **Attributes:**

    - `best`: the guess that was better than all others it was tried beside.
    """

    best: Float[Array, " parameters"]


class RandomGuessing(Search):
    """Random weight guessing: all parameters are drawn anew, until they happen to be right.

    Every parameter of every candidate is uniform in [−scale, scale]. The best of a generation is
    kept as long as no guess does better on the same batch. After u updates u times `population`
    guesses, the trials of the literature, have been made.

    - *Exact for*, *biased by*: it follows nothing. *Variance*: all there is.
    - *Memory*: the candidates and their states. *Time*: a forward pass for each.
    - *Cannot*: solve anything that is not solved by a fair share of all networks. That this holds
      of many tests of long memory is what it is for.

    **Arguments:**

    - `population`: guesses of an update, at least 1 (default 100).
    - `scale`: the largest parameter, above 0 (default 10).

    Source: Hochreiter and Schmidhuber, "LSTM can solve hard long time lag problems" (1996).
    """

    population: int = eqx.field(static=True, default=100)
    scale: float = eqx.field(static=True, default=10.0)

    def __check_init__(self):
        at_least("RandomGuessing", 1, population=self.population)
        above("RandomGuessing", 0, scale=self.scale)

    def start(self, parameters: Float[Array, " parameters"], key: PRNGKeyArray) -> Guesses:
        """The network as it was drawn."""
        return Guesses(parameters)

    def propose(self, standing: Guesses, key: PRNGKeyArray) -> tuple[Array, Guesses]:
        """The best so far, and guesses."""
        best = standing.best
        shape = (self.population, best.size)
        guesses = jax.random.uniform(key, shape, best.dtype, -self.scale, self.scale)
        return jnp.concatenate([best[None], guesses]), standing

    def judge(
        self, standing: Guesses, candidates: Array, losses: Array, key: PRNGKeyArray
    ) -> tuple[Array, Guesses]:
        """The best of them."""
        best = candidates[jnp.argmin(losses)]
        return best, Guesses(best)


class Library(Search):
    """A search of the library evosax, which `pip install 'tapehead[evolution]'` brings."""

    spread: eqx.AbstractVar[float]

    def __check_init__(self):
        at_least(type(self).__name__, 2, population=self.population)
        above(type(self).__name__, 0, spread=self.spread)

    @abc.abstractmethod
    def algorithm(self, library: ModuleType, parameters: Array) -> tuple[Any, Any]:
        """The library's algorithm for such parameters, and its settings."""

    @abc.abstractmethod
    def first(self, algorithm: Any, settings: Any, parameters: Array, key: PRNGKeyArray) -> Any:
        """The algorithm's own first state."""

    @abc.abstractmethod
    def best(self, standing: Standing, candidates: Array, losses: Array) -> Array:
        """What counts as best after a generation."""

    def extend(self, model: Cell, *, key: PRNGKeyArray) -> Cell:
        """The model.

        **Raises:** `UserError` if the library is not installed.
        """
        self._library()
        return model

    def _library(self) -> ModuleType:
        try:
            import evosax.algorithms
        except ImportError:
            raise UserError(
                f"{type(self).__name__}: evosax is not installed; `pip install "
                "'tapehead[evolution]'` brings it"
            ) from None
        return evosax.algorithms

    def start(self, parameters: Float[Array, " parameters"], key: PRNGKeyArray) -> Standing:
        """Around the network as it was drawn."""
        with jax.numpy_dtype_promotion("standard"):
            algorithm, settings = self.algorithm(self._library(), parameters)
            return jax.tree.map(jnp.asarray, self.first(algorithm, settings, parameters, key))

    def propose(self, standing: Standing, key: PRNGKeyArray) -> tuple[Array, Standing]:
        """As the library does."""
        with jax.numpy_dtype_promotion("standard"):
            algorithm, settings = self.algorithm(self._library(), standing.best_solution)
            candidates, after = algorithm.ask(key, standing, settings)
            return candidates, like(standing, after)

    def judge(
        self, standing: Standing, candidates: Array, losses: Array, key: PRNGKeyArray
    ) -> tuple[Array, Standing]:
        """As the library does."""
        with jax.numpy_dtype_promotion("standard"):
            algorithm, settings = self.algorithm(self._library(), standing.best_solution)
            after, _ = algorithm.tell(key, candidates, losses, standing, settings)
            after = like(standing, after)
            return self.best(after, candidates, losses), after


class CMAES(Library):
    """Covariance matrix adaptation: normal candidates, whose spread learns which ways lead down.

    The network kept is the distribution's mean; its covariance is adapted by the better half of
    each generation, its overall spread by how far the mean has come.

    - *Exact for*, *biased by*: only the order of the losses counts. *Variance*: falls with the
      population.
    - *Memory*: P² for P parameters, P with `diagonal`. *Time*: a forward pass for each candidate,
      and P³ for each generation, or P.
    - *Cannot*: serve large networks: it is refused where the matrices would be larger than
      `gigabytes`.

    **Arguments:**

    - `population`: candidates of a generation, at least 2 (default 64).
    - `spread`: their standard deviation to begin with, above 0 (default 0.1).
    - `diagonal`: whether to adapt the variances alone, not how parameters vary together (default
        False).
    - `gigabytes`: how large its matrices may become, above 0 (default 1).

    Sources: Hansen, "The CMA evolution strategy: a tutorial" (2016); for `diagonal`, Ros and
    Hansen, "A simple modification in CMA-ES achieving linear time and space complexity" (2008).
    """

    population: int = eqx.field(static=True, default=64)
    spread: float = eqx.field(static=True, default=0.1)
    diagonal: bool = eqx.field(static=True, default=False)
    gigabytes: float = eqx.field(static=True, default=1.0)

    def __check_init__(self):
        above("CMAES", 0, gigabytes=self.gigabytes)

    def extend(self, model: Cell, *, key: PRNGKeyArray) -> Cell:
        """The model.

        **Raises:** `UserError` if the library is not installed, or the matrices would be too large.
        """
        count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
        size = 0 if self.diagonal else 2 * 4 * count**2 / 1e9
        if size > self.gigabytes:
            raise UserError(
                f"CMAES: the covariances of {count:,} parameters would take {size:,.1f} gigabytes, "
                f"more than the {self.gigabytes:g} allowed; take diagonal, evolution-strategy, a "
                "smaller network, or raise gigabytes"
            )
        return super().extend(model, key=key)

    def algorithm(self, library: ModuleType, parameters: Array) -> tuple[Any, Any]:
        """CMA-ES, or its separable form."""
        made = (library.Sep_CMA_ES if self.diagonal else library.CMA_ES)(
            self.population, parameters
        )
        return made, made.default_params.replace(std_init=self.spread)

    def first(self, algorithm: Any, settings: Any, parameters: Array, key: PRNGKeyArray) -> Any:
        """The network is the mean."""
        return algorithm.init(key, parameters, settings)

    def best(self, standing: Standing, candidates: Array, losses: Array) -> Array:
        """The mean."""
        return standing.mean


class GeneticAlgorithm(Library):
    """A genetic algorithm without crossover: the better half, each changed a little at random.

    A generation's candidates are changed copies of members of the better half of the one before,
    chosen at random. The network kept is the best of the last generation.

    - *Exact for*, *biased by*: only the order of the losses counts. *Variance*: falls with the
      population.
    - *Memory*: the population, and its states. *Time*: a forward pass for each candidate.
    - *Cannot*: come close to an optimum: changes are as large at the end as at the beginning.

    **Arguments:**

    - `population`: candidates of a generation, at least 2 (default 256).
    - `spread`: the changes' standard deviation, above 0 (default 0.05).

    Source: Such et al., "Deep neuroevolution: genetic algorithms are a competitive alternative for
    training deep neural networks for reinforcement learning" (2017).
    """

    population: int = eqx.field(static=True, default=256)
    spread: float = eqx.field(static=True, default=0.05)

    def algorithm(self, library: ModuleType, parameters: Array) -> tuple[Any, Any]:
        """The library's plain one."""
        made = library.SimpleGA(self.population, parameters, std_schedule=lambda _: self.spread)
        return made, made.default_params

    def first(self, algorithm: Any, settings: Any, parameters: Array, key: PRNGKeyArray) -> Any:
        """Changed copies of the network, none of them tried yet."""
        shape = (self.population, parameters.size)
        changes = self.spread * jax.random.normal(key, shape, parameters.dtype)
        untried = jnp.zeros(self.population, parameters.dtype)
        return algorithm.init(key, parameters + changes, untried, settings)

    def best(self, standing: Standing, candidates: Array, losses: Array) -> Array:
        """The best of the generation."""
        return candidates[jnp.argmin(losses)]


def like(before: Standing, after: Standing) -> Standing:
    """`after` with the types of `before`, so that a loop can carry it."""
    return jax.tree.map(lambda old, new: jnp.asarray(new, old.dtype), before, after)
