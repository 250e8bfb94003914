"""Graphs whose neighbours are mostly of other classes: minesweeper, tolokers, chameleon; ten fixed splits each.

| name | nodes | undirected edges | features | classes | score | published, GCN / GAT / GAT-sep |
|---|---|---|---|---|---|---|
| minesweeper | 10,000 | 39,402 | 7 | 2 | ROC AUC | 89.75 / 92.01 / 93.91 |
| tolokers | 11,758 | 519,000 | 10 | 2 | ROC AUC | 83.64 / 83.70 / 83.78 |
| chameleon_filtered | 890 | 8,854 | 2,325 | 5 | accuracy | – |

Other files of the same repository (roman_empire, amazon_ratings, questions, squirrel_filtered) are read where they
lie; their checksums are unknown here.

Source: github.com/yandex-research/heterophilous-graphs, `data/*.npz`. Licence: MIT (the repository). Citation: Platonov
et al., "A critical look at the evaluation of GNNs under heterophily: are we really making progress?", ICLR 2023,
arXiv:2302.11640; the numbers are means of the ten splits, from its notebooks.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets.checks import as_float32, as_int32, check, check_range
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch, require
from tgnn.datasets.records import Part

NAMES = ("minesweeper", "tolokers", "chameleon_filtered")
SPLITS = 10
_URL = "https://github.com/yandex-research/heterophilous-graphs/raw/a431395582e929d88271309716bea4fe24ce6318/data"


def _n_node(graph: "Heterophilous") -> int:
    return len(graph.labels)


@dataclass(frozen=True, eq=False)
class Heterophilous:
    """One graph; both directions of every edge are listed, sorted by receiver.

    Attributes:
        features: float32 [n_node, num_features], as published.
        senders: int32 [n_edge].
        receivers: int32 [n_edge].
        labels: int32 [n_node].
        train: bool [n_node, 10], which nodes may be trained on, in each of the ten splits.
        validation: bool [n_node, 10], for model selection.
        test: bool [n_node, 10], for the final number only.
        num_classes: number of classes.
    """

    features: Annotated[np.ndarray, Part("node", ndim=2)]
    senders: Annotated[np.ndarray, Part("edge", below=_n_node, ndim=1)]
    receivers: Annotated[np.ndarray, Part("edge", below=_n_node, ndim=1)]
    labels: Annotated[np.ndarray, Part("node", below=lambda graph: graph.num_classes, ndim=1)]
    train: Annotated[np.ndarray, Part("node", ndim=2)]
    validation: Annotated[np.ndarray, Part("node", ndim=2)]
    test: Annotated[np.ndarray, Part("node", ndim=2)]
    num_classes: int


def load(name: str, data_dir: str | Path | None = None) -> Heterophilous:
    """One graph, from `heterophilous/<name>.npz`.

    Raises:
        FileNotFoundError: the file is nowhere, and could not be downloaded.
        ValueError: a name that is no name of a file, or a damaged or changed file.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name, re.ASCII):
        raise ValueError(f"name is {name!r}, expected one of {', '.join(NAMES)}, or a file below heterophilous/")
    file = f"heterophilous/{name}.npz"
    if file in SHA256:
        path = fetch(f"{_URL}/{name}.npz", file, SHA256[file], data_dir)
    else:
        path = require(
            file, f"no checksum of it is known here, only of {', '.join(NAMES)}: save {_URL}/{name}.npz there", data_dir
        )
    keys = ("node_features", "node_labels", "edges", "train_masks", "val_masks", "test_masks")
    features, labels, edges, *masks = read_npz(path, keys).values()
    labels = as_int32(str(path), "node_labels", labels)
    senders, receivers = _both_directions(str(path), edges, len(labels))
    graph = Heterophilous(
        as_float32(str(path), "node_features", features),
        senders,
        receivers,
        labels,
        *(mask.T for mask in masks),  # [10, n_node] -> [n_node, 10]
        num_classes=int(labels.max(initial=-1)) + 1,
    )
    return _check(str(path), graph)


def _both_directions(name: str, edges: np.ndarray, n_node: int) -> tuple[np.ndarray, np.ndarray]:
    """Senders and receivers, sorted by receiver, then sender; edges: [n, 2], each once."""
    check_range(name, "edges", edges, 0, n_node)
    first, second = edges.astype(np.int64).reshape(-1, 2).T
    code = np.concatenate([first * n_node + second, second * n_node + first])
    receivers, senders = np.divmod(np.unique(code), n_node)
    return senders.astype(np.int32), receivers.astype(np.int32)


def _check(name: str, graph: Heterophilous) -> Heterophilous:
    check(name, graph)
    masks = [graph.train, graph.validation, graph.test]
    if any(mask.dtype != bool or mask.shape[1] != SPLITS for mask in masks) or (np.sum(masks, axis=0) > 1).any():
        raise ValueError(f"{name} has splits that overlap, or not {SPLITS} of bools; it is damaged: get it again")
    return graph
