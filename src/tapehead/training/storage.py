"""Writing files that survive a kill or a full disk, and trees of arrays as safetensors."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
import safetensors
import safetensors.numpy

from tapehead.errors import UserError

Tree = TypeVar("Tree")


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a failure to write below `folder` into one line that says how to go on."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or folder}: {error.strerror or error}; nothing written "
            f"before is lost: make room or mend the folder, then run `tapehead resume {folder}`"
        ) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the lock ends with it, however it ends.

    **Raises:** `UserError` if another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder} is being trained by another process: wait for it") from None
        yield
    finally:
        os.close(handle)


def sync(folder: Path) -> None:
    """Make sure that what a folder lists has reached the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an `OSError`; one that was raised by a handle does not know it."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with naming(path), path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files so that, where it can be seen, it is whole.

    It is written beside its place under a hidden name, flushed to the disk and renamed. A kill
    between the removal of an older folder and the renaming leaves neither.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_over in path.parent.glob(f".{path.name}-*"):
        shutil.rmtree(left_over)
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.mkdir()
    try:
        for name, content in files.items():
            write_bytes(new / name, content)
        sync(new)
        if path.exists():
            shutil.rmtree(path)
        new.rename(path)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    sync(path.parent)


class Lines:
    """A file of JSON objects, one a line, that is only ever appended to.

    **Attributes:**

    - `size`: its bytes so far.
    """

    def __init__(self, path: Path, size: int | None = None, digest: str | None = None):
        """Open the file and cut it to `size` bytes, or behind its last whole line.

        **Raises:** `UserError` if it is shorter than that, or if those bytes do not have the
        SHA-256 `digest`.
        """
        self._path = path
        self._file = path.open("ab+", buffering=0)
        self._file.seek(0)
        content = self._file.read()
        kept = content[: content.rfind(b"\n") + 1 if size is None else size]
        self._hash = hashlib.sha256(kept)
        if digest is not None and self.digest != digest:
            self._file.close()
            raise UserError(
                f"{path} is damaged: its first {size} bytes are not those that the checkpoint was "
                f"written with; put the file back, or start a new run"
            )
        self.size = len(kept)
        self._file.truncate(self.size)

    @property
    def digest(self) -> str:
        """The SHA-256 of all its bytes."""
        return self._hash.hexdigest()

    def append(self, data: Mapping[str, Any]) -> None:
        """Add one line; it is in the operating system's hands when this returns."""
        line = (json.dumps(data, allow_nan=False, ensure_ascii=False) + "\n").encode()
        rest = memoryview(line)
        with naming(self._path):
            while rest:
                rest = rest[self._file.write(rest) :]
        self._hash.update(line)
        self.size += len(line)

    def sync(self) -> None:
        """Wait until every line is on the disk."""
        with naming(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def json_bytes(data: Any) -> bytes:
    """JSON for people to read; NaN and infinity are refused, since JSON has none."""
    return (json.dumps(data, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises `UserError` if it is missing or damaged."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged: not JSON ({error})") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} is damaged: expected a JSON object")
    return data


def _seal(data: Mapping[str, Any]) -> str:
    """The hash of an object's content, by which damage to it is seen."""
    return sha256(json.dumps(data, sort_keys=True).encode())


def sealed(data: Mapping[str, Any]) -> bytes:
    """JSON for people to read, with a checksum of its content in `"sha256"`."""
    return json_bytes({**data, "sha256": _seal(data)})


def read_sealed(path: Path) -> dict[str, Any]:
    """An object that `sealed` wrote. Raises `UserError` if it is missing or damaged."""
    data = read_object(path)
    seal = data.pop("sha256", None)
    if seal != _seal(data):
        raise UserError(f"{path} is damaged: its checksum differs")
    return data


def sha256(content: bytes) -> str:
    """The SHA-256 of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree under the paths that lead to them, such as `cells.0.bias`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): x for path, x in leaves}


def is_key(leaf: Any) -> bool:
    """Whether an array holds random keys, which are stored as the numbers they are made of."""
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def tensor_bytes(tree: Any) -> bytes:
    """A tree of arrays as a safetensors file, keyed by the leaves' paths."""
    plain = jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree)
    return safetensors.numpy.save(
        {name: np.asarray(leaf, order="C") for name, leaf in named_leaves(plain).items()}
    )


def parse_tensors(source: str, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file; `source` names it in the `UserError` if it is damaged."""
    try:
        return safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{source} is damaged: {error}") from None


def fill(source: str, like: Tree, arrays: Mapping[str, np.ndarray]) -> Tree:
    """`like` with each array leaf replaced by the array of its name.

    `like` may hold `jax.ShapeDtypeStruct` leaves. Raises `UserError` naming the first leaf that
    is missing, superfluous, or of another shape or type.
    """
    wanted = named_leaves(like)
    for name in arrays.keys() - wanted.keys():
        raise UserError(f"{source} does not fit this config: it has '{name}', which is unknown")
    filled = []
    for name, leaf in wanted.items():
        if name not in arrays:
            raise UserError(f"{source} does not fit this config: '{name}' is missing")
        array = arrays[name]
        if is_key(leaf):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            raise UserError(
                f"{source} does not fit this config: '{name}' should be {leaf.dtype} of shape "
                f"{leaf.shape}, but is {array.dtype} of shape {array.shape}"
            )
        loaded = jax.numpy.asarray(array)
        filled.append(jax.random.wrap_key_data(loaded) if is_key(wanted[name]) else loaded)
    return jax.tree.unflatten(jax.tree.structure(like), filled)
