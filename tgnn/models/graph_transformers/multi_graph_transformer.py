"""The multi-graph Transformer: several graphs on the same nodes, each with its own heads, whose answers are mixed."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.models.cards import Choice
from tgnn.models.heads import split_heads
from tgnn.models.layers import stack_layers
from tgnn.nn.basic import dropout, embedding, fold, init_embedding, init_layer_norm, init_linear, layer_norm, linear
from tgnn.nn.block import run_blocks
from tgnn.nn.multi_head import init_multi_head_attention, multi_head_attention
from tgnn.typing import Array, Graph, Params


def init_multi_graph_transformer(
    rng: Array, *, num_layers: int, model_dim: int, num_heads: int, num_graphs: int
) -> Params:
    """Initialises layers `{"graphs", "mix", "norm", "mlp", "mlp_norm"}`, stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node, throughout.
        num_heads: of each graph, a divisor of `model_dim`.
        num_graphs: how many graphs there are; the weights of `"graphs"` have them as an axis.
    """
    split_heads(model_dim, num_heads)
    num_graphs = check_size("num_graphs", num_graphs, minimum=1)
    sizes = {"model_dim": model_dim, "num_heads": num_heads, "num_graphs": num_graphs}
    return stack_layers(partial(_init_layer, **sizes), rng, num_layers)


def _init_layer(rng: Array, *, model_dim: int, num_heads: int, num_graphs: int) -> Params:
    graphs_rng, mix_rng, mlp_rng = jax.random.split(rng, 3)
    one = partial(init_multi_head_attention, model_dim=model_dim, num_heads=num_heads, use_bias=False)
    return {
        "graphs": stack_layers(one, graphs_rng, num_graphs),
        "mix": init_linear(mix_rng, (num_graphs, model_dim), model_dim),
        "norm": init_layer_norm(model_dim),
        "mlp": init_linear(mlp_rng, model_dim, model_dim),
        "mlp_norm": init_layer_norm(model_dim),
    }


def multi_graph_transformer(
    params: Params,
    graphs: Layout | Sequence[Graph],
    x: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends along each graph by itself, then mixes what a node heard along all of them, layer by layer.

    Args:
        params: what `init_multi_graph_transformer` made.
        graphs: `tgnn.stack([...])`, which runs them together, or a list, whose layouts may be of different
            kinds. A batch is a disjoint union in each graph, or `jax.vmap` over both.
        x: `[n, model_dim]`.
        dropout_rate: of the inputs of the attention, of the mixture and of the perceptron.
        rng: key of the dropout.
        implementation: see `tgnn.attend`. The choice sees one graph of a batch under `jax.vmap`: where many small ones
            run at once, "fused" is faster.

    Returns:
        `[n, model_dim]`; the paper sums these over the nodes of a graph (`tgnn.aggregate` along `tgnn.readout`).

    Raises:
        ValueError: if there are not as many graphs as the parameters have, or there is a rate above 0 without a key.

    Reference: Xu, Joshi and Bresson, Multigraph Transformer for Free-Hand Sketch Recognition, arXiv:1912.11258, eqs. 7
        to 11. As in their code, each graph's attention has a residual connection of its own, and the perceptron is one
        linear map with a ReLU. We take layer norm where they take batch norm: it needs no state.

    >>> import jax, tgnn
    >>> sizes = {"num_layers": 2, "model_dim": 8, "num_heads": 2}
    >>> params = tgnn.models.init_multi_graph_transformer(jax.random.key(0), **sizes, num_graphs=2)
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = [edges, tgnn.Complete(3)]
    >>> tgnn.models.multi_graph_transformer(params, graph, jax.numpy.ones((3, 8))).shape
    (3, 8)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    num_graphs = jax.tree.leaves(params["graphs"])[0].shape[1]
    if isinstance(graphs, (list, tuple)):
        graphs, found = [as_layout(graph, x.shape[0], x.shape[0]) for graph in graphs], {len(graphs)}
    else:
        found = {jnp.shape(leaf)[0] for leaf in jax.tree.leaves(graphs) if jnp.ndim(leaf)}
    if found - {num_graphs}:
        raise ValueError(f"graphs has {min(found)} graphs, but params are for {num_graphs}; give one layout for each")
    return _run(params, graphs, x, dropout_rate, rng, implementation)


@compiled
def _run(params, layouts, x, dropout_rate, rng, implementation):
    options = {"dropout_rate": dropout_rate, "implementation": implementation}

    def apply(x, block):
        layer, _, layer_rng = block
        return multi_graph_transformer_layer(layer, layouts, x, rng=layer_rng, **options), None

    return run_blocks(apply, params, x, rng=rng)[0]


def multi_graph_transformer_layer(
    params: Params,
    layouts: Layout | Sequence[Layout],
    x: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """One layer, `[n, model_dim] -> [n, model_dim]`."""

    def drop(x, part):
        return dropout(fold(rng, part), x, dropout_rate)

    heard_from, source = partial(multi_head_attention, implementation=implementation), drop(x, 0)
    if isinstance(layouts, (list, tuple)):
        graphs = [jax.tree.map(lambda leaf, i=i: leaf[i], params["graphs"]) for i in range(len(layouts))]
        heard = jnp.stack([heard_from(*pair, source) for pair in zip(graphs, layouts, strict=True)])
    else:
        heard = jax.vmap(heard_from, in_axes=(0, 0, None))(params["graphs"], layouts, source)
    heard = jnp.moveaxis(x[None] + heard, 0, 1)  # [n, graphs, model_dim]
    x = layer_norm(params["norm"], jax.nn.relu(linear(params["mix"], drop(heard, 1), in_axes=2)))
    return layer_norm(params["mlp_norm"], x + jax.nn.relu(linear(params["mlp"], drop(x, 2))))


def init_sketch_embedding(rng: Array, model_dim: int, *, num_flags: int = 3, max_points: int = 100) -> Params:
    """Initialises `{"coordinates", "flags", "positions"}`, a third of `model_dim` each.

    Raises:
        ValueError: if `model_dim` is no multiple of 3.
    """
    part, rest = divmod(model_dim, 3)
    if rest:
        raise ValueError(f"model_dim is {model_dim} but must be a multiple of 3, a third for each part")
    rngs = jax.random.split(rng, 3)
    return {
        "coordinates": init_linear(rngs[0], 2, part, use_bias=False),
        "flags": init_embedding(rngs[1], num_flags, part),
        "positions": init_embedding(rngs[2], max_points, part),
    }


def sketch_embedding(params: Params, coordinates: Array, flags: Array, positions: Array) -> Array:
    """What a point of a drawing is: where, whether it begins, continues or ends a stroke, and its place in the order.

    Args:
        params: what `init_sketch_embedding` made.
        coordinates: `[n, 2]`.
        flags: ints `[n]`; -1 is padding.
        positions: ints `[n]`; -1 is padding.

    Returns:
        `[n, model_dim]`, the three parts side by side.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_sketch_embedding(jax.random.key(0), 9)
    >>> points, flags = jax.numpy.ones((5, 2)), jax.numpy.zeros(5, int)
    >>> tgnn.models.sketch_embedding(params, points, flags, jax.numpy.arange(5)).shape
    (5, 9)
    """
    parts = linear(params["coordinates"], coordinates), embedding(params["flags"], flags)
    return jnp.concatenate([*parts, embedding(params["positions"], positions)], axis=-1)


CHOICES = (
    Choice(
        "Multi-graph Transformer",
        "several, each with its own heads: in sketches near and farther points of a stroke, ends of strokes",
        "dot product",
        "softmax in each, then mixed",
        "arXiv:1912.11258",
    ),
)
