import errno
import json
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from tapehead.errors import UserError
from tapehead.training import storage
from tapehead.training.checkpoint import Checkpoints
from tapehead.training.storage import (
    Lines,
    fill,
    locked,
    named_leaves,
    parse_tensors,
    replace_folder,
    tensor_bytes,
    writing,
)

TREE = {
    "weights": [jnp.arange(6, dtype=jnp.float32).reshape(2, 3), None],
    "count": jnp.int32(7),
    "none": (),
}


def shapes(tree):
    return {name: np.zeros_like(leaf) for name, leaf in named_leaves(tree).items()}


def test_leaves_are_named_by_their_path():
    assert named_leaves(TREE).keys() == {"weights.0", "count"}


def test_tensors_come_back():
    arrays = parse_tensors("here", tensor_bytes(TREE))
    back = fill("here", TREE, arrays)
    np.testing.assert_array_equal(back["weights"][0], TREE["weights"][0])
    assert back["weights"][1] is None
    assert back["count"] == 7
    assert back["count"].dtype == jnp.int32


def test_slices_are_saved_as_they_look():
    """A transposed or sliced NumPy array is not laid out in memory as it is indexed."""
    tree = {"a": np.arange(12.0, dtype=np.float32).reshape(3, 4).T[1:]}
    back = parse_tensors("here", tensor_bytes(tree))["a"]
    np.testing.assert_array_equal(back, tree["a"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("count"), "'count' is missing"),
        (lambda a: a.update(more=np.zeros(1)), "it has 'more', which is unknown"),
        (lambda a: a.update(count=np.zeros(3, np.int32)), "'count' should be int32 of shape ()"),
        (lambda a: a.update(count=np.float32(1)), "but is float32 of shape ()"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(change, message):
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(TREE).items()}
    change(arrays)
    with pytest.raises(UserError) as caught:
        fill("the file", TREE, arrays)
    assert str(caught.value).startswith("the file does not fit this config: ")
    assert message in str(caught.value)


def test_damaged_tensors_are_refused():
    with pytest.raises(UserError, match="here is damaged"):
        parse_tensors("here", tensor_bytes(TREE)[:20])


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "model"
    replace_folder(folder, {"a": b"1", "b": b"2"})
    replace_folder(folder, {"a": b"3"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"a": b"3"}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_failed_write_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    replace_folder(folder, {"a": b"1"})

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(storage, "write_bytes", full)
    with pytest.raises(UserError) as caught, writing(tmp_path):
        replace_folder(folder, {"a": b"2"})
    assert "No space left on device" in str(caught.value)
    assert f"tapehead resume {tmp_path}" in str(caught.value)
    assert (folder / "a").read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [folder]


def test_left_overs_of_a_kill_are_swept_away(tmp_path):
    (tmp_path / ".model-123").mkdir()
    (tmp_path / ".model-123" / "a").write_bytes(b"half")
    replace_folder(tmp_path / "model", {"a": b"1"})
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_lines_are_appended(tmp_path):
    lines = Lines(tmp_path / "l")
    lines.append({"a": 1.5})
    lines.append({"b": "ü"})
    lines.close()
    text = (tmp_path / "l").read_text()
    assert [json.loads(line) for line in text.splitlines()] == [{"a": 1.5}, {"b": "ü"}]
    assert lines.size == len(text.encode())


def test_a_torn_last_line_is_cut_off(tmp_path):
    (tmp_path / "l").write_bytes(b'{"a": 1}\n{"b": ')
    lines = Lines(tmp_path / "l")
    lines.append({"c": 3})
    lines.close()
    assert (tmp_path / "l").read_bytes() == b'{"a": 1}\n{"c": 3}\n'


def test_lines_go_on_from_a_size_that_is_checked(tmp_path):
    first = Lines(tmp_path / "l")
    first.append({"a": 1})
    size, digest = first.size, first.digest
    first.append({"b": 2})
    first.close()
    second = Lines(tmp_path / "l", size, digest)
    second.append({"c": 3})
    second.close()
    assert (tmp_path / "l").read_bytes() == b'{"a": 1}\n{"c": 3}\n'


@pytest.mark.parametrize("content", [b"", b'{"a": 2}\n'])
def test_lines_that_were_changed_are_refused_and_left_alone(tmp_path, content):
    first = Lines(tmp_path / "l")
    first.append({"a": 1})
    first.close()
    (tmp_path / "l").write_bytes(content)
    with pytest.raises(UserError, match="is damaged: its first 9 bytes are not those"):
        Lines(tmp_path / "l", first.size, first.digest)
    assert (tmp_path / "l").read_bytes() == content


def test_nan_is_not_written(tmp_path):
    lines = Lines(tmp_path / "l")
    with pytest.raises(ValueError, match="not JSON compliant"):
        lines.append({"a": float("nan")})
    lines.close()


def test_one_process_at_a_time(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tapehead.training.storage import locked\n"
        "from tapehead.errors import UserError\n"
        "try:\n  with locked(Path(sys.argv[1])): print('got it')\n"
        "except UserError as e: print(e)"
    )

    def other():
        command = [sys.executable, "-c", code, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with locked(tmp_path):
        assert "is being trained by another process" in other()
    assert "got it" in other()


CONFIG = {"batch": 4, "task": {"name": "copy", "sizes": (1, 2)}}


def saved(folder, *updates, keep=3):
    checkpoints = Checkpoints(folder, keep, CONFIG)
    for update in updates:
        checkpoints.save(update, {"x": jnp.full(3, update, jnp.float32)}, {"at": update})
    return checkpoints


LIKE = {"x": jnp.zeros(3)}


def test_the_newest_checkpoint_is_found(tmp_path):
    checkpoints = saved(tmp_path / "c", 5, 10, 100)
    arrays, position = checkpoints.newest(LIKE, pytest.fail)
    assert position == {"at": 100}
    assert (arrays["x"] == 100).all()


def test_only_the_newest_are_kept(tmp_path):
    assert saved(tmp_path / "c", 1, 2, 3, 4, keep=2).updates() == [4, 3]


def test_none_is_found_where_there_is_none(tmp_path):
    assert Checkpoints(tmp_path / "c", 3, CONFIG).newest(LIKE, pytest.fail) is None


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a flipped bit in the arrays": lambda f: flip(f / "state.safetensors", -1),
    "a flipped bit in the header": lambda f: flip(f / "state.safetensors", 12),
    "arrays cut short": lambda f: (f / "state.safetensors").write_bytes(b"12345678"),
    "arrays missing": lambda f: (f / "state.safetensors").unlink(),
    "a manifest cut short": lambda f: (f / "manifest.json").write_text('{"schema": 1, "upd'),
    "an empty manifest": lambda f: (f / "manifest.json").write_text(""),
    "a manifest that is a list": lambda f: (f / "manifest.json").write_text("[]"),
    "a manifest missing": lambda f: (f / "manifest.json").unlink(),
    "a changed number": lambda f: (f / "manifest.json").write_text(
        (f / "manifest.json").read_text().replace('"at": 3', '"at": 4')
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path, damage):
    checkpoints = saved(tmp_path / "c", 1, 2, 3)
    DAMAGE[damage](checkpoints.path(3))
    told = []
    _, position = checkpoints.newest(LIKE, told.append)
    assert position == {"at": 2}
    assert len(told) == 1
    assert told[0].startswith("checkpoint 3 is passed over: ")
    assert str(checkpoints.path(3)) in told[0]
    assert "\n" not in told[0]


def test_a_checkpoint_of_a_newer_schema_is_refused(tmp_path, monkeypatch):
    from tapehead.training import checkpoint

    saved(tmp_path / "c", 1)
    monkeypatch.setattr(checkpoint, "SCHEMA", 99)
    checkpoints = saved(tmp_path / "c", 2)
    monkeypatch.undo()
    with pytest.raises(UserError, match="has schema 99, newer than this tapehead's 1: upgrade"):
        checkpoints.newest(LIKE, pytest.fail)


def test_a_checkpoint_of_another_config_is_refused(tmp_path):
    saved(tmp_path / "c", 1)
    other = Checkpoints(tmp_path / "c", 3, CONFIG | {"batch": 8})
    with pytest.raises(UserError, match=r"another config \(batch: 4 there, 8 here\)"):
        other.newest(LIKE, pytest.fail)


def test_training_on_from_an_older_checkpoint_drops_the_damaged_newer(tmp_path):
    checkpoints = saved(tmp_path / "c", 1, 2, 3)
    checkpoints.save(2, LIKE, {"at": 2})
    assert checkpoints.updates() == [2, 1]
