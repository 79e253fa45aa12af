"""IMDB: movie reviews, each praise or blame."""

import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import UInt8

from tapehead.datasets.fetch import fetch
from tapehead.datasets.reading import decoded, lines, read_text
from tapehead.datasets.registry import IMDB, Split
from tapehead.errors import UserError, among

LABELS = ("neg", "pos")
"""What label 0 and label 1 stand for."""

VALIDATION = 1250
"""How many reviews of each label are held out from the end of the training reviews.

Reviews of one movie follow one another in the publisher's numbering, so that hardly a movie is in
both parts, as none is in both train and test. (Every tenth review would be of movies seen.)"""

MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")


class Review(NamedTuple):
    """A review, its label (0 or 1), and its number among those of its part and label."""

    label: int
    number: int
    text: str


def read_lines(path: str | Path) -> Iterator[Review]:
    """The reviews in a file of JSON objects, one a line, with `id`, `label` and `text`.

    **Raises:** `UserError` if the file or a line of it cannot be read.
    """
    for position, line in enumerate(lines(read_text(path)), 1):
        try:
            entry = json.loads(line)
            yield Review(LABELS.index(entry["label"]), int(entry["id"]), str(entry["text"]))
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{path}: line {position} is not a review with id, label (neg or pos) and text"
            ) from None


def read_archive(path: str | Path, part: str) -> Iterator[Review]:
    """The labelled reviews of `part` (`train` or `test`) in the publisher's archive.

    **Raises:** `UserError` if it is not a whole archive, or a text in it is not UTF-8.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                named = MEMBER.fullmatch(member.name)
                if not named or named[1] != part:
                    continue
                stream = archive.extractfile(member)
                if stream is not None:
                    text = decoded(f"{path}: {member.name}", stream.read())
                    yield Review(LABELS.index(named[2]), int(named[3]), text)
    except (EOFError, zlib.error, tarfile.TarError) as error:
        raise UserError(f"{path}: not a whole tar.gz archive ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def load_imdb(
    split: Split, *, data_dir: str | Path | None = None
) -> tuple[list[str], UInt8[np.ndarray, " reviews"]]:
    """The reviews of a split, and for each whether it is praise (1) or blame (0).

    - `"train"`: 22,500 of the published training reviews, half of them praise.
    - `"validation"`: the 1,250 last ones of each label in the publisher's numbering.
    - `"test"`: the published 25,000 test reviews.

    Texts are as published, with `<br />` for the end of a line. They come blame first, then
    praise, each by number; shuffle before use. The publisher's archive holds a file for every
    review, and takes some ten seconds to read.

    `data_dir` and where files come from: see `fetch`. **Raises:** `UserError` as `fetch` does.

    Source: Maas et al., "Learning word vectors for sentiment analysis" (2011).
    """
    among("load_imdb", get_args(Split), split=split)
    part = "test" if split == "test" else "train"
    path = fetch(IMDB, f"{part}.jsonl.gz", "aclImdb_v1.tar.gz", data_dir=data_dir)
    archived = path.name.endswith(".tar.gz")
    reviews = read_archive(path, part) if archived else read_lines(path)
    by_label: list[list[Review]] = [[], []]
    for review in sorted(reviews):
        by_label[review.label].append(review)
    kept = {
        "train": slice(None, -VALIDATION),
        "validation": slice(-VALIDATION, None),
        "test": slice(None),
    }[split]
    chosen = [review for group in by_label for review in group[kept]]
    labels = np.array([review.label for review in chosen], np.uint8)
    return [review.text for review in chosen], labels
