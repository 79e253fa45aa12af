"""Estimators go to repositories and come back; the network is a folder of the test."""

import re
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from tapehead.errors import UserError
from tapehead.estimators import from_hub, requirements

hub = pytest.importorskip("huggingface_hub", reason="needs pip install 'tapehead[hub]'")


@pytest.fixture
def repositories(tmp_path, monkeypatch):
    """The hub, as a folder with one for each repository."""

    def create_repo(self, repo_id, *, private, exist_ok):
        (tmp_path / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        (tmp_path / repo_id / ".token").write_text(str(self.token))

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, tmp_path / repo_id, dirs_exist_ok=True)

    def snapshot_download(repo_id, *, revision, token, allow_patterns):
        if not (tmp_path / repo_id).is_dir():
            raise OSError(f"Repository Not Found: {repo_id}\n\nPlease make sure of its name.")
        got = tmp_path / "cache" / Path(repo_id).name
        got.mkdir(parents=True)
        for name in allow_patterns:
            if (tmp_path / repo_id / name).exists():
                shutil.copy(tmp_path / repo_id / name, got)
        return str(got)

    monkeypatch.setattr(hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    return tmp_path


def test_there_and_back(regressor, gappy, repositories):
    assert regressor.push_to_hub("me/sums", token="t") == "https://huggingface.co/me/sums"
    there = sorted(path.name for path in (repositories / "me" / "sums").iterdir())
    assert there == [".token", "README.md", "config.json", "weights.safetensors"]
    assert (repositories / "me" / "sums" / ".token").read_text() == "t"
    assert 'from_hub("me/sums")' in (repositories / "me" / "sums" / "README.md").read_text()
    np.testing.assert_array_equal(from_hub("me/sums").predict(gappy), regressor.predict(gappy))
    regressor.push_to_hub("me/sums")  # again, over what is there


@pytest.mark.parametrize(
    ("repo", "message"),
    [
        ("me/other", "cannot pull from 'me/other': Repository Not Found: me/other (OSError)"),
        ("me/empty", "is not a model: it has no config.json"),
    ],
    ids=["no repository", "no model"],
)
def test_what_is_not_there_is_told_in_one_line(repo, message, repositories):
    (repositories / "me" / "empty").mkdir(parents=True)
    with pytest.raises(UserError, match=re.escape(message)) as told:
        from_hub(repo)
    assert "\n" not in str(told.value)


@pytest.mark.filterwarnings("ignore")  # the library's own, of what it could not reach
def test_no_network_and_no_name_are_told_in_one_line(regressor, monkeypatch, tmp_path):
    def unreachable(*args, **settings):
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for call in (lambda: regressor.push_to_hub("me/sums"), lambda: from_hub("me/sums-not-cached")):
        with pytest.raises(UserError, match=r"^cannot pu(sh to|ll from) 'me/sums") as told:
            call()
        assert "\n" not in str(told.value)
    with pytest.raises(UserError, match="Repo id must be in the form"):
        from_hub("a/b/c")


def test_without_the_library_it_says_what_to_install(regressor, monkeypatch):
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None)
    for call in (lambda: regressor.push_to_hub("me/sums"), lambda: from_hub("me/sums")):
        with pytest.raises(UserError, match=r"pip install 'tapehead\[hub\]'"):
            call()
