"""GPS: in each layer messages between neighbours beside attention between all nodes of a graph, then a perceptron."""

from functools import partial

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout
from tgnn.graphs import Complete, Layout
from tgnn.models.cards import Choice
from tgnn.models.edge_features import check_edge_dim, check_edge_features, features_of, to_edges
from tgnn.models.heads import split_heads
from tgnn.models.layers import layout_of, stack_layers
from tgnn.models.message_passing.gated_gcn import gated_gcn_layer, init_gated_gcn
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, init_mlp, layer_norm, mlp
from tgnn.nn.block import feed_forward, run_blocks
from tgnn.nn.multi_head import init_multi_head_attention, multi_head_attention
from tgnn.typing import Array, Graph, Params


def init_gps(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    local: str = "gine",
    edge_dim: int | None = None,
) -> Params:
    """Initialises layers `{"gine" or "gated", "attention", "mlp", norms}`, stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node and of an edge, throughout.
        num_heads: a divisor of `model_dim`.
        hidden_dim: of the perceptron at the end of a layer; default `2 * model_dim`.
        local: "gine", or "gated" for Gated GCN, which updates the edges.
        edge_dim: `model_dim` if edges have features, since both branches add them to nodes; None if not. Only "gated"
            has parameters for them.

    Raises:
        ValueError: for another `local` or `edge_dim`, no layers, or heads that do not share the features evenly.
    """
    if local not in ("gine", "gated"):
        raise ValueError(f'local must be "gine" or "gated", got {local!r}')
    if edge_dim not in (None, model_dim):
        raise ValueError(
            f"edge_dim must be model_dim {model_dim} or None, got {edge_dim}; embed the edges with a linear map first, "
            "as the nodes"
        )
    split_heads(model_dim, num_heads)
    sizes = {"model_dim": model_dim, "num_heads": num_heads, "hidden_dim": hidden_dim or 2 * model_dim}
    return stack_layers(partial(_init_layer, local=local, edge_dim=edge_dim, **sizes), rng, num_layers)


def _init_layer(
    rng: Array, *, model_dim: int, num_heads: int, hidden_dim: int, local: str, edge_dim: int | None
) -> Params:
    local_rng, attention_rng, up_rng, down_rng = jax.random.split(rng, 4)
    norms = ["local_norm", "attention_norm", "mlp_norm"]
    if local == "gine":
        part = {"mlp": init_mlp(local_rng, (model_dim,) * 3), "epsilon": jnp.zeros(())}
    else:
        part = init_gated_gcn(local_rng, (model_dim, model_dim), edge_dim=edge_dim)[0]
        norms += [] if edge_dim is None else ["edge_norm"]
    return {name: init_layer_norm(model_dim) for name in norms} | {
        local: part,
        "attention": init_multi_head_attention(attention_rng, model_dim, num_heads),
        "mlp": {"up": init_linear(up_rng, model_dim, hidden_dim), "down": init_linear(down_rng, hidden_dim, model_dim)},
    }


