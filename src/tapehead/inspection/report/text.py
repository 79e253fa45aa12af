"""Text in a report: what a network makes up, what surprised it, and how it came to a verdict."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from tapehead.cell import Cell
from tapehead.generation import generate
from tapehead.inspection.report.classified import Classified
from tapehead.inspection.report.content import Passage, Thought
from tapehead.inspection.report.examples import verdict
from tapehead.inspection.report.sequences import outputs_of
from tapehead.inspection.trace import fields_of, matches, trace
from tapehead.tasks.losses import NATS_PER_BIT, class_loss
from tapehead.tasks.vocabulary import Vocabulary

TEMPERATURES = (0.5, 0.8, 1.0)
"""At which texts are made up."""

SYMBOLS = 400
"""Symbols of a made-up text, and of a text that is read."""

CERTAIN = 8.0
"""Bits from which on a surprise is shaded fully."""


def samples(model: Cell, vocabulary: Vocabulary, key: PRNGKeyArray) -> list[Passage]:
    """Texts that the network makes up, from the usual beginning on."""
    made = []
    for temperature in TEMPERATURES:
        begin = np.array([vocabulary.begin])
        drawn = generate(model, begin, length=SYMBOLS, temperature=temperature, key=key)
        text = vocabulary.decode(drawn)
        made.append(Passage(f"Temperature {temperature:g}", [(text, 0.0, "")]))
    return made


def surprises(model: Cell, stream: Array, vocabulary: Vocabulary) -> Passage:
    """The beginning of a stream, each symbol shaded by the bits it cost to predict."""
    symbols = stream[: SYMBOLS + 1].astype(np.int32)
    bits = np.asarray(class_loss(outputs_of(model, symbols[:-1]), symbols[1:])) / NATS_PER_BIT
    pieces = [
        (
            vocabulary.decode([int(number)]),
            min(1.0, float(cost) / CERTAIN),
            f"{float(cost):.1f} bits",
        )
        for number, cost in zip(symbols[1:], bits, strict=True)
    ]
    return Passage("Held-out text", pieces)


def thoughts(model: Cell, stream: Array, vocabulary: Vocabulary) -> list[Thought]:
    """The sub-steps taken over each symbol of a stream's beginning, by every layer that ponders.

    After Graves, "Adaptive computation time for recurrent neural networks" (2016), figure 10.
    """
    symbols = jnp.asarray(stream[:SYMBOLS], jnp.int32)
    if not any(matches(name, "ponder") for name in fields_of(model, symbols)):
        return []
    layers = trace(model, symbols, fields=("ponder",)).fields.values()
    several = len(layers) > 1
    texts = [vocabulary.decode([int(number)]) for number in symbols]
    return [
        Thought(
            f"Layer {number + 1}" if several else "Sub-steps over each symbol",
            [(text, float(steps)) for text, steps in zip(texts, np.asarray(taken), strict=True)],
        )
        for number, taken in enumerate(layers)
    ]


def verdicts(found: Classified, vocabulary: Vocabulary) -> list[Passage]:
    """Texts with the verdict after every word: the first four, and the first four mistakes.

    Of two classes, the shade is the probability of the second against that of the first; of more,
    that of the right one.
    """
    told = []
    for lane in found.shown(4, 8):
        truth, chosen = found.truth[lane], found.chosen[lane]
        words = found.sequences.inputs[: found.step[lane] + 1, lane]
        pieces = []
        for number, p in zip(words, found.chance[:, lane], strict=False):
            shade = p[1] - p[0] if len(p) == 2 else p[truth]
            says = ", ".join(f"{n}: {share:.2f}" for n, share in zip(found.names, p, strict=True))
            pieces.append((vocabulary.decode([int(number)]), float(shade), says))
        told.append(Passage(verdict(found.names[truth], found.names[chosen]), pieces))
    return told
