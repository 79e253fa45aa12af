"""text8 and enwik8: the first 100 million bytes of Wikipedia, as plain letters or with markup."""

import zipfile
import zlib
from pathlib import Path
from typing import get_args

from tapehead.datasets import registry
from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import decoded
from tapehead.datasets.registry import Dataset, Split
from tapehead.errors import UserError, among

HELD_OUT = 5_000_000
"""Bytes of the validation part, and as many of the test part after it, at the end."""


def read_zip(path: str | Path, member: str) -> bytes:
    """One file of a zip archive.

    **Raises:** `UserError` if it is not a whole zip archive or has no such member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except KeyError:
        raise UserError(f"{path}: holds no file '{member}'") from None
    except (EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a whole zip archive ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _part(dataset: Dataset, split: Split, data_dir: str | Path | None) -> tuple[Path, bytes]:
    among(f"load_{dataset.name}", get_args(Split), split=split)
    path = fetch(dataset, f"{dataset.name}.zip", data_dir=data_dir)
    content = read_zip(path, dataset.name)
    return path, {
        "train": content[: -2 * HELD_OUT],
        "validation": content[-2 * HELD_OUT : -HELD_OUT],
        "test": content[-HELD_OUT:],
    }[split]


def load_text8(split: Split, *, data_dir: str | Path | None = None) -> str:
    """The first 90, next 5 and last 5 million characters, of 27: a to z and the space.

    `data_dir` and where the file comes from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Mahoney, "About the test data" (2006); split as in Mikolov et al. (2012).
    """
    return decoded(*_part(registry.TEXT8, split, data_dir))


def load_enwik8(split: Split, *, data_dir: str | Path | None = None) -> bytes:
    """The first 90, next 5 and last 5 million bytes, of 205 different ones.

    The text is UTF-8, but the splits may cut a character, so these are bytes, which models predict.
    `data_dir` and where the file comes from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Mahoney, "About the test data" (2006); split as in Graves (2013) and since.
    """
    return _part(registry.ENWIK8, split, data_dir)[1]
