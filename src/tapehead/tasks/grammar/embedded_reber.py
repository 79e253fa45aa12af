"""The embedded Reber grammar: its automaton, and what tasks of predicting its symbols share."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from tapehead.sequences import Sequences
from tapehead.tasks.losses import bit_metrics
from tapehead.tasks.task import Task

SYMBOLS = "BTPSXVE"
INNER = ("0B1", "1T2", "1P3", "2S2", "2X4", "3T3", "3V5", "4X3", "4S6", "5P4", "5V6", "6E7")
"""The Reber grammar: from a state, with a symbol, to a state; it ends in 7."""
OUTER = 16
"""States 0 and 1 come before the inner strings, 2 to 8 are in that after T and 9 to 15 in that
after P; then T (16) or P (17), and E (18), which leads to 0 again."""


def _edges() -> list[tuple[int, int, int]]:
    """The edges of the embedded grammar: from a state, with a symbol, to a state."""
    edges = [(0, "B", 1), (16, "T", 18), (17, "P", 18), (18, "E", 0)]
    for branch, symbol in enumerate("TP"):
        first = 2 + 7 * branch
        edges.append((1, symbol, first))
        for before, inner, after in INNER:
            end = OUTER + branch if after == "7" else first + int(after)
            edges.append((first + int(before), inner, end))
    return [(before, SYMBOLS.index(symbol), after) for before, symbol, after in edges]


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every state: its two choices of a symbol (or one twice), what is legal, what follows."""
    states = OUTER + 3
    choices = np.zeros((states, 2), np.int32)
    legal = np.zeros((states, len(SYMBOLS)), bool)
    following = np.zeros((states, len(SYMBOLS)), np.int32)
    for before, symbol, after in _edges():
        choices[before, int(legal[before].any()) :] = symbol
        legal[before, symbol] = True
        following[before, symbol] = after
    return choices, legal, following


CHOICES, LEGAL, FOLLOWING = _tables()


def _distances() -> np.ndarray:
    """The fewest symbols from every state to the end of the string."""
    ends = np.full(len(FOLLOWING), len(FOLLOWING), np.int32)
    for _ in ends:
        after = np.where(FOLLOWING == 0, 0, ends[FOLLOWING])
        ends = np.where(LEGAL, 1 + after, len(ends)).min(axis=1).astype(np.int32)
    return ends


DISTANCES = _distances()
SHORTEST = int(DISTANCES[0])


def strings(chance: Bool[Array, "time batch"], *, end: bool) -> Int[Array, "time batch"]:
    """Walks through the automaton from the first B on: a symbol for every step.

    Where there is a choice of two symbols, `chance` makes it. With `end`, the string that the
    last steps are in is brought to its end in time, by a choice that `chance` may not have made.
    """
    steps, batch = chance.shape
    choices, following, distances = map(jnp.asarray, (CHOICES, FOLLOWING, DISTANCES))

    def draw(
        state: Int[Array, " batch"], step: tuple[Int[Array, ""], Bool[Array, " batch"]]
    ) -> tuple[Int[Array, " batch"], Int[Array, " batch"]]:
        left, second = step
        symbol, other = (choices[state, c.astype(jnp.int32)] for c in (second, ~second))
        after = following[state, symbol]
        late = end & (after > 0) & (distances[after] > left)
        symbol = jnp.where(late, other, symbol)
        return following[state, symbol], symbol

    start = jnp.zeros(batch, jnp.int32)
    return jax.lax.scan(draw, start, (jnp.arange(steps)[::-1], chance))[1]


def legal_next(inputs: Float[Array, "time *batch symbols"]) -> Bool[Array, "time *batch symbols"]:
    """Which symbols may come after each step, from the one-hot symbols up to it."""
    shown = jnp.argmax(inputs, axis=-1)
    following, legal = jnp.asarray(FOLLOWING), jnp.asarray(LEGAL)

    def read(state: Array, symbol: Array) -> tuple[Array, Array]:
        after = following[state, symbol]
        return after, after

    states = jax.lax.scan(read, jnp.zeros(shown.shape[1:], jnp.int32), shown)[1]
    return legal[states]


@dataclass(frozen=True)
class EmbeddedReber(Task):
    """Predict every next symbol of strings of the embedded Reber grammar."""

    score: ClassVar[str] = "legal"
    determined: ClassVar[bool] = False

    @property
    def input_size(self) -> int:
        """The symbols."""
        return len(SYMBOLS)

    @property
    def output_size(self) -> int:
        """The symbols."""
        return len(SYMBOLS)

    def _prediction(
        self, symbols: Int[Array, "time batch"], mask: Bool[Array, "time batch"] | None = None
    ) -> Sequences:
        """All symbols but the last as inputs, all but the first as targets."""
        shown = jax.nn.one_hot(symbols, len(SYMBOLS), dtype=jnp.float32)
        inputs, targets = shown[:-1], shown[1:]
        if mask is None:
            return Sequences(inputs, targets, jnp.ones(targets.shape[:-1]))
        inputs, targets = (jnp.where(mask[..., None], x, 0) for x in (inputs, targets))
        return Sequences(inputs, targets, mask.astype(jnp.float32), mask)

    def _legal_above(
        self, outputs: Float[Array, "time *batch outputs"], sequences: Sequences
    ) -> tuple[Bool[Array, "time *batch"], dict[str, Array]]:
        """Where the legal symbols are above all others (or nothing is asked), and measures."""
        legal = legal_next(sequences.inputs)
        scored = sequences.weights > 0
        least = jnp.min(jnp.where(legal, outputs, jnp.inf), axis=-1)
        above = (least > jnp.max(jnp.where(legal, -jnp.inf, outputs), axis=-1)) | ~scored
        asked = jnp.sum(scored, axis=0).astype(outputs.dtype)
        # Both of two legal symbols cost one bit where each is given a probability of one half.
        cost = jnp.where(scored & (jnp.sum(legal, axis=-1) == 2), 2.0, 0.0)
        return above, {
            **bit_metrics(outputs, sequences),
            "optimal_bits": jnp.sum(cost, axis=0).astype(outputs.dtype),
            "legal": 1 - jnp.sum(~above, axis=0).astype(outputs.dtype) / asked,
        }

    def solve(self, sequences: Sequences) -> np.ndarray:
        """One half for each of two legal symbols, else (nearly) 1 or 0, by reading the string."""
        shown = np.asarray(sequences.inputs)
        mask = np.ones(shown.shape[:2], bool)
        if sequences.mask is not None:
            mask = np.asarray(sequences.mask)
        best = np.full(shown.shape, 1e-15)
        for b in range(shown.shape[1]):
            outer, inner = "B", ""
            for t in np.flatnonzero(mask[:, b]):
                symbol = SYMBOLS[shown[t, b].argmax()]
                if outer in ("T", "P") and inner != "7":
                    (inner,) = (e[2] for e in INNER if e[:2] == inner + symbol)
                elif outer == "B" and symbol in "TP":
                    outer, inner = symbol, "0"
                elif inner == "7" and symbol == outer:
                    outer, inner = "E", ""
                elif symbol == "E":
                    outer = ""
                else:
                    outer = "B"
                if outer in ("T", "P"):
                    legal = outer if inner == "7" else "".join(e[1] for e in INNER if e[0] == inner)
                else:
                    legal = {"B": "TP", "E": "E", "": "B"}[outer]
                for s in legal:
                    best[t, b, SYMBOLS.index(s)] = 0.5 if len(legal) == 2 else 1 - 1e-15
        return best
