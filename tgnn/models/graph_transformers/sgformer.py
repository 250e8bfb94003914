"""SGFormer: all nodes attend to all in linear time, without a softmax, beside a GCN on the edges."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.products import aggregate_products
from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Complete, Layout
from tgnn.models.cards import Choice
from tgnn.models.heads import three_sizes
from tgnn.models.layers import layout_of, stack_layers
from tgnn.models.message_passing.gcn import gcn_layer
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, layer_norm, linear
from tgnn.nn.block import run_blocks
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph, Params


def init_sgformer(
    rng: Array, dims: Sequence[int], *, num_global_layers: int = 1, num_local_layers: int = 2, num_heads: int = 1
) -> Params:
    """Initialises `{"global", "local", "output"}`: two branches `{"input", "norm", "layers"}`, layers stacked.

    Args:
        rng: a key.
        dims: features of a node, of a hidden layer, and of the output.
        num_global_layers: layers of attention; the paper's 1.
        num_local_layers: layers of GCN.
        num_heads: heads of all the hidden features each, which are averaged.

    Raises:
        ValueError: for other than three dims, or a number of layers or heads below 1.
    """
    in_dim, model_dim, out_dim = three_sizes(dims)
    num_heads = check_size("num_heads", num_heads, minimum=1)
    inits = {
        "global": (partial(_init_attention, model_dim=model_dim, num_heads=num_heads), num_global_layers),
        "local": (partial(_init_convolution, model_dim=model_dim), num_local_layers),
    }
    *rngs, output_rng = jax.random.split(rng, 5)
    params: Params = {
        name: {
            "input": init_linear(rngs[2 * i], in_dim, model_dim),
            "norm": init_layer_norm(model_dim),
            "layers": stack_layers(init, rngs[2 * i + 1], num_layers),
        }
        for i, (name, (init, num_layers)) in enumerate(inits.items())
    }
    return params | {"output": init_linear(output_rng, model_dim, out_dim)}


def _init_attention(rng: Array, *, model_dim: int, num_heads: int) -> Params:
    rngs = zip(("query", "key", "value"), jax.random.split(rng, 3), strict=True)
    maps = {name: init_linear(r, model_dim, (num_heads, model_dim), use_bias=False) for name, r in rngs}
    return maps | {"norm": init_layer_norm(model_dim)}


def _init_convolution(rng: Array, *, model_dim: int) -> Params:
    return init_linear(rng, model_dim, model_dim) | {"norm": init_layer_norm(model_dim)}


def sgformer(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    attention_layout: Layout | None = None,
    local_weight: float = 0.5,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """A weighted mean of what all nodes say and what neighbours say, mapped to the outputs.

    Args:
        params: what `init_sgformer` made.
        graph: edges between the nodes, with self-loops (`tgnn.self_loops`) as for GCN.
        x: `[n, dims[0]]`.
        attention_layout: who attends to whom: default `Complete(n)`, one graph; of a batch
            `Complete(n).with_segments(graph of each node)`. Linear in n.
        local_weight: of the branch of neighbours, in [0, 1].
        dropout_rate: of the hidden features.
        rng: key of the dropout.
        implementation: of the attention; see `tgnn.attention.aggregate_products`.

    Returns:
        `[n, dims[-1]]`.

    Raises:
        ValueError: x are not the nodes of the graph, a weight is outside [0, 1], or there is a rate above 0 without a
            key.

    Reference: Wu et al., SGFormer: Simplifying and Empowering Transformers for Large-Graph Representations,
        arXiv:2306.10759, eqs. 2 and 3. As in PyG, each query and key is divided by its own length and not by that of
        all, so that a batch is its graphs; we take layer norm where the local branch has batch norm.

    >>> import tgnn
    >>> params = init_sgformer(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.self_loops(tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3))
    >>> sgformer(params, graph, jnp.ones((3, 4))).shape
    (3, 2)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    if not 0.0 <= local_weight <= 1.0:
        raise ValueError(f"local_weight must be in [0, 1], got {local_weight}; 0.5 is the mean of both branches")
    layout = layout_of(graph, x)
    everywhere = layout_of(Complete(x.shape[0]) if attention_layout is None else attention_layout, x)
    return _run(params, layout, everywhere, x, float(local_weight), dropout_rate, rng, implementation)


@compiled
def _run(params, layout, everywhere, x, local_weight, dropout_rate, rng, implementation):
    def finish(norm, x, rng):
        return dropout(rng, jax.nn.relu(layer_norm(norm, x)), dropout_rate)

    def begin(branch, rng):
        return finish(branch["norm"], linear(branch["input"], x), rng)

    def to_all(x, block):
        layer, _, layer_rng = block
        return finish(layer["norm"], (global_attention(layer, everywhere, x, implementation) + x) / 2, layer_rng), None

    def to_neighbours(x, block):
        layer, _, layer_rng = block
        return finish(layer["norm"], gcn_layer(layer, layout, x), layer_rng) + first, None

    everyone = begin(params["global"], fold(rng, 0))
    everyone, _ = run_blocks(to_all, params["global"]["layers"], everyone, rng=fold(rng, 1))
    first = begin(params["local"], fold(rng, 2))
    neighbours, _ = run_blocks(to_neighbours, params["local"]["layers"], first, rng=fold(rng, 3))
    return linear(params["output"], local_weight * neighbours + (1 - local_weight) * everyone)


def global_attention(params: Params, layout: Layout, x: Array, implementation: str | None = None) -> Array:
    """`[n, model_dim] -> [n, model_dim]`: n times the node itself, and all by the cosines of queries and keys.

    The weights, which may be negative, are divided by their sum: `(n v_i + sum_j <q_i, k_j> v_j) / (n + sum_j <q_i,
    k_j>)`, where n counts the nodes that i attends to. A node that attends to nobody gets zeros. A query or key of
    zeros has no direction and cosine 0; in PyG it has that of ones.
    """
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))  # [n, heads, model_dim]
    value = jnp.concatenate([value, jnp.ones_like(value[..., :1])], axis=2).astype(wide_dtype(x.dtype))
    sums = aggregate_products(layout, unit(query), unit(key), value, implementation=implementation)
    one = value[:, :1, -1:]
    count = aggregate_products(layout, one, one, one, implementation=implementation)  # [n, 1, 1]
    sums = sums + count * value
    total = sums[..., -1:]  # of the weights, from 0 to 2n
    return (sums[..., :-1] / jnp.where(total == 0.0, 1.0, total)).mean(axis=1).astype(x.dtype)


def unit(x: Array) -> Array:
    """Rows of length 1, in float32 or wider; a row of zeros stays."""
    x = x.astype(wide_dtype(x.dtype))
    square = (x * x).sum(axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.where(square == 0.0, 1.0, square))


CHOICES = (
    Choice(
        "SGFormer, global branch",
        "`Complete`",
        "cosine, and n for the node itself",
        "`aggregate_products`: sum over the sum of scores",
        "arXiv:2306.10759",
    ),
    Choice("SGFormer, local branch", "neighbours and itself", "by degrees", "`aggregate`: sum", "arXiv:2306.10759"),
)
