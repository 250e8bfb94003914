"""ESOL's molecules, and graphs of one's own SMILES."""

import numpy as np
import pytest

from tgnn.datasets import esol
from tgnn.datasets.graphs import take_graphs


@pytest.mark.slow
def test_esol_counts_and_splits(data_dir):
    molecules = esol.load(data_dir("molecules_delaney").parent)
    graphs = molecules.graphs
    assert len(molecules.smiles) == len(graphs.labels) == 1128
    assert (graphs.labels.min(), graphs.labels.max()) == (np.float32(-11.6), np.float32(1.58))
    parts = esol.random_split(1128, seed=3)
    assert [len(part) for part in parts] == [902, 113, 113]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(1128))
    one = take_graphs(graphs, [5])
    assert len(one.nodes) == graphs.n_node[5] and one.labels[0] == graphs.labels[5]


def test_molecules_of_ones_own_have_one_finite_label_each():
    graphs = esol.from_smiles(["CCO", "O"], np.array([1, -1], np.int8))
    assert len(graphs) == 2 and graphs[0].n_edge == [4] and graphs.labels.dtype == np.float32
    for smiles, labels, message in (
        (["C", "O"], [1.0], r"labels has shape \(1,\) but smiles has 2 molecules"),
        (["C"], [[1.0]], r"labels has shape \(1, 1\)"),
        (["C"], 1.0, r"labels has shape \(\)"),
        (["C"], [np.nan], r"labels\[0\] = nan, expected finite"),
        (["C"], ["1"], "labels of .*expected numbers"),
        ([], [], "expected a sequence of at least one string"),
        ("CO", [1.0, 2.0], "smiles is 'CO', expected a sequence"),
        ([None], [1.0], "smiles is None, expected a string"),
    ):
        with pytest.raises(ValueError, match=message):
            esol.from_smiles(smiles, labels)
