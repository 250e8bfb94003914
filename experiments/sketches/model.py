"""The multi-graph Transformer as a classifier of drawings; which graphs it sees is the only thing that changes."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from experiments.common.training import dropping
from experiments.sketches.config import Config
from experiments.sketches.data import Points
from experiments.sketches.graphs import layouts
from tgnn.models.graph_transformers.multi_graph_transformer import (
    init_multi_graph_transformer,
    init_sketch_embedding,
    multi_graph_transformer,
    sketch_embedding,
)
from tgnn.nn.basic import dropout, fold, init_mlp, mlp
from tgnn.train.losses import masked_mean
from tgnn.typing import Array, Params


def init_classifier(rng: Array, config: Config, num_graphs: int, num_classes: int) -> Params:
    """Initialises `{"embedding", "layers", "head"}`."""
    rngs = jax.random.split(rng, 3)
    sizes = {"num_layers": config.num_layers, "model_dim": config.model_dim, "num_heads": config.num_heads}
    return {
        "embedding": init_sketch_embedding(rngs[0], config.model_dim, max_points=config.max_points),
        "layers": init_multi_graph_transformer(rngs[1], num_graphs=num_graphs, **sizes),
        "head": init_mlp(rngs[2], (config.model_dim, 2 * config.model_dim, num_classes)),
    }


def classify(
    params: Params,
    points: Points,
    names: Sequence[str],
    *,
    numbered: bool = True,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Logits `[n_drawing, num_classes]`; `names` are those of `graphs.RELATIONS`, one for each set of heads.

    Not `numbered`: a point does not know its place in the order of the pen, unless a graph tells.
    """
    rngs = None if rng is None else jax.random.split(rng, len(points.labels))
    one = partial(classify_one, names=tuple(names), numbered=numbered, dropout_rate=dropout_rate)
    return jax.vmap(one, in_axes=(None, 0, None if rngs is None else 0))(params, points, rngs)


def classify_one(
    params: Params,
    points: Points,
    rng: Array | None,
    *,
    names: tuple[str, ...],
    numbered: bool,
    dropout_rate: float,
) -> Any:
    """The logits of one drawing: the mean of its points after the layers, and a perceptron."""
    positions = jnp.where((points.stroke >= 0) & numbered, jnp.arange(len(points.stroke)), -1)
    x = sketch_embedding(params["embedding"], points.coordinates, points.flags, positions)
    options = dropping(dropout_rate, fold(rng, 0)) | {"implementation": "fused"}
    x = multi_graph_transformer(params["layers"], layouts(points.stroke, names), x, **options)
    real = (points.stroke >= 0)[:, None]
    pooled = jnp.where(real, x, 0).sum(axis=0) / jnp.maximum(real.sum(), 1)
    return mlp(params["head"], dropout(fold(rng, 1), pooled, options["dropout_rate"]))


def hits(logits: Array, labels: Array, top: int) -> Array:
    """Share of the labelled drawings whose class is among the `top` largest logits."""
    own = jnp.take_along_axis(logits, jnp.maximum(labels, 0)[:, None], axis=1)
    return masked_mean((logits > own).sum(axis=1) < top, labels >= 0)
