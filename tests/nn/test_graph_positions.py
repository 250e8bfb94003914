"""Encodings of nodes against closed forms and networkx; a union's are the union of its graphs'."""

import time

import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

import tgnn
from tgnn.graphs.interop import live_edges
from tgnn.nn import walks
from tgnn.nn.eigensolver import smoothest
from tgnn.nn.graph_positions import (
    flip_signs,
    laplacian_eigenvectors,
    random_walk,
    shortest_path_edges,
    shortest_paths,
)

DIRECTED = networkx.gnp_random_graph(23, 0.08, seed=1, directed=True)
GRAPHS = {
    "path": networkx.path_graph(7),
    "cycle": networkx.cycle_graph(11),
    "complete": networkx.complete_graph(5),
    "random": networkx.gnp_random_graph(31, 0.12, seed=3),
}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def normalised_laplacian(graph):
    return np.eye(len(graph)) * (np.array([d for _, d in graph.degree()]) > 0) - (
        np.eye(len(graph)) - networkx.normalized_laplacian_matrix(graph).toarray()
    ) * (np.array([d for _, d in graph.degree()]) > 0)


def union(*graphs):
    return tgnn.from_networkx(networkx.disjoint_union_all(graphs))


@pytest.mark.parametrize("dense_up_to", [512, 1], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", ["path", "cycle", "complete"])
def test_eigenvalues_are_the_closed_forms_and_vectors_are_their_eigenvectors(name, dense_up_to):
    graph = GRAPHS[name]
    n, k = len(graph), 3
    values, vectors = laplacian_eigenvectors(tgnn.from_networkx(graph), k, dense_up_to=dense_up_to)
    expected = {
        "path": [1 - np.cos(np.pi * i / (n - 1)) for i in (1, 2, 3)],
        "cycle": [1 - np.cos(2 * np.pi * i / n) for i in (1, 1, 2)],
        "complete": [n / (n - 1)] * 3,
    }[name]
    np.testing.assert_allclose(values, np.broadcast_to(expected, (n, k)), **CLOSE)
    np.testing.assert_allclose(normalised_laplacian(graph) @ vectors, vectors * values, **CLOSE)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k), **CLOSE)
    for vector in vectors.T:
        largest = np.flatnonzero(np.abs(vector) > 0.999 * np.abs(vector).max())
        assert vector[largest[0]] > 0


def test_the_sparse_solver_finds_the_vectors_of_the_dense_one():
    graph = networkx.connected_watts_strogatz_graph(67, 4, 0.4, seed=5)
    layout = tgnn.from_networkx(graph)
    dense, sparse = (laplacian_eigenvectors(layout, 5, dense_up_to=limit) for limit in (67, 66))
    np.testing.assert_allclose(dense.values, sparse.values, **CLOSE)
    np.testing.assert_allclose(dense.vectors, sparse.vectors, **CLOSE)
    again = laplacian_eigenvectors(layout, 5, dense_up_to=66)
    np.testing.assert_array_equal(again.vectors, sparse.vectors)


def test_every_copy_of_a_multiple_eigenvalue_is_found():
    """A cube of ten dimensions has 2/10 ten times, of which Lanczos from one start sees fewer."""
    n = 1024
    senders = np.repeat(np.arange(n), 10)
    cube = tgnn.EdgeList.from_edges(senders, senders ^ np.tile(1 << np.arange(10), n), n_receivers=n)
    values, vectors = laplacian_eigenvectors(cube, 8)
    np.testing.assert_allclose(values, np.full((n, 8), 0.2), **CLOSE)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), **CLOSE)


def test_a_long_path_whose_eigenvalues_lie_close_is_factorised():
    n = 997
    senders = np.arange(n - 1)
    values, vectors = laplacian_eigenvectors(tgnn.EdgeList.from_edges(senders, senders + 1, n_receivers=n), 3)
    expected = 1 - np.cos(np.pi * np.arange(1, 4) / (n - 1))
    np.testing.assert_allclose(values, np.broadcast_to(expected, (n, 3)), rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), **CLOSE)


