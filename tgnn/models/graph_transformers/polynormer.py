"""Polynormer: gated layers on the edges, then gated layers in which all attend to all through a kernel."""

from collections.abc import Sequence

import jax

from tgnn.attention.api import attend
from tgnn.attention.kernels import Sigmoid
from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import Complete, Layout
from tgnn.models.cards import Choice
from tgnn.models.heads import concatenate_heads, split_heads, three_sizes
from tgnn.models.layers import layout_of, stack_layers
from tgnn.models.message_passing.gat import gat_layer, init_gat
from tgnn.models.message_passing.gcn import gcn_layer, init_gcn
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, layer_norm, linear
from tgnn.nn.block import run_blocks
from tgnn.nn.stack import normed
from tgnn.typing import Array, Graph, Params


def init_polynormer(
    rng: Array,
    dims: Sequence[int],
    *,
    num_local_layers: int = 7,
    num_global_layers: int = 2,
    num_heads: int = 1,
    local: str = "gat",
    norm_before: bool = False,
) -> Params:
    """Initialises `{"local": [layers], "norm", "global": stacked layers, "output", "local_output"}`.

    Args:
        rng: a key.
        dims: features of a node, of a hidden layer, and of the output.
        num_local_layers: gated layers on the edges.
        num_global_layers: gated layers of attention to all.
        num_heads: of both attentions, a divisor of `dims[1]`.
        local: "gat", as in the paper, or "gcn".
        norm_before: whether the local layers normalise their inputs.

    Raises:
        ValueError: for another `local`, other than three dims, heads that do not divide, or no layers.
    """
    in_dim, model_dim, out_dim = three_sizes(dims)
    heads = split_heads(model_dim, num_heads)
    if local not in ("gat", "gcn"):
        raise ValueError(f'local must be "gat" or "gcn", got {local!r}')
    num_local_layers = check_size("num_local_layers", num_local_layers, minimum=1)
    *rngs, global_rng, output_rng, local_output_rng = jax.random.split(rng, num_local_layers + 3)
    sizes = [(in_dim, model_dim)] + [(model_dim, model_dim)] * (num_local_layers - 1)
    return {
        "local": [_init_local(r, *size, heads, local, norm_before) for r, size in zip(rngs, sizes, strict=True)],
        "norm": init_layer_norm(model_dim),
        "global": stack_layers(lambda rng: _init_global(rng, model_dim, heads), global_rng, num_global_layers),
        "output": init_linear(output_rng, model_dim, out_dim),
        "local_output": init_linear(local_output_rng, model_dim, out_dim),
    }


def _init_local(rng: Array, in_dim: int, model_dim: int, heads: tuple[int, int], local: str, norm: bool) -> Params:
    gate_rng, linear_rng, local_rng = jax.random.split(rng, 3)
    if local == "gat":  # two sizes beyond the first, so that the heads of the first layer are concatenated
        part = init_gat(local_rng, (in_dim, heads[1], 1), num_heads=heads[0])[0]
    else:
        part = init_gcn(local_rng, (in_dim, model_dim))[0]
    params = {
        "gate": init_linear(gate_rng, in_dim, model_dim),
        "linear": init_linear(linear_rng, in_dim, model_dim),
        "norm": init_layer_norm(model_dim),
        local: part,
    }
    return params | {"norm_before": init_layer_norm(in_dim)} if norm else params


def _init_global(rng: Array, model_dim: int, heads: tuple[int, int]) -> Params:
    gate_rng, output_rng, *rngs = jax.random.split(rng, 5)
    maps = {
        name: init_linear(r, model_dim, heads, use_bias=False)
        for name, r in zip(("query", "key", "value"), rngs, strict=True)
    }
    return maps | {
        "gate": init_linear(gate_rng, model_dim, model_dim),
        "norm": init_layer_norm(model_dim),
        "output": init_linear(output_rng, model_dim, model_dim),
    }


