"""Files are verified, come from the data folder, the cache or the network in this order, and are never half-written."""

import hashlib
import http.server
import os
import threading
import time

import pytest

from tgnn.datasets.files import download

BODY = b"Score every edge. Normalise. Sum." * 31
DIGEST = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/trickle":  # headers without end, faster than any time limit on one read
            for i in range(100):
                try:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n" if i == 0 else b"X")
                    time.sleep(0.02)
                except OSError:
                    return
            return
        self.send_response(200)
        self.send_header("Content-Length", str(1 << 40 if self.path == "/endless" else len(BODY)))
        self.end_headers()
        if self.path == "/slow":
            time.sleep(0.5)
        self.wfile.write(BODY[: len(BODY) // 2] if self.path == "/truncated" else BODY)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)
    return tmp_path / "cache" / "tgnn"


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_download_is_cached_and_not_repeated(server, cache):
    path = download.fetch(f"{server}/body", "poem/body.txt", DIGEST)
    assert path == cache / "poem" / "body.txt" and path.read_bytes() == BODY
    assert download.fetch(f"{server}/missing", "poem/body.txt", DIGEST) == path
    assert files(cache) == ["poem/body.txt"]


def test_a_file_address_works_like_a_web_address(tmp_path, cache):
    (tmp_path / "source.txt").write_bytes(BODY)
    assert download.fetch((tmp_path / "source.txt").as_uri(), "body.txt", DIGEST).read_bytes() == BODY


def test_a_tampered_download_is_refused_and_leaves_nothing(server, cache):
    with pytest.raises(ValueError, match=f"body.*{DIGEST}, expected {'0' * 64}; nothing was saved"):
        download.fetch(f"{server}/body", "body.txt", "0" * 64)
    assert files(cache) == []


def test_a_truncated_download_is_refused_and_leaves_nothing(server, cache):
    with pytest.raises((ValueError, FileNotFoundError), match="truncated"):
        download.fetch(f"{server}/truncated", "body.txt", DIGEST)
    assert files(cache) == []


@pytest.mark.parametrize("page", ["missing", "slow"])
def test_a_failed_download_names_file_address_and_remedy(server, cache, page):
    with pytest.raises(
        FileNotFoundError, match=rf"poem/body.txt is not in .*{page} could not be read .*go online, or save"
    ):
        download.fetch(f"{server}/{page}", "poem/body.txt", DIGEST, timeout=0.1 if page == "slow" else 30)
    assert files(cache) == []


def test_an_endless_download_is_cut_off(server, cache, monkeypatch):
    monkeypatch.setattr(download, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        download.fetch(f"{server}/body", "body.txt", DIGEST)
    assert files(cache) == []


def test_a_download_that_trickles_is_given_up(server, cache, monkeypatch):
    monkeypatch.setattr(download, "MAX_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(FileNotFoundError, match="not complete after 0.2 seconds"):
        download.fetch(f"{server}/trickle", "body.txt", DIGEST)
    assert time.monotonic() - started < 1.5
    assert files(cache) == []


def test_a_failure_while_writing_leaves_nothing(server, cache, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(download.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        download.fetch(f"{server}/body", "body.txt", DIGEST)
    assert files(cache) == []


def test_what_a_killed_process_left_is_removed_and_what_another_one_is_writing_is_not(server, cache):
    cache.mkdir(parents=True)
    old, new = cache / ".body.txt.old", cache / ".body.txt.new"
    for left in (old, new):
        left.write_bytes(b"part")
    os.utime(old, (0, 0))
    download.fetch(f"{server}/body", "body.txt", DIGEST)
    assert not old.exists() and new.exists()
    assert (cache / "body.txt").stat().st_mode & 0o444 == 0o444  # others may share the folder


def test_the_data_folder_comes_first_is_verified_and_never_written(server, cache, tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("TGNN_DATA_DIR", str(folder))
    assert download.fetch(f"{server}/body", "body.txt", DIGEST) == cache / "body.txt"
    assert files(folder) == []
    (folder / "body.txt").write_bytes(BODY)
    assert download.fetch(f"{server}/missing", "body.txt", DIGEST) == folder / "body.txt"
    (folder / "body.txt").write_bytes(BODY[:-1])
    with pytest.raises(
        ValueError, match=f"body.txt is truncated or not the expected file: {len(BODY) - 1} bytes.*delete it"
    ):
        download.fetch(f"{server}/body", "body.txt", DIGEST)


def test_a_data_folder_that_does_not_exist_is_an_error(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("TGNN_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="TGNN_DATA_DIR is .*nowhere.*expected a folder"):
        download.find("body.txt")
    with pytest.raises(ValueError, match="data_dir is"):
        download.find("body.txt", tmp_path / "elsewhere")


def test_files_without_a_pinned_digest_are_found_but_never_downloaded(cache, tmp_path):
    (tmp_path / "own.txt").write_text("mine")
    assert download.require("own.txt", "write it", tmp_path) == tmp_path / "own.txt"
    with pytest.raises(FileNotFoundError, match="other.txt is not in .*; write it"):
        download.require("other.txt", "write it", tmp_path)


def test_the_length_of_a_download_is_asked_first(server, cache):
    with pytest.raises(ValueError, match="endless is longer than 67108864 bytes"):
        download.fetch(f"{server}/endless", "body.txt", DIGEST)
    assert files(cache) == []


def homeless(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", fail)


def test_without_a_home_folder_the_data_folder_is_enough(server, cache, tmp_path, monkeypatch):
    homeless(monkeypatch)
    (tmp_path / "body.txt").write_bytes(BODY)
    assert download.fetch(f"{server}/missing", "body.txt", DIGEST, tmp_path) == tmp_path / "body.txt"
    with pytest.raises(FileNotFoundError, match="no home folder, and so no cache; set XDG_CACHE_HOME"):
        download.fetch(f"{server}/body", "other.txt", DIGEST, tmp_path)
    with pytest.raises(FileNotFoundError, match="other.txt is not in any folder; write it"):
        download.require("other.txt", "write it")


def test_a_cache_that_cannot_be_written_names_the_remedy_before_the_download(server, cache, monkeypatch):
    monkeypatch.setattr(download, "download", lambda *_, **__: pytest.fail("it was downloaded"))
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="poem/body.txt could not be written .*set XDG_CACHE_HOME to a folder"):
        download.fetch(f"{server}/body", "poem/body.txt", DIGEST)
    cache.unlink()
    monkeypatch.setattr(download.os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="is read-only.*set XDG_CACHE_HOME"):
        download.fetch(f"{server}/body", "poem/body.txt", DIGEST)


def test_addresses_are_not_taken_for_folders(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for address in ("s3://bucket/data", "gs://bucket", "file:///tmp"):
        with pytest.raises(ValueError, match="data_dir is .*expected a path on this machine"):
            download.find("body.txt", address)
    monkeypatch.setenv("XDG_CACHE_HOME", "s3://bucket/cache")  # not absolute, and so ignored
    assert download.cache_dir() == download.Path.home() / ".cache" / "tgnn"
