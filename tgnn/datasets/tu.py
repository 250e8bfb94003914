"""Classifying whole graphs: ENZYMES, PROTEINS, NCI1, PTC and their like, with the ten folds of the GIN paper.

| name | graphs | classes | nodes | undirected edges (means) | node tags |
|---|---|---|---|---|---|
| ENZYMES | 600 | 6 | 32.63 | 62.14 | 3 |
| PROTEINS | 1,113 | 2 | 39.06 | 72.82 | 3 |
| NCI1 | 4,110 | 2 | 29.87 | 32.30 | 37 |
| PTC | 344 | 2 | 25.56 | 25.96 | 19 |

The test folds are disjoint and equal in size, so that 3 graphs of PROTEINS and 4 of PTC are in no test fold.
Any other data set in the same files (MUTAG, IMDBBINARY, ...) is read where they lie; its checksums are unknown.

Source: github.com/muhanzhang/pytorch_DGCNN (MIT). Licence of the data: public, none stated; cite. Citation: Morris et
al., "TUDataset", arXiv:2007.08663; Zhang et al., "An End-to-End Deep Learning Architecture for Graph Classification",
AAAI 2018; folds as used by Xu et al., "How Powerful are Graph Neural Networks?", arXiv:1810.00826.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgnn.datasets.checks import as_int32, check
from tgnn.datasets.files.archives import read_bytes, read_tar, read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, find, require
from tgnn.datasets.files.lines import integer, numbered_lines, words_of
from tgnn.datasets.graphs import Graphs, OfGraphs

NAMES = ("ENZYMES", "PROTEINS", "NCI1", "PTC")
_URL = "https://raw.githubusercontent.com/muhanzhang/pytorch_DGCNN/50f504131ca66382f3f078ae98e59aa3ae35b795/data"


@dataclass(frozen=True, eq=False)
class TU(OfGraphs):
    """One data set; `len(data)` is its number of graphs, `data[i]` one of them.

    Attributes:
        graphs: nodes int32 tag in [0, num_tags); edges int32 zeros (there are no edge features); labels int32.
        folds: ten pairs of train and test graph indices, int32.
        num_tags: number of node tags.
        num_classes: number of graph classes.
        checksum: "verified", or "unknown" for a data set that is not in `NAMES`: nobody knows its files here.
    """

    graphs: Graphs
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    num_tags: int
    num_classes: int
    checksum: str = "unknown"


def load(name: str, data_dir: str | Path | None = None) -> TU:
    """One data set, from `tu/<name>/<name>.txt.gz` and `10fold_idx.tar.gz`, or the same files unpacked.

    Args:
        name: one of `NAMES`, or the name of a folder with such files.
        data_dir: folder to search before the cache; default TGNN_DATA_DIR.

    Raises:
        FileNotFoundError: a file is nowhere, and could not be downloaded.
        ValueError: a name that is no name of a folder, or a damaged or changed file.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise ValueError(f"name is {name!r}, expected one of {', '.join(NAMES)}, or the name of a folder below tu/")
    path = find(f"tu/{name}/{name}.txt.gz", data_dir) or _obtain(name, f"{name}.txt", data_dir)
    graphs = parse_graphs(str(path), read_text(path))
    folds = tuple(_fold(name, test, len(graphs)) for test in _test_folds(name, data_dir))
    num_tags, num_classes = (int(x.max(initial=-1)) + 1 for x in (graphs.nodes, graphs.labels))
    return TU(graphs, folds, num_tags, num_classes, "verified" if name in NAMES else "unknown")