def test_eigenvectors_whose_eigenvalues_are_tiny_are_right_too():
    """On a long path residuals of 1e-9 would say nothing: the eigenvalues themselves are 5e-8 apart."""
    n = 4999
    values, vectors = laplacian_eigenvectors(tgnn.from_networkx(networkx.path_graph(n)), 2)
    position = np.pi * np.arange(n) / (n - 1)
    for i, (value, vector) in enumerate(zip(values[0], vectors.T, strict=True), start=1):
        waves = np.cos(i * position) * np.where(
            np.isin(np.arange(n), (0, n - 1)), 1.0, np.sqrt(2.0)
        )  # times sqrt(degree)
        np.testing.assert_allclose(value, 1 - np.cos(i * np.pi / (n - 1)), rtol=1e-5)
        np.testing.assert_allclose(vector, waves / np.linalg.norm(waves), atol=1e-6)


def test_an_eigensolver_that_does_not_converge_says_so(monkeypatch):
    monkeypatch.setattr("tgnn.nn.eigensolver.SOLVES", 0)
    with pytest.raises(ValueError, match="did not converge; pass dense_up_to=997"):
        laplacian_eigenvectors(tgnn.from_networkx(networkx.path_graph(997)), 3)


@pytest.mark.parametrize("graph", ["star", "bipartite", "barbell", "tree", "random"])
def test_the_sparse_solver_finds_the_eigenvalues_of_every_kind_of_graph(graph):
    graph = {
        "star": networkx.star_graph(60),
        "bipartite": networkx.complete_bipartite_graph(17, 31),
        "barbell": networkx.barbell_graph(40, 7),
        "tree": networkx.random_labeled_tree(101, seed=0),
        "random": networkx.gnp_random_graph(150, 0.5, seed=0),  # eigenvalues far from 0, close together
    }[graph]
    adjacency = networkx.to_scipy_sparse_array(graph, dtype=float, format="csr")
    degree = adjacency.sum(axis=1)
    root = np.diag(degree**-0.5)
    values, vectors = smoothest(
        adjacency.multiply(np.outer(degree, degree) ** -0.5).tocsr(), (degree / degree.sum()) ** 0.5, 9
    )
    laplacian = np.eye(len(graph)) - root @ adjacency.toarray() @ root
    np.testing.assert_allclose(values, np.linalg.eigvalsh(laplacian)[1:10], atol=1e-12)
    np.testing.assert_allclose(laplacian @ vectors, vectors * values, atol=1e-8)


def test_each_component_has_its_own_vectors_and_zeros_beyond_its_last():
    parts = [networkx.path_graph(3), networkx.empty_graph(2), networkx.path_graph(6)]
    values, vectors = laplacian_eigenvectors(union(*parts), 4)
    for graph, rows in zip(parts[::2], (slice(0, 3), slice(5, 11)), strict=True):
        alone = laplacian_eigenvectors(tgnn.from_networkx(graph), 4)
        np.testing.assert_allclose(values[rows], alone.values, **CLOSE)
        np.testing.assert_allclose(vectors[rows], alone.vectors, **CLOSE)
    assert (vectors[:3, 2:] == 0).all() and (vectors[:3, :2] != 0).any() and (vectors[3:5] == 0).all()


def test_eigenvectors_take_edges_as_undirected_single_and_without_loops():
    senders, receivers = np.array(networkx.cycle_graph(7).edges).T
    once = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=7)
    messy = tgnn.EdgeList.from_edges(
        np.concatenate([senders, receivers, receivers, [3]]),
        np.concatenate([receivers, senders, senders, [3]]),
        n_receivers=7,
    )
    for mine, theirs in zip(laplacian_eigenvectors(messy, 4), laplacian_eigenvectors(once, 4), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_signs_flip_by_graph_and_vector_and_nothing_else_changes():
    segments = np.repeat([0, 1, 2, -1], [5, 3, 7, 2])
    vectors = jnp.asarray(np.random.default_rng(0).normal(size=(17, 3)), jnp.float32)
    flip = jax.jit(flip_signs)
    signs = np.stack([flip(jax.random.key(seed), vectors, segments) / vectors for seed in range(64)])
    assert set(np.unique(signs)) == {-1.0, 1.0}
    for graph in range(3):
        own = signs[:, segments == graph]
        assert (own == own[:, :1]).all()
    independent = signs[:, [0, 5, 8]].reshape(64, 9)
    assert abs(np.corrcoef(independent.T) - np.eye(9)).max() < 0.5
    alone = np.asarray(flip_signs(jax.random.key(0), vectors) / vectors)
    assert (alone == alone[:1]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, None])
