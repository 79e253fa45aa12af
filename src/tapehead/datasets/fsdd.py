"""Spoken digits: recordings of six people."""

import io
import re
import tarfile
import wave
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from tapehead.datasets.fetch import fetch
from tapehead.datasets.registry import FSDD
from tapehead.errors import UserError, among

RATE = 8000
"""Samples in a second."""
TESTED = 5
"""Of each digit and speaker, the recordings with a number below this are the test."""

Part = Literal["train", "test"]

MEMBER = re.compile(r"recordings/(\d)_(\w+)_(\d+)\.wav")


class Recording(NamedTuple):
    """A digit, who spoke it, which of the speaker's recordings it is, and samples in [−1, 1]."""

    digit: int
    speaker: str
    number: int
    samples: Float[np.ndarray, " time"]


def read_wave(source: str, content: bytes) -> Float[np.ndarray, " time"]:
    """The samples of a mono 16-bit WAV file at 8 kHz.

    **Raises:** `UserError` naming the `source` if it is none.
    """
    try:
        with wave.open(io.BytesIO(content)) as file:
            kind = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise UserError(f"{source}: not a WAV file ({error})") from None
    if kind != (1, 2, RATE):
        raise UserError(f"{source}: expected one channel of 16 bits at {RATE} Hz, got {kind}")
    return np.frombuffer(frames, "<i2").astype(np.float32) / 2**15


def load_fsdd(part: Part, *, data_dir: str | Path | None = None) -> list[Recording]:
    """The recordings of a part, by digit, speaker and number.

    2,700 for training, 300 as the test: of each digit and speaker the first five.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Jackson et al., "Free Spoken Digit Dataset", whose split this is.
    """
    among("load_fsdd", ("train", "test"), part=part)
    path = fetch(FSDD, "recordings.tar.gz", data_dir=data_dir)
    found = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                named = MEMBER.fullmatch(member.name)
                if not named or (int(named[3]) < TESTED) != (part == "test"):
                    continue
                stream = archive.extractfile(member)
                assert stream is not None
                samples = read_wave(f"{path}: {member.name}", stream.read())
                found.append(Recording(int(named[1]), named[2], int(named[3]), samples))
    except (EOFError, zlib.error, tarfile.TarError, OSError) as error:
        raise UserError(f"{path}: not a whole tar.gz archive ({error})") from None
    return sorted(found, key=lambda r: r[:3])
