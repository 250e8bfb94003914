"""Exphormer: one sparse attention over the given edges, those of an expander and those with virtual nodes."""

from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.models.cards import Choice
from tgnn.models.edge_features import as_real, check_edge_dim, features_of
from tgnn.models.graph_transformers.graph_transformer import EdgeProduct, init_projections, init_update, update
from tgnn.models.graph_transformers.interactions import Interactions, check_given
from tgnn.models.heads import split_heads
from tgnn.models.layers import stack_layers
from tgnn.nn.basic import embedding, init_embedding, linear
from tgnn.nn.block import run_blocks
from tgnn.typing import Array, Params


def init_exphormer(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    edge_dim: int | None = None,
    num_virtual: int = 1,
) -> Params:
    """Initialises `{"virtual": [num_virtual, model_dim], "kinds", "layers"}`, layers stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node, throughout.
        num_heads: a divisor of `model_dim`.
        hidden_dim: of the perceptrons; default `2 * model_dim`.
        edge_dim: features of an edge, its kind's among them; default `model_dim`.
        num_virtual: as for `interactions`.
    """
    virtual_rng, kinds_rng, layers_rng = jax.random.split(rng, 3)
    edge_dim = model_dim if edge_dim is None else check_size("edge_dim", edge_dim, minimum=1)
    sizes = {"model_dim": model_dim, "heads": split_heads(model_dim, num_heads), "edge_dim": edge_dim}
    init = partial(_init_layer, hidden_dim=hidden_dim or 2 * model_dim, **sizes)
    return {
        "virtual": init_embedding(virtual_rng, num_virtual, model_dim)["table"],
        "kinds": init_embedding(kinds_rng, 4, edge_dim),
        "layers": stack_layers(init, layers_rng, num_layers),
    }


def _init_layer(rng: Array, *, model_dim: int, heads: tuple[int, int], hidden_dim: int, edge_dim: int) -> Params:
    *rngs, nodes_rng = jax.random.split(rng, 5)
    projections = init_projections(rngs, heads, model_dim, edge_dim)
    return projections | {"nodes": init_update(nodes_rng, heads, model_dim, hidden_dim)}


def exphormer(
    params: Params,
    graph: Interactions,
    x: Array,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends to neighbours, to random others and to virtual nodes at once; the kind of an edge weighs its score.

    Args:
        params: what `init_exphormer` made.
        graph: what `interactions` joined, with the same `num_virtual`.
        x: `[n, model_dim]`: embedded features of the nodes, plus an embedding of `laplacian_eigenvectors`.
        edges: `[n_given, edge_dim]` in the given layout's caller's order: embedded features, added to those of the
            kind; or None.
        dropout_rate: of what the heads say and of the perceptrons' hidden features.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, model_dim]`. Cost: linear in nodes and edges.

    Raises:
        ValueError: if the graph's virtual nodes are not a multiple of the parameters', there is a rate above 0 without
            a key, or, outside jit, `edges` has not one row for each given edge.

    Reference: Shirzad et al., Exphormer: Sparse Transformers for Graphs, arXiv:2303.06147, eqs. 1 to 3 and section 3.1.
        This is the attention by itself, with the norms and the perceptron of the Graph Transformer; theirs stands in
        GPS beside a local branch. Edges from and to virtual nodes are two kinds.

    >>> import jax, tgnn
    >>> sizes = {"num_layers": 2, "model_dim": 8, "num_heads": 2}
    >>> params = tgnn.models.init_exphormer(jax.random.key(0), **sizes)
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = tgnn.models.interactions(edges, degree=2)
    >>> tgnn.models.exphormer(params, graph, jax.numpy.ones((3, 8))).shape
    (3, 8)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    if not isinstance(graph, Interactions):
        raise ValueError(f"graph must be Interactions, got {type(graph).__name__}; make them with interactions(layout)")
    num_virtual, rows = params["virtual"].shape[0], graph.layout.n_receivers - x.shape[0]
    if rows < 0 or (rows % num_virtual if num_virtual else rows):
        raise ValueError(
            f"graph has {rows} virtual nodes, but params are for {num_virtual} in each graph; "
            "pass the same num_virtual to interactions and init_exphormer"
        )
    if edges is not None:
        edges = as_real(edges)
        check_edge_dim(params["kinds"]["table"].shape[-1], edges)
        check_given(graph, edges)
    return _run(params, graph, x, edges, dropout_rate, rng, implementation)


@compiled
def _run(params, graph, x, edges, dropout_rate, rng, implementation):
    n, (num_virtual, model_dim) = x.shape[0], params["virtual"].shape
    rows = graph.layout.n_receivers - n
    copies = (rows // num_virtual if num_virtual else 0, num_virtual, model_dim)
    virtual = jnp.broadcast_to(params["virtual"].astype(x.dtype)[None], copies)
    x = jnp.concatenate([x, virtual.reshape(rows, model_dim)])  # [n + n_virtual, model_dim]
    features = embedding(params["kinds"], graph.kinds).astype(x.dtype)  # [n_edge, edge_dim]
    if edges is not None:
        features = features + jnp.pad(edges.astype(x.dtype), ((0, features.shape[0] - edges.shape[0]), (0, 0)))
    layout = graph.layout
    features = features_of(layout, features)

    def apply(x, block):
        layer, _, layer_rng = block
        query, key, value = (linear(layer[name], x) for name in ("query", "key", "value"))
        options = {"edges": linear(layer["edge"], features), "implementation": implementation}
        heads = attend(layout, query, key, value, score=EdgeProduct(), **options)
        return update(layer["nodes"], x, heads, dropout_rate=dropout_rate, rng=layer_rng), None

    return run_blocks(apply, params["layers"], x, rng=rng)[0][:n]


CHOICES = (
    Choice(
        "Exphormer",
        "neighbours, an expander and virtual nodes: `Interactions`",
        "`EdgeProduct`: dot product whose terms the edge weighs, by its kind",
        "softmax",
        "arXiv:2303.06147",
    ),
)
