"""The TU sets and their folds; other sets in the same files; texts that are none."""

import gzip

import numpy as np
import pytest

from tgnn.datasets import tu
from tgnn.datasets.files.archives import read_tar
from tgnn.datasets.graphs import disjoint_edges


@pytest.mark.parametrize(
    ("name", "n_graph", "num_classes", "nodes", "edges", "num_tags", "fold"),
    [
        ("ENZYMES", 600, 6, 32.63, 62.14, 3, 60),
        ("PROTEINS", 1113, 2, 39.06, 72.82, 3, 111),
        ("NCI1", 4110, 2, 29.87, 32.30, 37, 411),
        ("PTC", 344, 2, 25.56, 25.96, 19, 34),
    ],
)
def test_tu_counts(data_dir, name, n_graph, num_classes, nodes, edges, num_tags, fold):
    data = tu.load(name, data_dir("tu").parent)
    graphs = data.graphs
    assert (len(graphs.labels), data.num_classes, data.num_tags) == (n_graph, num_classes, num_tags)
    assert (round(graphs.n_node.mean(), 2), round(graphs.n_edge.mean() / 2, 2)) == (nodes, edges)
    senders, receivers = disjoint_edges(graphs)
    assert set(zip(senders.tolist(), receivers.tolist(), strict=True)) == set(
        zip(receivers.tolist(), senders.tolist(), strict=True)
    )
    tests = np.concatenate([test for _, test in data.folds])
    assert [len(test) for _, test in data.folds] == [fold] * 10 and len(np.unique(tests)) == 10 * fold
    for train, test in data.folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n_graph))


def test_tu_is_read_from_the_unpacked_files_too(data_dir, offline):
    folder = offline / "data" / "tu" / "PTC"
    packed = data_dir("tu") / "PTC"
    folder.mkdir(parents=True)
    (folder / "PTC.txt").write_bytes(gzip.decompress((packed / "PTC.txt.gz").read_bytes()))
    (folder / "10fold_idx").mkdir()
    for member, content in read_tar(packed / "10fold_idx.tar.gz").items():
        (folder / member).write_bytes(content)
    ours, published = tu.load("PTC", offline / "data"), tu.load("PTC", packed.parent.parent)
    for left, right in zip(vars(ours.graphs).values(), vars(published.graphs).values(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert ours.checksum == published.checksum == "verified"
    for left, right in zip(ours.folds, published.folds, strict=True):
        np.testing.assert_array_equal(left[1], right[1])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "x",
        "1\n2 0\n0 1 1\n",
        "1\n1 0\n0 2 0\n",
        "2\n1 0\n0 0\n",
        "0\n",
        "1\n1\n0 0\n",
        "1\n1 0\n0 0\n0 0\n",
        "1\n1 1_0\n0 0\n",
    ],
)
def test_cut_off_graph_texts_are_refused(content):
    with pytest.raises(ValueError, match="PTC.txt .*get it again"):
        tu.parse_graphs("PTC.txt", content)


def test_a_neighbour_outside_the_graph_is_refused_and_a_directed_graph_stays_directed():
    graphs = tu.parse_graphs("a", "2\n2 7\n5 1 1\n5 0\n1 3\n9 0\n")
    assert (graphs.senders.tolist(), graphs.receivers.tolist()) == ([1], [0])
    assert (graphs.nodes.tolist(), graphs.labels.tolist()) == ([0, 0, 1], [1, 0])
    with pytest.raises(ValueError, match=r"senders\[0\] = 2, outside \[0, 2\)"):
        tu.parse_graphs("a", "1\n2 7\n5 1 2\n5 0\n")


def write_set(folder, test="0"):
    (folder / "10fold_idx").mkdir(parents=True)
    (folder / f"{folder.name}.txt").write_text("2\r\n2 1\r\n4 1 1\r\n6 1 0\r\n\r\n1 -1\r\n4 0\r\n")
    for fold in range(1, 11):
        (folder / "10fold_idx" / f"test_idx-{fold}.txt").write_text(f"{test}\n")


def test_another_set_in_the_same_files_is_read_with_an_unknown_checksum(tmp_path):
    write_set(tmp_path / "tu" / "MUTAG")
    data = tu.load("MUTAG", tmp_path)
    assert (len(data), data.num_tags, data.num_classes, data.checksum) == (2, 2, 2, "unknown")
    assert [graph.nodes.tolist() for graph in data] == [[0, 1], [0]] and len(data[:1]) == 1
    assert len(data.folds) == 10 and data.folds[0][0].tolist() == [1]


@pytest.mark.parametrize("test", ["2", "-1", "x", "0\n0", "1_0", ""])
def test_folds_that_name_no_graph_or_one_twice_are_refused(tmp_path, test):
    write_set(tmp_path / "tu" / "MUTAG", test)
    with pytest.raises(ValueError, match="a fold of MUTAG is .*get it again"):
        tu.load("MUTAG", tmp_path)