def gps(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    edges: Array | None = None,
    attention_layout: Layout | None = None,
    dropout_rate: float = 0.0,
    attention_dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Mixes what neighbours say with what all nodes say, layer by layer.

    Args:
        params: what `init_gps` made.
        graph: edges between the nodes, without self-loops; a batch is a disjoint union.
        x: `[n, model_dim]`: embedded features of the nodes, plus one of `laplacian_eigenvectors` or `random_walk`.
        edges: `[*edge_shape, model_dim]` in the caller's order: embedded features, or None.
        attention_layout: who attends to whom: default `Complete(n)`, one graph; of a batch
            `Complete(n).with_segments(graph of each node)`; or a sparse pattern.
        dropout_rate: of what each branch gives and of the perceptron's features.
        attention_dropout_rate: of the attention weights.
        rng: key of the dropout.
        implementation: of the attention; see `tgnn.attend`.

    Returns:
        `[n, model_dim]`; for one vector a graph, `tgnn.aggregate` these along `tgnn.readout`.

    Raises:
        ValueError: if the parameters of "gated" have a part for edges and the call has none, or the reverse, x are not
            the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Rampášek et al., Recipe for a General, Powerful, Scalable Graph Transformer, arXiv:2205.12454, eqs. 1 to
        4; GINE: Hu et al., Strategies for Pre-training Graph Neural Networks, arXiv:1905.12265. We take layer norm,
        which needs no state and cannot see the other graphs of a batch; their results are with batch norm.

    >>> import jax, tgnn
    >>> sizes = {"num_layers": 2, "model_dim": 8, "num_heads": 2}
    >>> params = tgnn.models.init_gps(jax.random.key(0), **sizes)
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.gps(params, graph, jax.numpy.ones((3, 8))).shape
    (3, 8)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    attention_dropout_rate = check_dropout(attention_dropout_rate, rng, "attention_dropout_rate")
    if "gated" in params:
        check_edge_features(params["gated"], edges, stacked=True)
    elif edges is not None:
        check_edge_dim(x.shape[-1], edges)
    layout = layout_of(graph, x)
    edges = features_of(layout, edges)
    everywhere = Complete(x.shape[0]) if attention_layout is None else attention_layout
    rates = {"dropout_rate": dropout_rate, "attention_dropout_rate": attention_dropout_rate}
    return _run(params, layout, everywhere, x, edges, rng, rates | {"implementation": implementation})


@compiled
def _run(params, layout, everywhere, x, edges, rng, options):
    def apply(carry, block):
        layer, _, layer_rng = block
        return gps_layer(layer, layout, everywhere, *carry, **options, rng=layer_rng), None

    edges = None if edges is None else edges.astype(x.dtype)
    return run_blocks(apply, params, (x, edges), rng=rng)[0][0]


def gps_layer(
    params: Params,
    layout: Layout,
    attention_layout: Layout,
    x: Array,
    edges: Array | None = None,
    *,
    dropout_rate: float = 0.0,
    attention_dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array | None]:
    """One layer: the new nodes `[n, model_dim]` and the edges, in the layout's own order, before and after."""

    def add(norm, x, new, part):
        return layer_norm(params[norm], x + dropout(fold(rng, part), new, dropout_rate))

    if "gine" in params:
        local = gine(params["gine"], layout, x, edges)
    else:
        local, gates = gated_gcn_layer(params["gated"], layout, x, edges)
        edges = None if edges is None else add("edge_norm", edges, jax.nn.relu(gates), 0)
    options = {"dropout_rate": attention_dropout_rate, "rng": fold(rng, 1), "implementation": implementation}
    everywhere = multi_head_attention(params["attention"], attention_layout, x, **options)
    both = add("local_norm", x, local, 2) + add("attention_norm", x, everywhere, 3)
    new = feed_forward(params["mlp"], both, dropout_rate=dropout_rate, rng=fold(rng, 4))
    return add("mlp_norm", both, new, 5), edges


def gine(params: Params, layout: Layout, x: Array, edges: Array | None = None) -> Array:
    """GIN with edge features: `mlp((1 + epsilon) x_i + sum relu(x_j + edge_ij))`, edges in the layout's own order."""
    messages = to_edges(layout.from_senders, x)
    messages = messages if edges is None else messages + edges.astype(x.dtype)
    messages = jnp.broadcast_to(messages, (*layout.edge_shape, x.shape[-1]))
    own = (1.0 + params["epsilon"]).astype(x.dtype) * x
    return mlp(params["mlp"], own + layout.reduce(jax.nn.relu(messages)).astype(x.dtype))


CHOICES = (
    Choice(
        "GPS, local branch",
        "neighbours",
        "1, or the gates of `gated_gcn_layer`",
        "`layout.reduce`: sum",
        "arXiv:2205.12454",
    ),
    Choice("GPS, global branch", "`Complete`", "dot product", "softmax", "arXiv:2205.12454"),
)
