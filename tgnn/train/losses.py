"""Losses and scores as masked means: what the mask drops changes neither the value nor a gradient.

Every function returns a float32 (or wider) scalar, and 0 where the mask keeps nothing.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.softmax import expand, wide_dtype
from tgnn.typing import Array


def masked_mean(values: Array, mask: Array | None = None) -> Array:
    """Mean of the values that the mask keeps; 0 if it keeps none.

    Dropped values may be NaN or infinite. (Their own gradient is 0; whoever computed them from inputs that
    overflow must mask those inputs too, because 0 times infinity is NaN in the chain rule.)

    Args:
        values: any shape.
        mask: bool, the leading axes of `values`, True = keep; None keeps everything.

    Returns:
        A scalar, accumulated in float32 or wider.

    Raises:
        ValueError: the mask is not boolean or does not match the leading axes.

    >>> float(masked_mean(jnp.array([1.0, 3.0, jnp.nan]), jnp.array([True, True, False])))
    2.0
    """
    values = _wide(values)
    keep = _full_mask(mask, values.shape)
    total = jnp.sum(jnp.where(keep, values, 0))
    return total / jnp.maximum(jnp.sum(keep), 1).astype(total.dtype)


def cross_entropy(logits: Array, labels: Array, mask: Array | None = None, label_smoothing: float = 0.0) -> Array:
    """Mean negative log-likelihood of integer labels, in nats.

    Labels outside [0, n_class) count as masked: -1 marks padding, and no label is ever clamped or turned into NaN.

    Args:
        logits: [..., n_class]; rows without a live label may hold anything.
        labels: [...] integers of any type.
        mask: bool, the leading axes of `labels`, True = keep.
        label_smoothing: in [0, 1): this share of the target is spread evenly over all classes. A class that is ruled
            out by a logit of -inf has no log-likelihood to spread to: the loss is then infinite.

    Returns:
        A scalar; 0 if no label is live.

    Raises:
        ValueError: labels are not integers, shapes disagree, or `label_smoothing` is out of range.

    Reference: Szegedy et al., Rethinking the Inception Architecture, arXiv:1512.00567, section 7 (label smoothing).

    >>> round(float(cross_entropy(jnp.zeros((3, 4)), jnp.array([0, 3, -1]))), 4)
    1.3863
    """
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}; 0.1 is usual")
    live, labels = _live_labels(logits, labels, mask)
    # Masking the input, not only the result, keeps the gradient finite where a dead row holds inf or NaN.
    logits = jnp.where(live[..., None], _wide(logits), 0)
    log_probabilities = jax.nn.log_softmax(logits, axis=-1)
    # A sum with one term: on a CPU the gradient of a lookup, a scatter, costs several times as much over many classes.
    chosen = jax.lax.broadcasted_iota(labels.dtype, logits.shape, logits.ndim - 1) == labels[..., None]
    likelihood = jnp.sum(jnp.where(chosen, log_probabilities, 0), axis=-1)  # [..., n_class] -> [...]
    if label_smoothing:
        uniform = jnp.mean(log_probabilities, axis=-1)
        likelihood = (1 - label_smoothing) * likelihood + label_smoothing * uniform
    return masked_mean(-likelihood, live)


def binary_cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> Array:
    """Mean negative log-likelihood of independent yes/no targets, in nats.

    Args:
        logits: any shape.
        targets: the same shape, 0 or 1 (or a probability).
        mask: bool, the leading axes, True = keep.

    Returns:
        A scalar; 0 if the mask keeps nothing.

    Raises:
        ValueError: shapes disagree.

    >>> round(float(binary_cross_entropy(jnp.array([0.0, 9.0]), jnp.array([1.0, 0.0]), jnp.array([True, False]))), 4)
    0.6931
    """
    logits, targets, keep = _pair("logits", logits, "targets", targets, mask)
    return masked_mean(_share(targets, jax.nn.softplus(-logits)) + _share(1 - targets, jax.nn.softplus(logits)), keep)


def _share(share: Array, loss: Array) -> Array:
    """`share * loss`, where nothing of infinity is 0, and has the derivative 0."""
    nothing = (share == 0) & jnp.isinf(loss)
    return share * jnp.where(nothing, 0, loss)


def bpr_loss(positive: Array, negative: Array, mask: Array | None = None) -> Array:
    """Bayesian personalised ranking: mean negative log-likelihood that a positive scores above its negative, in nats.

    Args:
        positive: scores of what was chosen, any shape.
        negative: scores of what was not, the same shape; for several negatives of one positive broadcast the first.
        mask: bool, the leading axes, True = keep.

    Returns:
        A scalar; 0 if the mask keeps nothing.

    Raises:
        ValueError: shapes disagree.

    Reference: Rendle et al., BPR: Bayesian Personalized Ranking from Implicit Feedback, arXiv:1205.2618, section 4;
        its regularisation, of the embeddings in the batch, is the caller's.

    >>> round(float(bpr_loss(jnp.array([2.0, 1.0]), jnp.array([2.0, 9.0]), jnp.array([True, False]))), 4)
    0.6931
    """
    positive, negative, keep = _pair("positive", positive, "negative", negative, mask)
    return masked_mean(jax.nn.softplus(negative - positive), keep)


def accuracy(logits: Array, labels: Array, mask: Array | None = None) -> Array:
    """Share of live labels that have the largest logit, in [0, 1].

    Of equal logits the first counts as the largest; a row that holds a NaN has none, and its label counts as missed.

    Args:
        logits: [..., n_class].
        labels: [...] integers of any type; those outside [0, n_class) count as masked.
        mask: bool, the leading axes of `labels`, True = keep.

    Returns:
        A scalar; 0 if no label is live.

    Raises:
        ValueError: labels are not integers or shapes disagree.

    >>> float(accuracy(jnp.array([[0.0, 1.0], [2.0, 1.0], [0.0, 0.0]]), jnp.array([1, 1, -1])))
    0.5
    """
    live, labels = _live_labels(logits, labels, mask)
    logits = jnp.asarray(logits)
    if logits.shape[-1] == 0:  # no class, so no label is live
        return masked_mean(jnp.zeros(labels.shape), live)
    right = (jnp.argmax(logits, axis=-1) == labels) & ~jnp.isnan(logits).any(axis=-1)  # argmax points at a NaN
    return masked_mean(right, live)


def mean_absolute_error(predictions: Array, targets: Array, mask: Array | None = None) -> Array:
    """Mean of |predictions - targets| over what the mask keeps.

    Args:
        predictions: any shape.
        targets: the same shape.
        mask: bool, the leading axes, True = keep.

    Returns:
        A scalar in the unit of the targets; 0 if the mask keeps nothing.

    Raises:
        ValueError: shapes disagree.

    >>> float(mean_absolute_error(jnp.array([1.0, 5.0]), jnp.array([2.0, 3.0])))
    1.5
    """
    predictions, targets, keep = _pair("predictions", predictions, "targets", targets, mask)
    return masked_mean(jnp.abs(predictions - targets), keep)


def mean_squared_error(predictions: Array, targets: Array, mask: Array | None = None) -> Array:
    """Mean of (predictions - targets)² over what the mask keeps.

    Args:
        predictions: any shape.
        targets: the same shape.
        mask: bool, the leading axes, True = keep.

    Returns:
        A scalar in the squared unit of the targets; 0 if the mask keeps nothing.

    Raises:
        ValueError: shapes disagree.

    >>> float(mean_squared_error(jnp.array([1.0, 5.0]), jnp.array([2.0, 3.0])))
    2.5
    """
    predictions, targets, keep = _pair("predictions", predictions, "targets", targets, mask)
    return masked_mean(jnp.square(predictions - targets), keep)


def _wide(x: Array) -> Array:
    x = jnp.asarray(x)
    return x.astype(wide_dtype(x.dtype))


def _full_mask(mask: Array | None, shape: tuple[int, ...]) -> Array:
    if mask is None:
        return jnp.ones(shape, bool)
    mask = jnp.asarray(mask)
    if mask.dtype != jnp.bool_:
        raise ValueError(f"mask must be boolean (True = keep), got {mask.dtype}; write mask > 0")
    if mask.shape != shape[: mask.ndim]:
        raise ValueError(f"mask has shape {mask.shape}, expected the leading axes of {shape}; one entry per row")
    return jnp.broadcast_to(expand(mask, len(shape)), shape)


def _live_labels(logits: Array, labels: Any, mask: Array | None) -> tuple[Array, Array]:
    """Which labels count, and the labels as int32 with 0 for those that are no class; both have the labels' shape."""
    logits = jnp.asarray(logits)
    labels = labels if isinstance(labels, jax.Array) else np.asarray(labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        how = {
            "b": "use labels.astype(int)",
            "U": "number them with np.unique(labels, return_inverse=True)",
            "f": "cast them, or use argmax of one-hot rows",
        }
        remedy = how.get({"S": "U", "O": "U", "T": "U"}.get(labels.dtype.kind, labels.dtype.kind), how["f"])
        raise ValueError(f"labels must be integer classes, got {labels.dtype}; {remedy}")
    if logits.ndim == 0 or labels.shape != logits.shape[:-1]:
        raise ValueError(f"labels have shape {labels.shape}, expected {logits.shape[:-1]}: one per row of logits")
    if jnp.iinfo(labels.dtype).bits < 32:
        labels = labels.astype(np.int32)  # the number of classes may not fit into the caller's type
    in_range = (labels >= 0) & (labels < logits.shape[-1])  # of 64 bits in NumPy too, before JAX cuts them to 32
    return _full_mask(mask, labels.shape) & in_range, jnp.where(in_range, labels, 0).astype(jnp.int32)


def _pair(name: str, x: Array, other: str, y: Array, mask: Array | None) -> tuple[Array, Array, Array]:
    """Both arrays in float32 or wider, zeroed where dropped so that no gradient meets inf or NaN."""
    x, y = _wide(x), _wide(y)
    if x.shape != y.shape:
        raise ValueError(f"{name} have shape {x.shape} but {other} {y.shape}; give both the same shape")
    keep = _full_mask(mask, x.shape)
    return jnp.where(keep, x, 0), jnp.where(keep, y, 0), keep
