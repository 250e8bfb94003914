"""Fixtures of the loaders' tests."""

import pytest


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A folder; the cache in it is empty, there is no network, and nothing is cached in the end."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".zip"]