def test_signs_take_segments_of_any_integer_type_and_lists(dtype):
    vectors, segments = np.ones((300, 1), np.float32), np.arange(300) % 100
    given = segments.tolist() if dtype is None else segments.astype(dtype)
    expected = flip_signs(jax.random.key(0), vectors, segments)
    np.testing.assert_array_equal(flip_signs(jax.random.key(0), vectors.tolist(), given), expected)


@pytest.mark.slow
def test_what_has_no_sign_is_said_and_under_jit_becomes_zeros():
    vectors, key = np.ones((3, 2), np.float32), jax.random.key(0)
    for wrong, words in (([0, 1, 3], r"segments must lie in \[-1, 3\), got 3"), ([0, 1], r"shape \[3\]")):
        with pytest.raises(ValueError, match=words):
            flip_signs(key, vectors, wrong)
    with pytest.raises(ValueError, match=r"vectors must be floats of shape \[n_node, k\], got int"):
        flip_signs(key, np.ones((3, 2), int))
    flipped = jax.jit(flip_signs)(key, vectors, np.array([0, 3, -1]))
    assert (flipped[1] == 0).all() and (abs(flipped[jnp.array([0, 2])]) == 1).all()


def test_walks_return_as_often_as_the_closed_forms_say():
    n, steps = 7, 6
    powers = np.arange(1, steps + 1)
    complete = 1 / n + (n - 1) / n * (-1 / (n - 1.0)) ** powers
    cycle = (np.cos(2 * np.pi * np.arange(n) / n)[:, None] ** powers).mean(axis=0)
    for graph, expected in ((networkx.complete_graph(n), complete), (networkx.cycle_graph(n), cycle)):
        result = random_walk(tgnn.from_networkx(graph), steps, numbers_at_once=15)
        np.testing.assert_allclose(result, np.broadcast_to(expected, (n, steps)), **CLOSE)


@pytest.mark.slow
def test_walks_follow_directed_edges_each_copy_counts_and_sinks_end_them():
    layout = tgnn.EdgeList.from_edges([0, 1, 2, 2, 2, 2], [1, 2, 0, 0, 0, 3], n_receivers=4)
    expected = np.zeros((4, 4))
    expected[:3, 2] = 0.75
    np.testing.assert_allclose(random_walk(layout, 4), expected, **CLOSE)
    dense = tgnn.Dense(jnp.asarray(networkx.to_numpy_array(DIRECTED).T > 0))
    matrix = np.asarray(dense.adjacency(), np.float64)
    matrix /= np.maximum(matrix.sum(axis=0), 1)[None]
    powers = [np.diag(np.linalg.matrix_power(matrix, i)) for i in range(1, 6)]
    np.testing.assert_allclose(random_walk(dense, 5, numbers_at_once=100), np.stack(powers, axis=1), **CLOSE)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("starts", [1, 5, 128])
@pytest.mark.parametrize("directed", [False, True])
def test_walks_are_the_diagonals_of_powers_however_they_are_followed(directed, starts, sparse, monkeypatch):
    monkeypatch.setattr(walks, "STARTS", starts)
    monkeypatch.setattr(walks, "SMALL", 0 if sparse else 2048)
    graph = networkx.gnp_random_graph(41, 0.06, seed=2, directed=directed)
    matrix = networkx.to_numpy_array(graph).T
    matrix /= np.maximum(matrix.sum(axis=0), 1)[None]
    powers = [np.diag(np.linalg.matrix_power(matrix, i)) for i in range(1, 8)]
    np.testing.assert_allclose(
        random_walk(tgnn.from_networkx(graph), 7), np.stack(powers, axis=1), rtol=1e-5, atol=1e-7
    )


