"""What becomes of the heads of an attention layer between nodes: their sizes, and how they are joined."""

from collections.abc import Sequence

from tgnn.errors import check_size
from tgnn.models.layers import check_dims
from tgnn.nn.draws import uniform
from tgnn.typing import Array


def split_heads(model_dim: int, num_heads: int) -> tuple[int, int]:
    """`(num_heads, head_dim)`, or a ValueError if the heads do not share the features evenly."""
    num_heads = check_size("num_heads", num_heads, minimum=1)
    if model_dim % num_heads:
        raise ValueError(f"num_heads must divide model_dim {model_dim}, got {num_heads}; choose a divisor")
    return num_heads, model_dim // num_heads


def layer_sizes(
    dims: Sequence[int], num_heads: int, num_output_heads: int
) -> list[tuple[int | tuple[int, int], int, int, bool]]:
    """Of each layer: input features, heads, features of a head, and whether it is the last one, which averages."""
    num_heads = check_size("num_heads", num_heads, minimum=1)
    num_output_heads = check_size("num_output_heads", num_output_heads, minimum=1)
    last = len(check_dims(dims)) - 1
    heads = [num_output_heads if i == last else num_heads for i in range(last + 1)]
    inputs = [dims[0]] + [num_heads * dim for dim in dims[1:-1]]
    return [(inputs[i], heads[i], dims[i + 1], i == last) for i in range(last + 1)]


def three_sizes(dims: Sequence[int]) -> tuple[int, int, int]:
    """Input, hidden and output features of a model whose hidden layers have one size, or a ValueError."""
    if len(dims) != 3:
        raise ValueError(f"dims must be three sizes, (in_dim, model_dim, out_dim), got {tuple(dims)}")
    in_dim, model_dim, out_dim = (check_size("dims", size, minimum=1) for size in dims)
    return in_dim, model_dim, out_dim


def concatenate_heads(x: Array) -> Array:
    """`[n, heads, head_dim] -> [n, heads * head_dim]`."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2])


def add_bias(bias: Array, x: Array) -> Array:
    """Adds a bias to every node and merges heads: concatenated if the bias has heads, else averaged.

    Args:
        bias: `[heads, head_dim]` or `[head_dim]`.
        x: `[n, heads, head_dim]`.

    Returns:
        `[n, heads * head_dim]` or `[n, head_dim]`.
    """
    bias = bias.astype(x.dtype)[None]
    return concatenate_heads(x + bias) if bias.ndim == 3 else x.mean(axis=1) + bias


def glorot(rng: Array, shape: tuple[int, int]) -> Array:
    """One attention vector per head `[heads, head_dim]`: Glorot uniform, as in PyG."""
    limit = (6 / sum(shape)) ** 0.5
    return uniform(rng, shape, -limit, limit)
