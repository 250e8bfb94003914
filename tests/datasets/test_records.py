"""Collections count and give their items, take integers of every type, and one check says what does not fit."""

from dataclasses import dataclass, replace
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.datasets.checks import as_float32, as_int32, check
from tgnn.datasets.graphs import disjoint_edges, take_graphs
from tgnn.datasets.records import ITEM, Collection, Part
from tgnn.datasets.sparse import SparseRows, check_rows, stack_rows, take_rows
from tgnn.datasets.tu import parse_graphs

INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


def path_graphs(*sizes):
    """Paths of several lengths, edges from each node to the next; the label is the size."""
    lines = [str(len(sizes))]
    for size in sizes:
        lines.append(f"{size} {size}")
        lines += [f"0 {int(i > 0)}" + (f" {i - 1}" if i else "") for i in range(size)]
    return parse_graphs("paths", "\n".join(lines))


def test_graphs_count_their_graphs_and_give_them():
    graphs = path_graphs(2, 3, 1)
    assert len(graphs) == 3 and [int(graph.n_node[0]) for graph in graphs] == [2, 3, 1]
    one = graphs[1]
    assert (one.senders.tolist(), one.receivers.tolist(), one.n_edge.tolist()) == ([0, 1], [1, 2], [2])
    assert graphs[-1].n_node == [1] and graphs[np.int8(1)].globals == one.globals
    assert len(graphs[1:]) == 2 and graphs[[2, 0]].n_node.tolist() == [1, 2]
    assert graphs[np.array([True, False, True])].n_node.tolist() == [2, 1]
    with pytest.raises(IndexError, match="no item 3 of 3"):
        graphs[3]
    with pytest.raises(TypeError):
        graphs["x"]


def test_graphs_are_what_batch_takes():
    batch = tgnn.batch(list(path_graphs(2, 3)), "union")
    assert (np.asarray(batch.graph) >= 0).sum() == 5 and (np.asarray(batch.edge) >= 0).sum() == 3


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_of_every_type_number_graphs_and_nodes(dtype):
    graphs = path_graphs(*[2] * 150)  # 300 nodes and 150 edges: more than 8 bits hold
    small = replace(
        graphs, **{part: getattr(graphs, part).astype(dtype) for part in ("senders", "receivers", "n_node", "n_edge")}
    )
    senders, receivers = disjoint_edges(small)
    np.testing.assert_array_equal(senders, np.arange(0, 300, 2))
    np.testing.assert_array_equal(receivers, np.arange(1, 300, 2))
    assert senders.dtype == receivers.dtype == np.int32
    taken = take_graphs(small, np.array([100, 3], dtype))
    assert len(taken.nodes) == 4 and taken.senders.tolist() == [0, 0]
    assert take_graphs(graphs, jnp.array([100, 3])).n_node.tolist() == [2, 2]


@pytest.mark.parametrize("index", [[3], [-1], [0.0], [[0]], [True], 2])
def test_an_index_that_names_no_graph_is_refused(index):
    with pytest.raises(ValueError, match="index .*; pass"):
        take_graphs(path_graphs(2, 3, 1), index)
    assert len(take_graphs(path_graphs(2, 3, 1), [])) == 0


@dataclass(frozen=True, eq=False)
class Rows(Collection):
    """Items with some values each."""

    values: Annotated[np.ndarray, Part("sizes")]
    ids: Annotated[np.ndarray, Part("sizes", below=3)]
    sizes: Annotated[np.ndarray, Part(ITEM, ndim=1)]
    names: Annotated[tuple[str, ...], Part(ITEM)]


RIGHT = Rows(np.array([0.5, 1, 2]), np.array([0, 2, 1]), np.array([1, 2]), ("a", "b"))


def test_an_item_has_its_own_rows():
    assert check("file", RIGHT) is RIGHT
    item = RIGHT[1]
    assert (item.values.tolist(), item.ids.tolist(), item.sizes, item.names) == ([1, 2], [2, 1], 2, "b")
    assert RIGHT[[1, 1]].values.tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.array([0.5, 1, np.inf])}, r"file has values\[2\] = inf, expected finite numbers; get it"),
        ({"values": np.array([0.5, 1])}, "3 ids but 2 values, expected equal lengths"),
        ({"ids": np.array([0, 3, 1])}, r"ids\[1\] = 3, outside \[0, 3\)"),
        ({"ids": np.array([0, -1, 1], np.int8)}, r"ids\[1\] = -1, outside"),
        ({"ids": np.array([0.0, 1, 1])}, "ids of float64, expected integers"),
        ({"sizes": np.array([1, 1])}, "3 values but sizes of 2 in all"),
        ({"sizes": np.array([4, -1])}, r"sizes\[0\] = 4, outside"),
        ({"sizes": np.array([200, 59], np.uint8)}, r"sizes\[0\] = 200, outside"),
        ({"names": ("a",)}, "1 names but 2 sizes"),
        ({"names": np.array(2)}, r"names of shape \(\)"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        check("file", replace(RIGHT, **changes), "get it again")


def test_casts_never_cut():
    assert as_int32("file", "x", np.array([1, 2], np.uint64)).tolist() == [1, 2]
    for values in ([2**31], [-(2**31) - 1], np.array([2**63], np.uint64), [0.5], ["1"]):
        with pytest.raises(ValueError, match="file has x"):
            as_int32("file", "x", values)
    assert as_float32("file", "x", [True, 2]).tolist() == [1, 2]
    for values in ([1e300], [np.nan], ["1"], [1j]):
        with pytest.raises(ValueError, match="file has x"):
            as_float32("file", "x", values)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_sparse_rows_are_stacked_and_taken_with_integers_of_every_type(dtype):
    many = SparseRows(np.arange(101).astype(dtype), np.zeros(100, dtype), np.ones(100, np.float32), (100, 2))
    rows = stack_rows(many, many)
    assert rows.indptr[-1] == 200 and check_rows("file", rows).indptr.dtype == np.int32
    assert take_rows(rows, np.array([100, 0], dtype)).indptr.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"index\[0\] = 200, outside \[-1, 200\)"):
        take_rows(rows, np.array([200]))
    with pytest.raises(ValueError, match=r"values\[0\] = nan"):
        check_rows("file", many._replace(values=np.full(100, np.nan)))
