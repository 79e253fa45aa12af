"""`Foretelling`: a fitted generator fed one symbol at a time."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from tapehead.cell import select
from tapehead.errors import UserError
from tapehead.estimators.alphabet import END
from tapehead.estimators.stream import Stream


class Foretold(NamedTuple):
    """What a stream of a generator says after a symbol.

    **Attributes:**

    - `surprise`: of the symbol after those before it, −log p, in nats.
    - `log_probabilities`: of the next one being each of `Foretelling.symbols`.

    With several lanes each of them leads with the lanes.
    """

    surprise: Any
    log_probabilities: Float[np.ndarray, "*lanes symbols"]


class Foretelling(Stream):
    """A stream of a generator; see `SequenceGenerator.stream`."""

    def __init__(self, estimator: Any, lanes: int | None):
        super().__init__(estimator, lanes)
        self._always = np.ones(self._lanes, bool)
        self._advance(np.full(self._lanes, END, np.int32), self._always)
        # What stands before every sequence is no observation.
        self._fresh = self._memory | {"steps": jnp.zeros((), jnp.int32)}
        self._remember(self._fresh)

    @property
    def symbols(self) -> list[Any]:
        """What may follow, in the order of its probabilities; `None` is the end."""
        return self._estimator.alphabet_.symbols

    @property
    def log_probabilities(self) -> Float[np.ndarray, "*lanes symbols"]:
        """Of what may come next, before anything was fed too."""
        made = self._following(np.asarray(self._remembered[self._last]))
        return made[0] if self._single else made

    def _following(self, outputs: np.ndarray) -> np.ndarray:
        return self._estimator.decoded(outputs.astype(np.float64))

    def feed(self, observation: Any) -> Foretold:
        """Go on by one symbol; returns how surprising it was, and what may come next.

        **Arguments:**

        - `observation`: a character, a word, a symbol or a number, as sequences have them; `None`
            where a sequence ends and another one begins. With several `lanes` one for each.

        **Raises:** `UserError` for what is no single symbol.
        """
        given = [observation] if self._single else list(observation)
        if len(given) != self._lanes:
            raise UserError(f"stream: expected {self._lanes} symbols, one for each lane")
        numbers = np.array([self._number(one) for one in given], np.int32)
        before = self._following(np.asarray(self._remembered[self._last]))
        surprise = -before[np.arange(self._lanes), numbers]
        following = self._following(self._advance(numbers, self._always))
        if (ended := numbers == END).any():
            following = self._begin(ended)
        return Foretold(*(x[0] if self._single else x for x in (surprise, following)))

    def _number(self, symbol: Any) -> int:
        """The number of what was fed."""
        alphabet = self._estimator.alphabet_
        if symbol is None:
            return END
        try:
            if alphabet.kind == "text":
                (number,) = alphabet.encode(symbol)
            elif alphabet.kind == "symbols":
                (number,) = alphabet.encode([str(symbol)])
            else:
                (number,) = alphabet.encode(np.asarray_chkfinite([symbol], float))
        except (TypeError, ValueError, AttributeError):
            kinds = {"text": alphabet.text.removesuffix("s"), "symbols": "symbol"}
            raise UserError(
                f"stream: expected one {kinds.get(alphabet.kind, 'number')}, got {symbol!r}"
            ) from None
        return int(number)

    def _begin(self, lanes: np.ndarray) -> np.ndarray:
        """Let other sequences begin in some lanes; returns what may come next in all of them."""
        memory, ended = self._memory, jnp.asarray(lanes)[None]
        parts = {name: select(ended, self._fresh[name], memory[name]) for name in ("state", "last")}
        self._remember(memory | parts)
        return self._following(np.asarray(self._remembered[self._last]))
