"""The loaders of texts and music: on made-up files, and on the real ones where they are."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest

from tapehead import datasets
from tapehead.datasets import DataFile, Dataset, imdb, polymusic, ptb, text8, tinyshakespeare
from tapehead.datasets.reading import read_text
from tapehead.errors import UserError

real = pytest.mark.skipif(
    "TAPEHEAD_DATA" not in os.environ, reason="TAPEHEAD_DATA names no folder of data sets"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a folder of data sets with the given files, and the registry's entry for it."""

    def make(name, contents, module, entry):
        (tmp_path / name).mkdir(exist_ok=True)
        files = []
        for file, content in contents.items():
            (tmp_path / name / file).write_bytes(content)
            files.append(DataFile(file, hashlib.sha256(content).hexdigest(), len(content)))
        known = {file.name for file in files}
        absent = [
            DataFile(file.name, "0" * 64, 1)
            for file in (*getattr(module, entry).files, *getattr(module, entry).repacked)
            if file.name not in known
        ]
        monkeypatch.setattr(module, entry, Dataset(name, "", "", "", (*files, *absent)))
        return tmp_path

    return make


def refused(call, *words):
    with pytest.raises(UserError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# Texts.


def test_text_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("naïve".encode("latin-1"))
    refused(lambda: read_text(path), str(path), "UTF-8", "0xef", "position 2", "iconv")
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(b"\xff"))
    refused(lambda: read_text(packed), "UTF-8", "0xff", "position 0")
    packed.write_bytes(gzip.compress(b"whole")[:-3])
    refused(lambda: read_text(packed), "not a whole gzip file")
    refused(lambda: read_text(tmp_path / "none.txt"), "none.txt: cannot be read: No such file")


@pytest.mark.parametrize("packed", [False, True])
def test_tiny_shakespeare_is_cut_in_three(folder, packed):
    text = "abcdefghijklmnopqrst"
    content = {"input.txt.gz": gzip.compress(text.encode())} if packed else {}
    root = folder(
        "tinyshakespeare", content or {"input.txt": text.encode()}, tinyshakespeare,
        "TINY_SHAKESPEARE",
    )  # fmt: skip
    parts = {
        split: datasets.load_tiny_shakespeare(split, data_dir=root)
        for split in ("train", "validation", "test")
    }
    assert parts == {"train": text[1:18], "validation": "a", "test": "st"}


def test_the_penn_treebank_by_words_and_characters(folder):
    text = " no it was n't black monday \n but <unk> N \n"
    root = folder("ptb", {"ptb.valid.txt": text.encode()}, ptb, "PTB")
    words = datasets.load_ptb("validation", data_dir=root)
    assert words == [
        "no",
        "it",
        "was",
        "n't",
        "black",
        "monday",
        "<eos>",
        "but",
        "<unk>",
        "N",
        "<eos>",
    ]
    characters = datasets.load_ptb("validation", "characters", data_dir=root)
    assert "".join(characters) == "no_it_was_n't_black_monday<eos>but_<unk>_N<eos>"
    assert characters.count("<eos>") == 2


def test_unknown_splits_and_levels():
    for call in (
        datasets.load_tiny_shakespeare,
        datasets.load_ptb,
        datasets.load_imdb,
        datasets.load_text8,
        datasets.load_enwik8,
        lambda split: datasets.load_polymusic("jsb-chorales", split),
    ):
        refused(lambda call=call: call("valid"), "split must be one of train, validation, test")
    refused(lambda: datasets.load_ptb("test", "word"), "level", "did you mean 'words'")
    refused(lambda: datasets.load_polymusic("jsb-choral", "test"), "did you mean 'jsb-chorales'")


