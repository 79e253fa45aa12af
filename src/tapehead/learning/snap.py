"""Sparse n-step approximation, and the rules that keep traces of each unit's own."""

import abc
from collections.abc import Callable
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from tapehead.errors import UserError, among, at_least
from tapehead.learning.forward import Forward, Influence, Signal
from tapehead.learning.local import localised
from tapehead.learning.rule import Exactness, Model
from tapehead.learning.sparsity import Sparsity, sparsity_of
from tapehead.learning.view import Step, View


class Sparse(Forward):
    """Rules that keep some entries of J."""

    @abc.abstractmethod
    def sparsity(self, view: View) -> Sparsity:
        """Which."""

    def altered(self, step: Step) -> Step:
        """What is taken for a step; subclasses may leave parts of its derivatives out."""
        return step

    def start(self, view: View, pull: Callable[[Array], Array], key: PRNGKeyArray) -> list[Array]:
        """The kept entries of J_0."""
        sparsity = self.sparsity(view)
        return sparsity.pack(pull(jnp.asarray(sparsity.pulls, view.dtype)))

    def scratch(self, view: View) -> int:
        """What is pulled."""
        return len(self.sparsity(view).pulls) * view.parameters.size

    def advance(self, view: View, step: Step, influence: list[Array]) -> list[Array]:
        """D J + I, of the entries that are kept."""
        return self.sparsity(view).onward(self.altered(step), influence)

    def credit(self, view: View, influence: list[Array], row: Array) -> Array:
        """row J."""
        return self.sparsity(view).credit(influence, row)


class SnAp(Sparse):
    """Sparse n-step approximation: of J the entries that a parameter reaches within n steps.

    Which those are is found from the cell itself: derivatives that are 0 at random states, inputs
    and parameters are taken to be 0 always. J is then advanced as in `RTRL`, entries outside of the
    pattern held at 0.

    - *Exact for*: an n so large that every number of state that can be reached is; n = 1 where
      units do not see each other (`IndRNN`, `LRU`, `MinGRU`), in one layer.
    - *Biased by*: what goes from unit to unit in more than n steps. In a dense layer n = 2 reaches
      everything and is `RTRL`; in a stack the layers above are reached within the same step.
    - *Variance*: none beyond the batch's.
    - *Memory*: for n = 1 and a dense layer one number for each parameter and sequence (LSTM: two).
      *Time*: as a forward and a backward pass, and D's diagonal, for which all of D is formed.
    - *Cannot*: be cheaper than `RTRL` on memories, whose every slot is reached at once.

    **Arguments:**

    - `steps`: n, at least 1 (default 1).
    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large what is kept for a batch may become, above 0 (default 4).

    Here a loss is differentiated through its own step as a whole (see `Forward`), which is one step
    more than in the paper: y comes out of a step, not of a state.

    Source: Menick, Elsen, Evci, Osindero, Simonyan and Graves, "A practical sparse approximation
    for real time recurrent learning" (2020).
    """

    exact: ClassVar[Exactness] = "nothing"
    steps: int = eqx.field(static=True, default=1)
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def __check_init__(self):
        at_least("SnAp", 1, steps=self.steps)

    def sparsity(self, view: View) -> Sparsity:
        """What is reached in n steps."""
        return sparsity_of("SnAp", view, self.steps)


def localise(step: Step) -> Step:
    """The step with its local derivatives alone."""
    return step._replace(function=localised(step.function))


