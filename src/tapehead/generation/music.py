"""Music from a trained network, as a piano roll and as a MIDI file."""

from io import BytesIO
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray, UInt8

from tapehead.cell import Cell, State
from tapehead.datasets.polymusic import KEYS, LOWEST
from tapehead.errors import UserError, at_least, within
from tapehead.tasks.music.music import MusicTask

TICKS = 480
"""MIDI ticks in a step of a roll."""

Roll = UInt8[np.ndarray, "steps 88"]


def generate_music(
    model: Cell,
    task: MusicTask,
    *,
    length: int,
    key: PRNGKeyArray,
    temperature: float = 1.0,
    primer: Roll | None = None,
) -> Roll:
    """A piano roll drawn from what `model` holds likely, step by step.

    At every step the model, shown the step before, gives a logit o for each of the 88 keys, and
    the key sounds with probability σ(o / temperature), independently of the others; what was drawn
    is what the model is shown next.

    **Arguments:**

    - `model`: a network trained on `task`.
    - `task`: which music.
    - `length`: steps to draw, at least 1.
    - `key`: decides what is drawn.
    - `temperature`: below 1 for likelier music, which is sparser as well, since most keys are
        unlikely at any time; above 1 for more surprising music; at 0 the keys sound whose
        probability is above one half.
    - `primer`: how the piece begins, `(steps, 88)` of 0 and 1: the model is shown it before the
        first drawn step. By default the piece is drawn from its beginning.

    **Returns:** the drawn steps alone, `(length, 88)`, 1 where a key sounds.

    **Raises:** `UserError` if the task is not music, or an argument is out of range.
    """
    if not isinstance(task, MusicTask):
        raise UserError(f"generate_music: expected a task on music, got {type(task).__name__}")
    at_least("generate_music", 1, length=length)
    at_least("generate_music", 0, temperature=temperature)
    begun = np.zeros((0, KEYS), np.uint8) if primer is None else checked(primer, "primer")
    shown = jnp.asarray(np.concatenate([np.zeros((1, KEYS), np.uint8), begun]), jnp.float32)
    return np.asarray(_drawn(model, shown, key, jnp.float32(temperature), length))


@eqx.filter_jit
def _drawn(model: Cell, shown: Array, key: PRNGKeyArray, temperature: Array, length: int) -> Array:
    """`length` steps after those `shown`, the last of which the first drawn one follows."""
    state = model.initial_state()
    if len(shown) > 1:
        state, _ = model.unroll(state, shown[:-1])

    def step(carry: tuple[State, Array], key: PRNGKeyArray) -> tuple[tuple[State, Array], Array]:
        state, before = carry
        state, logits = model.step(state, before)
        # Logistic noise added to logits draws the same, and needs no division by temperature.
        noise = jax.random.logistic(key, logits.shape, logits.dtype)
        sounds = logits + temperature * noise > 0
        return (state, sounds.astype(before.dtype)), sounds.astype(jnp.uint8)

    return jax.lax.scan(step, (state, shown[-1]), jax.random.split(key, length))[1]


def checked(roll: Roll, name: str) -> Roll:
    """`roll`, refused if it is not steps of 88 keys, each 0 or 1, under the `name` it has."""
    array = np.asarray(roll)
    well_formed = array.ndim == 2 and array.shape[1] == KEYS and len(array)
    if not well_formed or not np.isin(array, (0, 1)).all():
        raise UserError(
            f"{name}: expected at least one step of {KEYS} keys, each 0 or 1, got shape "
            f"{array.shape}"
        )
    return array.astype(np.uint8)


def write_midi(
    path: str | Path, roll: Roll, *, steps_per_minute: float = 120.0, program: int = 0
) -> None:
    """Write a piano roll as a standard MIDI file, which any player and score editor opens.

    A key that sounds in consecutive steps is one held note: a roll does not tell it from one that
    is struck again.

    **Arguments:**

    - `path`: the file, which is replaced if there is one.
    - `roll`: `(steps, 88)`, 1 where a key sounds; key 0 is the lowest of a piano.
    - `steps_per_minute`: the tempo, from 4 up.
    - `program`: the General MIDI instrument, from 0 (a grand piano) to 127; 19 is a church organ.

    **Raises:** `UserError` if `mido` is not installed, an argument is out of range, or the file
    cannot be written.
    """
    try:
        import mido
    except ImportError:
        raise UserError(
            "write_midi: mido is not installed; `pip install 'tapehead[music]'` brings it"
        ) from None
    within("write_midi", 4, 60_000, steps_per_minute=steps_per_minute)
    within("write_midi", 0, 127, program=program)
    roll = checked(roll, "write_midi")
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(steps_per_minute)))
    track.append(mido.Message("program_change", program=program))
    last = 0
    # Notes that end come before those that begin at the same step.
    for step, change, key in sorted((s, edges[s, k], k) for s, k in np.argwhere(edges).tolist()):
        kind = "note_on" if change > 0 else "note_off"
        message = mido.Message(
            kind, note=LOWEST + key, velocity=80 if change > 0 else 0, time=(step - last) * TICKS
        )
        track.append(message)
        last = step
    track.append(mido.MetaMessage("end_of_track", time=(len(roll) - last) * TICKS))
    file = mido.MidiFile(type=0, ticks_per_beat=TICKS)
    file.tracks.append(track)
    content = BytesIO()
    file.save(file=content)
    try:
        Path(path).write_bytes(content.getvalue())
    except OSError as error:
        raise UserError(f"write_midi: cannot write '{path}': {error.strerror}") from None
