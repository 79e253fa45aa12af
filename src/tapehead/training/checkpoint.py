"""Checkpoints: whole or not there, checked when read, the newest few kept."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tapehead.errors import UserError
from tapehead.training.config import SCHEMA, completed
from tapehead.training.run import first_difference
from tapehead.training.storage import (
    fill,
    parse_tensors,
    read_sealed,
    replace_folder,
    sealed,
    sha256,
    tensor_bytes,
)

Tree = TypeVar("Tree")

MANIFEST = "manifest.json"
TENSORS = "state.safetensors"


class Unusable(UserError):
    """A checkpoint that is intact, but that this run cannot be continued from."""


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a run, each a folder `<update>/` with arrays and a manifest.

    Each appears at once, whole, by a renaming; its files' SHA-256 are checked when it is read.

    **Attributes:**

    - `folder`: where they lie.
    - `keep`: how many of the newest stay.
    - `config`: the run's config as JSON data; every checkpoint holds it, so that one of another
        run, or from before someone edited the config, is not continued from.
    """

    folder: Path
    keep: int
    config: Mapping[str, Any]

    def updates(self) -> list[int]:
        """The updates at which there are checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            (int(p.name) for p in self.folder.iterdir() if p.name.isdigit()), reverse=True
        )

    def path(self, update: int) -> Path:
        """The folder of the checkpoint at `update`."""
        return self.folder / f"{update:010d}"

    def save(self, update: int, arrays: Any, position: dict[str, Any]) -> None:
        """Write one checkpoint; drop those older than the `keep` newest, and any later one.

        **Arguments:**

        - `update`: when it was taken.
        - `arrays`: a tree of arrays.
        - `position`: everything else, as JSON data.

        **Raises:** `OSError` if it cannot be written; the others are intact then.
        """
        content = tensor_bytes(arrays)
        manifest = {
            "schema": SCHEMA,
            "update": update,
            "config": self.config,
            "tensors": {"bytes": len(content), "sha256": sha256(content)},
            "position": position,
        }
        replace_folder(self.path(update), {TENSORS: content, MANIFEST: sealed(manifest)})
        # A later one can only be damaged, or training would have gone on from there.
        kept = [u for u in self.updates() if u <= update][: self.keep]
        for other in set(self.updates()) - set(kept):
            shutil.rmtree(self.path(other))

    def load(self, update: int, like: Tree) -> tuple[Tree, dict[str, Any]]:
        """The arrays, shaped as `like`, and the position of the checkpoint at `update`.

        **Raises:** `UserError` if it is damaged; `Unusable` if it is from a newer tapehead or of
        another config.
        """
        path = self.path(update)
        manifest = read_sealed(path / MANIFEST)
        if manifest["schema"] > SCHEMA:
            raise Unusable(
                f"{path} has schema {manifest['schema']}, newer than this tapehead's {SCHEMA}: "
                f"upgrade tapehead"
            )
        difference = first_difference(completed(manifest["config"]), completed(self.config))
        if difference is not None:
            raise Unusable(
                f"{path} was made with another config ({difference}): put the run's config.json "
                f"back, or start a new run"
            )
        try:
            content = (path / TENSORS).read_bytes()
        except OSError as error:
            raise UserError(f"cannot read {path / TENSORS}: {error.strerror}") from None
        if sha256(content) != manifest["tensors"]["sha256"]:
            raise UserError(f"{path / TENSORS} is damaged: its checksum differs")
        arrays = fill(str(path), like, parse_tensors(str(path / TENSORS), content))
        return arrays, manifest["position"]

    def newest(
        self, like: Tree, passed_over: Callable[[str], None]
    ) -> tuple[Tree, dict[str, Any]] | None:
        """The arrays and position of the newest checkpoint that is intact, or `None`.

        `like` is the shape of the arrays; `passed_over` is told of each damaged one, in one line.

        **Raises:** `Unusable` if one is intact, but from a newer tapehead or of another config.
        """
        for update in self.updates():
            try:
                return self.load(update, like)
            except Unusable:
                raise
            except UserError as error:
                passed_over(f"checkpoint {update} is passed over: {error}")
        return None
