"""Kernels: scores whose softmax is a ratio of sums of features, so that complete and causal graphs cost O(n).

A kernel is an inner product of features that are not negative, `sum_r phi_r(query_i) * phi_r(key_j)`; its logit is the
logarithm of that, and the softmax of these logits is linear attention:

    output_i = sum_j k(query_i, key_j) * value_j / sum_j k(query_i, key_j)

Features are kept as logarithms, so that nothing overflows. The definition sums them edge by edge. Where a receiver sees
all senders up to one, `fused/features.py` sums keys and values first, which is the same number in O(n).
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.scores import Score
from tgnn.errors import check_size
from tgnn.graphs.layout import is_traced
from tgnn.pytrees import register
from tgnn.typing import Array

PROBES = 64  # random rows on which a feature map is tried before it is used


class Kernel(Score):
    """`log sum_r exp(features(query)_ir + features(key)_jr)`, of logarithms of features, -inf for a feature of 0.

    Define `features`, [n, heads, head_dim] -> [n, heads, features], or `receiver` and `sender` where they differ. A
    scale other than 1 is a power of the kernel, and a bias or dropout belongs to edges: no sum over nodes carries
    these, so that `attend` computes such a call edge by edge, in O(n²). Features of edges are refused.

    >>> class Exponential(Kernel):
    ...     def features(self, x):
    ...         return x
    >>> Exponential = jax.tree_util.register_dataclass(dataclass(frozen=True)(Exponential))
    >>> from tgnn import Complete, attention_weights
    >>> x = jnp.log(jnp.array([[1.0, 2.0], [3.0, 1.0]]))[:, None]
    >>> attention_weights(Complete(2), x, x, score=Exponential())[:, :, 0].tolist()
    [[0.5, 0.5], [0.3333333432674408, 0.6666666865348816]]
    """

    is_kernel = True

    def features(self, x: Array) -> Array:
        """The logarithms of the features of nodes: [n, heads, head_dim] -> [n, heads, features]."""
        raise ValueError(
            f"{type(self).__name__} does not define features(x); define it: [n, heads, head_dim] -> [n, heads, "
            "features], logarithms"
        )

    def receiver(self, query: Array) -> Array:
        return self.features(query)

    def sender(self, key: Array) -> Array:
        return self.features(key)

    def map_nodes(self, query: Array, key: Array) -> tuple[Array, Array]:
        receiver, sender = super().map_nodes(query, key)
        for name, x, rows in (("receiver", receiver, query), ("sender", sender, key)):
            if x.ndim != 3 or x.shape[:2] != rows.shape[:2] or x.shape[2] == 0:
                raise ValueError(
                    f"{name} of {type(self).__name__} must give [{rows.shape[0]}, {rows.shape[1]}, features], at least "
                    f"one feature for each node and head, got {x.shape}; map the last axis only"
                )
        if receiver.shape[2] != sender.shape[2]:
            raise ValueError(
                f"receiver of {type(self).__name__} gives {receiver.shape[2]} features, but sender gives "
                f"{sender.shape[2]}; an inner product needs the same features of both"
            )
        return receiver, sender

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        if edge is not None:
            raise ValueError(
                f"edges are given, but {type(self).__name__} is a kernel of nodes; pass a bias, or use another score"
            )
        return log_sum(receiver + sender)


def log_sum(x: Array) -> Array:
    """The logarithm of the sum of exponentials over the last axis: -inf, with gradient 0, where all are -inf."""
    maximum = jax.lax.stop_gradient(x.max(axis=-1, keepdims=True))
    maximum = jnp.where(jnp.isneginf(maximum), 0.0, maximum)
    return log(jnp.exp(x - maximum).sum(axis=-1)) + maximum[..., 0]


def log(x: Array) -> Array:
    """The logarithm, NaN below 0. At 0 it is -inf with gradient 0: a smooth feature that is never negative is flat."""
    return jnp.where(x == 0.0, -jnp.inf, jnp.log(jnp.where(x == 0.0, 1.0, x)))


@register
@dataclass(frozen=True)
class FeatureMap(Kernel):
    """The kernel of any features that are not negative: `<phi(query_i), phi(key_j)>`.

    Args:
      phi: [n, heads, head_dim] -> [n, heads, features], static and without arrays of its own, such as `jax.nn.relu`;
        for learned features subclass `Kernel`. It is tried on random rows before it is used, and refused where a
        feature is negative; a negative feature that is met later makes what reads it NaN.
    """

    phi: Callable[[Array], Array] = jax.tree.static()  # pyright: ignore

    def features(self, x: Array) -> Array:
        self.check(x.shape[1:])
        return log(self.phi(x))

    def check(self, shape: tuple[int, ...]) -> None:
        """A ValueError where `phi` gives a negative number for random rows, unless it is only known under jit."""
        with jax.ensure_compile_time_eval():
            rows = np.random.default_rng(0).normal(size=(PROBES, *shape)) * np.geomspace(0.1, 10, PROBES)[:, None, None]
            found = self.phi(jnp.asarray(rows, jnp.float32))
        if not is_traced(found) and found.size and (least := float(np.nanmin(found))) < 0.0:
            raise ValueError(
                f"phi of FeatureMap must not be negative, since weights are its products, got {least:.3g} for a random "
                "row; square it, take its exponential, or see tgnn.attention.aggregate_products for signed sums"
            )


@register
@dataclass(frozen=True)
class EluPlusOne(Kernel):
    """`phi(x) = elu(x) + 1`. Reference: Katharopoulos et al., Transformers are RNNs, arXiv:2006.16236, equation 7."""

    def features(self, x: Array) -> Array:
        return jnp.where(x < 0.0, x, jnp.log1p(jnp.maximum(x, 0.0)))


@register
@dataclass(frozen=True)
class Sigmoid(Kernel):
    """`phi(x) = sigmoid(x)`. Reference: Deng et al., Polynormer, arXiv:2403.01232, equation 7."""

    def features(self, x: Array) -> Array:
        return jax.nn.log_sigmoid(x)


@register
@dataclass(frozen=True)
class Projected(Kernel):
    """What Performer's kernels share.

    Args:
      projection: [features, head_dim], or [heads, features, head_dim]; `random_projection` draws one.
    """

    projection: Array

    def project(self, x: Array) -> Array:
        """[n, heads, head_dim] -> [n, heads, features], in full precision: the exponential sees every digit."""
        projection = jnp.asarray(self.projection)
        if (
            projection.ndim not in (2, 3)
            or (*projection.shape[:-2], projection.shape[-1]) != x.shape[4 - projection.ndim :]
        ):
            raise ValueError(
                f"projection must have shape [features, {x.shape[2]}] or [{x.shape[1]}, features, {x.shape[2]}], got "
                f"{projection.shape}; draw it with random_projection(rng, {x.shape[2]})"
            )
        axes = "fd" if projection.ndim == 2 else "hfd"
        return jnp.einsum(f"nhd,{axes}->nhf", x, projection.astype(x.dtype), precision="highest")


@register
@dataclass(frozen=True)
class RandomFeatures(Projected):
    """FAVOR+: positive random features, the mean of whose kernel is softmax attention's `exp(scale * <query, key>)`.

        phi_r(x) = exp(<w_r, x'> - |x'|² / 2) / sqrt(features),    x' = sqrt(scale) * x

    Args:
      projection: as for `Projected`; its rows w_r are fixed or drawn again, not learned.
      scale: of the inner products, static; default head_dim ** -0.5.

    The error of the kernel falls as features ** -0.5. Their code subtracts the maximum over all keys and adds 1e-4 to
    each feature, which moves small weights; here features stay logarithms, and their sums are taken relative to
    the largest that a receiver sees. Reference: Choromanski et al., Rethinking Attention with Performers,
    arXiv:2009.14794, lemma 1.
    """

    scale: float | None = jax.tree.static(default=None)  # pyright: ignore

    def features(self, x: Array) -> Array:
        scale = x.shape[2] ** -0.5 if self.scale is None else self.scale
        x = x * scale**0.5
        logits = self.project(x)
        return logits - 0.5 * (x * x).sum(axis=-1, keepdims=True) - 0.5 * float(np.log(logits.shape[2]))


@register
@dataclass(frozen=True)
class ReluFeatures(Projected):
    """Performer's generalised attention: `phi_r(x) = relu(<w_r, x>) + epsilon`, an estimate of no other kernel.

    Args:
      projection: as for `Projected`.
      epsilon: above 0, static; theirs, and PyG's.

    Reference: Choromanski et al., arXiv:2009.14794, section 2.2 and its code.
    """

    epsilon: float = jax.tree.static(default=1e-3)  # pyright: ignore

    def features(self, x: Array) -> Array:
        return log(jax.nn.relu(self.project(x)) + self.epsilon)


def random_projection(rng: Array, head_dim: int, num_features: int | None = None, *, orthogonal: bool = True) -> Array:
    """Rows for `RandomFeatures`, each normal by itself: [num_features, head_dim].

    Args:
      rng: PRNG key.
      head_dim: of queries and keys.
      num_features: default `head_dim * log(head_dim)` rounded up, the paper's order.
      orthogonal: whether every `head_dim` rows are orthogonal, which lowers the variance of their kernel.

    Reference: Choromanski et al., arXiv:2009.14794, section 2.4: exactly orthogonal, as long as normal vectors.

    >>> random_projection(jax.random.key(0), 4, 6).shape
    (6, 4)
    """
    head_dim = check_size("head_dim", head_dim, minimum=1)
    default = max(1, int(np.ceil(head_dim * np.log(head_dim))))
    num_features = default if num_features is None else check_size("num_features", num_features, minimum=1)
    direction_rng, length_rng = jax.random.split(rng)
    rows = jax.random.normal(length_rng, (num_features, head_dim))
    if not orthogonal:
        return rows
    squares = jax.random.orthogonal(direction_rng, head_dim, (-(-num_features // head_dim),))
    directions = squares.reshape(-1, head_dim)[:num_features]
    return directions * jnp.linalg.norm(rows, axis=1, keepdims=True)
