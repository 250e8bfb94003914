"""An order of the nodes in which neighbours have near numbers, so that tiles are fuller and fewer."""

import jax
import numpy as np

from tgnn.graphs.blocks import Blocks
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import distinct, pair_key
from tgnn.graphs.interop import edge_slots
from tgnn.graphs.layout import is_traced
from tgnn.graphs.orders import NAMES, orders
from tgnn.typing import ArrayLike

BLOCK = 64  # of the tiles that are counted for a list


def reorder(
    layout: Blocks | EdgeList, *, by: str | None = None, points: ArrayLike | None = None
) -> tuple[Blocks | EdgeList, np.ndarray]:
    """Renumbers the nodes so that tiles are fuller, by the best of a few orders: the one whose edges fill fewest tiles.

    Host side, O(n_edge log n_edge), needs SciPy. Graphs with clusters or of low dimension (molecules, meshes, roads,
    sequences) gain most: their tiles become several times fewer. Random graphs gain nothing.

    Args:
      layout: Blocks or EdgeList with as many receivers as senders, outside jit. Of a list, tiles of 64 are counted.
      by: "cuthill-mckee" (reverse Cuthill-McKee: breadth first, which brings edges near the diagonal), "bisection"
        (halves of halves, compact patches) or "given"; default the best of them.
      points: [n, dim], where the nodes are, such as `mesh.vertices`: what is bisected. Default hops from a few nodes.

    Returns:
      The same graph on renumbered nodes, a layout of the same class (and block size), and `permutation`: new node `i`
      is old node `permutation[i]`. Use `x[permutation]` on the way in, and on the way out
      `output[jnp.argsort(permutation)]`. Per-edge arrays are arranged anew for Blocks; an EdgeList keeps its caller's
      order.

    Raises:
      ValueError: for other layouts, bipartite graphs, unknown orders, other points, and under jit.

    Reference: Cuthill and McKee, Reducing the bandwidth of sparse symmetric matrices, 1969; here on the graph made
    undirected. Bisection: see `tgnn.graphs.orders`.

    >>> layout = Blocks.from_edges([0, 4, 1, 5], [4, 0, 5, 1], 2, n_receivers=6)
    >>> ordered, permutation = reorder(layout)
    >>> len(layout.mask), len(ordered.mask)
    (2, 2)
    """
    if not isinstance(layout, (Blocks, EdgeList)):
        raise ValueError(
            f"layout must be Blocks or an EdgeList, got {type(layout).__name__}, which has an order of its own; "
            "use layout.to_edges() to renumber it"
        )
    if any(is_traced(x) for x in jax.tree.leaves(layout)):
        raise ValueError("layout is traced, but an order of its nodes is found on the host; call reorder outside jit")
    if layout.n_receivers != layout.n_senders:
        raise ValueError(
            f"layout has {layout.n_receivers} receivers and {layout.n_senders} senders, but both must be one set of "
            "nodes to share an order; reorder a graph on one set"
        )
    senders, receivers, live = edge_slots(layout)
    block = layout.block if isinstance(layout, Blocks) else BLOCK
    permutation = fullest(senders[live], receivers[live], layout.n_receivers, block, by, points)
    place = np.empty_like(permutation)
    place[permutation] = np.arange(len(permutation))
    inside = np.where(live, senders, 0), np.where(live, receivers, 0)
    sizes = {"n_receivers": layout.n_receivers, "mask": live}
    if isinstance(layout, Blocks):
        ordered = Blocks.from_edges(*(place[x] for x in inside), layout.block, **sizes)
    else:
        ordered = EdgeList.from_edges(*(place[x] for x in inside), **sizes)
    return ordered, permutation


def fullest(
    senders: np.ndarray, receivers: np.ndarray, n: int, block: int, by: str | None, points: ArrayLike
) -> np.ndarray:
    """The permutation whose edges fill the fewest tiles: int [n], old numbers in their new order."""
    if by not in (None, *NAMES):
        raise ValueError(f"by must be one of {', '.join(NAMES)} or None for the best, got {by!r}")
    found = orders(senders, receivers, n, n, block, points)
    if by is not None:
        return found[by]

    def count(order: np.ndarray) -> int:
        place = np.argsort(order)
        return len(distinct(pair_key(place[senders] // block, place[receivers] // block, -(-n // block))))

    return min(found.values(), key=count)
