"""Cora, CiteSeer and PubMed: papers, the words in them, who cites whom; the public Planetoid split.

| name | nodes | undirected edges | features | classes | train / validation / test |
|---|---|---|---|---|---|
| cora | 2,708 | 5,278 | 1,433, binary | 7 | 140 / 500 / 1,000 |
| citeseer | 3,327 | 4,552 | 3,703, binary | 6 | 120 / 500 / 1,000 |
| pubmed | 19,717 | 44,324 | 500, TF-IDF | 3 | 60 / 500 / 1,000 |

Edges are counted without the self-loops and duplicates of the raw files, which are dropped. CiteSeer has 48 isolated
nodes, and 15 others that have edges, but neither features nor a label (label -1); all are kept.

Source: github.com/kimiyoung/planetoid. Licence: none stated for the data (the repository is MIT), so nothing is
bundled. Citation: Yang, Cohen, Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings", ICML 2016,
arXiv:1603.08861; Sen et al., "Collective Classification in Network Data", AI Magazine 2008.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from tgnn.datasets.checks import as_int32, check, check_range
from tgnn.datasets.files.archives import read_bytes, read_npz
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find
from tgnn.datasets.planetoid_raw import read_raw
from tgnn.datasets.records import Part
from tgnn.datasets.sparse import SparseRows, check_rows, normalize_rows
from tgnn.datasets.splits import check_choice

if TYPE_CHECKING:
    from tgnn.nn.sparse_features import SparseFeatures

SPLITS = "train", "validation", "test"
NAMES = ("cora", "citeseer", "pubmed")
_URL = "https://raw.githubusercontent.com/kimiyoung/planetoid/af6abf468a772cc055bec88c52e4d6f51b7c37e3/data"
_PARTS = ("allx", "tx", "y", "ally", "ty", "graph", "test.index")
_NUM_CLASSES = {"cora": 7, "citeseer": 6, "pubmed": 3}


def _n_node(graph: "Planetoid") -> int:
    return len(graph.labels)


@dataclass(frozen=True, eq=False)
class Planetoid:
    """A citation graph; both directions of every edge are listed, sorted by receiver.

    Attributes:
        features: [n_node, num_features] sparse float32 rows, as published (not normalised).
        senders: int32 [n_edge].
        receivers: int32 [n_edge].
        labels: int32 [n_node], -1 = unlabelled.
        train: int32 node indices whose labels may be trained on.
        validation: int32 node indices for model selection.
        test: int32 node indices for the final number only.
        num_classes: number of classes.
    """

    features: SparseRows
    senders: Annotated[np.ndarray, Part("edge", below=_n_node, ndim=1)]
    receivers: Annotated[np.ndarray, Part("edge", below=_n_node, ndim=1)]
    labels: Annotated[np.ndarray, Part("node", low=-1, below=lambda graph: graph.num_classes, ndim=1)]
    train: Annotated[np.ndarray, Part("train_node", below=_n_node, ndim=1)]
    validation: Annotated[np.ndarray, Part("validation_node", below=_n_node, ndim=1)]
    test: Annotated[np.ndarray, Part("test_node", below=_n_node, ndim=1)]
    num_classes: int

    def bag(self, *, normalize: bool = False) -> "SparseFeatures":
        """The features as `tgnn.models` take them: a bipartite graph from words to papers instead of a dense matrix.

        `normalize` divides the words of a paper by their sum, as GCN's and GAT's authors do; a paper without words has
        no in-edge, and its features are zeros.
        """
        from tgnn.nn.sparse_features import SparseFeatures  # the loaders themselves need NumPy only

        return SparseFeatures.from_rows(*(normalize_rows(self.features) if normalize else self.features))

    def mask(self, split: str) -> np.ndarray:
        """Bool [n_node]: the nodes of "train", "validation" or "test", as the losses take them."""
        check_choice("split", split, SPLITS)
        return np.isin(np.arange(len(self.labels)), getattr(self, split))


def load(name: str, data_dir: str | Path | None = None) -> Planetoid:
    """One of the three graphs, from `planetoid_<name>/`: the pickle-free npz if it is there, else the raw files.

    The raw files are downloaded if need be, checked against their sha256, and only then read by an unpickler that
    knows nothing but numbers.

    Raises:
        ValueError: an unknown name; a file of the folder is damaged or was changed.
        FileNotFoundError: a file is nowhere, and the download failed.
    """
    check_choice("name", name, NAMES)
    folder = f"planetoid_{name}"
    for path in SHA256:  # a folder with one changed file is not to be trusted, whichever file would be read
        if path.startswith(f"{folder}/"):
            find(path, data_dir)
    converted = find(f"{folder}/{name}_planetoid.npz", data_dir)
    graph = _from_npz(converted) if converted else load_raw(name, data_dir)
    _check(name, graph)
    return graph


def load_raw(name: str, data_dir: str | Path | None = None) -> Planetoid:
    """As `load`, but always from the raw files `ind.<name>.*`."""
    check_choice("name", name, NAMES)
    parts = {}
    for part in _PARTS:
        path = f"planetoid_{name}/ind.{name}.{part}"
        parts[part] = read_bytes(fetch(f"{_URL}/ind.{name}.{part}", path, SHA256[path], data_dir))
    features, pairs, labels, n_train, test, num_classes = read_raw(f"ind.{name}", parts)
    train = np.arange(n_train, dtype=np.int32)
    validation = np.arange(n_train, n_train + 500, dtype=np.int32)
    return Planetoid(features, *_both_directions(pairs, len(labels)), labels, train, validation, test, num_classes)


def _from_npz(path: Path) -> Planetoid:
    arrays = read_npz(path)
    labels, train, validation, test = (
        as_int32(str(path), part, arrays[part]) for part in ("labels", "train_idx", "val_idx", "test_idx")
    )
    shape = (len(labels), int(arrays["num_features"]))
    indices = arrays["feat_indices"]
    features = SparseRows(arrays["feat_indptr"], indices, np.ones(len(indices), np.float32), shape)
    features = check_rows(str(path), features)
    senders, receivers = _both_directions(arrays["edges_undirected"], len(labels))
    return Planetoid(features, senders, receivers, labels, train, validation, test, int(labels.max()) + 1)


def _both_directions(pairs: np.ndarray, n_node: int) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers of an undirected simple graph, sorted by receiver, then sender; pairs: [n, 2]."""
    check_range("the graph", "edges", pairs, 0, n_node)
    first, second = pairs.astype(np.int64).T
    keep = first != second
    code = np.concatenate([first * n_node + second, second * n_node + first])[np.tile(keep, 2)]
    receivers, senders = np.divmod(np.unique(code), n_node)
    return senders.astype(np.int32), receivers.astype(np.int32)


def _check(name: str, graph: Planetoid) -> None:
    """The parts fit together, whatever file they came from."""
    check(name, graph)
    if graph.num_classes != _NUM_CLASSES[name] or graph.features.shape[0] != len(graph.labels):
        raise ValueError(
            f"{name} has {graph.num_classes} classes and {graph.features.shape[0]} rows of features for "
            f"{len(graph.labels)} nodes, expected {_NUM_CLASSES[name]} classes and a row a node; get its files again"
        )
    split = np.concatenate([graph.train, graph.validation, graph.test])
    if len(np.unique(split)) != len(split) or graph.labels[split].min(initial=0) < 0:
        raise ValueError(
            f"the train, validation and test nodes of {name} overlap, or lack a label; get its files again"
        )