def parse_graphs(name: str, text: str) -> Graphs:
    r"""Graphs in the text format of the GIN repository.

    First the number of graphs; then for each a line `n label` and n lines `tag m neighbour_1 ... neighbour_m`. Tags and
    labels are renumbered from 0 in ascending order. Blank lines are skipped.

    Example:
        >>> graphs = parse_graphs("text", "1\n2 7\n5 1 1\n9 1 0\n")
        >>> graphs.nodes.tolist(), graphs.senders.tolist(), graphs.receivers.tolist()
        ([0, 1], [1, 0], [0, 1])

    Raises:
        ValueError: the text is cut off, goes on after the last graph, or is of another format.
    """
    lines = (line for _, line in numbered_lines(text))
    try:
        count = integer(_next(lines).strip())
        graphs = [_graph(lines) for _ in range(count)]
        if next(lines, None) is not None:
            raise ValueError(f"it goes on after its {count} graphs")
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{name} is cut off or not in the format `n label`, `tag m neighbours...` ({error}); get it again"
        ) from None
    if not graphs:
        raise ValueError(f"{name} holds no graph; get it again")
    labels, tags, degrees, senders = zip(*graphs, strict=True)
    n_edge = np.array([sum(degree) for degree in degrees], np.int32)
    result = Graphs(
        nodes=_renumber([tag for graph in tags for tag in graph]),
        edges=np.zeros(n_edge.sum(), np.int32),
        senders=as_int32(name, "neighbours", np.array([sender for graph in senders for sender in graph], int)),
        receivers=np.concatenate([np.repeat(np.arange(len(d), dtype=np.int32), d) for d in degrees]),
        n_node=np.array([len(graph) for graph in tags], np.int32),
        n_edge=n_edge,
        labels=_renumber(labels),
    )
    return check(name, result)


def _graph(lines) -> tuple[int, list[int], list[int], list[int]]:
    """Label, tag of each node, number of neighbours of each node, neighbours."""
    n_node, label = map(integer, words_of(_next(lines)))
    if n_node < 0:
        raise ValueError(f"a graph of {n_node} nodes")
    tags, degrees, senders = [], [], []
    for _ in range(n_node):
        tag, degree, *neighbours = map(integer, words_of(_next(lines)))
        if len(neighbours) != degree:
            raise ValueError(f"a node with {len(neighbours)} of {degree} neighbours")
        tags.append(tag)
        degrees.append(degree)
        senders.extend(neighbours)
    return label, tags, degrees, senders


def _next(lines) -> str:
    line = next(lines, None)
    if line is None:  # a bare StopIteration would end the caller's loop in silence
        raise ValueError("a line is missing")
    return line


def _renumber(values) -> np.ndarray:
    return np.unique(np.array(values, int), return_inverse=True)[1].reshape(-1).astype(np.int32)


def _obtain(name: str, file: str, data_dir) -> Path:
    """A file of a data set: downloaded where its checksum is known, else only found."""
    path = f"tu/{name}/{file}"
    if path in SHA256:
        return fetch(f"{_URL}/{name}/{file}", path, SHA256[path], data_dir)
    remedy = f"{name} is none of {', '.join(NAMES)}, which can be downloaded: put its files there"
    return require([path, f"{path}.gz"], remedy, data_dir)


def _test_folds(name: str, data_dir) -> list[bytes]:
    packed = find(f"tu/{name}/10fold_idx.tar.gz", data_dir)
    names = [f"10fold_idx/test_idx-{fold}.txt" for fold in range(1, 11)]
    if packed is None:
        return [read_bytes(_obtain(name, file, data_dir)) for file in names]
    files = read_tar(packed)
    files = {member.removeprefix("./"): content for member, content in files.items()}
    if any(file not in files for file in names):
        raise ValueError(f"{packed} lacks one of the ten test folds; get it again")
    return [files[file] for file in names]


def _fold(name: str, data: bytes, n_graph: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        test = np.array([integer(word.decode()) for word in data.split()], int)
    except ValueError:
        raise ValueError(f"a fold of {name} is not a list of graph numbers; get it again") from None
    if not len(test) or test.min() < 0 or test.max() >= n_graph or len(np.unique(test)) < len(test):
        raise ValueError(
            f"a fold of {name} is empty, or names a graph twice or one outside [0, {n_graph}); get it again"
        )
    test = test.astype(np.int32)
    return np.setdiff1d(np.arange(n_graph, dtype=np.int32), test), test
