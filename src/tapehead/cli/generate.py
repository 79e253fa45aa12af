"""`tapehead generate RUN`: text, music or numbers that a trained network makes up."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tapehead.cell import Cell
from tapehead.cli.options import NUMBER, WHOLE, Parser
from tapehead.errors import UserError, within
from tapehead.tasks.music.music import MusicTask
from tapehead.training.run import Run


def parser() -> Parser:
    """The parser of this command."""
    made = Parser(
        "generate",
        "RUN [options]",
        "Let a run's network, or a model of `tapehead fit generate`, go on by itself: text is "
        "printed as it comes, music is written to a MIDI file and drawn as a piano roll beside "
        "real music.",
    )
    made.add_argument("run", metavar="RUN", type=Path, help="the run's or the model's folder")
    made.option(
        "--prompt",
        metavar="TEXT",
        help="what a text begins with (default: it begins after the end of a line)",
    )
    made.option(
        "--length",
        metavar="N",
        type=WHOLE,
        help="characters, words or bytes of text, or steps of music (default: 500 or 100)",
    )
    made.option(
        "--temperature",
        metavar="X",
        type=NUMBER,
        help="below 1 for the likelier, above for the more surprising, 0 for always the "
        "likeliest (default: 0.8 for text, 1 for music)",
    )
    made.option("--seed", metavar="N", type=WHOLE, default=0, help="decides the draws (default: 0)")
    made.option(
        "--count", metavar="N", type=WHOLE, help="sequences that a model makes up (default: 1)"
    )
    made.option(
        "--network",
        metavar="N",
        type=WHOLE,
        default=1,
        help="which of the run's networks, from 1 (default: 1)",
    )
    made.option(
        "--out",
        metavar="FILE",
        type=Path,
        help="the MIDI file of music, its picture beside it (default: RUN/generated.mid)",
    )
    made.data_option()
    return made


def run(args: Sequence[str]) -> int:
    """The command; returns the exit status."""
    given = parser().read(args)

    within("generate", 0, 2**32 - 1, seed=given.seed)
    if (given.run / "config.json").is_file() and find_spec("sklearn") is not None:
        from tapehead.estimators.files import holds_estimator

        if holds_estimator(given.run):
            return imitated(given)
    if given.count is not None:
        raise UserError("generate: --count is for models of `tapehead fit generate`")
    run = Run.open(given.run)
    within("generate", 1, run.config.seeds, network=given.network)
    model = run.model(given.network - 1)
    task = run.config.task
    if isinstance(task, MusicTask):
        return music(run, model, task, given)
    if not task.streams:
        raise UserError(
            f"generate: {given.run} was taught to answer, not to go on; train a task such as "
            f"shakespeare, text or jsb-chorales"
        )
    return text(run, model, given)


def imitated(given: Namespace) -> int:
    """Print sequences that a fitted generator makes up, one after another."""
    from tapehead.estimators import SequenceGenerator, load

    model = load(given.run)
    if not isinstance(model, SequenceGenerator):
        raise UserError(
            f"generate: {given.run} is a {model.kind}; fit a generator: tapehead fit generate"
        )
    if given.out is not None:
        raise UserError("generate: --out is for music; add > FILE to keep what is printed")
    prompt = given.prompt
    if prompt is not None and model.alphabet_.kind == "numbers":
        try:
            prompt = [float(word) for word in prompt.split(",")]
        except ValueError:
            raise UserError(
                f"generate: --prompt must be numbers like 1,2.5, got '{prompt}'"
            ) from None
    made = model.generate(
        1 if given.count is None else given.count,
        prompt=prompt,
        temperature=0.8 if given.temperature is None else given.temperature,
        length=500 if given.length is None else given.length,
        random_state=given.seed,
    )
    for one in made:
        print(one if isinstance(one, str) else ",".join(f"{x:g}" for x in one))
    return 0


def text(run: Run, model: Cell, given: Namespace) -> int:
    """Print a text as it is drawn."""
    import jax

    from tapehead.generation import generate

    vocabulary = run.vocabulary()
    if given.out is not None:
        raise UserError("generate: --out is for music; a text is printed: add > FILE to keep it")
    if given.prompt == "":
        raise UserError("generate: the prompt is empty; give some text or leave --prompt out")
    known = given.prompt is not None
    prompt = vocabulary.encode(given.prompt) if known else np.array([vocabulary.begin])
    drawn = generate(
        model,
        prompt,
        length=500 if given.length is None else given.length,
        temperature=0.8 if given.temperature is None else given.temperature,
        key=jax.random.key(given.seed),
    )
    gap = " " if vocabulary.level == "words" else ""
    sys.stdout.write(f"{given.prompt}{gap}" if known else "")
    for piece in vocabulary.stream(drawn):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


def music(run: Run, model: Cell, task: MusicTask, given: Namespace) -> int:
    """Write a MIDI file and, where figures can be drawn, a piano roll."""
    import jax

    from tapehead.datasets.polymusic import load_polymusic
    from tapehead.generation import generate_music, write_midi
    from tapehead.inspection.figures import piano_rolls

    if given.prompt is not None:
        raise UserError("generate: --prompt is for text; leave it out for music")
    roll = generate_music(
        model,
        task,
        length=100 if given.length is None else given.length,
        temperature=1.0 if given.temperature is None else given.temperature,
        key=jax.random.key(given.seed),
    )
    path = run.folder / "generated.mid" if given.out is None else given.out
    write_midi(path, roll)
    print(f"music: {path}")
    if find_spec("matplotlib") is None:
        print("picture: none; `pip install 'tapehead[viz]'` brings what draws it")
        return 0
    picture = path.with_suffix(".png")
    rolls = {"generated": roll, "by the composer": load_polymusic(task.collection, "test")[0]}
    try:
        piano_rolls(rolls).savefig(picture, dpi=150)
    except OSError as error:
        raise UserError(f"generate: cannot write '{picture}': {error.strerror}") from None
    print(f"picture: {picture}")
    return 0
