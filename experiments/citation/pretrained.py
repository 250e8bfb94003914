"""The GAT authors' trained weights for Cora on this library's attend: 84.4 % of the test papers."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from experiments.citation import data
from tgnn.datasets import gat_cora
from tgnn.models.heads import add_bias
from tgnn.nn.basic import linear


def score(folder: Path, data_dir: Path | None = None) -> dict[str, list[float]]:
    """The accuracies of the weights in `folder`."""
    graph = data.load("cora", self_loops=True, data_dir=data_dir)
    output = np.asarray(jax.jit(logits)(gat_cora.load(folder), graph.task))
    labels = {
        "test": graph.test_labels,
        "validation": graph.task.validation_labels,
        "train": graph.task.train_labels,
    }
    return {f"{split}_accuracy": [data.accuracy(output, part)] for split, part in labels.items()}


def logits(layers: tuple[gat_cora.GatLayer, gat_cora.GatLayer], task: data.Task) -> jax.Array:
    """`[n_node, 7]`: two layers of GAT whose attention vectors have biases of their own."""
    hidden = layer(layers[0], task.layout, task.words)
    return layer(layers[1], task.layout, jax.nn.elu(hidden))


def layer(weights: gat_cora.GatLayer, layout: tgnn.EdgeList, x) -> jax.Array:
    """`[n_node, in_dim] -> [n_node, heads * head_dim]`."""
    value = linear({"kernel": jnp.asarray(weights.kernel).transpose(1, 0, 2)}, x)
    score = tgnn.Additive(jnp.asarray(weights.receiver), jnp.asarray(weights.sender))
    bias = jnp.asarray(weights.receiver_bias + weights.sender_bias)
    edges = jnp.broadcast_to(bias, (layout.n_edge, len(bias)))
    return add_bias(jnp.asarray(weights.bias), tgnn.attend(layout, value, value, value, score=score, edges=edges))
