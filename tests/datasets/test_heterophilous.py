"""Graphs of unlike neighbours, each with its ten fixed splits."""

import numpy as np
import pytest

from tgnn.datasets import heterophilous


@pytest.mark.parametrize(
    ("name", "n_node", "n_edge", "num_features", "num_classes"),
    [("minesweeper", 10_000, 39_402, 7, 2), ("chameleon_filtered", 890, 8_854, 2_325, 5)]
    + [pytest.param("tolokers", 11_758, 519_000, 10, 2, marks=pytest.mark.slow)],
)
def test_heterophilous_counts(data_dir, name, n_node, n_edge, num_features, num_classes):
    graph = heterophilous.load(name, data_dir("heterophilous").parent)
    assert graph.features.shape == (n_node, num_features) and graph.num_classes == num_classes
    assert len(graph.senders) == 2 * n_edge and (np.diff(graph.receivers) >= 0).all()
    assert graph.train.shape == graph.validation.shape == graph.test.shape == (n_node, 10)
    assert (graph.train.astype(int) + graph.validation + graph.test == 1).all()


def write(folder, **changes):
    masks = np.eye(3, dtype=bool)[:, None].repeat(10, axis=1)  # [3, 10, n_node]
    parts = {"node_features": np.eye(3), "node_labels": [0, 1, 1], "edges": [[0, 1], [1, 2]]}
    parts |= {"train_masks": masks[0], "val_masks": masks[1], "test_masks": masks[2]} | changes
    (folder / "heterophilous").mkdir()
    np.savez(folder / "heterophilous" / "questions.npz", **parts)
    return folder


def test_another_file_of_the_kind_is_read(tmp_path):
    graph = heterophilous.load("questions", write(tmp_path))
    assert (graph.senders.tolist(), graph.receivers.tolist()) == ([1, 0, 2, 1], [0, 1, 1, 2])
    assert graph.train[:, 0].tolist() == [True, False, False]
    with pytest.raises(FileNotFoundError, match="roman_empire.npz is not in .*save https"):
        heterophilous.load("roman_empire", tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [[0, 3]]}, r"edges\[1\] = 3, outside \[0, 3\)"),
        ({"node_labels": [0, -1, 1]}, r"labels\[1\] = -1"),
        ({"node_features": np.full((3, 1), np.nan)}, "expected finite"),
        ({"node_features": np.eye(2)}, "expected equal lengths"),
        ({"test_masks": np.ones((10, 3), bool)}, "splits that overlap"),
        ({"test_masks": np.zeros((9, 3), bool)}, "splits that overlap, or not 10"),
    ],
)
def test_files_that_disagree_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        heterophilous.load("questions", write(tmp_path, **changes))