class RFLO(Sparse):
    """Random feedback local online learning, and e-prop: each unit keeps traces of its own alone.

    J is advanced with the local part of a step, that which does not go through a matrix product
    with other units: e_t = λ_t e_{t−1} + I_t, where λ is what a unit keeps of itself by other means
    than recurrent weights. That is the leak of a leaky unit, 1 − z or z of a GRU, the forget gate
    of an LSTM's cell, and 0 of an `Elman` net, whose trace is I alone.

    - *Exact for*: nets without recurrent weights between units (`IndRNN`, `LRU`, `MinGRU`,
      `MinLSTM`), in one layer with nothing learned below it.
    - *Biased by*: everything that goes from unit to unit, in time and from layer to layer. Layers
      below another recurrent one learn from the present step alone.
    - *Variance*: none beyond the batch's.
    - *Memory*: one number for each parameter and sequence (LSTM: two). *Time*: as a forward and
      two backward passes.
    - *Cannot*: learn what only the recurrent weights can carry.

    **Arguments:**

    - `feedback`: `"symmetric"` (default): a unit's learning signal is the loss's gradient, through
        the whole present step; `"random"`: ∂ℓ/∂y through fixed random weights, which is local in
        space as well, and sees no penalties.
    - `feedback_seed`: what the random weights are drawn from (default 0).
    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large the traces of a batch may become, above 0 (default 4).

    Sources: Murray, "Local online learning in recurrent networks with random feedback" (2019);
    Bellec et al., "A solution to the learning dilemma for recurrent networks of spiking neurons"
    (2020).
    """

    exact: ClassVar[Exactness] = "nothing"
    feedback: Literal["symmetric", "random"] = eqx.field(static=True, default="symmetric")
    feedback_seed: int = eqx.field(static=True, default=0)
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def __check_init__(self):
        among("RFLO", ("symmetric", "random"), feedback=self.feedback)
        at_least("RFLO", 0, feedback_seed=self.feedback_seed)

    def sparsity(self, view: View) -> Sparsity:
        """What a parameter reaches by local paths."""
        return sparsity_of("RFLO", view, None, localised)

    def altered(self, step: Step) -> Step:
        """The local part."""
        return localise(step)

    def share(
        self,
        view: View,
        direct: Model,
        signal: Signal,
        before: Influence,
        after: Influence,
    ) -> Model:
        """With random feedback, the traces after the step times what is fed back."""
        if self.feedback == "symmetric":
            return super().share(view, direct, signal, before, after)
        shape = (signal.output.shape[-1], view.size)
        weights = jax.random.normal(jax.random.key(self.feedback_seed), shape, view.dtype)
        back = signal.output @ (weights / np.sqrt(shape[0]).astype(weights.dtype))
        sent = super().share(view, direct, Signal(back, signal.output), after, after)
        return eqx.apply_updates(sent, view.gradient(-view.part(direct)))


def carousels(moved: np.ndarray) -> np.ndarray:
    """Which numbers of state keep themselves, from where D is not 0."""
    found = np.diag(moved)
    if not found.any():
        raise UserError(
            "TruncatedLSTM: needs cells that keep a state of their own from step to step, as an "
            "LSTM's do, and this network has none; take truncated-bptt or snap"
        )
    return found


class TruncatedLSTM(Sparse):
    """The truncated gradient of 1997: errors go back through the cells' carousels and nothing else.

    The numbers of state that keep themselves entry by entry, such as c of an LSTM, have traces as
    in `RFLO`; all else that a step hands on, such as h, counts as constant for the next. So errors
    reach every gate and input once, at the step where they leave a carousel, and go no further.

    - *Exact for*: `LSTM1997`, in one layer with nothing learned below it: its own truncated
      gradient, as `BPTT` finds it.
    - *Biased by*: whatever goes through gates and inputs to earlier steps.
    - *Variance*: none beyond the batch's.
    - *Memory*: one number for each parameter and sequence. *Time*: as a forward and two backward
      passes.
    - *Cannot*: serve nets without a carousel (`Elman`, `FullyRecurrent`), which are refused.

    **Arguments:**

    - `window`: steps between two updates of an online run; `None` (default) for whole sequences.
    - `gigabytes`: how large the traces of a batch may become, above 0 (default 4).

    Source: Hochreiter and Schmidhuber, "Long short-term memory" (1997), appendix A.1.
    """

    exact: ClassVar[Exactness] = "nothing"
    window: int | None = eqx.field(static=True, default=None)
    gigabytes: float = eqx.field(static=True, default=4.0)

    def sparsity(self, view: View) -> Sparsity:
        """The carousels' part of what a parameter reaches by local paths."""
        return sparsity_of("TruncatedLSTM", view, None, localised, kept=carousels)

    def altered(self, step: Step) -> Step:
        """The local part."""
        return localise(step)
