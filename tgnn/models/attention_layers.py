"""What the models share whose layers attend to neighbours: a loop that tells each layer what to hand to `attend`."""

from collections.abc import Callable
from typing import Any

from tgnn.graphs import Layout
from tgnn.models.edge_features import check_edge_features
from tgnn.models.layers import Nodes, run_layers
from tgnn.nn.basic import linear
from tgnn.typing import Array, Graph, Params

AttentionLayer = Callable[[Params, Layout, Nodes, dict[str, Any]], Array]


def run_attention_layers(
    layer: AttentionLayer,
    params: list[Params],
    graph: Graph,
    x: Nodes,
    edges: Array | None,
    *,
    activation: Callable[[Array], Array],
    dropout_rate: float,
    rng: Array | None,
    implementation: str | None,
) -> Array:
    """`run_layers` of layers that attend, after a check that edges have the features that the parameters are for.

    Args:
        layer: `(params, layout, x, options) -> x`; options are keywords of `attend`: mapped features of the edges,
            dropout and the implementation.
        params: of each layer; `"edge"` is the linear map of the edges' features.
        graph: see `run_layers`, as what follows.
        x: see `run_layers`.
        edges: see `run_layers`.
        activation: see `run_layers`.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.
    """
    check_edge_features(params[0], edges)

    def apply(params, layout, x, rng, edges):
        edge = None if edges is None else linear(params["edge"], edges)
        options = {"edges": edge, "dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
        return layer(params, layout, x, options)

    return run_layers(apply, params, graph, x, edges, activation=activation, dropout_rate=dropout_rate, rng=rng)
