"""What is true of every loader: names, missing files, counts."""

import pytest

from tgnn.datasets import cmudict, heterophilous, omniglot, planetoid, quickdraw, sick, sst, tu, zinc


def test_a_missing_split_names_its_file(offline, monkeypatch):
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match="zinc/zinc_test_graphs.npz is not in .*split 'test'.*TGNN_DATA_DIR"):
        zinc.load("test")
    with pytest.raises(FileNotFoundError, match="sick/SICK_test_annotated.txt"):
        sick.load("test")
    with pytest.raises(FileNotFoundError, match="quickdraw_small/quickdraw_test.npz"):
        quickdraw.load("test")
    with pytest.raises(FileNotFoundError, match="sst_trees/trainDevTestTrees_PTB.zip .*https://nlp.stanford.edu"):
        sst.load("test")
    with pytest.raises(FileNotFoundError, match="planetoid_pubmed/ind.pubmed.allx"):
        planetoid.load("pubmed")


@pytest.mark.parametrize("module", [zinc, quickdraw, omniglot, sst, sick, cmudict])
def test_a_wrong_split_name_is_an_error_that_lists_the_right_ones(module):
    with pytest.raises(ValueError, match="split is 'valid', expected one of 'train', 'validation', 'test'"):
        module.load("valid")


def test_a_wrong_data_set_name_is_an_error_that_lists_the_right_ones(tmp_path):
    with pytest.raises(ValueError, match="name is 'Cora', expected one of 'cora'"):
        planetoid.load("Cora")
    with pytest.raises(FileNotFoundError, match="Cora is none of ENZYMES, PROTEINS, NCI1, PTC"):
        tu.load("Cora", tmp_path)
    for name in ("../PTC", "", "a/b", None, "/tmp"):
        with pytest.raises(ValueError, match="expected one of ENZYMES"):
            tu.load(name, tmp_path)
        with pytest.raises(ValueError, match="expected one of minesweeper"):
            heterophilous.load(name, tmp_path)