def citations():
    """A graph of PubMed's size, with hubs: 19,717 nodes, about 88,600 edges."""
    rng = np.random.default_rng(0)
    ends = rng.zipf(2.0, size=(2, 44_324)) * rng.integers(1, 19_717, size=(2, 44_324)) % 19_717
    return tgnn.undirected(tgnn.EdgeList.from_edges(*ends, n_receivers=19_717))


@pytest.mark.slow
def test_encodings_of_a_large_graph_take_seconds_and_are_right():
    graph = citations()
    matrix = tgnn.to_scipy(graph).astype(float)
    degree = np.asarray(matrix.sum(axis=0)).ravel()
    started = time.process_time()
    walked = random_walk(graph, 16)
    values, vectors = laplacian_eigenvectors(graph, 8)
    assert time.process_time() - started < 90
    for start in degree.argsort()[[-1, -100, 10_000]]:
        where = np.eye(1, len(degree), start)[0]
        for step in range(16):
            where = matrix @ (where / np.maximum(degree, 1))
            np.testing.assert_allclose(walked[start, step], where[start], rtol=1e-5, atol=1e-7)
    matrix.setdiag(0)  # eigenvectors take no loops
    root = np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1) ** -0.5
    product = vectors - root[:, None] * (matrix @ (root[:, None] * vectors))
    np.testing.assert_allclose(product, vectors * values, atol=1e-6)


@pytest.mark.parametrize("name", [*GRAPHS, "directed"])
def test_distances_are_networkx_s(name):
    graph = DIRECTED if name == "directed" else GRAPHS[name]
    expected = np.full((len(graph),) * 2, -7)
    for sender, reached in networkx.all_pairs_shortest_path_length(graph):
        expected[list(reached), sender] = list(reached.values())
    layout = tgnn.from_networkx(graph)
    np.testing.assert_array_equal(shortest_paths(layout, unreachable=-7), expected)
    capped = np.where(expected > 2, 2, expected)
    np.testing.assert_array_equal(shortest_paths(layout, max_distance=2, unreachable=-7), capped)


@pytest.mark.parametrize("length", [2, 9])
def test_the_edges_of_a_path_lead_from_its_sender_to_its_receiver(length):
    layout = tgnn.from_networkx(DIRECTED)
    senders, receivers = live_edges(layout)
    distances, paths = shortest_path_edges(layout, length)
    np.testing.assert_array_equal(distances, shortest_paths(layout))
    assert distances.max() > 3 and (distances == -1).any()
    for receiver, sender in np.ndindex(distances.shape):
        path, distance = paths[receiver, sender], max(distances[receiver, sender], 0)
        edges = path[: min(length, distance)]
        assert (edges >= 0).all() and (path[len(edges) :] == -1).all()
        visited = [sender, *receivers[edges]]
        assert list(senders[edges]) == visited[:-1]
        assert visited[-1] == receiver or distance > length or distances[receiver, sender] == -1


def test_edges_of_paths_are_positions_in_the_callers_order_among_dead_ones():
    layout = tgnn.EdgeList.from_edges(
        [9, 1, 0, 0], [9, 2, 1, 1], n_receivers=3, mask=np.array([False, True, True, True]), pad_to=7
    )
    assert shortest_path_edges(layout, 3).edges[2, 0].tolist() == [2, 1, -1]


def test_empty_graphs_and_bipartite_ones():
    empty = tgnn.EdgeList.from_edges([], [], n_receivers=0)
    assert laplacian_eigenvectors(empty, 2).vectors.shape == (0, 2)
    assert random_walk(empty, 2).shape == (0, 2) and shortest_path_edges(empty, 2).edges.shape == (0, 0, 2)
    for sizes, words in (({"steps": 1.5}, "steps must be"), ({"steps": 1, "numbers_at_once": 0}, "numbers_at_once")):
        with pytest.raises(ValueError, match=words):
            random_walk(empty, **sizes)
    bipartite = tgnn.EdgeList.from_edges([0], [1], n_receivers=2, n_senders=3)
    for encode in (lambda x: laplacian_eigenvectors(x, 1), lambda x: random_walk(x, 1), shortest_paths):
        with pytest.raises(ValueError, match="one set of nodes"):
            encode(bipartite)
