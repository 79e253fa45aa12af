"""Music drawn from networks, and what is written of it."""

import io
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.cell import Chain, Stateless, run
from tapehead.cells import LSTM, Linear
from tapehead.errors import UserError
from tapehead.generation import generate_music, write_midi
from tapehead.generation import music as module
from tapehead.inspection.figures import piano_rolls
from tapehead.tasks import Copy, JsbChorales

mido = pytest.importorskip("mido", reason="MIDI files need the extra tapehead[music]")

TASK = JsbChorales()
KEY = jax.random.key(0)


class Rising(Stateless):
    """Sure that every key is followed by the one above it."""

    input_size: int | None = 88
    output_size: int | None = 88

    def __call__(self, x):
        return 100 * jnp.roll(x, 1, axis=-1) - 50


def chord(*keys):
    return np.isin(np.arange(88), keys).astype(np.uint8)


def test_what_was_drawn_is_shown_next():
    roll = generate_music(Rising(), TASK, length=5, key=KEY, primer=chord(40, 44)[None])
    assert [np.flatnonzero(step).tolist() for step in roll] == [
        [40 + t, 44 + t] for t in range(1, 6)
    ]
    assert not generate_music(Rising(), TASK, length=3, key=KEY).any()
    assert roll.dtype == np.uint8


@pytest.mark.parametrize("steps", [0, 4])
def test_drawing_steps_as_the_network_was_trained(steps):
    keys = jax.random.split(jax.random.key(1))
    readout = Linear(8, 88, key=keys[1])
    model = Chain(LSTM(88, 8, key=keys[0]), readout)
    primer = (np.random.default_rng(0).random((steps, 88)) < 0.1).astype(np.uint8)
    roll = generate_music(
        model, TASK, length=6, key=KEY, temperature=0, primer=primer if steps else None
    )
    assert 0 < roll.mean() < 1
    silence = np.zeros((1, 88), np.uint8)
    shown = np.concatenate([silence, primer, roll[:-1]]).astype(np.float32)
    likelier = np.asarray(run(model, jnp.asarray(shown)))[steps:] > 0
    np.testing.assert_array_equal(roll, likelier)


def test_the_key_decides():
    model = Linear(88, 88, key=KEY)
    first, again, other = (
        generate_music(model, TASK, length=4, key=jax.random.key(seed)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_keys_sound_as_often_as_they_are_likely(temperature):
    class Constant(Rising):
        def __call__(self, x):
            return 0 * x + jnp.linspace(-3, 3, 88)

    steps = 4000
    roll = generate_music(Constant(), TASK, length=steps, key=KEY, temperature=temperature)
    likely = 1 / (1 + np.exp(-np.linspace(-3, 3, 88) / temperature))
    deviation = np.sqrt(likely * (1 - likely) / steps)
    assert np.all(np.abs(roll.mean(axis=0) - likely) < 5 * deviation + 1e-9)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"length": 0}, "generate_music: length must be at least 1, got 0"),
        ({"temperature": -1}, "generate_music: temperature must be at least 0, got -1"),
        ({"temperature": float("nan")}, "temperature must be at least 0, got nan"),
        ({"task": Copy()}, "expected a task on music, got Copy"),
        ({"primer": np.zeros((2, 87))}, r"primer: .* 88 keys, each 0 or 1, got shape \(2, 87\)"),
        ({"primer": np.zeros((0, 88))}, "primer: expected at least one step"),
        ({"primer": np.full((1, 88), 0.5)}, "primer: .* each 0 or 1"),
    ],
)
def test_bad_wishes_are_named(change, told):
    given = {"task": TASK, "length": 3, "key": KEY} | change
    with pytest.raises(UserError, match=told):
        generate_music(Rising(), given.pop("task"), **given)


def read_back(path):
    """The roll, tempo and instrument of a MIDI file, read with the library's own reader."""
    file = mido.MidiFile(path)
    (track,) = file.tracks
    clock, sounding, found = 0, {}, {}
    notes = []
    for message in track:
        clock += message.time
        found[message.type] = message
        if message.type == "note_on":
            assert message.note not in sounding
            sounding[message.note] = clock
        elif message.type == "note_off":
            notes.append((message.note, sounding.pop(message.note), clock))
    assert not sounding
    roll = np.zeros((clock // file.ticks_per_beat, 88), np.uint8)
    for note, begin, end in notes:
        roll[begin // file.ticks_per_beat : end // file.ticks_per_beat, note - 21] = 1
    return roll, found["set_tempo"].tempo, found["program_change"].program, len(notes)


@given(seed=st.integers(0, 1000), steps=st.integers(1, 6), share=st.sampled_from([0, 0.3, 1]))
def test_midi_holds_the_roll(tmp_path_factory, seed, steps, share):
    roll = (np.random.default_rng(seed).random((steps, 88)) < share).astype(np.uint8)
    path = tmp_path_factory.mktemp("midi") / "a.mid"
    write_midi(path, roll, steps_per_minute=60, program=19)
    found, tempo, program, _ = read_back(path)
    np.testing.assert_array_equal(found, roll)
    assert (tempo, program) == (1_000_000, 19)


def test_a_key_that_goes_on_sounding_is_one_note(tmp_path):
    roll = np.stack([chord(40), chord(40, 44), chord(), chord(40)])
    write_midi(tmp_path / "a.mid", roll)
    assert read_back(tmp_path / "a.mid")[3] == 3
    assert (tmp_path / "a.mid").read_bytes()[:4] == b"MThd"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"roll": np.zeros((3, 12))}, "write_midi: expected at least one step of 88 keys"),
        ({"steps_per_minute": 0}, "steps_per_minute must be between 4 and"),
        ({"program": 128}, "program must be between 0 and 127, got 128"),
        ({"path": "nowhere/a.mid"}, "cannot write '.*nowhere/a.mid': No such file"),
    ],
)
def test_bad_files_are_named(tmp_path, change, told):
    given = {"path": "a.mid", "roll": chord(40)[None]} | change
    with pytest.raises(UserError, match=told):
        write_midi(tmp_path / given.pop("path"), given.pop("roll"), **given)
    assert list(tmp_path.iterdir()) == []


def test_without_the_midi_library_the_mend_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(UserError, match=r"pip install 'tapehead\[music\]'"):
        module.write_midi(tmp_path / "a.mid", chord(40)[None])


def test_rolls_are_drawn_beside_each_other():
    pytest.importorskip("matplotlib")
    real, made = np.stack([chord(40), chord(39, 44)]), np.stack([chord(60)] * 3)
    figure = piano_rolls({"real": real, "made": made})
    assert [axes.get_title() for axes in figure.axes] == ["real", "made"]
    for axes, roll in zip(figure.axes, (real, made), strict=True):
        assert axes.get_xlim() == (0.5, 3.5)
        low, high = axes.get_ylim()
        assert (low, high) == (21 + 39 - 2, 21 + 60 + 2)
        drawn = {(round(bar.get_x() + 0.5), round(bar.get_y() + 0.4)) for bar in axes.patches}
        assert drawn == {(step + 1, 21 + key) for step, key in np.argwhere(roll)}
    figure.savefig(io.BytesIO())
    piano_rolls({"silence": np.zeros((2, 88))}).savefig(io.BytesIO())


@pytest.mark.parametrize(
    ("rolls", "told"),
    [({}, "there is none"), ({"a": np.zeros((2, 12))}, r"'a' has shape \(2, 12\)")],
)
def test_rolls_that_cannot_be_drawn(rolls, told):
    with pytest.raises(UserError, match=f"piano_rolls expects rolls .steps, 88., but {told}"):
        piano_rolls(rolls)
