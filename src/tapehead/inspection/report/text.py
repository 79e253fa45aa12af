"""Text in a report: what a network makes up, what surprised it, and how it came to a verdict."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from tapehead.cell import Cell, run
from tapehead.generation import generate
from tapehead.inspection.report.content import Passage
from tapehead.inspection.report.examples import confusion, softmax
from tapehead.inspection.report.sequences import quickly
from tapehead.sequences import Sequences
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


def _outputs(model: Cell, inputs: Array, mask: Array | None) -> Array:
    arrays, static = eqx.partition(model, eqx.is_array)
    return quickly(
        lambda arrays, inputs, mask: run(
            eqx.combine(arrays, static), inputs, mask=mask, feature_axes=0
        ),
        *(arrays, inputs, mask),
    )


def surprises(model: Cell, stream: Array, vocabulary: Vocabulary) -> Passage:
    """The beginning of a stream, each symbol shaded by the bits it cost to predict."""
    symbols = stream[: SYMBOLS + 1].astype(np.int32)
    bits = np.asarray(class_loss(_outputs(model, symbols[:-1], None), symbols[1:])) / NATS_PER_BIT
    pieces = [
        (
            vocabulary.decode([int(number)]),
            min(1.0, float(cost) / CERTAIN),
            f"{float(cost):.1f} bits",
        )
        for number, cost in zip(symbols[1:], bits, strict=True)
    ]
    return Passage("Held-out text", pieces)


def verdicts(
    model: Cell, sequences: Sequences, vocabulary: Vocabulary
) -> tuple[list[Passage], list[list[int]]]:
    """Texts with the verdict after every word, and the confusion matrix.

    The first four, and the first four mistakes. Of two classes, the shade is the probability of
    the second against that of the first; of more, that of the right one.
    """
    chance = softmax(np.asarray(_outputs(model, sequences.inputs, sequences.mask)))
    step = np.asarray(sequences.weights).argmax(axis=0)
    lanes = np.arange(len(step))
    truth = np.asarray(sequences.targets)[step, lanes]
    chosen = chance[step, lanes].argmax(axis=-1)
    classes = chance.shape[-1]
    mistakes = np.flatnonzero(chosen != truth)
    told = []
    for lane in [*lanes[:4], *(lane for lane in mistakes if lane >= 4)][:8]:
        right = f"class {truth[lane]}"
        verdict = "recognised" if chosen[lane] == truth[lane] else f"taken for {chosen[lane]}"
        pieces = []
        for number, p in zip(
            sequences.inputs[: step[lane] + 1, lane], chance[:, lane], strict=False
        ):
            shade = p[1] - p[0] if classes == 2 else p[truth[lane]]
            says = ", ".join(f"class {n}: {share:.2f}" for n, share in enumerate(p))
            pieces.append((vocabulary.decode([int(number)]), float(shade), says))
        told.append(Passage(f"{right}, {verdict}", pieces))
    return told, confusion(truth, chosen, classes).tolist()