@real
def test_the_published_texts():
    counts = {"train": 929_589, "validation": 73_760, "test": 82_430}
    letters = {"train": 5_017_482, "validation": 393_042, "test": 442_423}
    for split in counts:
        assert len(datasets.load_ptb(split)) == counts[split]
        assert len(datasets.load_ptb(split, "characters")) == letters[split]
    assert len(set(datasets.load_ptb("train"))) == 10_000
    whole = "".join(datasets.load_tiny_shakespeare(s) for s in counts)
    assert len(whole) == 1_115_394
    assert len(set(whole)) == 65


# Movie reviews.


def reviews(part):
    """Five reviews of each label, in an order of numbers that is not that of their texts."""
    return [
        (part, label, number, 3 if label == "neg" else 9, f"{part} {label} {number}: é\u2028<br />")
        for label in ("pos", "neg")
        for number in (10, 2, 0, 1, 3)
    ]


def as_lines(part):
    keys = ("split", "label", "id", "rating", "text")
    return gzip.compress(
        "".join(
            json.dumps(dict(zip(keys, r, strict=True)), ensure_ascii=False) + "\n"
            for r in reviews(part)
        ).encode()
    )


def as_archive(encoding="utf-8"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:

        def add(name, content):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        add("aclImdb/README", b"not a review")
        add("aclImdb/train/unsup/0_0.txt", b"nobody knows")
        for part in ("train", "test"):
            for _, label, number, rating, text in reviews(part):
                content = text.replace("\u2028", "").encode(encoding)
                add(f"aclImdb/{part}/{label}/{number}_{rating}.txt", content)
    return buffer.getvalue()


@pytest.mark.parametrize("archive", [False, True])
def test_reviews_and_labels(folder, monkeypatch, archive):
    monkeypatch.setattr(imdb, "VALIDATION", 2)
    files = {f"{part}.jsonl.gz": as_lines(part) for part in ("train", "test")}
    root = folder("imdb", {"aclImdb_v1.tar.gz": as_archive()} if archive else files, imdb, "IMDB")
    expected = {"train": [0, 1, 2], "validation": [3, 10], "test": [0, 1, 2, 3, 10]}
    for split, numbers in expected.items():
        texts, labels = datasets.load_imdb(split, data_dir=root)
        part = "test" if split == "test" else "train"
        assert [text.split(":")[0] for text in texts] == [
            f"{part} {label} {n}" for label in ("neg", "pos") for n in numbers
        ]
        assert texts[0].startswith(f"{part} neg {numbers[0]}: é")
        assert labels.tolist() == [0] * len(numbers) + [1] * len(numbers)


def test_bad_reviews_are_named(folder):
    root = folder("imdb", {"aclImdb_v1.tar.gz": as_archive("latin-1")}, imdb, "IMDB")
    refused(lambda: datasets.load_imdb("train", data_dir=root), "train/pos/10_9.txt", "UTF-8")
    root = folder("imdb", {"aclImdb_v1.tar.gz": as_archive()[:-100]}, imdb, "IMDB")
    refused(lambda: datasets.load_imdb("test", data_dir=root), "not a whole tar.gz archive")
    for line in ('{"id": 3, "label": "neutral", "text": ""}', "[]", '{"id": 3}', "", "{"):
        packed = gzip.compress(f'{{"id": 3, "label": "pos", "text": ""}}\n{line}\n'.encode())
        root = folder("imdb", {"train.jsonl.gz": packed}, imdb, "IMDB")
        refused(lambda root=root: datasets.load_imdb("train", data_dir=root), "line 2")


@real
def test_the_published_reviews():
    texts, labels = datasets.load_imdb("validation")
    assert len(texts) == 2500
    assert labels.sum() == 1250
    texts, labels = datasets.load_imdb("train")
    assert len(texts) == 22_500
    assert texts[0].startswith("Story of a man who has unnatural feelings for a pig.")


# Wikipedia.


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def test_wikipedia_is_cut_in_three(folder, monkeypatch):
    monkeypatch.setattr(text8, "HELD_OUT", 3)
    plain = folder("text8", {"text8.zip": zipped("text8", "a small text")}, text8.registry, "TEXT8")
    parts = [datasets.load_text8(s, data_dir=plain) for s in ("train", "validation", "test")]
    assert parts == ["a smal", "l t", "ext"]
    marked = zipped("enwik8", "[[naïve]]".encode())
    root = folder("enwik8", {"enwik8.zip": marked}, text8.registry, "ENWIK8")
    parts = [datasets.load_enwik8(s, data_dir=root) for s in ("train", "validation", "test")]
    assert parts == [b"[[na", b"\xc3\xafv", b"e]]"]


def test_bad_archives_are_named(folder):
    whole = zipped("text8", "abc" * 1000)
    for content, word in (
        (whole[:-30], "not a whole zip archive"),
        (b"", "not a whole zip archive"),
        (zipped("text9", "abc"), "holds no file 'text8'"),
        (zipped("text8", b"\xff" * 9), "UTF-8"),
    ):
        root = folder("text8", {"text8.zip": content}, text8.registry, "TEXT8")
        refused(lambda root=root: datasets.load_text8("test", data_dir=root), "text8.zip", word)


# Music.


ROLLS = [np.eye(88, dtype=np.uint8)[[3, 60, 87]], np.ones((2, 88), np.uint8)]


def npz(**changes):
    arrays = {"test_roll": np.concatenate(ROLLS), "test_lengths": np.array([3, 2], np.int32)}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**arrays, **changes})
    return buffer.getvalue()


