"""Reading whole files, gzipped or not, with errors that name the file."""

import gzip
import zlib
from pathlib import Path

from tapehead.datasets.registry import Split
from tapehead.errors import UserError


def read_bytes(path: str | Path) -> bytes:
    """All of a file; what it unpacks to, if its name ends in `.gz`.

    **Raises:** `UserError` if it cannot be read, or is not a whole gzip file.
    """
    try:
        content = Path(path).read_bytes()
        return gzip.decompress(content) if Path(path).suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a whole gzip file ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def decoded(path: str | Path, content: bytes) -> str:
    """UTF-8 bytes as text; `path` says in the error where they are from.

    **Raises:** `UserError` if they are not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected text in UTF-8, got byte 0x{content[error.start]:02x} at position "
            f"{error.start}; convert it, for instance with iconv -t UTF-8"
        ) from None


def read_text(path: str | Path) -> str:
    """All of a text file in UTF-8, gzipped or not. **Raises:** `UserError` as above."""
    return decoded(path, read_bytes(path))


def parts(text: str) -> dict[Split, str]:
    """A text in three parts: for validation the first twentieth, as the test the last tenth.

    All between is for training, so that what comes directly before the test is learned from, as of
    a text that goes on.
    """
    first, last = len(text) // 20, len(text) * 9 // 10
    return {"train": text[first:last], "validation": text[:first], "test": text[last:]}


def lines(text: str) -> list[str]:
    """The lines of `text`, which end with a line feed and with nothing else.

    `str.splitlines` would also cut at the separators of Unicode that occur inside real texts.
    """
    return text.removesuffix("\n").split("\n")