def polynormer(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    attention_layout: Layout | None = None,
    stage: str = "global",
    beta: float = 0.9,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Local layers, whose outputs are summed, then global ones: each a product of two maps of its input.

    Args:
        params: what `init_polynormer` made.
        graph: edges between the nodes, with self-loops (`tgnn.self_loops`) as for GAT and GCN.
        x: `[n, dims[0]]`.
        attention_layout: who attends to whom in the global layers: default `Complete(n)`, one graph; of a batch
            `Complete(n).with_segments(graph of each node)`. Linear in n.
        stage: "global", or "local" for the outputs of the local layers alone, with which the authors warm up.
        beta: share of a layer's output beside its gated one, and what is added to the gates of global layers.
        dropout_rate: of inputs, hidden features and the local layers' attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, dims[-1]]`.

    Raises:
        ValueError: x are not the nodes of the graph, the stage is another, or there is a rate above 0 without a key.

    Reference: Deng, Yue and Zhang, Polynormer: Polynomial-Expressive Graph Transformer in Linear Time,
        arXiv:2403.01232, eqs. 5 to 8. Our beta is one number, as in PyG, where theirs may be learned; their results are
        with batch norm after each local layer, which would need state.

    >>> import tgnn
    >>> params = init_polynormer(jax.random.key(0), (4, 8, 2), num_local_layers=2)
    >>> graph = tgnn.self_loops(tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3))
    >>> polynormer(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    if stage not in ("global", "local"):
        raise ValueError(f'stage must be "global" or "local", got {stage!r}')
    layout = layout_of(graph, x)
    everywhere = layout_of(Complete(x.shape[0]) if attention_layout is None else attention_layout, x)
    options = {"beta": float(beta), "dropout_rate": dropout_rate, "implementation": implementation}
    return _run(params, layout, everywhere, x, stage, rng, options)


@compiled
def _run(params, layout, everywhere, x, stage, rng, options):
    x = dropout(fold(rng, 0), x, options["dropout_rate"])
    total = 0.0
    for i, layer in enumerate(params["local"]):
        x = local_layer(layer, layout, x, **options, rng=fold(rng, i + 2))
        total = total + x
    if stage == "local":
        return linear(params["local_output"], total)

    def apply(x, block):
        layer, _, layer_rng = block
        return global_layer(layer, everywhere, x, **options, rng=layer_rng), None

    x, _ = run_blocks(apply, params["global"], layer_norm(params["norm"], total), rng=fold(rng, 1))
    return linear(params["output"], x)


def local_layer(
    params: Params,
    layout: Layout,
    x: Array,
    *,
    beta: float = 0.9,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """`[n, in_dim] -> [n, model_dim]`: attention to neighbours, and its product with a gate."""
    x = normed(params, "norm_before", x)
    gate = jax.nn.relu(linear(params["gate"], x))
    if "gat" in params:
        shared = {"dropout_rate": dropout_rate, "rng": fold(rng, 0), "implementation": implementation}
        local = gat_layer(params["gat"], layout, x, shared)
    else:
        local = gcn_layer(params["gcn"], layout, x)
    x = dropout(fold(rng, 1), jax.nn.relu(local + linear(params["linear"], x)), dropout_rate)
    return (1 - beta) * layer_norm(params["norm"], gate * x) + beta * x


def global_layer(
    params: Params,
    layout: Layout,
    x: Array,
    *,
    beta: float = 0.9,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """`[n, model_dim] -> [n, model_dim]`: attention to all with the kernel of `sigmoid`, times a gate."""
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))  # [n, heads, head_dim]
    heads = attend(layout, query, key, value, score=Sigmoid(), implementation=implementation)
    gated = layer_norm(params["norm"], concatenate_heads(heads)) * (linear(params["gate"], x) + beta)
    return dropout(rng, jax.nn.relu(linear(params["output"], gated)), dropout_rate)


CHOICES = (
    Choice(
        "Polynormer, local layers", "neighbours and itself", "as in GAT: `gat_layer`", "softmax", "arXiv:2403.01232"
    ),
    Choice(
        "Polynormer, global layers",
        "`Complete`",
        "logarithm of a kernel: `Sigmoid`",
        "softmax, as sums of features",
        "arXiv:2403.01232",
    ),
)
