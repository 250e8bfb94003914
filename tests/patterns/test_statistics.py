"""Statistics of graphs whose figures are known, and counts of any layout."""

import importlib

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.pairs import RNG, SETS, M, N, adjacency
from tgnn import patterns
from tgnn.graphs.host import pair_keys

measure = importlib.import_module("tgnn.patterns.summary")  # where its constants are


def test_statistics_of_known_graphs():
    cycle = patterns.dependency(7, np.arange(7) - 1)  # a path of 7 nodes
    found = patterns.statistics(cycle, block=2)
    assert (found.n_edge, found.diameter) == (12, 6)
    assert found.density == 12 / 49 and found.edges_per_receiver == 12 / 7
    assert found.tile_fill == 12 / (9 * 4)  # 3 tiles on the diagonal, without the last node's own, 6 beside it
    assert found.spectral_gap == pytest.approx(1 - np.cos(np.pi / 6), abs=1e-9)  # of a path: 1 - cos(pi / (n - 1))
    whole = patterns.statistics(patterns.complete(7))
    assert (whole.diameter, whole.tile_fill) == (1, 1.0)
    assert whole.spectral_gap == pytest.approx(7 / 6)
    ring = patterns.statistics(patterns.window(400, 1, 1))
    assert ring.spectral_gap == pytest.approx(1 - np.cos(np.pi / 399), rel=1e-6)
    apart = patterns.statistics(patterns.document(5, np.array([0, 0, 1, 1, 1])))
    assert (apart.diameter, apart.spectral_gap) == (1, pytest.approx(0, abs=1e-9))


SQUARE = {
    "complete": tgnn.Complete(N),
    "causal": tgnn.Causal(N),
    "ahead": tgnn.Causal(N, offset=2),
    "behind": tgnn.Causal(N, offset=-2),
    "step ahead": tgnn.Causal(N, offset=1),
    "prefix": tgnn.Prefix(N, 5),
    "documents": patterns.document(N, np.arange(N) // 5, causal=True),
    "loops": patterns.window(3, 0),
    "dense": tgnn.Dense(jnp.asarray(RNG.random((N, N)) < 0.2)),
    "pair": tgnn.Causal(2),
}


@pytest.mark.parametrize("name", SQUARE)
def test_statistics_of_dense_graphs_are_those_of_sparse_ones(name, monkeypatch):
    layout, n = SQUARE[name], SQUARE[name].n_receivers
    monkeypatch.setattr(measure, "MANY_PAIRS", 0)
    products = patterns.statistics(layout)
    monkeypatch.setattr(measure, "MANY_PAIRS", 2)
    assert patterns.statistics(layout).diameter == products.diameter
    joined = adjacency(layout) | adjacency(layout).T
    np.fill_diagonal(joined, False)
    degree = joined.sum(axis=1)
    root = np.divide(1, np.sqrt(degree), where=degree > 0, out=np.zeros(n))
    laplacian = np.diag(degree > 0).astype(float) - root[:, None] * joined * root[None, :]
    assert products.spectral_gap == pytest.approx(np.linalg.eigvalsh(laplacian)[1], abs=1e-9)


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("name", SETS)
def test_counts_are_those_of_the_matrix(name, block):
    found, sees = patterns.statistics(SETS[name], block=block), adjacency(SETS[name])
    block = min(block, N)
    padded = np.pad(sees, [(0, -N % block), (0, -M % block)])
    tiles = padded.reshape(-(-N // block), block, -1, block).any(axis=(1, 3)).sum()
    assert (found.n_edge, found.tile_fill) == (sees.sum(), sees.sum() / (tiles * block**2))
    receivers, senders = np.nonzero(sees)
    np.testing.assert_array_equal(pair_keys(SETS[name]), receivers * M + senders)


def test_statistics_of_small_and_bipartite_graphs():
    for layout in (patterns.causal(0), patterns.causal(1), patterns.memory(3, 2)):
        found = patterns.statistics(layout)
        assert (found.diameter, found.spectral_gap) == (None, None)
    assert patterns.statistics(patterns.causal(0)) == (0, 0.0, 0.0, 1.0, None, None)
    assert patterns.statistics(patterns.window(40, 1), max_nodes=39).diameter is None
