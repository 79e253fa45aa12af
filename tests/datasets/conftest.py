"""A server on this machine, and a cache of the test's own."""

import http.server
import threading

import pytest


@pytest.fixture
def server(request, monkeypatch):
    """It answers as the test file's `Handler` does, which notes in `asked` what it was asked."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), request.module.Handler) as server:
        server.asked, server.limits = [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where the cache has the data set `small`; nothing is there yet."""
    monkeypatch.delenv("TAPEHEAD_DATA", raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda name: folder / name)
    return folder / "tapehead" / "small"
