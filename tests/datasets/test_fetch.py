"""Finding data files: folders, the cache, downloads from a server on this machine, and mishaps."""

import hashlib
import http.server
import sys

import pytest

from tapehead.datasets import DATASETS, DataFile, Dataset, fetch
from tapehead.errors import UserError

pytest.importorskip("pooch", reason="downloads need the extra tapehead[data]")

CONTENT = b"a small data set\n" * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file well, and otherwise all that can go wrong."""

    def do_GET(self):
        self.server.asked.append(self.path)
        body = {"/good": CONTENT, "/broken": CONTENT[:5000], "/wrong": CONTENT[::-1]}.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def small(*urls):
    checksum = hashlib.sha256(CONTENT).hexdigest()
    file = DataFile("data.bin", checksum, len(CONTENT), urls)
    return Dataset("small", "A small data set", "CC0", "made up", (file,))


def address(server, path):
    return f"http://127.0.0.1:{server.server_port}/{path}"


def refused(dataset, **options):
    with pytest.raises(UserError) as raised:
        fetch(dataset, "data.bin", **options)
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith("small: ")
    return message


def test_a_download_is_kept_and_not_repeated(server, cache):
    dataset = small(address(server, "good"))
    path = fetch(dataset, "data.bin")
    assert path == cache / "data.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(dataset, "data.bin") == path
    assert server.asked == ["/good"]


def test_a_damaged_cache_is_mended(server, cache):
    cache.mkdir(parents=True)
    (cache / "data.bin").write_bytes(CONTENT[:-1])
    assert fetch(small(address(server, "good")), "data.bin").read_bytes() == CONTENT


def test_the_next_mirror_is_tried(server, cache):
    urls = [address(server, path) for path in ("gone", "wrong", "broken", "good")]
    assert fetch(small(*urls), "data.bin").read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == ["data.bin"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [("gone", "status 404"), ("wrong", "wrong checksum"), ("broken", "broke off")],
)
def test_a_failed_download_is_explained_and_leaves_nothing(server, cache, path, reason):
    url = address(server, path)
    message = refused(small(url))
    assert f"cannot download data.bin: {url} ({reason})" in message
    assert "TAPEHEAD_DATA" in message
    left = {"broken": ["data.bin.part"]}.get(path, [])
    assert [path.name for path in cache.iterdir()] == left


def test_no_network_is_explained(server, cache):
    url = "http://127.0.0.1:9/good"  # the discard port, where nothing listens
    assert f"{url} (no connection)" in refused(small(url))
    assert list(cache.iterdir()) == []


def test_a_failed_mending_keeps_the_old_file_out_of_use(server, cache):
    cache.mkdir(parents=True)
    (cache / "data.bin").write_bytes(b"damaged")
    refused(small(address(server, "gone")))
    assert [path.name for path in cache.iterdir()] == ["data.bin"]


def test_an_unusable_cache_is_named(tmp_path, cache):
    (tmp_path / "cache").write_text("a file where a folder should be")
    assert "cannot use cache" in refused(small("http://127.0.0.1:9/"))


def test_without_pooch_the_mend_is_named(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    message = refused(small("http://127.0.0.1:9/"))
    assert "pip install 'tapehead[data]'" in message
    assert "small/data.bin" in message


def folder_with(root, content):
    folder = root / "small"
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(content)
    return root


def test_a_named_folder_comes_first(tmp_path, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    first = folder_with(tmp_path / "first", CONTENT)
    second = folder_with(tmp_path / "second", CONTENT)
    monkeypatch.setenv("TAPEHEAD_DATA", str(second))
    assert fetch(small(), "data.bin", data_dir=first) == first / "small" / "data.bin"
    assert fetch(small(), "data.bin") == second / "small" / "data.bin"


def test_what_the_environment_lacks_is_downloaded(tmp_path, server, cache, monkeypatch):
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path))
    assert fetch(small(address(server, "good")), "data.bin") == cache / "data.bin"


def test_bad_folders_and_files_are_named(tmp_path, cache, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = refused(small(), data_dir=empty)
    assert f"no file {empty / 'small' / 'data.bin'}" in missing
    assert "data_dir must hold small/data.bin" in missing

    short = folder_with(tmp_path / "short", CONTENT[:100])
    assert "has 100 bytes where 17000 are expected" in refused(small(), data_dir=short)

    wrong = folder_with(tmp_path / "wrong", CONTENT[::-1])
    assert "is damaged: it has checksum" in refused(small(), data_dir=wrong)

    monkeypatch.setenv("TAPEHEAD_DATA", str(wrong))
    assert "is damaged" in refused(small())
    monkeypatch.setenv("TAPEHEAD_DATA", str(tmp_path / "nowhere"))
    assert "which is not a folder" in refused(small())


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UserError, match=r"^unknown data set 'mnits'; did you mean 'mnist'\?"):
        DATASETS["mnits"]
    with pytest.raises(UserError, match=r"^small: has no file 'data'; did you mean 'data.bin'\?$"):
        fetch(small(), "data")


@pytest.mark.parametrize("name", DATASETS)
def test_the_registry_is_complete(name):
    dataset = DATASETS[name]
    assert dataset.name == name
    assert dataset.licence
    assert dataset.source
    for file in dataset.files:
        assert len(file.sha256) == 64
        assert file.size > 0
        assert file.urls
        assert all(url.endswith(file.name) for url in file.urls)
    for file in dataset.repacked:
        assert len(file.sha256) == 64
        assert file.size > 0
        assert not file.urls
    names = [file.name for file in (*dataset.files, *dataset.repacked)]
    assert len(set(names)) == len(names)


def test_a_repacked_file_serves_where_a_folder_holds_it(tmp_path, server, cache, monkeypatch):
    published = small(address(server, "good")).files[0]
    packed = DataFile("data.npz", hashlib.sha256(b"packed").hexdigest(), 6)
    dataset = Dataset("small", "A small data set", "CC0", "made up", (published,), (packed,))
    names = ("data.npz", "data.bin")
    assert fetch(dataset, *names) == cache / "data.bin"
    assert fetch(dataset, *names) == cache / "data.bin"
    assert server.asked == ["/good"]

    folder = folder_with(tmp_path / "folder", CONTENT) / "small"
    monkeypatch.setenv("TAPEHEAD_DATA", str(folder.parent))
    assert fetch(dataset, *names) == folder / "data.bin"
    (folder / "data.npz").write_bytes(b"packed")
    assert fetch(dataset, *names) == folder / "data.npz"
    (folder / "data.npz").write_bytes(b"Packed")
    with pytest.raises(UserError, match=r"data.npz is damaged: it has checksum"):
        fetch(dataset, *names)
    assert server.asked == ["/good"]

    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"data_dir must hold small/data.bin"):
        fetch(dataset, *names, data_dir=tmp_path / "empty")
