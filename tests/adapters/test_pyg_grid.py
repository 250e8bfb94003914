"""One layer of PyG's and of ours: heads joined or averaged, features of edges, two sets of nodes, isolated ones."""

import itertools

import chex
import jax
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.adapters import from_pyg

torch = pytest.importorskip("torch")
conv = pytest.importorskip("torch_geometric.nn.conv")

N, M, DIM, OTHER, OUT, EDGE_DIM = 6, 8, 5, 7, 3, 2  # receivers 4 and 5 hear nobody
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.unique(GENERATOR.integers(0, (N, 4), (17, 2)), axis=0).T
FEATURES = GENERATOR.normal(size=(len(SENDERS), EDGE_DIM)).astype(np.float32)
EDGE_INDEX = torch.tensor(np.stack([SENDERS, RECEIVERS]))
ATTENTION = {
    "gat": (conv.GATConv, {"add_self_loops": False}),
    "gatv2": (conv.GATv2Conv, {"add_self_loops": False}),
    "transformer_conv": (conv.TransformerConv, {}),
}
SUMS = {
    "graph_sage": conv.SAGEConv,
    "basic_gnn": conv.GraphConv,
    "gated_gcn": conv.ResGatedGraphConv,
}
GRID = list(itertools.product(ATTENTION, (1, 3), (True, False), (False, True), (False, True)))
QUICK = [("gat", 3, True, True, True), ("gatv2", 3, False, True, False), ("transformer_conv", 3, True, True, True)]


def nodes(pair):
    """Features of one set of nodes, or of the senders and of the receivers."""
    senders = GENERATOR.normal(size=(M if pair else N, DIM)).astype(np.float32)
    return (senders, GENERATOR.normal(size=(N, OTHER)).astype(np.float32)) if pair else senders


def random_weights(module):
    """No bias stands at its special initial value."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module, {name: weight.numpy() for name, weight in module.state_dict().items()}


def layout_of(pair):
    return tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N, n_senders=M if pair else N)


def theirs(module, x, edges):
    """Their values, on the same edges."""
    x = tuple(map(torch.tensor, x)) if isinstance(x, tuple) else torch.tensor(x)
    more = () if edges is None else (torch.tensor(edges),)
    size = {"size": (M, N)} if isinstance(x, tuple) and isinstance(module, conv.GATConv) else {}
    return module(x, EDGE_INDEX, *more, **size).detach().numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, heads, concat, with_edges, pair",
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in GRID],
)
def test_an_attention_layer_equals_pygs(name, heads, concat, with_edges, pair):
    module, options = ATTENTION[name]
    in_dim, edge_dim = ((DIM, OTHER) if pair else DIM), (EDGE_DIM if with_edges else None)
    module = module(in_dim, OUT, heads=heads, concat=concat, edge_dim=edge_dim, **options)
    module, weights = random_weights(module)
    dims = (in_dim, OUT, OUT) if concat else (in_dim, OUT)  # hidden layers join their heads, the last one averages
    init = getattr(models, f"init_{name}")
    like = init(jax.random.key(0), dims, num_heads=heads, num_output_heads=heads, edge_dim=edge_dim)[:1]
    params = from_pyg(name, [weights], like)
    x, edges = nodes(pair), FEATURES if with_edges else None
    model = jax.jit(getattr(models, name))
    ours = model(params, layout_of(pair), jax.tree.map(jax.numpy.asarray, x), edges=edges)
    chex.assert_trees_all_close(ours, theirs(module, x, edges), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_over_a_bipartite_graph_equals_pygs(name):
    module, weights = random_weights(SUMS[name]((DIM, OTHER), OUT))
    params = from_pyg(name, [weights], getattr(models, f"init_{name}")(jax.random.key(0), ((DIM, OTHER), OUT)))
    x = nodes(True)
    ours = jax.jit(getattr(models, name))(params, layout_of(True), jax.tree.map(jax.numpy.asarray, x))
    chex.assert_trees_all_close(ours, theirs(module, x, None), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["gcn", "gat", "graph_sage", "gin"])
def test_edges_in_any_order_and_as_a_dense_mask_are_one_graph(name):
    """PyG's layer tests compare their three forms of a graph; these are ours."""
    senders, receivers = np.unique(np.stack([SENDERS, RECEIVERS]), axis=1)
    order = GENERATOR.permutation(len(senders))
    mask = np.zeros((N, N), bool)
    mask[receivers, senders] = True
    params = getattr(models, f"init_{name}")(jax.random.key(0), (DIM, OUT))
    run, x = jax.jit(getattr(models, name)), nodes(False)
    forms = [
        tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N),
        tgnn.EdgeList.from_edges(senders[order], receivers[order], n_receivers=N, pad_to=29),
        tgnn.Neighbors.from_edges(senders, receivers, n_receivers=N),
        tgnn.Dense(jax.numpy.asarray(mask)),
    ]
    first, *others = [run(params, form, x) for form in forms]
    for other in others:
        chex.assert_trees_all_close(other, first, rtol=1e-5, atol=1e-5)
