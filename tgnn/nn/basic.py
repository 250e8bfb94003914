"""The small parts of a network, as pairs of functions on nested dicts.

Weights keep heads as an axis (`[model_dim, heads, head_dim]`), so that applying a layer needs no configuration.
Parameters are cast to the dtype of the activations: bfloat16 activations compute in bfloat16 over float32 parameters.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_dropout, check_floating, check_size
from tgnn.graphs.layout import is_traced
from tgnn.nn.draws import normal, uniform
from tgnn.nn.row_product import row_product
from tgnn.nn.sparse_features import SparseFeatures
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def init_linear(
    rng: Array, in_dim: int | tuple[int, ...], out_dim: int | tuple[int, ...], *, use_bias: bool = True
) -> Params:
    """Initialises a linear map between axes: Glorot uniform over all input and output axes, bias zero.

    Args:
        rng: a key.
        in_dim: one size, or the sizes of the several trailing axes that are contracted.
        out_dim: one size, or the sizes of the several axes that are made, such as `(heads, head_dim)`.
        use_bias: whether to add a bias of shape `out_dim`.

    Returns:
        `{"kernel": [*in_dim, *out_dim], "bias": [*out_dim]}`.

    Reference: Xavier Glorot and Yoshua Bengio, Understanding the difficulty of training deep feedforward neural
        networks, AISTATS 2010.
    """
    in_shape, out_shape = _axes("in_dim", in_dim, 0), _axes("out_dim", out_dim, 1)
    limit = math.sqrt(6 / (math.prod(in_shape) + math.prod(out_shape)))
    params = {"kernel": uniform(rng, in_shape + out_shape, -limit, limit)}
    return params | {"bias": jnp.zeros(out_shape)} if use_bias else params


def _axes(name: str, dim: int | tuple[int, ...], minimum: int) -> tuple[int, ...]:
    return tuple(check_size(name, size, minimum) for size in (dim if isinstance(dim, tuple | list) else (dim,)))


def linear(params: Params, x: Array, *, in_axes: int = 1) -> Array:
    """Applies a linear map to the `in_axes` trailing axes of x.

    Args:
        params: `{"kernel": [*in_dim, *out_dim]}` and perhaps `"bias"`.
        x: `[..., *in_dim]`, or a `SparseFeatures` of sparse features.
        in_axes: how many trailing axes of x are contracted.

    Returns:
        `[..., *out_dim]`, in the dtype of x.

    Raises:
        ValueError: if the trailing axes of x are not the kernel's, or x is not floating point.

    >>> params = init_linear(jax.random.key(0), 6, (2, 3))
    >>> linear(params, jnp.ones((5, 6))).shape
    (5, 2, 3)
    """
    check_floating("x", x)
    kernel = params["kernel"]
    if x.ndim < in_axes or x.shape[x.ndim - in_axes :] != kernel.shape[:in_axes]:
        raise ValueError(
            f"x has shape {x.shape} but its last {in_axes} axes must be {kernel.shape[:in_axes]}, those of the kernel; "
            "project x or initialise the layer with the size of x"
        )
    kernel = kernel.astype(x.dtype)
    # [..., *in_dim] -> [..., *out_dim]
    y = x @ kernel if isinstance(x, SparseFeatures) else row_product(x, kernel, in_axes)
    return y + _broadcast(params["bias"], y) if "bias" in params else y


def _broadcast(vector: Array, x: Array) -> Array:
    return jnp.broadcast_to(vector.astype(x.dtype), x.shape)


def init_layer_norm(dim: int) -> Params:
    """Initialises a layer norm over `dim` features: scale one, bias zero."""
    return {"scale": jnp.ones(dim), "bias": jnp.zeros(dim)}


def layer_norm(params: Params, x: Array, *, epsilon: float = 1e-5) -> Array:
    """Standardises each row and rescales it; statistics are in float32 or wider.

    Without a `"bias"` in the parameters nothing is added. A constant row becomes the bias.

    Args:
        params: `{"scale": [dim], "bias": [dim]}`.
        x: `[..., dim]`.
        epsilon: added to the variance.

    Returns:
        `[..., dim]`, in the dtype of x.

    Raises:
        ValueError: if x is not floating point, or its last axis is not that of the scale.

    >>> layer_norm(init_layer_norm(2), jnp.array([[1.0, 3.0]])).round(2).tolist()
    [[-1.0, 1.0]]

    Reference: Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.
    """
    wide = _wide(params, x)
    centred = wide - wide.mean(-1, keepdims=True)
    return _rescale(params, centred, epsilon).astype(x.dtype)


def init_rms_norm(dim: int) -> Params:
    """Initialises a root-mean-square norm over `dim` features: scale one."""
    return {"scale": jnp.ones(dim)}


def rms_norm(params: Params, x: Array, *, epsilon: float = 1e-6) -> Array:
    """Divides each row by its root mean square and rescales it; statistics are in float32 or wider.

    Args:
        params: `{"scale": [dim]}`.
        x: `[..., dim]`.
        epsilon: added to the mean square.

    Returns:
        `[..., dim]`, in the dtype of x.

    Raises:
        ValueError: as `layer_norm`.

    >>> rms_norm(init_rms_norm(2), jnp.array([[3.0, 3.0]])).round(2).tolist()
    [[1.0, 1.0]]

    Reference: Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv:1910.07467.
    """
    wide = _wide(params, x)
    return _rescale(params, wide, epsilon).astype(x.dtype)


def _wide(params: Params, x: Array) -> Array:
    """The rows of a norm in float32 or wider."""
    check_floating("x", x)
    if x.ndim == 0 or x.shape[-1:] != params["scale"].shape:
        raise ValueError(
            f"x has shape {x.shape} but its last axis must have the size {params['scale'].shape[0]} of the norm's "
            "scale; initialise the norm with the size of x"
        )
    return x.astype(wide_dtype(x.dtype))


def _rescale(params: Params, x: Array, epsilon: float) -> Array:
    y = x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + epsilon) * _broadcast(params["scale"], x)
    return y + _broadcast(params["bias"], y) if "bias" in params else y


def init_embedding(rng: Array, vocab_size: int, dim: int) -> Params:
    """Initialises one vector per id, normal with standard deviation `dim ** -0.5`: `{"table": [vocab_size, dim]}`."""
    shape = check_size("vocab_size", vocab_size, 1), check_size("dim", dim, 1)
    return {"table": normal(rng, shape) * dim**-0.5}


def embedding(params: Params, ids: Array) -> Array:
    """Looks up one row per id; the id -1 means padding and gives a row of zeros, with no gradient.

    Args:
        params: `{"table": [vocab_size, dim]}`.
        ids: integers of any type `[...]` in `-1 ... vocab_size - 1`.

    Returns:
        `[..., dim]`. Under a transformation such as `jax.jit` any other id outside the table gives zeros too.

    Raises:
        ValueError: if the ids are not integers, or if an id is outside the table and not -1 and the ids are concrete.

    >>> embedding({"table": jnp.eye(3)}, jnp.array([2, -1]))
    Array([[0., 0., 1.],
           [0., 0., 0.]], dtype=float32)
    """
    table, ids = jnp.asarray(params["table"]), as_index("ids", ids)
    size = table.shape[0]
    check_ids(ids, size)
    inside = (ids >= 0) & (ids < size)
    rows = table[jnp.clip(ids, 0, size - 1)]  # [..., dim]
    return jnp.where(inside[..., None], rows, 0)


def check_ids(ids: Array, size: int) -> None:
    """Known ids are in a table of `size` rows, or -1; ids that are traced cannot be checked."""
    if is_traced(ids) or not ids.size:
        return
    concrete = np.asarray(ids)  # not jax.numpy, which would trace even a constant under jit
    least, most = concrete.min(), concrete.max()
    if least < -1 or most >= size:
        raise ValueError(
            f"ids go from {least} to {most} but the table has {size} rows; "
            f"use ids in 0 ... {size - 1}, and -1 for padding"
        )


def init_mlp(rng: Array, dims: Sequence[int], *, use_bias: bool = True) -> list[Params]:
    """Initialises linear maps between the successive sizes of `dims`, such as `(16, 64, 16)`."""
    if len(dims) < 2:
        raise ValueError(f"dims must have at least two sizes, the first that of x, got {dims}; pass (in_dim, out_dim)")
    rngs = jax.random.split(rng, len(dims) - 1)
    return [
        init_linear(layer_rng, in_dim, out_dim, use_bias=use_bias)
        for layer_rng, in_dim, out_dim in zip(rngs, dims[:-1], dims[1:], strict=True)
    ]


def mlp(
    params: list[Params],
    x: Array,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Applies linear maps with an activation, then dropout, between them.

    Args:
        params: what `init_mlp` made.
        x: `[..., dims[0]]`.
        activation: applied to every hidden layer.
        dropout_rate: of the hidden features.
        rng: key of the dropout, wherever its rate is not 0.

    Returns:
        `[..., dims[-1]]`.

    Raises:
        ValueError: for a rate without a key; see `dropout`.
    """
    check_dropout(dropout_rate, rng)
    for i, layer in enumerate(params[:-1]):
        x = dropout(fold(rng, i), activation(linear(layer, x)), dropout_rate)
    return linear(params[-1], x)


