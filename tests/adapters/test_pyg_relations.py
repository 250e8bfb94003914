"""R-GCN, R-GAT and HGT with PyTorch Geometric's weights give its values and its gradients."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.relational_graphs import DIM, GRAPH, LAYOUTS, SIZES, X
from tgnn import models
from tgnn.adapters import from_hetero_data, from_pyg_relations, to_hetero_data
from tgnn.graphs.relations import split_by_type

torch = pytest.importorskip("torch")
conv = pytest.importorskip("torch_geometric.nn.conv")
HeteroData = pytest.importorskip("torch_geometric.data").HeteroData

N, OUT, HEADS, NAMES = 13, 4, 2, ("knows", "likes", "none")
GENERATOR = np.random.default_rng(0)
SENDERS, RECEIVERS = np.unique(GENERATOR.integers(0, N - 2, (2, 41)), axis=1)
TYPES = GENERATOR.integers(0, 2, len(SENDERS))
ONE_KIND = split_by_type(tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N), TYPES, NAMES)
NODES = GENERATOR.normal(size=(N, DIM)).astype(np.float32)

MODELS = {
    "rgcn": (conv.RGCNConv, {}, {}, {}),
    "rgcn bases": (conv.RGCNConv, {"num_bases": 2}, {"num_bases": 2}, {}),
    "rgat": (conv.RGATConv, {"heads": HEADS}, {"num_heads": HEADS}, {}),
    "rgat bases": (conv.RGATConv, {"heads": HEADS, "num_bases": 2}, {"num_heads": HEADS, "num_bases": 2}, {}),
    "rgat within": (
        conv.RGATConv,
        {"heads": HEADS, "attention_mechanism": "within-relation"},
        {"num_heads": HEADS},
        {"within": True},
    ),
    "rgat averaged": (conv.RGATConv, {"heads": HEADS, "concat": False}, {"num_output_heads": HEADS}, {}),
}


def numbers(layer, gradients=False):
    named = {name: p.grad if gradients else p.detach() for name, p in layer.named_parameters()}
    return {name: x.numpy() for name, x in named.items() if x is not None}


def shake(layer):
    torch.manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_numbered_relations_give_pygs_values_and_gradients(name):
    theirs, their_options, init_options, options = MODELS[name]
    model = name.split()[0]
    layer = theirs(DIM, OUT, num_relations=len(NAMES), **their_options)
    shake(layer)
    hidden = model == "rgat" and "averaged" not in name  # of two layers the first one concatenates its heads
    dims = (DIM, OUT, 3) if hidden else (DIM, OUT)
    like = getattr(models, f"init_{model}")(jax.random.key(0), dims, ONE_KIND, **init_options)[:1]
    params = from_pyg_relations(model, [numbers(layer)], like, list(ONE_KIND))
    x = torch.tensor(NODES, requires_grad=True)
    expected = layer(x, torch.tensor(np.stack([SENDERS, RECEIVERS])), torch.tensor(TYPES))
    weight = GENERATOR.normal(size=expected.shape).astype(np.float32)
    (expected * torch.tensor(weight)).sum().backward()

    def loss(params, x):
        output = getattr(models, model)(params, ONE_KIND, {"node": x}, **options)["node"]
        return (output * weight).sum(), output

    (to_params, to_x), output = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, jnp.asarray(NODES))
    chex.assert_trees_all_close(output, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(to_x, x.grad.numpy(), rtol=1e-5, atol=1e-5)
    theirs = from_pyg_relations(model, [numbers(layer, gradients=True)], like, list(ONE_KIND))
    chex.assert_trees_all_close(to_params, theirs, rtol=1e-5, atol=2e-5)


@pytest.mark.slow
def test_hgt_gives_pygs_values_and_gradients():
    """Two layers over several kinds, the first between sizes of their own."""
    x = {kind: rows[:, : 3 + i] for i, (kind, rows) in enumerate(X.items())}
    data = to_hetero_data(LAYOUTS, x, HeteroData(), torch.from_numpy)
    metadata = list(SIZES), list(LAYOUTS)
    layers = [conv.HGTConv({kind: rows.shape[1] for kind, rows in x.items()}, 8, metadata, HEADS)]
    layers.append(conv.HGTConv(8, 8, metadata, HEADS))
    for layer in layers:
        shake(layer)
    like = models.init_hgt(
        jax.random.key(0), ({kind: rows.shape[1] for kind, rows in x.items()}, 8, 8), LAYOUTS, num_heads=HEADS
    )
    convert = partial(from_pyg_relations, "hgt", like=like, relations=list(LAYOUTS))
    params = convert([numbers(layer) for layer in layers])
    inputs = {kind: torch.tensor(rows, requires_grad=True) for kind, rows in x.items()}
    hidden = layers[0](inputs, data.edge_index_dict)
    # Nothing enters a venue, and PyG drops it: its own part is that of a node without in-edges.
    venue = layers[0].out_lin({"venue": torch.zeros(SIZES["venue"], 8)})["venue"]
    expected = layers[1](hidden | {"venue": venue}, data.edge_index_dict)
    weights = {kind: GENERATOR.normal(size=rows.shape).astype(np.float32) for kind, rows in expected.items()}
    sum((rows * torch.tensor(weights[kind])).sum() for kind, rows in expected.items()).backward()

    def loss(params, x):
        output = models.hgt(params, GRAPH, x)
        return sum((output[kind] * weights[kind]).sum() for kind in weights), output

    (to_params, to_x), output = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(
        params, jax.tree.map(jnp.asarray, x)
    )
    for kind, rows in expected.items():
        chex.assert_trees_all_close(output[kind], rows.detach().numpy(), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(to_x, {kind: t.grad.numpy() for kind, t in inputs.items()}, rtol=1e-5, atol=2e-5)
    zeros = [{name: np.zeros(p.shape, np.float32) for name, p in layer.named_parameters()} for layer in layers]
    expected = convert([zero | numbers(layer, gradients=True) for zero, layer in zip(zeros, layers, strict=True)])
    chex.assert_trees_all_close(to_params, expected, rtol=1e-4, atol=2e-5)


def test_hetero_data_there_and_back():
    edges = {("paper", "written_by", "author"): np.arange(16.0)}
    data = to_hetero_data(LAYOUTS, X, HeteroData(), torch.from_numpy, edges)
    layouts, x, features = from_hetero_data(data)
    assert set(layouts) == set(LAYOUTS)
    for triple, layout in layouts.items():
        assert (layout.n_receivers, layout.n_senders) == (SIZES[triple[2]], SIZES[triple[0]])
        np.testing.assert_array_equal(layout.pairs(), LAYOUTS[triple].pairs())
    chex.assert_trees_all_equal(x, X)
    chex.assert_trees_all_equal(features, edges)
    data["paper"].x = None
    del data["paper"].x
    data["paper"].num_nodes = 11
    assert set(from_hetero_data(data)[1]) == {"author", "venue"}


def test_hetero_data_keeps_nodes_without_features_and_edges():
    layouts = {("a", "to", "b"): tgnn.EdgeList.from_edges([0], [0], n_receivers=3, n_senders=4)}
    back, x, _ = from_hetero_data(to_hetero_data(layouts, {"b": np.ones((3, 2))}, HeteroData(), torch.from_numpy))
    assert list(x) == ["b"]
    assert (back["a", "to", "b"].n_receivers, back["a", "to", "b"].n_senders) == (3, 4)
    with pytest.raises(ValueError, match=r"x\['a'\] has 5 rows, but the layouts have 4 nodes"):
        to_hetero_data(layouts, {"a": np.ones((5, 2))}, HeteroData(), torch.from_numpy)
    with pytest.raises(ValueError, match="edges must have one row for each of the 1 live edges"):
        to_hetero_data(layouts, {}, HeteroData(), torch.from_numpy, {("a", "to", "b"): np.ones(2)})


def test_weights_that_do_not_fit_are_refused():
    like = models.init_rgcn(jax.random.key(0), (DIM, OUT), ONE_KIND)
    weights = numbers(conv.RGCNConv(DIM, OUT, num_relations=3))
    with pytest.raises(ValueError, match="model must be one of rgcn, rgat, hgt"):
        from_pyg_relations("gat", [weights], like, list(ONE_KIND))
    with pytest.raises(ValueError, match="layers has 0 layers, but like has 1"):
        from_pyg_relations("rgcn", [], like, list(ONE_KIND))
    with pytest.raises(ValueError, match="relations are .* but like is for"):
        from_pyg_relations("rgcn", [weights], like, list(ONE_KIND)[:2])
    with pytest.raises(ValueError, match=r"layers\[0\] lacks 'root'"):
        from_pyg_relations("rgcn", [{k: w for k, w in weights.items() if k != "root"}], like, list(ONE_KIND))
    for theirs, message in (
        (conv.RGCNConv(DIM, OUT + 1, num_relations=3), r"layers\[0\] has other parts or shapes than like"),
        (
            conv.RGCNConv(OUT, DIM, num_relations=3),
            r"layers\[0\] has other parts or shapes than like",
        ),  # as many numbers
        (conv.RGCNConv(DIM, OUT, num_relations=4), "weight has 4 parts, expected 3"),
    ):
        with pytest.raises(ValueError, match=message):
            from_pyg_relations("rgcn", [numbers(theirs)], like, list(ONE_KIND))
    like = models.init_hgt(jax.random.key(0), (8, 8), ONE_KIND, num_heads=HEADS)
    theirs = conv.HGTConv(8, 8, (["node"], list(ONE_KIND)), 2 * HEADS)
    with pytest.raises(ValueError, match="k_rel.weight has 12 parts, expected 6"):
        from_pyg_relations("hgt", [numbers(theirs)], like, list(ONE_KIND))
