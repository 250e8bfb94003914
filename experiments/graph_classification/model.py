"""GIN with three reductions as a classifier of graphs: every layer's nodes, pooled, have a say."""

from typing import Any

import jax
import jax.numpy as jnp

from experiments.common.packing.graphs import Batch
from experiments.common.training import dropping
from experiments.graph_classification.config import Config
from tgnn import aggregate
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, init_mlp, layer_norm, linear, mlp
from tgnn.typing import Array, Params


def init_classifier(rng: Array, config: Config, num_tags: int, num_classes: int) -> Params:
    """Initialises `{"layers": [{"mlp", "norm", "epsilon"}], "heads": one linear map for each depth}`."""
    dims = (num_tags, *(config.hidden_dim for _ in range(config.num_layers)))
    layer_rngs, head_rngs = jax.random.split(rng, (2, len(dims)))
    heads = [init_linear(r, dim, num_classes) for r, dim in zip(head_rngs, dims, strict=True)]
    pairs = zip(layer_rngs, dims[:-1], dims[1:], strict=False)
    return {"layers": [_init_layer(*pair) for pair in pairs], "heads": heads}


def _init_layer(rng: Array, in_dim: int, out_dim: int) -> Params:
    return {
        "mlp": init_mlp(rng, (in_dim, out_dim, out_dim)),
        "norm": init_layer_norm(out_dim),
        "epsilon": jnp.zeros(()),
    }


def classify(
    params: Params,
    batch: Batch,
    *,
    reduction: str = "sum",
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Any:
    """Logits `[n_graph, num_classes]`.

    `x_i = relu(norm(mlp((1 + epsilon) x_i + reduction of x_j)))`, from the one-hot tags of the nodes; the reduction is
    also that of the readout. As Xu et al., How Powerful are Graph Neural Networks?, arXiv:1810.00826, eqs. 4.1 and 4.2,
    with layer norm instead of batch norm.
    """
    x = jax.nn.one_hot(batch.nodes, params["heads"][0]["kernel"].shape[0])
    logits, rate = jnp.zeros(()), dropping(dropout_rate, rng)["dropout_rate"]
    for i, head in enumerate(params["heads"]):
        if i:
            layer = params["layers"][i - 1]
            mixed = (1.0 + layer["epsilon"]) * x + aggregate(batch.layout, x, reduction)
            x = jax.nn.relu(layer_norm(layer["norm"], mlp(layer["mlp"], mixed)))
        pooled = aggregate(batch.readout, x, reduction)[: batch.n_graph]  # without the padding's graph
        logits = logits + dropout(fold(rng, i), linear(head, pooled), rate)
    return logits