def mat(name="testdata"):
    savemat = pytest.importorskip("scipy.io").savemat
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = (roll.astype(float) for roll in ROLLS)
    buffer = io.BytesIO()
    savemat(buffer, {name: cells}, do_compression=True)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_music_in_both_forms(folder, suffix):
    content = {f"Nottingham.{suffix}": {"npz": npz, "mat": mat}[suffix]()}
    root = folder("polymusic", content, polymusic, "POLYMUSIC")
    found = datasets.load_polymusic("nottingham", "test", data_dir=root)
    assert len(found) == 2
    for roll, expected in zip(found, ROLLS, strict=True):
        np.testing.assert_array_equal(roll, expected)
        assert roll.dtype == np.uint8


@pytest.mark.parametrize(
    ("suffix", "content", "word"),
    [
        ("npz", npz()[:-50], "not a file of test_roll"),
        ("npz", b"not an archive", "not a file of test_roll"),
        ("npz", npz(test_roll=np.zeros((5, 87), np.uint8)), "88 keys"),
        ("npz", npz(test_roll=np.full((5, 88), 2, np.uint8)), "each 0 or 1"),
        ("npz", npz(test_lengths=np.array([5, 0], np.int32)), "piece 1"),
        ("mat", b"not MATLAB's", "not a MATLAB file with testdata"),
    ],
)
def test_bad_music_is_named(folder, suffix, content, word):
    name = f"JSB_Chorales.{suffix}"
    root = folder("polymusic", {name: content}, polymusic, "POLYMUSIC")
    load = datasets.load_polymusic
    refused(lambda: load("jsb-chorales", "test", data_dir=root), name, word)


def test_a_matlab_file_without_the_split(folder):
    root = folder("polymusic", {"JSB_Chorales.mat": mat("other")}, polymusic, "POLYMUSIC")
    load = datasets.load_polymusic
    refused(lambda: load("jsb-chorales", "test", data_dir=root), "MATLAB file with testdata")


@real
def test_the_published_music():
    expected = {
        ("jsb-chorales", "train"): (229, 13_807),
        ("jsb-chorales", "validation"): (76, 4_602),
        ("jsb-chorales", "test"): (77, 4_725),
        ("nottingham", "train"): (694, 176_561),
        ("nottingham", "validation"): (173, 45_513),
        ("nottingham", "test"): (170, 44_463),
    }
    for (collection, split), counts in expected.items():
        rolls = datasets.load_polymusic(collection, split)
        assert (len(rolls), sum(map(len, rolls))) == counts
