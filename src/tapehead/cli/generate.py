"""`tapehead generate RUN`: text that a trained network makes up."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tapehead.cli.options import NUMBER, WHOLE, Parser
from tapehead.errors import UserError, at_least, within


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "generate",
        "RUN [options]",
        "Let a run's network go on with a text, and print it as it comes.",
    )
    made.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
    made.option(
        "--prompt",
        metavar="TEXT",
        help="what the text begins with (default: the end of a line, or the first symbol known)",
    )
    made.option(
        "--length",
        metavar="N",
        type=WHOLE,
        default=500,
        help="symbols to draw: characters, words or bytes (default: 500)",
    )
    made.option(
        "--temperature",
        metavar="X",
        type=NUMBER,
        default=0.8,
        help="below 1 for the likelier, above for the more surprising, 0 for always the "
        "likeliest (default: 0.8)",
    )
    made.option("--seed", metavar="N", type=WHOLE, default=0, help="decides the draws (default: 0)")
    made.option(
        "--network",
        metavar="N",
        type=WHOLE,
        default=1,
        help="which of the run's networks, from 1 (default: 1)",
    )
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)

    import jax

    from tapehead.generation import generate
    from tapehead.training.run import Run

    at_least("generate", 0, length=given.length, temperature=given.temperature)
    within("generate", 0, 2**32 - 1, seed=given.seed)
    run = Run.open(given.run)
    within("generate", 1, run.config.seeds, network=given.network)
    model = run.model(given.network - 1)
    vocabulary = run.vocabulary()
    if not run.config.task.streams:
        raise UserError(
            f"generate: {given.run} was taught to answer, not to go on with a text; train a task "
            f"such as shakespeare or text"
        )
    if given.prompt == "":
        raise UserError("generate: the prompt is empty; give some text or leave --prompt out")
    known = given.prompt is not None
    prompt = vocabulary.encode(given.prompt) if known else np.array([vocabulary.begin])
    drawn = generate(
        model,
        prompt,
        length=given.length,
        temperature=given.temperature,
        key=jax.random.key(given.seed),
    )
    gap = " " if vocabulary.level == "words" else ""
    sys.stdout.write(f"{given.prompt}{gap}" if known else "")
    for piece in vocabulary.stream(drawn):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0
