"""From the features of two nodes to the logit of a link between them."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import as_index, check_dropout
from tgnn.graphs.layout import rows_at
from tgnn.nn.basic import init_mlp, mlp
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params

Nodes = Array | tuple[Array, Array]


def dot_product_decoder(x: Nodes, senders: Array, receivers: Array) -> Array:
    """The inner product of both ends: logits of links.

    Args:
        x: [n, dim] features, or of a bipartite graph a pair `(x_senders, x_receivers)`.
        senders: int [...] of any type.
        receivers: int [...], the same shape.

    Returns:
        [...] in the dtype of x, summed in float32 or wider; 0, with gradient 0, where an index is out of range (-1).

    Raises:
        ValueError: shapes disagree, or indices are no integers.

    Reference: Kipf and Welling, Variational Graph Auto-Encoders, arXiv:1611.07308, equation 2, before the sigmoid.

    >>> dot_product_decoder(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([0, 0]), jnp.array([1, -1])).tolist()
    [11.0, 0.0]
    """
    return _dot_product(*_checked(x, senders, receivers))


@compiled
def _dot_product(senders_x: Array, receivers_x: Array, senders: Array, receivers: Array) -> Array:
    sender, receiver, _ = _rows(senders_x, receivers_x, senders, receivers)
    wide = wide_dtype(sender.dtype, receiver.dtype)
    return jnp.einsum("...d,...d->...", sender, receiver, preferred_element_type=wide).astype(sender.dtype)


def init_perceptron_decoder(rng: Array, dims: Sequence[int]) -> list[Params]:
    """Linear maps between successive sizes, from features to one logit: `(64, 64, 1)`.

    Raises:
        ValueError: the last size is not 1.
    """
    if len(dims) < 2 or dims[-1] != 1:
        raise ValueError(f"dims must lead from the features of a node to 1 logit, got {tuple(dims)}; end with 1")
    return init_mlp(rng, dims)


def perceptron_decoder(
    params: list[Params],
    x: Nodes,
    senders: Array,
    receivers: Array,
    *,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """A perceptron on the products of both ends, feature by feature: the same for a link and its reverse.

    Args:
        params: what `init_perceptron_decoder` made.
        x: as for `dot_product_decoder`, like the others.
        senders: int [...].
        receivers: int [...].
        dropout_rate: of the hidden features.
        rng: key of the dropout.

    Returns:
        [...] logits; 0, with gradient 0, where an index is out of range.

    Raises:
        ValueError: as for `dot_product_decoder`, or there is a rate without a key.

    Reference: the link predictor of the examples of Hu et al., Open Graph Benchmark, arXiv:2005.00687.
    """
    return _perceptron(params, *_checked(x, senders, receivers), check_dropout(dropout_rate, rng), rng)


@compiled
def _perceptron(params, senders_x, receivers_x, senders, receivers, rate: float, rng: Array | None) -> Array:
    sender, receiver, live = _rows(senders_x, receivers_x, senders, receivers)
    return jnp.where(live, mlp(params, sender * receiver, dropout_rate=rate, rng=rng)[..., 0], 0)


def _checked(x: Nodes, senders: Any, receivers: Any) -> tuple[Array, Array, Array, Array]:
    """The features of both sets of nodes, and the indices into them."""
    senders_x, receivers_x = x if isinstance(x, tuple) else (x, x)
    if senders_x.ndim != 2 or receivers_x.ndim != 2 or senders_x.shape[1] != receivers_x.shape[1]:
        raise ValueError(
            f"x must be [n, dim], or a pair of such of one dim, got {senders_x.shape} and {receivers_x.shape}; project "
            "both to one size"
        )
    senders, receivers = as_index("senders", senders), as_index("receivers", receivers)
    if senders.shape != receivers.shape:
        raise ValueError(f"senders have shape {senders.shape} but receivers {receivers.shape}; a link needs both")
    return senders_x, receivers_x, senders, receivers


def _rows(senders_x: Array, receivers_x: Array, senders: Array, receivers: Array) -> tuple[Array, Array, Array]:
    """The features of both ends, [..., dim], and which links have both; zeros elsewhere."""
    pairs = (senders_x, senders), (receivers_x, receivers)
    inside = [(index >= 0) & (index < x.shape[0]) for x, index in pairs]
    live = inside[0] & inside[1]
    sender, receiver = (jnp.where(live[..., None], rows_at(x, index), 0) for x, index in pairs)
    return sender, receiver, live
