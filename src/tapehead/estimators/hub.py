"""Fitted estimators in repositories of Hugging Face, through its own library."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tapehead.errors import UserError
from tapehead.estimators.files import CONFIG
from tapehead.estimators.requirements import expect_installed
from tapehead.training.run import WEIGHTS

CARD = """---
library_name: tapehead
tags: [tapehead, time-series, {kind}]
---

A {kind} of tapehead with a {network} network.

```python
from tapehead.estimators import from_hub

model = from_hub("{repo}")
```
"""
"""The page that the repository shows."""


@contextlib.contextmanager
def talking(doing: str, repo: str) -> Iterator[None]:
    """Whatever the library or the network between raises, in one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of several families, some of them the network library's own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = (lines or [type(error).__name__])[0]
        raise UserError(f"cannot {doing} '{repo}': {why} ({type(error).__name__})") from None


def push(estimator: Any, repo: str, *, private: bool, token: str | None) -> str:
    """Write a fitted estimator to a repository; see `Trained.push_to_hub`."""
    expect_installed("hub", "huggingface_hub")
    from huggingface_hub import HfApi

    card = CARD.format(kind=estimator.kind, network=estimator.recipe_name(), repo=repo)
    with tempfile.TemporaryDirectory() as folder, talking("push to", repo):
        path = Path(folder) / "model"
        estimator.save(path, README_md=card.encode())
        api = HfApi(token=token)
        api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=path, commit_message="A tapehead estimator")
    return f"https://huggingface.co/{repo}"


def pull(repo: str, *, revision: str | None, token: str | None) -> Path:
    """The folder to which an estimator's files were downloaded; nothing else is."""
    expect_installed("hub", "huggingface_hub")
    from huggingface_hub import snapshot_download

    with talking("pull from", repo):
        wanted = [CONFIG, WEIGHTS]
        return Path(snapshot_download(repo, revision=revision, token=token, allow_patterns=wanted))
