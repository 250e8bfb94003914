"""Norms over nodes: batch norm with explicit state, and graph norm over the nodes of each graph."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.aggregation import aggregate
from tgnn.compiled import compiled
from tgnn.errors import check_floating, check_size
from tgnn.graphs import Layout
from tgnn.graphs.transforms import reverse
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


class Moments(NamedTuple):
    """What batch norm remembers of the batches: running means and variances, [dim] each, float32."""

    mean: Array
    variance: Array


def init_batch_norm(dim: int) -> tuple[Params, Moments]:
    """Initialises `{"scale": [dim], "bias": [dim]}`, and the moments of a standard normal distribution.

    Args:
        dim: features.
    """
    dim = check_size("dim", dim, minimum=1)
    params = {"scale": jnp.ones(dim), "bias": jnp.zeros(dim)}
    return params, Moments(jnp.zeros(dim), jnp.ones(dim))


def batch_norm(
    params: Params,
    moments: Moments,
    x: Array,
    *,
    mask: Array | None = None,
    training: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
) -> tuple[Array, Moments]:
    """Each feature minus its mean over all nodes, over its standard deviation.

    Args:
        params: what `init_batch_norm` made.
        moments: of the last step.
        x: `[n, dim]`, the nodes of all graphs of a batch.
        mask: bool `[n]`, True = a node, False = padding, which is not counted. Default: all are nodes.
        training: whether the mean and variance are those of this batch; else they are the running ones.
        momentum: share of the old moments in the new ones (torch's momentum is 1 minus this one).
        epsilon: added to the variance.

    Returns:
        `[n, dim]` in the dtype of x, zeros at padding; and the moments, new ones in training: as in torch with the
        variance of a sample (over n - 1), where there are two nodes or more. A batch without nodes leaves them.

    Raises:
        ValueError: if x is not floating point.

    Reference: Ioffe and Szegedy, Batch Normalization, arXiv:1502.03167, algorithms 1 and 2.

    >>> params, moments = init_batch_norm(1)
    >>> batch_norm(params, moments, jnp.array([[1.0], [3.0]]), training=True, epsilon=0.0)[0].tolist()
    [[-1.0], [1.0]]
    """
    check_floating("x", x)
    live = jnp.ones(x.shape[0], bool) if mask is None else jnp.asarray(mask)
    return run_batch_norm(params, moments, x, live, momentum, epsilon, bool(training))


@compiled
def run_batch_norm(params, moments, x, live, momentum, epsilon, training):
    """The equations of `batch_norm`."""
    wide = jnp.where(live[:, None], x, 0).astype(wide_dtype(x.dtype))  # [n, dim]
    if training:
        count = live.sum()
        mean = wide.sum(0) / jnp.maximum(count, 1)  # [dim]
        away = jnp.where(live[:, None], wide - mean[None], 0)
        variance = jnp.square(away).sum(0) / jnp.maximum(count, 1)
        sample = variance * count / jnp.maximum(count - 1, 1)
        keep = jnp.where(count > 0, momentum, 1.0)
        fresh = Moments(jax.lax.stop_gradient(mean), jax.lax.stop_gradient(sample))
        moments = jax.tree.map(lambda old, new: (keep * old + (1 - keep) * new).astype(old.dtype), moments, fresh)
    else:
        mean, variance = moments
        away = wide - mean[None]
    normal = scaled(params, away, variance[None] + epsilon)
    return jnp.where(live[:, None], normal, 0).astype(x.dtype), moments


def init_graph_norm(dim: int) -> Params:
    """Initialises `{"scale", "bias", "mean_scale"}`, [dim] each: how much of the mean goes is learned.

    Args:
        dim: features.
    """
    dim = check_size("dim", dim, minimum=1)
    return {"scale": jnp.ones(dim), "bias": jnp.zeros(dim), "mean_scale": jnp.ones(dim)}


def graph_norm(params: Params, layout: Layout, x: Array, *, epsilon: float = 1e-5) -> Array:
    """Each feature minus a learned share of its mean over the nodes of its graph, over the rest's root mean square.

    Args:
        params: what `init_graph_norm` made.
        layout: from nodes to their graph, each node in one at most, such as `tgnn.readout(graph)`.
        x: `[n, dim]`.
        epsilon: added to the mean square.

    Returns:
        `[n, dim]` in the dtype of x; a node of no graph gets the bias.

    Raises:
        ValueError: if x is not floating point, or has other rows than the layout has senders.

    Reference: Cai et al., GraphNorm, arXiv:2009.03294, equation 8.

    >>> from tgnn.graphs import EdgeList
    >>> two = EdgeList.from_edges([0, 1, 2], [0, 0, 1], n_receivers=2, n_senders=3)
    >>> graph_norm(init_graph_norm(1), two, jnp.array([[1.0], [3.0], [5.0]]), epsilon=1e-12).tolist()
    [[-1.0], [1.0], [0.0]]
    """
    check_floating("x", x)
    wide, back = jnp.asarray(x).astype(wide_dtype(x.dtype)), reverse(layout)
    away = wide - params["mean_scale"][None] * aggregate(back, aggregate(layout, wide, "mean"))
    square = aggregate(back, aggregate(layout, jnp.square(away), "mean"))  # [n, dim]
    return scaled(params, away, square + epsilon).astype(x.dtype)


def scaled(params: Params, away: Array, square: Array) -> Array:
    """Deviations [n, dim] over the roots of their mean squares, times the scale, plus the bias."""
    return away * jax.lax.rsqrt(square) * params["scale"][None] + params["bias"][None]
