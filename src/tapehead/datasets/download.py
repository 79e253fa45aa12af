"""Downloads into the cache: verified, shown as they go, and resumed where they broke off."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tapehead.datasets.registry import DataFile, Dataset
from tapehead.errors import UserError

PATIENCE = 30
"""Seconds to wait for a server that says nothing."""
CHUNK = 1 << 12
"""Bytes that are written at a time; less than that is lost when a connection breaks off."""


def _pooch() -> ModuleType | None:
    """The package that downloads and knows where caches are, if it is installed."""
    try:
        import pooch
    except ImportError:
        return None
    return pooch


def cache_folder(dataset: Dataset) -> Path | None:
    """Where downloaded files of `dataset` are kept; `None` without the package that downloads."""
    pooch = _pooch()
    return Path(pooch.os_cache("tapehead")) / dataset.name if pooch else None


def download(dataset: Dataset, file: DataFile, *, otherwise: str) -> Path:
    """Download `file` into the cache, from the first of its addresses that gives it rightly.

    What arrives is kept in `<name>.part` and moved to its place when it is whole and its checksum
    right. If the connection breaks off, the part stays, and is continued at once, from the next
    address, or by the next call. Of several processes one downloads and the others wait for it.

    `otherwise` is what else the user can do, for the errors. **Raises:** `UserError` if the file
    cannot be had or written, or downloading needs a package that is not installed.
    """
    pooch, folder = _pooch(), cache_folder(dataset)
    if pooch is None or folder is None:
        raise UserError(
            f"{dataset.name}: downloading needs pooch; run: pip install 'tapehead[data]', or "
            f"{otherwise}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{dataset.name}: cannot use cache {folder}: {error.strerror}") from None
    with _alone(folder):
        return _retrieved(pooch, dataset, file, folder, otherwise)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads into `folder`, and keep others from it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _retrieved(
    pooch: ModuleType, dataset: Dataset, file: DataFile, folder: Path, otherwise: str
) -> Path:
    """The file in `folder`, downloaded if it is not there or not right."""
    resuming = Resuming(folder / f"{file.name}.part", file.size)

    def retrieve(url: str) -> Path:
        known = f"sha256:{file.sha256}"
        return Path(pooch.retrieve(url, known, file.name, folder, downloader=resuming))

    failures = []
    for url in file.urls:
        try:
            continued = resuming.arrived() > 0
            try:
                return retrieve(url)
            except ValueError:
                # The checksum is wrong. What was kept from before may be to blame.
                if not continued:
                    raise
                return retrieve(url)
        except (OSError, ValueError) as error:
            failures.append(f"{url} ({_reason(error)})")
    if resuming.arrived():
        failures.append("what arrived is kept and will be continued")
    else:
        resuming.partial.unlink(missing_ok=True)
    raise UserError(
        f"{dataset.name}: cannot download {file.name}: {'; '.join(failures)}; to use it without a "
        f"network {otherwise}"
    )


class Resuming:
    """What pooch calls to download one file: into `partial`, going on where that ends."""

    def __init__(self, partial: Path, size: int):
        self.partial = partial
        self.size = size

    def arrived(self) -> int:
        """How many bytes are here."""
        return self.partial.stat().st_size if self.partial.exists() else 0

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download `url`, connecting again for as long as every connection brings it further."""
        from requests import exceptions
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        console = Console(stderr=True)
        bar = Progress(
            "{task.description}",
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        with bar:
            shown = bar.add_task(self.partial.stem, total=self.size)
            while (before := self.arrived()) != self.size:
                try:
                    self.receive(url, lambda done: bar.update(shown, completed=done))
                    break
                except (exceptions.ConnectionError, exceptions.ChunkedEncodingError):
                    if self.arrived() <= before:
                        raise
        self.partial.replace(output_file)

    def receive(self, url: str, show: Callable[[int], None]) -> None:
        """One connection: the rest of the file, or all of it from a server that gives no parts."""
        import requests

        have = self.arrived()
        headers = {"Accept-Encoding": "identity"}  # a .gz file is to arrive as it is
        if 0 < have < self.size:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as response:
            response.raise_for_status()
            rest = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            have = have if rest else 0
            with self.partial.open("ab" if rest else "wb") as out:
                for chunk in response.iter_content(CHUNK):
                    have += out.write(chunk)
                    show(have)
                    if have > self.size:  # another file; its checksum will be wrong
                        return


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
