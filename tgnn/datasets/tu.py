"""ENZYMES, PROTEINS, NCI1 and PTC: classifying whole graphs, with the ten folds of the GIN and DGCNN papers.

| name | graphs | classes | nodes | undirected edges (means) | node tags |
|---|---|---|---|---|---|
| ENZYMES | 600 | 6 | 32.63 | 62.14 | 3 |
| PROTEINS | 1,113 | 2 | 39.06 | 72.82 | 3 |
| NCI1 | 4,110 | 2 | 29.87 | 32.30 | 37 |
| PTC | 344 | 2 | 25.56 | 25.96 | 19 |

The test folds are disjoint and equal in size, so that 3 graphs of PROTEINS and 4 of PTC are in no test fold.

Source: github.com/muhanzhang/pytorch_DGCNN (MIT). Licence of the data: public, none stated; cite. Citation: Morris et
al., "TUDataset", arXiv:2007.08663; Zhang et al., "An End-to-End Deep Learning Architecture for Graph Classification",
AAAI 2018; folds as used by Xu et al., "How Powerful are Graph Neural Networks?", arXiv:1810.00826.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.files.archives import read_tar, read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find
from tgnn.datasets.graphs import Graphs, check_graphs
from tgnn.datasets.splits import check_choice

NAMES = ("ENZYMES", "PROTEINS", "NCI1", "PTC")
_URL = "https://raw.githubusercontent.com/muhanzhang/pytorch_DGCNN/50f504131ca66382f3f078ae98e59aa3ae35b795/data"


class TU(NamedTuple):
    """One data set.

    Attributes:
        graphs: nodes int32 tag in [0, num_tags); edges int32 zeros (there are no edge features); labels int32.
        folds: ten pairs of train and test graph indices.
        num_tags: number of node tags.
        num_classes: number of graph classes.
    """

    graphs: Graphs
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    num_tags: int
    num_classes: int


def load(name: str, data_dir: str | Path | None = None) -> TU:
    """One data set, from `tu/<name>/<name>.txt.gz` and `10fold_idx.tar.gz`, or the same files unpacked.

    Raises:
        FileNotFoundError: a file is nowhere, and the download failed.
        ValueError: an unknown name, or a damaged or changed file.
    """
    check_choice("name", name, NAMES)
    path = find(f"tu/{name}/{name}.txt.gz", data_dir) or _fetch(name, f"{name}.txt", data_dir)
    graphs = parse_graphs(str(path), read_text(path))
    folds = tuple(_fold(name, test, len(graphs.labels)) for test in _test_folds(name, data_dir))
    return TU(graphs, folds, int(graphs.nodes.max()) + 1, int(graphs.labels.max()) + 1)


def parse_graphs(name: str, text: str) -> Graphs:
    """Graphs in the text format of the GIN repository.

    First the number of graphs; then for each a line `n label` and n lines `tag m neighbour_1 ... neighbour_m`. Tags and
    labels are renumbered from 0 in ascending order.

    Raises:
        ValueError: the text is cut off or of another format.
    """
    lines = iter(text.splitlines())
    try:
        graphs = [_graph(lines) for _ in range(int(next(lines)))]
    except (StopIteration, ValueError, IndexError):
        raise ValueError(
            f"{name} is cut off or not in the format `n label`, `tag m neighbours...`; get it again"
        ) from None
    if not graphs:
        raise ValueError(f"{name} holds no graph; get it again")
    labels, tags, degrees, senders = zip(*graphs, strict=True)
    n_edge = np.array([sum(degree) for degree in degrees], np.int32)
    result = Graphs(
        nodes=_renumber([tag for graph in tags for tag in graph]),
        edges=np.zeros(n_edge.sum(), np.int32),
        senders=np.array([sender for graph in senders for sender in graph], np.int32),
        receivers=np.concatenate([np.repeat(np.arange(len(d), dtype=np.int32), d) for d in degrees]),
        n_node=np.array([len(graph) for graph in tags], np.int32),
        n_edge=n_edge,
        labels=_renumber(labels),
    )
    return check_graphs(name, result)


def _graph(lines) -> tuple[int, list[int], list[int], list[int]]:
    """Label, tag of each node, number of neighbours of each node, neighbours."""
    n_node, label = (int(word) for word in _next(lines).split())
    if n_node < 0:
        raise ValueError
    tags, degrees, senders = [], [], []
    for _ in range(n_node):
        tag, degree, *neighbours = (int(word) for word in _next(lines).split())
        if len(neighbours) != degree:
            raise ValueError
        tags.append(tag)
        degrees.append(degree)
        senders.extend(neighbours)
    return label, tags, degrees, senders


def _next(lines) -> str:
    line = next(lines, None)
    if line is None:  # a bare StopIteration would end the caller's loop in silence
        raise ValueError
    return line


def _renumber(values) -> np.ndarray:
    return np.unique(np.array(values), return_inverse=True)[1].reshape(-1).astype(np.int32)


def _fetch(name: str, file: str, data_dir) -> Path:
    path = f"tu/{name}/{file}"
    return fetch(f"{_URL}/{name}/{file}", path, SHA256[path], data_dir)


def _test_folds(name: str, data_dir) -> list[bytes]:
    packed = find(f"tu/{name}/10fold_idx.tar.gz", data_dir)
    names = [f"10fold_idx/test_idx-{fold}.txt" for fold in range(1, 11)]
    if packed is None:
        return [_fetch(name, file, data_dir).read_bytes() for file in names]
    files = read_tar(packed)
    if any(file not in files for file in names):
        raise ValueError(f"{packed} lacks one of the ten test folds; get it again")
    return [files[file] for file in names]


def _fold(name: str, data: bytes, n_graph: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        test = np.array([int(word) for word in data.split()], np.int32)
    except ValueError:
        raise ValueError(f"a fold of {name} is not a list of graph numbers; get it again") from None
    if not len(test) or test.min() < 0 or test.max() >= n_graph:
        raise ValueError(f"a fold of {name} is empty or names a graph outside [0, {n_graph}); get it again")
    return np.setdiff1d(np.arange(n_graph, dtype=np.int32), test), test
