"""ESOL's molecules, and graphs of one's own SMILES."""

import numpy as np

from tgnn.datasets import esol
from tgnn.datasets.graphs import take_graphs


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