def dropout(rng: Array | None, x: Any, rate: float) -> Any:
    """Zeroes each entry with probability `rate` and scales the others by `1 / (1 - rate)`; x as it is at a rate of 0.

    Args:
        rng: a key; None only where the rate is 0.
        x: an array, or a `SparseFeatures`, whose entries are dropped.
        rate: a Python number in `[0, 1)`.

    Returns:
        An array like x.

    Raises:
        ValueError: if rate is outside `[0, 1)`, if it is above 0 without a key, or if x is not floating point.

    >>> set(dropout(jax.random.key(0), jnp.ones(99), 0.5).tolist())
    {0.0, 2.0}

    Reference: Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 2014.
    """
    check_dropout(rate, rng)
    if rate == 0:
        return x
    check_floating("x", x)
    if isinstance(x, SparseFeatures):
        return x.with_weights(dropout(rng, x.weights, rate))
    return jnp.where(jax.random.bernoulli(rng, 1 - rate, x.shape), x / (1 - rate), 0).astype(x.dtype)


def rate_when_training(rng: Array | None, rate: float) -> float:
    """`rate` where there is a key, else 0: for a function of which `rng=None` means evaluation.

    >>> rate_when_training(None, 0.5)
    0.0
    """
    return 0.0 if rng is None else rate


def fold(rng: Array | None, index: int | Array) -> Array | None:
    """The key of the part with this index, None if there is no key."""
    return None if rng is None else jax.random.fold_in(rng, index)
