"""The raw Planetoid files: `ind.<name>.{allx, tx, y, ally, ty, graph, test.index}`.

Nodes are numbered so that the rows of `allx` come first; row i of `tx` belongs to node `test.index[i]`. In CiteSeer the
test indices have gaps: those nodes have edges, but neither words nor a label. The first `len(y)` nodes are the training
set. Labels are one-hot rows.
"""

import numpy as np

from tgnn.datasets.checks import as_int32
from tgnn.datasets.files.lines import integer
from tgnn.datasets.files.pickles import CsrParts, read_pickle
from tgnn.datasets.sparse import SparseRows, check_rows, stack_rows, take_rows


def read_raw(name: str, parts: dict[str, bytes]) -> tuple[SparseRows, np.ndarray, np.ndarray, int, np.ndarray, int]:
    """Parses the files, given as their contents, without executing what the pickles say.

    Args:
        name: prefix of the file names, for messages.
        parts: content by last part of the name.

    Returns:
        features; pairs int64 [n, 2] as the graph file lists them; labels int32 [n_node]; number of training nodes;
        test nodes int32, ascending; number of classes.

    Raises:
        ValueError: a file is not what it should be.
    """
    position = _test_index(name, parts["test.index"])
    known, test_rows = (_rows(f"{name}.{part}", parts[part]) for part in ("allx", "tx"))
    train_labels, known_labels, test_labels = (_one_hot(f"{name}.{part}", parts[part]) for part in ("y", "ally", "ty"))
    n_known, n_node = known.shape[0], int(position.max()) + 1
    fits = len(known_labels) == n_known and len(test_labels) == test_rows.shape[0] == len(position)
    if not fits or position.min() < n_known:
        raise ValueError(f"{name}.* disagree about the number of nodes; are they of one data set? get them again")
    row = np.full(n_node, -1)
    row[:n_known] = np.arange(n_known)
    row[position] = n_known + np.arange(len(position))
    labels = np.where(row < 0, -1, np.concatenate([known_labels, test_labels])[row]).astype(np.int32)
    pairs = _pairs(f"{name}.graph", parts["graph"], n_node)
    features = take_rows(stack_rows(known, test_rows), row)
    return features, pairs, labels, len(train_labels), np.sort(position), int(labels.max()) + 1


def _test_index(name: str, data: bytes) -> np.ndarray:
    try:
        position = as_int32(f"{name}.test.index", "nodes", [integer(word.decode()) for word in data.split()])
    except ValueError:
        raise ValueError(f"{name}.test.index is not a list of node numbers; get it again") from None
    if not len(position) or len(np.unique(position)) != len(position):
        raise ValueError(f"{name}.test.index is empty or names a node twice; get it again")
    return position


def _rows(name: str, data: bytes) -> SparseRows:
    matrix = read_pickle(name, data)
    attributes = vars(matrix) if isinstance(matrix, CsrParts) else {}
    arrays = [attributes[part] for part in ("indptr", "indices", "data") if part in attributes]
    shape = attributes.get("_shape")
    numbers = [array for array in arrays if isinstance(array, np.ndarray) and array.dtype.kind in "biuf"]
    if len(numbers) != 3 or not isinstance(shape, tuple) or [type(size) for size in shape] != [int, int]:
        raise ValueError(f"{name} is not a pickled sparse matrix of numbers; get it again")
    indptr, indices, values = numbers
    return check_rows(name, SparseRows(indptr, indices, values, shape))


def _one_hot(name: str, data: bytes) -> np.ndarray:
    rows = read_pickle(name, data)
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise ValueError(f"{name} is not a pickled matrix of numbers; get it again")
    if not (np.isin(rows, (0, 1)).all() and (rows.sum(1) <= 1).all()):
        raise ValueError(f"{name} has a row that is not one-hot: a label is out of range; get it again")
    return np.where(rows.any(1), rows.argmax(1), -1)


def _pairs(name: str, data: bytes, n_node: int) -> np.ndarray:
    graph = read_pickle(name, data)
    try:
        pairs = np.array([(node, neighbour) for node, row in graph.items() for neighbour in row])
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{name} is not a pickled dict from nodes to lists of nodes; get it again") from None
    if pairs.ndim != 2 or pairs.dtype.kind not in "iu" or pairs.min() < 0 or pairs.max() >= n_node:
        raise ValueError(f"{name} joins something that is not a node in [0, {n_node}); get it again")
    return pairs
