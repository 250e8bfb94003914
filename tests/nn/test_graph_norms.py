"""Norms over nodes against their equations and torch's; DropEdge; readouts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import nn

X = np.random.default_rng(0).normal(1.0, 2.0, (13, 5)).astype(np.float32)
IDS = np.array([0] * 4 + [1] * 6 + [-1] * 2 + [2], np.int8)
TO_GRAPHS = tgnn.EdgeList.from_edges(np.flatnonzero(IDS >= 0), IDS[IDS >= 0], n_receivers=3, n_senders=13)


def random_like(tree):
    return jax.tree.map(lambda x: jax.random.normal(jax.random.key(x.size), x.shape), tree)


def test_batch_norm_counts_nodes_only_and_is_torchs():
    torch = pytest.importorskip("torch")
    params, moments = nn.init_batch_norm(5)
    params, live = random_like(params), IDS >= 0
    theirs = torch.nn.BatchNorm1d(5)
    theirs.weight.data, theirs.bias.data = (torch.tensor(np.asarray(params[name])) for name in ("scale", "bias"))
    padded = jnp.where(live[:, None], X, jnp.nan)
    for _ in range(2):
        output, moments = nn.batch_norm(params, moments, padded, mask=live, training=True)
        expected = theirs(torch.tensor(X[live])).detach().numpy()
        np.testing.assert_allclose(output[live], expected, atol=1e-5)
    assert not output[~live].any()
    np.testing.assert_allclose(moments.mean, theirs.running_mean, rtol=1e-5)
    np.testing.assert_allclose(moments.variance, theirs.running_var, rtol=1e-5)
    output, after = nn.batch_norm(params, moments, X, training=False)
    np.testing.assert_allclose(output, theirs.eval()(torch.tensor(X)).detach().numpy(), atol=1e-5)
    np.testing.assert_array_equal(after.mean, moments.mean)


def test_batch_norm_of_nothing_changes_no_moment_and_gradients_are_finite():
    params, moments = nn.init_batch_norm(5)
    nobody = np.zeros(13, bool)
    output, after = nn.batch_norm(params, moments, X, mask=nobody, training=True)
    assert not output.any() and (after.mean == moments.mean).all() and (after.variance == moments.variance).all()
    gradient = jax.grad(lambda x: nn.batch_norm(params, moments, x, mask=nobody, training=True)[0].sum())(X)
    assert jnp.isfinite(gradient).all()
    half = nn.batch_norm(params, moments, X.astype(jnp.bfloat16), training=True)
    assert half[0].dtype == jnp.bfloat16 and half[1].mean.dtype == jnp.float32
    with pytest.raises(ValueError, match="x must be floating point"):
        nn.batch_norm(params, moments, X.astype(int), training=True)


def test_graph_norm_is_its_equation():
    params = random_like(nn.init_graph_norm(5))
    output = nn.graph_norm(params, TO_GRAPHS, X)
    params = jax.tree.map(np.asarray, params)
    for graph in range(3):
        x = X[graph == IDS].astype(np.float64)
        away = x - params["mean_scale"] * x.mean(0)
        expected = away / np.sqrt((away**2).mean(0) + 1e-5) * params["scale"] + params["bias"]
        np.testing.assert_allclose(output[graph == IDS], expected, rtol=1e-4, atol=1e-5)


def test_graph_norm_is_pygs():
    torch, pyg = pytest.importorskip("torch"), pytest.importorskip("torch_geometric")
    params, live = random_like(nn.init_graph_norm(5)), IDS >= 0
    theirs = pyg.nn.GraphNorm(5)
    for name, ours in (("weight", "scale"), ("bias", "bias"), ("mean_scale", "mean_scale")):
        getattr(theirs, name).data = torch.tensor(np.asarray(params[ours]))
    expected = theirs(torch.tensor(X[live]), torch.tensor(IDS[live].astype(np.int64))).detach().numpy()
    np.testing.assert_allclose(nn.graph_norm(params, TO_GRAPHS, X)[live], expected, rtol=1e-4, atol=1e-5)


def test_drop_edges_masks_about_a_share_and_both_directions_together():
    ends = np.random.default_rng(1).integers(0, 60, (2, 900))
    layout = tgnn.undirected(tgnn.EdgeList.from_edges(*ends, n_receivers=60))
    dropped = jax.jit(nn.drop_edges, static_argnums=2)(jax.random.key(0), layout, 0.3)
    assert abs(1 - dropped.live.mean() - 0.3) < 0.05 and dropped.n_edge == layout.n_edge
    adjacency = np.asarray(nn.drop_edges(jax.random.key(0), layout, 0.3, symmetric=True).adjacency())
    assert (adjacency == adjacency.T).all() and adjacency.sum() < layout.n_edge
    other = nn.drop_edges(jax.random.key(1), layout, 0.3)
    assert (other.live != dropped.live).any()
    with pytest.raises(ValueError, match="rate"):
        nn.drop_edges(None, layout, 0.3)


def test_attention_pool_is_a_softmax_of_the_nodes_of_a_graph():
    params = nn.init_attention_pool(jax.random.key(0), 5, num_heads=2)
    output = nn.attention_pool(params, TO_GRAPHS, X)
    for graph in range(3):
        x = X[graph == IDS].astype(np.float64)
        weights = np.exp(x @ np.asarray(params["query"]).T)
        np.testing.assert_allclose(output[graph], (weights / weights.sum(0)).T @ x, rtol=1e-4)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
def test_top_k_pool_keeps_the_share_of_each_graph_that_lies_farthest(ratio):
    params = nn.init_top_k_pool(jax.random.key(0), 5)
    direction = np.asarray(params["direction"], np.float64)
    score = X @ direction / np.linalg.norm(direction)
    output, kept = jax.jit(nn.top_k_pool, static_argnums=3)(params, X, IDS, ratio)
    for graph in range(3):
        mine = np.flatnonzero(graph == IDS)
        best = mine[np.argsort(-score[mine])][: int(np.ceil(ratio * len(mine)))]
        assert set(np.flatnonzero(kept & (graph == IDS))) == set(best)
    assert not kept[IDS < 0].any() and not output[~kept].any()
    np.testing.assert_allclose(output[kept], (X * np.tanh(score)[:, None])[kept], rtol=1e-4)


@pytest.mark.slow
def test_top_k_and_sort_pool_are_pygs():
    torch, pyg = pytest.importorskip("torch"), pytest.importorskip("torch_geometric")
    live = IDS >= 0
    x, batch = torch.tensor(X[live]), torch.tensor(IDS[live].astype(np.int64))
    theirs = pyg.nn.TopKPooling(5, ratio=0.5)
    params = {"direction": jnp.asarray(theirs.select.weight.detach().numpy()[0])}
    pooled, _, _, _, chosen, _ = theirs(x, torch.zeros((2, 0), dtype=torch.long), batch=batch)
    output, kept = nn.top_k_pool(params, X[live], IDS[live])
    assert set(np.flatnonzero(kept)) == set(chosen.tolist())
    np.testing.assert_allclose(output[chosen.numpy()], pooled.detach().numpy(), rtol=1e-4, atol=1e-6)
    expected = pyg.nn.aggr.SortAggregation(k=5)(x, batch).numpy()
    np.testing.assert_allclose(nn.sort_pool(X, IDS, n_graphs=3, k=5).reshape(3, -1), expected)


def test_pairs_are_symmetric_and_ids_are_checked():
    first, second = np.array([0, 3], np.uint8), np.array([5, 3])
    np.testing.assert_array_equal(nn.pair_features(X, first, second), nn.pair_features(X, second, first))
    assert nn.pair_features(X, first, second).shape == (2, 15)
    with pytest.raises(ValueError, match="13"):
        nn.pair_features(X, [13], [0])
    assert not jax.jit(nn.pair_features)(X, jnp.array([13]), jnp.array([13])).any()


def test_jumping_knowledge_is_pygs():
    layers = [X, 2 * X, -X]
    assert nn.jumping_knowledge(layers).shape == (13, 15)
    np.testing.assert_array_equal(nn.jumping_knowledge(layers, "max"), np.maximum(2 * X, -X))
    with pytest.raises(ValueError, match="layers is empty"):
        nn.jumping_knowledge([])
    with pytest.raises(ValueError, match="how must be"):
        nn.jumping_knowledge(layers, "last")


@pytest.mark.parametrize("ratio", [0.0, 1.5])
def test_ratios_that_keep_nothing_or_more_than_all(ratio):
    with pytest.raises(ValueError, match="ratio must be in"):
        nn.top_k_pool(nn.init_top_k_pool(jax.random.key(0), 5), X, IDS, ratio)
    with pytest.raises(ValueError, match="graph_ids must have shape"):
        nn.top_k_pool(nn.init_top_k_pool(jax.random.key(0), 5), X, IDS[:3], 0.5)
