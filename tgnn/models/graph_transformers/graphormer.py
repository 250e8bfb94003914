"""Graphormer: a Transformer on the complete graph, told of the given one by biases of degrees, distances and paths."""

from functools import partial

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Complete
from tgnn.models.cards import Choice
from tgnn.models.edge_features import as_real, check_edge_dim
from tgnn.models.graph_transformers.surroundings import Surroundings, check_surroundings, path_bias
from tgnn.models.heads import split_heads
from tgnn.nn.basic import embedding, init_embedding
from tgnn.nn.block import Activation, TransformerConfig, transformer_block
from tgnn.nn.draws import normal
from tgnn.nn.transformer import encoder, init_encoder
from tgnn.typing import Array, Params

gelu: Activation = partial(jax.nn.gelu, approximate=False)  # the authors' is the exact one


def init_graphormer(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    edge_dim: int | None = None,
    max_degree: int = 16,
    max_distance: int = 5,
    path_length: int = 5,
) -> Params:
    """Initialises `{"encoder", "in_degree", "out_degree", "virtual", "distance"}`, and `"path"` if edges have features.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node, throughout.
        num_heads: a divisor of `model_dim`; biases are of each head, and shared by the layers.
        hidden_dim: of the perceptrons; default `model_dim`, as in the paper.
        edge_dim: features of an edge; None if they have none.
        max_degree: larger degrees count as this one.
        max_distance: as for `surroundings`.
        path_length: as for `surroundings`.
    """
    num_layers, _ = check_size("num_layers", num_layers, minimum=1), split_heads(model_dim, num_heads)
    rngs = jax.random.split(rng, 6)
    config = TransformerConfig(
        vocab_size=1,  # unused: there are no tokens
        model_dim=model_dim,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim or model_dim,
    )
    params = {
        "encoder": init_encoder(rngs[0], config),
        "in_degree": init_embedding(rngs[1], max_degree + 1, model_dim),
        "out_degree": init_embedding(rngs[2], max_degree + 1, model_dim),
        "virtual": init_embedding(rngs[3], 1, model_dim)["table"][0],
        "distance": 0.02 * normal(rngs[4], (max_distance + 3, num_heads)),
    }
    if edge_dim is None:
        return params
    edge_dim = check_size("edge_dim", edge_dim, minimum=1)
    return params | {"path": 0.02 * normal(rngs[5], (path_length, edge_dim, num_heads))}


def graphormer(
    params: Params,
    graph: Surroundings,
    x: Array,
    *,
    edges: Array | None = None,
    activation: Activation = gelu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array]:
    """Attends to all nodes of the graph and to its virtual node, with biases of where they stand in the given graph.

    Args:
        params: what `init_graphormer` made.
        graph: what `surroundings` measured, with the same `max_distance` and `path_length`.
        x: `[n, model_dim]`, embedded features of the nodes.
        edges: `[n_edge, edge_dim]` in the caller's order of the measured layout; needed if `edge_dim` was set.
        activation: of the perceptrons; the paper's is the exact GELU, not its approximation by tanh.
        dropout_rate: as for `transformer_block`.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        The nodes `[n, model_dim]` and the virtual nodes `[n_graph, model_dim]`, the paper's readout. Cost: O(n ** 2).

    Raises:
        ValueError: if only one of the parameters and the call has edges, there is a rate above 0 without a key, or the
            graph was measured with other sizes (of `max_distance`, this is seen outside jit only: inside, other
            distances have no bias).

    Reference: Ying et al., Do Transformers Really Perform Bad for Graph Representation?, arXiv:2106.05234, eqs. 5 to 9.
        Pairs of nodes without a path share a bias of their own.

    >>> import jax, tgnn
    >>> sizes = {"num_layers": 2, "model_dim": 8, "num_heads": 2}
    >>> params = tgnn.models.init_graphormer(jax.random.key(0), **sizes)
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = tgnn.models.surroundings(edges)
    >>> nodes, whole = tgnn.models.graphormer(params, graph, jax.numpy.ones((3, 8)))
    >>> nodes.shape, whole.shape
    ((3, 8), (1, 8))
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    check_surroundings(params, graph)
    check_edge_dim(params["path"].shape[1] if "path" in params else None, edges)
    edges = None if edges is None else as_real(edges)
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return _run(params, graph, x, edges, activation, **options)


@compiled
def _run(params, graph, x, edges, activation, dropout_rate, rng, implementation):
    n, total = x.shape[0], graph.segments.shape[0]
    for place, name in enumerate(("in_degree", "out_degree")):
        rows = params[name]["table"].shape[0]
        x = x + embedding(params[name], jnp.minimum(graph.degrees[:, place], rows - 1)).astype(x.dtype)
    virtual = jnp.broadcast_to(params["virtual"].astype(x.dtype), (total - n, x.shape[1]))
    layout = Complete(total).with_segments(graph.segments)
    bias = params["distance"].at[graph.distances].get(mode="fill", fill_value=0)  # [total, total, heads]
    if edges is not None:
        bias = bias + path_bias(params["path"], graph.paths, edges)
    block = partial(transformer_block, bias=bias, activation=activation, implementation=implementation)
    x = jnp.concatenate([x, virtual])  # [total, model_dim]
    x = encoder(params["encoder"], layout, x, block=block, dropout_rate=dropout_rate, rng=rng)
    return x[:n], x[n:]


CHOICES = (
    Choice(
        "Graphormer",
        "`Complete`, with a virtual node",
        "dot product and bias, of distance and path in the given graph",
        "softmax",
        "arXiv:2106.05234",
    ),
)
