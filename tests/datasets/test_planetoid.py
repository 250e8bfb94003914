"""Planetoid graphs: what was published, from either form of the files, and nothing else."""

import dataclasses
import os
import pickle
import shutil

import numpy as np
import pytest
import scipy.sparse

from tgnn.datasets import planetoid
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.planetoid_raw import read_raw


@pytest.mark.parametrize(
    ("name", "n_node", "n_edge", "num_features", "num_classes", "isolated", "unlabelled"),
    [("cora", 2708, 5278, 1433, 7, 0, 0), ("citeseer", 3327, 4552, 3703, 6, 48, 15)],
)
def test_planetoid_counts(data_dir, name, n_node, n_edge, num_features, num_classes, isolated, unlabelled):
    graph = planetoid.load(name, data_dir(f"planetoid_{name}").parent)
    assert graph.features.shape == (n_node, num_features) and graph.num_classes == num_classes
    assert len(graph.senders) == len(graph.receivers) == 2 * n_edge
    assert (np.bincount(graph.receivers, minlength=n_node) == 0).sum() == isolated
    assert (graph.labels == -1).sum() == unlabelled
    assert [len(graph.train), len(graph.validation), len(graph.test)] == [20 * num_classes, 500, 1000]
    assert (np.bincount(graph.labels[graph.train]) == 20).all()
    assert [graph.mask(split).sum() for split in ("train", "validation", "test")] == [20 * num_classes, 500, 1000]
    assert graph.mask("test")[graph.test].all() and graph.bag().shape == (n_node, num_features)
    with pytest.raises(ValueError, match="split is .tset., expected one of"):
        graph.mask("tset")


def test_planetoid_edges_are_simple_symmetric_and_sorted(data_dir):
    graph = planetoid.load("citeseer", data_dir("planetoid_citeseer").parent)
    there = graph.receivers.astype(np.int64) * 3327 + graph.senders
    back = graph.senders.astype(np.int64) * 3327 + graph.receivers
    assert (np.diff(there) > 0).all() and (graph.senders != graph.receivers).all()
    np.testing.assert_array_equal(np.sort(back), there)


@pytest.mark.parametrize("name", ["cora", "citeseer"])
def test_raw_planetoid_files_give_the_same_graph_as_the_npz(data_dir, name):
    root = data_dir(f"planetoid_{name}").parent
    ours, raw = planetoid.load(name, root), planetoid.load_raw(name, root)
    assert ours.features.shape == raw.features.shape
    for left, right in zip(ours.features[:3], raw.features[:3], strict=True):
        np.testing.assert_array_equal(left, right)
    for field in dataclasses.fields(ours)[1:]:
        np.testing.assert_array_equal(getattr(ours, field.name), getattr(raw, field.name))


def copy_of(tmp_path, folder):
    target = tmp_path / "data" / folder.name
    shutil.copytree(folder, target)
    for path in target.rglob("*"):
        os.chmod(path, 0o755)
    return target


def test_planetoid_is_built_from_raw_files_where_there_is_no_npz(data_dir, offline):
    folder = copy_of(offline, data_dir("planetoid_cora"))
    (folder / "cora_planetoid.npz").unlink()
    assert len(planetoid.load("cora", folder.parent).senders) == 10556
    (folder / "ind.cora.graph").unlink()
    with pytest.raises(FileNotFoundError, match="planetoid_cora/ind.cora.graph is not in"):
        planetoid.load("cora", folder.parent)


@pytest.mark.parametrize("file", ["ind.cora.graph", "ind.cora.x", "cora_planetoid.npz"])
@pytest.mark.parametrize("how", ["truncated", "tampered", "evil"])
def test_a_changed_planetoid_file_is_refused_and_not_executed(data_dir, offline, file, how):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {offline / 'executed'}",)

    path = copy_of(offline, data_dir("planetoid_cora")) / file
    data = path.read_bytes()
    flipped = data[:-99] + bytes([data[-99] ^ 1]) + data[-98:]
    path.write_bytes({"truncated": data[:-1], "tampered": flipped, "evil": pickle.dumps(Evil())}[how])
    with pytest.raises(
        ValueError, match=f"{file} is truncated or not the expected file.*expected {SHA256[f'planetoid_cora/{file}']}"
    ):
        planetoid.load("cora", path.parent.parent)
    assert not (offline / "executed").exists()


def small_raw(**changes):
    """Five nodes: 0 to 2 are known, 3 has edges but neither words nor a label, 4 is the test node."""
    known = scipy.sparse.csr_matrix(np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    parts = {
        "allx": known,
        "tx": scipy.sparse.csr_matrix(np.array([[0, 0.5]], np.float32)),
        "y": np.eye(2)[[0]],
        "ally": np.eye(2)[[0, 1, 1]],
        "ty": np.eye(2)[[1]],
        "graph": {0: [1, 1], 1: [0, 2], 2: [1], 3: [4], 4: [3]},
    } | changes
    return {name: pickle.dumps(part, 2) for name, part in parts.items()} | {"test.index": b"4\n"}


def test_raw_files_with_gaps_and_real_values():
    features, pairs, labels, n_train, test, num_classes = read_raw("ind.small", small_raw())
    np.testing.assert_array_equal(labels, [0, 1, 1, -1, 1])
    dense = scipy.sparse.csr_matrix((features.values, features.indices, features.indptr), features.shape).toarray()
    np.testing.assert_array_equal(dense, [[1, 0], [0, 1], [1, 1], [0, 0], [0, 0.5]])
    assert (len(pairs), n_train, test.tolist(), num_classes) == (7, 1, [4], 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ally": np.array([[0, 1], [1, 1], [1, 0]])}, "ally has a row that is not one-hot: a label is out of range"),
        ({"ty": np.array([[2, 0]])}, "ty has a row that is not one-hot"),
        ({"ally": np.eye(2)}, "disagree about the number of nodes"),
        ({"graph": {0: [5]}}, r"graph joins something that is not a node in \[0, 5\)"),
        ({"graph": {0: [-1]}}, "graph joins something"),
        ({"graph": {}}, "graph joins something"),
        ({"graph": [1, 2]}, "graph is not a pickled dict"),
        ({"allx": np.eye(3)}, "allx is not a pickled sparse matrix"),
        ({"y": [1, 2]}, "y is not a pickled matrix"),
    ],
)
def test_raw_files_that_disagree_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        read_raw("ind.small", small_raw(**changes))
