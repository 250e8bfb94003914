"""The sentiment treebank, and lines that are no tree."""

import hashlib
import zipfile

import numpy as np
import pytest

from tgnn.datasets import sst
from tgnn.datasets.files.checksums import SHA256


@pytest.mark.slow
def test_sst_counts(data_dir):
    root = data_dir("sst_trees").parent
    train, validation = sst.load("train", root), sst.load("validation", root)
    assert (len(train), len(validation)) == (8544, 1101)
    assert np.bincount([tree.labels[-1] for tree in train]).tolist() == [1092, 2218, 1624, 2322, 1288]
    assert len(sst.vocabulary(train)) == 18_280
    for tree in validation:
        inner = tree.children[:, 0] >= 0
        assert (tree.children[inner] < np.flatnonzero(inner)[:, None]).all()
        assert sorted(tree.children[inner].reshape(-1)) == list(range(len(tree.labels) - 1))
        assert [word == "" for word in tree.words] == inner.tolist()


@pytest.mark.parametrize(
    "line", ["", "(2 a", "(2 a))", "(5 a)", "(2 (2 a))", "(2 (2 a) b)", "()", "(2)", "a", "(2 a) (2 b)", ")", "(2 a) b"]
)
def test_lines_that_are_no_tree_are_refused(line):
    with pytest.raises(ValueError, match="expected a label|not one tree"):
        sst.parse_tree(line)


def test_sst_reads_stanfords_zip(offline, monkeypatch):
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)
    path = offline / "cache" / "tgnn" / "sst_trees" / "trainDevTestTrees_PTB.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trees/test.txt", "(3 (2 fine) (2 film))\n(9 oops)\n")
    monkeypatch.setitem(SHA256, "sst_trees/trainDevTestTrees_PTB.zip", hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match="test.txt, line 2: a bracket holds"):
        sst.load("test")


def test_blank_lines_carriage_returns_and_unicode_line_ends_are_read(tmp_path):
    (tmp_path / "sst_trees").mkdir()
    text = "\ufeff(3 (2 a\u2028b) (2 gem))\r\n\r\n(1 no)\r\n"
    (tmp_path / "sst_trees" / "test.txt").write_bytes(text.encode())
    first, second = sst.load("test", tmp_path)
    assert first.words == ("a\u2028b", "gem", "") and second.labels.tolist() == [1]
    (tmp_path / "sst_trees" / "test.txt").write_bytes(b"\n(1 no)\n\n(1 no\n")
    with pytest.raises(ValueError, match="test.txt, line 4: "):
        sst.load("test", tmp_path)
