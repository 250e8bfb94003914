"""Sparse node features as what they are: a bipartite graph from words to nodes with a weight on each edge."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np

from tgnn.graphs import EdgeList, Layout
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class SparseFeatures:
    """A sparse matrix of features; `nn.linear` and `nn.dropout`, and so every model here, take it like a dense one.

    A linear map of it is a weighted sum of the kernel's rows over the words of each node: `layout.aggregate`, with the
    row of each word as the sender's value. Dropout acts on the entries; zeros of the dense matrix would stay zeros.

    Attributes:
        layout: words are the senders, nodes the receivers.
        weights: `[*edge_shape]`, in the layout's own order.
    """

    layout: Layout
    weights: Array

    __repr__ = one_line

    @classmethod
    def from_rows(
        cls,
        indptr: Sequence[int] | np.ndarray,
        indices: Sequence[int] | np.ndarray,
        values: Sequence[float] | np.ndarray,
        shape: tuple[int, int],
    ) -> "SparseFeatures":
        """A bag from compressed sparse rows, such as the fields of `tgnn.datasets.sparse.SparseRows`. Host side.

        Raises:
            ValueError: the lengths are not those of one matrix.

        >>> bag = SparseFeatures.from_rows([0, 2, 2], [0, 2], [1.0, 10.0], (2, 3))
        >>> (bag @ jnp.arange(6.0).reshape(3, 2)).tolist()
        [[40.0, 51.0], [0.0, 0.0]]
        """
        if not len(indices) == len(values) == indptr[-1] or len(indptr) != shape[0] + 1:
            raise ValueError(
                f"indptr must have {shape[0] + 1} entries, the last the number of indices and of values, got "
                f"{len(indptr)} entries, {len(indices)} indices and {len(values)} values; pass the parts of one matrix"
            )
        receivers = np.repeat(np.arange(shape[0]), np.diff(indptr))
        layout = EdgeList.from_edges(np.asarray(indices), receivers, n_receivers=shape[0], n_senders=shape[1])
        return cls(layout, jnp.asarray(values))

    @property
    def shape(self) -> tuple[int, int]:
        """`(n_node, num_words)`."""
        return (self.layout.n_receivers, self.layout.n_senders)

    @property
    def ndim(self) -> int:
        """2, as of the matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype:
        """That of the weights."""
        return self.weights.dtype

    def with_weights(self, weights: Array) -> "SparseFeatures":
        """The same words with other weights."""
        return replace(self, weights=weights)

    def __matmul__(self, kernel: Array) -> Array:
        """`[num_words, *out_dim] -> [n_node, *out_dim]`; O(entries * out_dim) time."""
        rows = self.layout.aggregate(self.weights[..., None], kernel.reshape(kernel.shape[0], 1, -1))
        return rows.reshape(rows.shape[:1] + kernel.shape[1:])
