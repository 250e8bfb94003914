"""Grids of pixels as graphs: relative positions in two dimensions, and convolutions written as attention."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_floating, check_size, widen_index
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


@register
@dataclass(frozen=True)
class QuadraticBias:
    """Each head looks at one place beside the receiver: `bias = -sharpness * |position_j - position_i - offset|^2`.

    Nodes are the pixels of a grid, row by row. With infinite sharpness the one pixel at the offset is the only edge of
    a head: the bias is 0 there and -inf elsewhere.

    Attributes:
        offsets: [heads, 2], rows down and columns to the right; they may be learned, and need not be whole.
        sharpness: one number, or [heads].
        width: columns of the receivers' grid.
        border: rows and columns that the senders' grid has more on each of its four sides.

    Reference: Cordonnier, Loukas and Jaggi, On the Relationship between Self-Attention and Convolutional Layers,
        arXiv:1911.03584, section 3, the quadratic encoding; terms that all senders share are left in.

    >>> QuadraticBias(jnp.array([[0.0, 1.0]]), 2.0, width=3)(jnp.array(4), jnp.array(4)).tolist()
    [-2.0]
    """

    offsets: Array
    sharpness: Array | float
    width: int = jax.tree.static()  # pyright: ignore
    border: int = jax.tree.static(default=0)  # pyright: ignore

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """The bias of one pair: `[heads]`, in float32 or wider."""
        offsets = jnp.asarray(self.offsets)
        dtype = wide_dtype(offsets.dtype)
        receiver, sender = (jnp.asarray(widen_index(jnp.asarray(x))) for x in (receiver, sender))
        wide = self.width + 2 * self.border
        down = sender // wide - self.border - receiver // self.width
        right = sender % wide - self.border - receiver % self.width
        steps = jnp.stack([down, right]).astype(dtype)[None] - offsets.astype(dtype)  # [heads, 2]
        square = (steps**2).sum(-1)
        return jnp.where(square == 0, 0.0, -jnp.asarray(self.sharpness, dtype) * square)  # inf * 0 is NaN


def attention_from_convolution(
    kernel: Array, width: int, *, border: int = 0, sharpness: float = np.inf
) -> tuple[Params, QuadraticBias]:
    """The multi-head attention that is a given convolution: a head for each of its K x K offsets.

    A head looks at its offset and nowhere else, because its queries and keys are 0 and its bias is quadratic; its value
    and output map multiply to the convolution's matrix of that offset. With a finite `sharpness` this is attention of
    all pixels, at a distance from the convolution of at most
    `2 max|x| sum|kernel| (S ** 2 - 1)`, where `S = sum_z exp(-sharpness z ** 2) ~ 1 + 2 exp(-sharpness)`.

    Beyond the edges of the picture: an infinite sharpness finds no pixel and sums zeros, which is zero padding; a
    finite one finds the nearest pixel, which is padding by repeating the edge. With a `border` of zeros around the
    senders, `jnp.pad(x, ((b, b), (b, b), (0, 0)))`, b at least K // 2, it is zero padding for both.

    Args:
        kernel: `[rows, columns, in_dim, out_dim]`, as `jax.lax.conv_general_dilated` has it ("HWIO"), stride 1, padding
            "SAME".
        width: columns of the picture.
        border: of the senders' grid, see `QuadraticBias`.
        sharpness: how much less a pixel counts that is one step beside the offset; inf leaves one edge for each head.

    Returns:
        Parameters for `multi_head_attention` on any graph that has the edges to the K x K neighbours, and its `bias`.

    Raises:
        ValueError: `kernel` has other axes, or is not floating point.

    Reference: Cordonnier, Loukas and Jaggi, On the Relationship between Self-Attention and Convolutional Layers,
        arXiv:1911.03584, theorem 1 and lemma 2. Their heads begin at such offsets and learn better ones.

    >>> from tgnn import Complete
    >>> from tgnn.nn.multi_head import multi_head_attention
    >>> kernel = jnp.zeros((3, 3, 1, 1)).at[1, 0].set(1.0)  # the pixel to the left
    >>> params, bias = attention_from_convolution(kernel, width=3)
    >>> x = jnp.arange(6.0)[:, None]
    >>> multi_head_attention(params, Complete(6), x, bias=bias).ravel().tolist()
    [0.0, 0.0, 1.0, 0.0, 3.0, 4.0]
    """
    kernel = jnp.asarray(kernel)
    check_floating("kernel", kernel)
    if kernel.ndim != 4:
        raise ValueError(f"kernel must have shape [rows, columns, in_dim, out_dim], got {kernel.shape}; reshape it")
    width, border = check_size("width", width, minimum=1), check_size("border", border)
    rows, columns, in_dim, out_dim = kernel.shape
    # The middle of an even kernel is where "SAME" puts it: one pixel more below and to the right.
    places = np.stack(np.indices((rows, columns)), -1).reshape(-1, 2) - [(rows - 1) // 2, (columns - 1) // 2]
    heads = kernel.reshape(-1, in_dim, out_dim)  # [heads, in_dim, out_dim]
    zeros = jnp.zeros((in_dim, len(places), 1), kernel.dtype)
    narrow = min(in_dim, out_dim)
    equal = jnp.broadcast_to(jnp.eye(narrow, dtype=kernel.dtype)[None], (len(places), narrow, narrow))
    value, output = (equal, heads) if in_dim <= out_dim else (heads, equal)  # what is summed is the narrower
    maps = {"query": zeros, "key": zeros, "value": jnp.swapaxes(value, 0, 1), "output": output}
    params = {name: {"kernel": each} for name, each in maps.items()}
    return params, QuadraticBias(jnp.asarray(places, kernel.dtype), sharpness, width, border)
