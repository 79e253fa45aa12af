"""Finding the files of a data set: in a folder, in the cache, or by download."""

import hashlib
import os
from pathlib import Path
from types import ModuleType

from tapehead.datasets.registry import DataFile, Dataset
from tapehead.errors import UserError

ENVIRONMENT = "TAPEHEAD_DATA"
"""The environment variable that names a folder of data sets for use without a network."""


def fetch(dataset: Dataset, name: str, *, data_dir: str | Path | None = None) -> Path:
    """The path of one file of a data set, its size and checksum verified.

    It is looked for in this order:

    1. `data_dir`, if given: in `data_dir/<data set>/<file>` and nowhere else;
    2. the folder that the environment variable `TAPEHEAD_DATA` names, laid out likewise;
    3. the user's cache folder;
    4. the file's addresses, one after the other, into the cache. A file appears there only when
       it is whole and right.

    **Raises:** `UserError` if a folder or file is missing or damaged, if downloading needs a
    package that is not installed, or if no address gave the right file.
    """
    file = dataset.file(name)
    if data_dir is not None:
        path = Path(data_dir).expanduser() / dataset.name / name
        if not path.is_file():
            raise UserError(
                f"{dataset.name}: no file {path}; data_dir must hold {_layout(dataset)}"
            )
        return _intact(dataset, file, path)
    if folder := os.environ.get(ENVIRONMENT):
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise UserError(f"{dataset.name}: {ENVIRONMENT} names {root}, which is not a folder")
        path = root / dataset.name / name
        if path.is_file():
            return _intact(dataset, file, path)
    return _cached(dataset, file)


def _layout(dataset: Dataset) -> str:
    return f"{dataset.name}/{dataset.files[0].name} and the like"


def damage(file: DataFile, path: Path) -> str | None:
    """What is wrong with the copy of `file` at `path`, or `None` if it is the published one."""
    size = path.stat().st_size
    if size != file.size:
        return f"has {size} bytes where {file.size} are expected"
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != file.sha256:
        return f"has checksum {found[:12]}... where {file.sha256[:12]}... is expected"
    return None


def _intact(dataset: Dataset, file: DataFile, path: Path) -> Path:
    try:
        wrong = damage(file, path)
    except OSError as error:
        raise UserError(f"{dataset.name}: cannot read {path}: {error.strerror}") from None
    if wrong:
        raise UserError(f"{dataset.name}: {path} is damaged: it {wrong}; replace it")
    return path


def _pooch(dataset: Dataset) -> ModuleType:
    """The package that downloads, imported only when something must be downloaded or cached."""
    try:
        import pooch
    except ImportError:
        raise UserError(
            f"{dataset.name}: downloading needs pooch; run: pip install 'tapehead[data]', or set "
            f"{ENVIRONMENT} to a folder that holds {_layout(dataset)}"
        ) from None
    return pooch


def _cached(dataset: Dataset, file: DataFile) -> Path:
    """The file in the cache, downloaded if it is not there or not right."""
    pooch = _pooch(dataset)
    folder = Path(pooch.os_cache("tapehead")) / dataset.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / file.name
        if path.is_file() and damage(file, path) is None:
            return path
    except OSError as error:
        raise UserError(f"{dataset.name}: cannot use cache {folder}: {error.strerror}") from None
    failures = []
    for url in file.urls:
        try:
            return Path(
                pooch.retrieve(
                    url,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=30),
                )
            )
        except (OSError, ValueError) as error:
            failures.append(f"{url} ({_reason(error)})")
    raise UserError(
        f"{dataset.name}: cannot download {file.name}: {'; '.join(failures)}; to use it without a "
        f"network set {ENVIRONMENT} to a folder that holds {_layout(dataset)}"
    )


def _reason(error: OSError | ValueError) -> str:
    """In a few words, why a download failed."""
    from requests import exceptions

    match error:
        case exceptions.HTTPError(response=response) if response is not None:
            return f"status {response.status_code}"
        case exceptions.Timeout():
            return "timed out"
        case exceptions.ChunkedEncodingError():
            return "broke off"
        case exceptions.ConnectionError():
            return "no connection"
        case exceptions.RequestException():
            return type(error).__name__
        case OSError():
            return error.strerror or type(error).__name__
    return "wrong checksum"
