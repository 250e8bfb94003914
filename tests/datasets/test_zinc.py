"""ZINC's molecules, and files of the kind that are not consistent."""

import shutil

import numpy as np
import pytest

from tgnn.datasets import zinc


@pytest.mark.parametrize(("split", "n_graph", "n_edge"), [("train", 10_000, 49.8), ("validation", 1_000, 49.7)])
def test_zinc_counts(data_dir, split, n_graph, n_edge):
    molecules = zinc.load(split, data_dir("zinc").parent)
    graphs = molecules.graphs
    assert len(graphs.labels) == n_graph and len(molecules.atom_names) == 18
    assert round(graphs.n_node.mean(), 1) == 23.1 and round(graphs.n_edge.mean(), 1) == n_edge
    assert set(graphs.edges.tolist()) == {1, 2, 3} and graphs.nodes.max() < 18


def test_a_test_split_is_read_where_its_file_exists(data_dir, tmp_path):
    root = data_dir("zinc")
    (tmp_path / "zinc").mkdir()
    shutil.copy(root / "zinc_val_graphs.npz", tmp_path / "zinc" / "zinc_test_graphs.npz")
    assert len(zinc.load("test", tmp_path).graphs.labels) == 1000


def write_zinc(folder, **changes):
    parts = {"num_atoms": [2, 1], "num_bonds": [1, 0], "atom_type": [0, 1, 1], "bonds": [[0, 1, 2]], "y": [0.5, -1.0]}
    (folder / "zinc").mkdir(exist_ok=True)
    np.savez(folder / "zinc" / "zinc_test_graphs.npz", **(parts | {"atom_vocab": ["C", "N"]} | changes))


def test_zinc_edges_run_both_ways(tmp_path):
    write_zinc(tmp_path)
    graphs = zinc.load("test", tmp_path).graphs
    assert (graphs.senders.tolist(), graphs.receivers.tolist(), graphs.edges.tolist()) == ([0, 1], [1, 0], [2, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"atom_type": [0, 1, 2]}, r"atom_type\[2\] = 2, outside \[0, 2\)"),
        ({"bonds": [[0, 1, 4]]}, r"bond orders\[0\] = 4, outside \[1, 4\)"),
        ({"bonds": [[0, 2, 1]]}, r"senders\[1\] = 2, outside \[0, 2\)"),
        ({"num_atoms": [2, 2]}, "3 nodes but n_node of 4 in all"),
        ({"y": [0.5]}, "1 labels but 2 n_node"),
        ({"y": [0.5, np.nan]}, r"y\[1\] = nan, expected finite numbers"),
        ({"y": [[0.5], [1.0]]}, r"labels of shape \(2, 1\), expected 1 axes"),
        ({"num_atoms": [4, -1]}, r"n_node\[0\] = 4, outside \[0, 4\)"),
        ({"num_atoms": 2}, r"n_node of shape \(\)"),
        ({"num_bonds": [2, -1]}, r"n_edge\[0\] = 4, outside"),
        ({"num_bonds": [1, 2**32]}, r"num_bonds\[1\] = 4294967296, outside"),
        ({"atom_type": [0.5, 1.0]}, "atom_type of float64, expected integers"),
        ({"bonds": [[0, 1]]}, r"expected \[n_bond, 3\]"),
    ],
)
def test_zinc_files_that_disagree_are_refused(tmp_path, changes, message):
    write_zinc(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        zinc.load("test", tmp_path)
