"""Finding the files of a data set: in a folder, in the cache, or by download."""

import hashlib
import os
from pathlib import Path

from tapehead.datasets.download import cache_folder, download
from tapehead.datasets.registry import DataFile, Dataset
from tapehead.errors import UserError

ENVIRONMENT = "TAPEHEAD_DATA"
"""The environment variable that names a folder of data sets for use without a network."""


def fetch(dataset: Dataset, *names: str, data_dir: str | Path | None = None) -> Path:
    """The path of one file of a data set, its size and checksum verified.

    It is looked for in this order:

    1. `data_dir`, if given: in `data_dir/<data set>/<file>` and nowhere else;
    2. the folder that the environment variable `TAPEHEAD_DATA` names, laid out likewise;
    3. the user's cache folder;
    4. the file's addresses, one after the other, into the cache. A file appears there only when
       it is whole and right; what arrived before a connection broke off is kept beside it, and
       the next download goes on from there.

    **Arguments:**

    - `dataset`: which data set.
    - `names`: the file; or several, any of which will do, the preferred first. A folder may hold
        any of them, and the first that is published is downloaded.
    - `data_dir`: see above.

    **Raises:** `UserError` if a folder or file is missing or damaged, if downloading needs a
    package that is not installed, or if no address gave the right file.
    """
    files = [dataset.file(name) for name in names]
    layout = f"{dataset.name}/{files[-1].name} and the like"
    if data_dir is not None:
        folder = Path(data_dir).expanduser() / dataset.name
        found = _held(dataset, files, folder)
        if found is None:
            raise UserError(
                f"{dataset.name}: no file {folder / files[-1].name}; data_dir must hold {layout}"
            )
        return found
    named = _named_folder(dataset)
    found = (named and _held(dataset, files, named)) or _cached(dataset, files)
    if found:
        return found
    otherwise = f"set {ENVIRONMENT} to a folder that holds {layout}"
    published = next((file for file in files if file.urls), None)
    if published is None:
        raise UserError(
            f"{dataset.name}: nobody publishes {files[-1].name} in this form; {otherwise}"
        )
    return download(dataset, published, otherwise=otherwise)


def damage(file: DataFile, path: Path) -> str | None:
    """What is wrong with the copy of `file` at `path`, or `None` if it is the right one."""
    size = path.stat().st_size
    forms = {file.size: file.sha256}
    if file.again:
        forms[file.again[1]] = file.again[0]
    if size not in forms:
        return f"has {size} bytes where {' or '.join(map(str, forms))} are expected"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != forms[size]:
        return f"has checksum {found[:12]}... where {forms[size][:12]}... is expected"
    return None


def holdings(dataset: Dataset) -> dict[DataFile, Path]:
    """The files of a data set that are here, in `TAPEHEAD_DATA` or the cache, not yet verified.

    **Raises:** `UserError` if `TAPEHEAD_DATA` names what is not a folder.
    """
    folders = [folder for folder in (_named_folder(dataset), cache_folder(dataset)) if folder]
    found: dict[DataFile, Path] = {}
    for file in (*dataset.files, *dataset.repacked):
        for folder in folders:
            if (folder / file.name).is_file():
                found.setdefault(file, folder / file.name)
    return found


def _named_folder(dataset: Dataset) -> Path | None:
    """The data set's folder in the one that the environment names, if it names one."""
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return None
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise UserError(f"{dataset.name}: {ENVIRONMENT} names {root}, which is not a folder")
    return root / dataset.name


def _held(dataset: Dataset, files: list[DataFile], folder: Path) -> Path | None:
    """The first of `files` that `folder` holds, verified; `None` if it holds none."""
    for file in files:
        path = folder / file.name
        if not path.is_file():
            continue
        try:
            wrong = damage(file, path)
        except OSError as error:
            raise UserError(f"{dataset.name}: cannot read {path}: {error.strerror}") from None
        if wrong:
            raise UserError(f"{dataset.name}: {path} is damaged: it {wrong}; replace it")
        return path
    return None


def _cached(dataset: Dataset, files: list[DataFile]) -> Path | None:
    """The first of `files` that is in the cache and right; a damaged one is downloaded anew."""
    folder = cache_folder(dataset)
    if folder is None:
        return None
    try:
        for file in files:
            path = folder / file.name
            if path.is_file() and damage(file, path) is None:
                return path
    except OSError as error:
        raise UserError(f"{dataset.name}: cannot use cache {folder}: {error.strerror}") from None
    return None
