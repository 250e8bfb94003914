"""Random graphs of small degree and small diameter."""

import jax
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import Neighbors
from tgnn.graphs.host import distinct


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def expander(n: int, degree: int = 4, seed: int = 0) -> Neighbors:
    """A random graph whose nodes see at most `degree` others and which is an expander almost surely. O(n * degree).

    The union of degree / 2 random cycles through all nodes, in both directions: connected for every seed, of even
    degree, without self-loops. A pair of neighbours on two cycles counts once, so that a few nodes have fewer
    neighbours; the table always has `min(degree, n - 1)` slots per node: its shape depends on n and degree alone.

    Args:
        n: number of nodes.
        degree: even; a degree of n - 1 or more gives no more than the complete graph without self-loops.
        seed: of the cycles, an integer of at least 0.

    Raises:
        ValueError: for an odd degree, or sizes that are no such integers.

    Reference: Shirzad et al., Exphormer: Sparse Transformers for Graphs, arXiv:2303.06147, section 3.2 (theirs joins
    random permutations); Friedman, A proof of Alon's second eigenvalue conjecture, arXiv:cs/0405020.

    >>> expander(100).edge_shape
    (100, 4)
    """
    n, degree = check_size("n", n), check_size("degree", degree)
    if degree % 2:
        raise ValueError(f"degree is {degree}, but cycles give every node two neighbours; choose an even degree")
    generator = np.random.default_rng(check_size("seed", seed))
    cycles = [generator.permutation(n) for _ in range(min(degree // 2, n))]
    nodes = np.concatenate([np.arange(0), *cycles]).astype(np.int64)
    following = np.concatenate([np.arange(0), *(np.roll(cycle, -1) for cycle in cycles)]).astype(np.int64)
    keys = distinct(np.append(nodes * n + following, following * n + nodes))
    receivers, senders = np.divmod(keys, max(n, 1))
    other = receivers != senders
    return Neighbors.from_edges(senders[other], receivers[other], n_receivers=n, pad_to=min(degree, max(n - 1, 0)))
