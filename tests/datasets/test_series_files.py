"""Heartbeats, spoken digits, indoor movement and series: on made-up files and on the real ones."""

import hashlib
import io
import os
import tarfile
import wave

import numpy as np
import pytest

from tapehead.datasets import (
    DataFile,
    Dataset,
    ecg5000,
    fsdd,
    load_ecg5000,
    load_fsdd,
    load_indoor_movement,
    load_series,
    timeseries,
)
from tapehead.errors import UserError

real = pytest.mark.skipif(
    "TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no folder of data sets"
)


def place(tmp_path, monkeypatch, module, entry, name, content):
    folder = tmp_path / getattr(module, entry).name
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    file = DataFile(name, hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(module, entry, Dataset(folder.name, "", "", "", (), (file,)))
    return tmp_path


def test_rows_of_another_length_are_named(tmp_path):
    (tmp_path / "a.txt").write_text("1 2 3\n")
    with pytest.raises(UserError, match="line 1 has 3 numbers where 141 are expected"):
        ecg5000.read_rows(tmp_path / "a.txt")


def test_recordings_are_read_and_split(tmp_path, monkeypatch):
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.array([0, 2**14, -(2**15)], "<i2").tobytes())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("recordings/7_ann_4.wav", "recordings/7_ann_5.wav"):
            member = tarfile.TarInfo(name)
            member.size = len(sound.getvalue())
            archive.addfile(member, io.BytesIO(sound.getvalue()))
    content = packed.getvalue()
    here = place(tmp_path, monkeypatch, fsdd, "FSDD", "recordings.tar.gz", content)
    (test,), (train,) = load_fsdd("test", data_dir=here), load_fsdd("train", data_dir=here)
    assert (test.number, train.number, train.digit, train.speaker) == (4, 5, 7, "ann")
    np.testing.assert_allclose(train.samples, [0, 0.5, -1])
    with pytest.raises(UserError, match="not a WAV file"):
        fsdd.read_wave("x", b"none")


def test_missing_values_and_times_of_a_series(monkeypatch):
    head = b"No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir\n"
    content = head + b"1,2010,1,2,3,NA,-21,-11,1021,NW,1.79,0,0\n"
    monkeypatch.setattr(timeseries, "fetch", lambda *a, **k: "pollution.csv")
    monkeypatch.setattr(timeseries, "read_text", lambda path: content.decode())
    series = load_series("pollution")
    assert str(series.times[0]) == "2010-01-02T03:00:00"
    assert series.columns == ("pm2.5", "DEWP", "TEMP", "PRES", "Iws", "Is", "Ir")
    assert np.isnan(series.values[0, 0])


def test_what_nobody_publishes_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"nobody publishes .* set TAPEHEAD_DATA to a folder"):
        load_ecg5000("train")


@real
def test_the_real_ones():
    X, y = load_ecg5000("train")
    assert X.shape == (500, 140)
    assert np.bincount(y).tolist() == [0, 292, 177, 10, 19, 2]
    walks = load_indoor_movement()
    assert len(walks) == 314
    assert sum(len(walk.signals) for walk in walks) == 13197
    assert load_series("airline").values.shape == (144, 1)
    assert load_series("sp500").values.shape == (4697, 5)
