"""Where a node stands: sinusoidal and learned vectors, rotary phases, ALiBi and T5 biases.

Positions are integers `[n]` of any type, which may be traced. Biases are callable pytrees that `attend` evaluates for
the pairs that it needs, `(receiver, sender) -> [heads]`; their leaf `offset` is the position of receiver 0 minus that
of sender 0, a traced scalar in cached decoding.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_floating, check_size, widen_index
from tgnn.nn.basic import embedding, init_embedding
from tgnn.nn.draws import normal
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def segment_positions(segments: Array) -> Array:
    """Positions that restart at 0 in every run of equal segment ids: `[n] -> [n]`.

    >>> segment_positions(jnp.array([4, 4, 4, 7, 7, -1]))
    Array([0, 1, 2, 0, 1, 0], dtype=int32)
    """
    segments = as_index("segments", segments)
    if segments.ndim != 1:
        raise ValueError(f"segments must have shape [n], got {segments.shape}; use jax.vmap for a batch axis")
    row = jnp.arange(segments.shape[0], dtype=jnp.int32)
    starts = jnp.concatenate([jnp.ones(1, bool), segments[1:] != segments[:-1]])
    return row - jax.lax.cummax(jnp.where(starts[: row.size], row, 0))


def sinusoidal(positions: Array, dim: int, *, base: float = 10_000.0) -> Array:
    """Sines (even features) and cosines (odd features) of the position at geometric wavelengths.

    Args:
        positions: numbers `[n]`.
        dim: features, an even number.
        base: longest wavelength over 2 pi, about.

    Returns:
        `[n, dim]` with `sin(p / base^(2i/dim))` at 2i and the cosine at 2i + 1, in float32 or wider.

    Raises:
        ValueError: if dim is odd, or base is not above 0.

    >>> sinusoidal(jnp.array([0]), 4).tolist()
    [[0.0, 1.0, 0.0, 1.0]]

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, section 3.5.
    """
    positions = jnp.asarray(positions)
    angle = _angles(positions, dim, base, wide_dtype(positions.dtype))
    # [n, dim / 2] twice -> [n, dim / 2, 2] -> [n, dim]
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1).reshape(*angle.shape[:-1], dim)


def _angles(positions: Array, dim: int, base: float, dtype) -> Array:
    """The angle of each position at each of dim / 2 wavelengths: `[n] -> [n, dim / 2]`."""
    if check_size("dim", dim, minimum=1) % 2:
        raise ValueError(f"dim is {dim} but must be even, for one sine and one cosine a wavelength; use {dim + 1}")
    if not base > 0:
        raise ValueError(f"base must be above 0, the longest wavelength over 2 pi, got {base}; the papers' is 10000")
    # Rounded once: an error of the frequency grows with the position.
    frequency = jnp.asarray(np.exp(np.arange(0, dim, 2) * (-math.log(base) / dim)).astype(dtype))
    return jnp.asarray(positions)[..., None].astype(dtype) * frequency[(None,) * np.ndim(positions)]


def init_learned_positions(rng: Array, max_length: int, dim: int) -> Params:
    """Initialises one vector per position: `{"table": [max_length, dim]}`."""
    return init_embedding(rng, max_length, dim)


def learned_positions(params: Params, positions: Array) -> Array:
    """Looks up one learned vector per position `[n] -> [n, dim]`; see `embedding` for positions beyond the table."""
    return embedding(params, positions)


def rotary(x: Array, positions: Array, *, base: float = 10_000.0, interleaved: bool = False) -> Array:
    """Turns pairs of features by an angle proportional to the position, so that <query, key> sees the distance only.

    Args:
        x: queries or keys `[n, heads, head_dim]`, head_dim even.
        positions: numbers `[n]`, perhaps traced.
        base: longest wavelength over 2 pi, about.
        interleaved: pairs are features (2i, 2i + 1) as in the paper; default (i, i + head_dim / 2) as in Llama.

    Returns:
        `[n, heads, head_dim]`, in the dtype of x; angles are computed in float32, or wider where x is.

    Raises:
        ValueError: if head_dim is odd, x is not floating point, or there is not one position for each row.

    Reference: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, arXiv:2104.09864, eq. 34.
    """
    check_floating("x", x)
    if x.ndim != 3 or np.shape(positions) != x.shape[:1]:
        raise ValueError(
            f"x must have shape [n, heads, head_dim] and positions [n], got {x.shape} and {np.shape(positions)}; give "
            "one position per row, and use jax.vmap for a batch axis"
        )
    dtype, half = wide_dtype(x.dtype), x.shape[-1] // 2
    angle = _angles(positions, x.shape[-1], base, dtype)[:, None]  # [n, 1, head_dim / 2]
    axis, pairs = (-1, (half, 2)) if interleaved else (-2, (2, half))
    wide = x.astype(dtype).reshape(*x.shape[:-1], *pairs)  # [n, heads, *pairs]
    first, second = jnp.take(wide, 0, axis=axis), jnp.take(wide, 1, axis=axis)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    turned = jnp.stack([first * cos - second * sin, first * sin + second * cos], axis=axis)
    return turned.reshape(x.shape).astype(x.dtype)


def signed_distance(receiver: Array, offset: Array | int, sender: Array) -> Array:
    """`receiver + offset - sender`, in a type that holds it."""
    first, shift, second = (jnp.asarray(widen_index(jnp.asarray(x))) for x in (receiver, offset, sender))
    return first + shift - second


@register
@dataclass(frozen=True)
class Alibi:
    """A penalty proportional to the distance: `bias = -slope * |receiver + offset - sender|`, one slope a head.

    Reference: Press, Smith and Lewis, Train Short, Test Long: Attention with Linear Biases, arXiv:2108.12409. They use
        it on causal graphs; the absolute value makes it symmetric on others.
    """

    slopes: Array  # [heads]
    offset: Array | int = 0

    @classmethod
    def from_heads(cls, num_heads: int) -> "Alibi":
        """The paper's slopes: `2^(-8 i / heads)`, and for other than powers of two those of the next ones between.

        >>> Alibi.from_heads(4).slopes
        Array([0.25      , 0.0625    , 0.015625  , 0.00390625], dtype=float32)
        """
        num_heads = check_size("num_heads", num_heads, minimum=1)
        power = 2 ** math.floor(math.log2(num_heads))
        slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
        between = [2 ** (-8 * (i + 0.5) / power) for i in range(num_heads - power)]
        return cls(jnp.array(slopes + between, jnp.float32))

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """The bias of one pair: `[heads]`, in float32 or wider, since half precision rounds long distances."""
        slopes = self.slopes.astype(wide_dtype(self.slopes.dtype))
        return -slopes * jnp.abs(signed_distance(receiver, self.offset, sender)).astype(slopes.dtype)


@register
@dataclass(frozen=True)
class BucketBias:
    """A learned bias per head and per bucket of the distance, T5's relative positions.

    Reference: Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer,
        arXiv:1910.10683, section 2.1.
    """

    table: Array  # [num_buckets, heads]
    offset: Array | int = 0
    bidirectional: bool = jax.tree.static(default=True)
    max_distance: int = jax.tree.static(default=128)

    def __call__(self, receiver: Array, sender: Array) -> Array:
        """The bias of one pair: `[heads]`."""
        distance = -signed_distance(receiver, self.offset, sender)
        buckets = relative_bucket(
            distance, self.table.shape[0], bidirectional=self.bidirectional, max_distance=self.max_distance
        )
        return self.table[buckets]


def init_bucket_table(rng: Array, num_buckets: int, num_heads: int) -> Array:
    """Initialises the table of a `BucketBias`: `[num_buckets, num_heads]`, standard deviation 0.02."""
    shape = check_size("num_buckets", num_buckets, minimum=1), check_size("num_heads", num_heads, minimum=1)
    return 0.02 * normal(rng, shape)


def relative_bucket(distance: Array, num_buckets: int, *, bidirectional: bool = True, max_distance: int = 128) -> Array:
    """The bucket of `distance = sender - receiver`: exact while small, logarithmic up to max_distance, then one.

    Args:
        distance: ints of any type `[...]`.
        num_buckets: how many buckets there are, over both directions; half of a direction's are exact.
        bidirectional: half of the buckets are for senders after the receiver; else those fall into bucket 0.
        max_distance: from here on all distances share the last bucket; more than the exact ones.

    Returns:
        Ints `[...]` in `0 ... num_buckets - 1`.

    Raises:
        ValueError: if a direction has no exact bucket, or so many that max_distance is among them.

    >>> relative_bucket(jnp.array([0, -1, -7, -8, -200, 1]), 32)
    Array([ 0,  1,  7,  8, 15, 17], dtype=int32)
    """
    distance, one_way = as_index("distance", distance), num_buckets // 2 if bidirectional else num_buckets
    exact = one_way // 2
    if not 0 < exact < max_distance:
        raise ValueError(
            f"num_buckets {num_buckets} gives {exact} exact distances{' a direction' * bidirectional}, but there must "
            f"be at least 1 and fewer than max_distance {max_distance}; change num_buckets or max_distance"
        )
    # Beyond max_distance all are alike; cut there, no number of any size overflows in what follows.
    distance = jnp.clip(distance, -max_distance, max_distance).astype(jnp.int32)
    first = jnp.where(distance > 0, one_way, 0) if bidirectional else jnp.zeros_like(distance)
    distance = jnp.abs(distance) if bidirectional else jnp.maximum(-distance, 0)
    # The logarithm of what is below `exact` is not used; the maximum keeps it finite.
    ratio = jnp.log(jnp.maximum(distance, exact).astype(jnp.float32) / exact) / math.log(max_distance / exact)
    far = jnp.minimum(exact + (ratio * (one_way - exact)).astype(jnp.int32), one_way - 1)
    return (first + jnp.where(distance < exact, distance, far)).astype(jnp.int32)
