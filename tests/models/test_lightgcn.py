"""LightGCN against dense algebra in float64 and against PyG's, with nodes that nobody chose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.models.message_passing.lightgcn import both_directions

USERS, ITEMS, DIM = 7, 5, 3
CHOSEN = np.random.default_rng(0).random((USERS, ITEMS)) < 0.5
CHOSEN[2], CHOSEN[:, 4] = False, False  # a user without items, an item without users
PAIRS = np.nonzero(CHOSEN)
GRAPH = both_directions(*PAIRS, num_users=USERS, num_items=ITEMS)
PARAMS = models.init_lightgcn(jax.random.key(0), USERS + ITEMS, DIM)
apply = jax.jit(models.lightgcn, static_argnames="num_layers")


def dense(matrix, x, num_layers):
    """The mean of x, Ax, AAx, ..., in float64."""
    degree = matrix.sum(1)
    root = np.where(degree > 0, degree, 1) ** -0.5
    matrix = root[:, None] * matrix * root
    powers = [np.asarray(x, np.float64)]
    for _ in range(num_layers):
        powers.append(matrix @ powers[-1])
    return np.mean(powers, axis=0)


def square(chosen):
    return np.block([[np.zeros((USERS, USERS)), chosen], [chosen.T, np.zeros((ITEMS, ITEMS))]])


@pytest.mark.parametrize("num_layers", [0, 3])
def test_equal_to_dense_algebra(num_layers):
    found = apply(PARAMS, GRAPH, num_layers=num_layers)
    expected = dense(square(CHOSEN.astype(float)), PARAMS["embedding"], num_layers)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    alone = np.array([2, USERS + 4])
    np.testing.assert_allclose(found[alone], PARAMS["embedding"][alone] / (num_layers + 1), rtol=1e-6)


def test_ratings_weigh_the_edges():
    ratings = np.random.default_rng(1).integers(1, 6, len(PAIRS[0]))
    matrix = np.zeros((USERS, ITEMS))
    matrix[PAIRS] = ratings
    found = apply(PARAMS, GRAPH, edge_weight=np.append(ratings, ratings))
    np.testing.assert_allclose(found, dense(square(matrix), PARAMS["embedding"], 3), atol=1e-6)


@pytest.mark.slow
def test_equal_to_pygs():
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torch_geometric.nn").LightGCN(USERS + ITEMS, DIM, num_layers=3)
    theirs.embedding.weight.data = torch.from_numpy(np.array(PARAMS["embedding"]))
    edges = torch.from_numpy(np.stack([np.array(GRAPH.senders), np.array(GRAPH.receivers)]).astype(np.int64))
    np.testing.assert_allclose(apply(PARAMS, GRAPH), theirs.get_embedding(edges).detach().numpy(), atol=1e-6)


def test_users_come_before_items_and_ids_are_checked():
    assert GRAPH.n_edge == 2 * CHOSEN.sum()
    assert np.array_equal(np.asarray(GRAPH.adjacency()), square(CHOSEN).astype(bool))
    small = both_directions(PAIRS[0].astype(np.uint8), PAIRS[1].astype(np.int8), num_users=USERS, num_items=ITEMS)
    assert small == GRAPH
    for users, items, message in (([7], [0], r"receivers\[0\] is 7"), ([0], [-1], r"senders\[0\] is -1")):
        with pytest.raises(ValueError, match=message):
            both_directions(users, items, num_users=USERS, num_items=ITEMS)


def test_nobody_chose_anything():
    empty = both_directions([], [], num_users=2, num_items=0)
    params = models.init_lightgcn(jax.random.key(0), 2, DIM)
    np.testing.assert_allclose(models.lightgcn(params, empty), params["embedding"] / 4, rtol=1e-6)


def test_the_embeddings_are_those_of_the_nodes():
    with pytest.raises(ValueError, match="x has shape"):
        models.lightgcn({"embedding": jnp.zeros((3, DIM))}, GRAPH)
    with pytest.raises(ValueError, match="num_layers must be an integer of at least 0"):
        models.lightgcn(PARAMS, GRAPH, num_layers=-1)
    with pytest.raises(ValueError, match="num_nodes must be an integer"):
        models.init_lightgcn(jax.random.key(0), 2.5)
    assert isinstance(GRAPH, tgnn.EdgeList)
