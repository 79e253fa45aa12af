"""Downloads that break off, from servers that continue them and servers that cannot."""

import hashlib
import http.server
from concurrent.futures import ThreadPoolExecutor

import pytest

from tapehead.datasets import DataFile, Dataset, fetch
from tapehead.datasets.download import CHUNK
from tapehead.errors import UserError

pytest.importorskip("pooch", reason="downloads need the extra tapehead[data]")

CONTENT = bytes(range(256)) * 160
HALF = len(CONTENT) // 2
assert HALF % CHUNK == 0


class Handler(http.server.BaseHTTPRequestHandler):
    """A server whose connections break off after as many bytes as the test says.

    `/parts` continues where it is asked to; `/whole` always begins at the beginning; `/other`
    continues with another file.
    """

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        body = CONTENT[::-1] if self.path == "/other" else CONTENT
        if self.path == "/whole" or not asked:
            begin = 0
            self.send_response(200)
        else:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        limit = self.server.limits.pop(0) if self.server.limits else len(body)
        self.wfile.write(body[begin : begin + limit])

    def log_message(self, format, *args):
        pass


def get(server, *paths):
    urls = tuple(f"http://127.0.0.1:{server.server_port}/{path}" for path in paths)
    file = DataFile("data.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), urls)
    return fetch(Dataset("small", "A small data set", "CC0", "made up", (file,)), "data.bin")


def arrived(cache, content):
    """Leave in the cache what a download that broke off had brought."""
    cache.mkdir(parents=True)
    (cache / "data.bin.part").write_bytes(content)


def names(cache):
    return sorted(path.name for path in cache.iterdir())


def test_a_connection_that_breaks_off_is_continued_at_once(server, cache):
    server.limits = [2 * CHUNK + 5, CHUNK]
    assert get(server, "parts").read_bytes() == CONTENT
    rests = [f"bytes={n * CHUNK}-" for n in (2, 3)]
    assert [asked for _, asked in server.asked] == [None, *rests]
    assert names(cache) == ["data.bin"]


def test_the_next_call_goes_on_where_the_last_ended(server, cache):
    server.limits = [HALF, 0]  # the second connection brings nothing, which ends the first call
    with pytest.raises(UserError, match=r"broke off.*what arrived is kept"):
        get(server, "parts")
    assert names(cache) == ["data.bin.part"]
    assert (cache / "data.bin.part").read_bytes() == CONTENT[:HALF]
    server.asked.clear()
    assert get(server, "parts").read_bytes() == CONTENT
    assert server.asked == [("/parts", f"bytes={HALF}-")]
    assert names(cache) == ["data.bin"]


def test_another_address_goes_on_too(server, cache):
    server.limits = [HALF, 0]
    assert get(server, "parts", "parts").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, *[f"bytes={HALF}-"] * 2]


def test_a_server_without_parts_begins_anew(server, cache):
    server.limits = [HALF, CHUNK]
    with pytest.raises(UserError, match="broke off"):
        get(server, "whole")
    assert get(server, "whole").read_bytes() == CONTENT
    assert names(cache) == ["data.bin"]


def test_a_part_of_something_else_is_given_up(server, cache):
    arrived(cache, b"not the beginning")
    assert get(server, "parts").read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == ["bytes=17-", None]


def test_a_part_that_is_whole_needs_no_connection(server, cache):
    arrived(cache, CONTENT)
    assert get(server, "parts").read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("part", [CONTENT[::-1], CONTENT + b"more"])
def test_a_part_that_is_as_long_and_wrong_is_given_up(server, cache, part):
    arrived(cache, part)
    assert get(server, "parts").read_bytes() == CONTENT
    assert server.asked == [("/parts", None)]


def test_a_wrong_checksum_leaves_nothing(server, cache):
    arrived(cache, CONTENT[:HALF])
    with pytest.raises(UserError, match="wrong checksum") as raised:
        get(server, "other")
    assert "\n" not in str(raised.value)
    assert "kept" not in str(raised.value)
    assert names(cache) == []


def test_nothing_arrived_leaves_nothing(server, cache):
    server.limits = [0]
    with pytest.raises(UserError, match="broke off") as raised:
        get(server, "parts")
    assert "kept" not in str(raised.value)
    assert names(cache) == []


def test_a_full_disk_is_named(server, cache, monkeypatch):
    def full(self, url, show):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tapehead.datasets.download.Resuming.receive", full)
    with pytest.raises(UserError, match=r"\(No space left on device\)"):
        get(server, "parts")
    assert names(cache) == []


def test_one_of_several_downloads_and_the_others_wait(server, cache):
    with ThreadPoolExecutor(4) as pool:
        paths = [found.result() for found in [pool.submit(get, server, "parts") for _ in range(4)]]
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert server.asked == [("/parts", None)]
    assert names(cache) == ["data.bin"]
