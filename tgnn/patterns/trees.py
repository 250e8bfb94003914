"""Trees over or beside a sentence, as graphs: dependencies and constituents."""

import jax
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import EdgeList
from tgnn.typing import ArrayLike


def dependency(n: int, heads: ArrayLike, *, direction: str = "both") -> EdgeList:
    """The edges of a dependency tree (or forest) between words.

    Args:
        n: number of words.
        heads: int [n], the head of each word, -1 = root.
        direction: "up" sends from words to their heads, "down" from heads to words, "both" does both.

    Raises:
        ValueError: for heads outside [-1, n), a cycle, or an unknown direction.

    >>> dependency(3, [1, -1, 1], direction="up").adjacency()[1].astype(int).tolist()
    [1, 0, 1]
    """
    heads = check_parents("heads", heads, check_size("n", n))
    words = np.flatnonzero(heads >= 0)
    return joined(words, heads[words], n, direction)


def constituency(n: int, children: ArrayLike, *, direction: str = "up") -> EdgeList:
    """The edges between the phrases of a constituency tree (or forest).

    Args:
        n: number of phrases, words included.
        children: int [n, arity], the children of each phrase from left to right, -1 = none; such as
            `tgnn.datasets.sst.Tree.children`. The caller's order of the edges is that of this table.
        direction: "up" sends from children to parents (Tree-LSTM), "down" from parents to children, "both" does both.

    Raises:
        ValueError: for children outside [-1, n), a child of two parents, a cycle, or an unknown direction.

    >>> constituency(3, [[-1, -1], [-1, -1], [0, 1]]).senders.tolist()
    [0, 1]
    """
    n = check_size("n", n)
    children = np.asarray(children)
    if children.ndim != 2 or len(children) != n or not np.issubdtype(children.dtype, np.integer):
        raise ValueError(
            f"children must be integers of shape [{n}, arity], got {children.dtype} of shape {children.shape}; "
            "fill shorter rows with -1"
        )
    if ((children < -1) | (children >= n)).any():
        raise ValueError(
            f"children must lie in [-1, {n}), got {children.min()} to {children.max()}; renumber the nodes"
        )
    parent = np.repeat(np.arange(n), children.shape[1])[children.ravel() >= 0]
    child = children.ravel()[children.ravel() >= 0]
    child = child.astype(np.int64)  # a caller's small type could not hold n
    count = np.bincount(child, minlength=n)
    if (count > 1).any():
        raise ValueError(f"node {count.argmax()} is a child {count.max()} times; in a tree each has one parent")
    parents = np.full(n, -1)
    parents[child] = parent
    check_parents("children", parents, n)
    return joined(child, parent, n, direction)


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def joined(lower: np.ndarray, upper: np.ndarray, n: int, direction: str) -> EdgeList:
    """Edges of a tree in one direction or both."""
    if direction not in ("up", "down", "both"):
        raise ValueError(f'direction must be "up", "down" or "both", got {direction!r}')
    senders = {"up": lower, "down": upper, "both": np.append(lower, upper)}[direction]
    receivers = {"up": upper, "down": lower, "both": np.append(upper, lower)}[direction]
    return EdgeList.from_edges(senders, receivers, n_receivers=n)


def check_parents(name: str, parents: ArrayLike, n: int) -> np.ndarray:
    """One parent per node, -1 = none, without a cycle; or a ValueError."""
    parents = np.asarray(parents)
    if parents.size == 0:
        parents = parents.reshape(-1).astype(np.int64)
    if parents.shape != (n,) or not np.issubdtype(parents.dtype, np.integer):
        raise ValueError(f"{name} must be integers of shape [{n}], got {parents.dtype} of shape {parents.shape}")
    if ((parents < -1) | (parents >= n)).any():
        raise ValueError(f"{name} must lie in [-1, {n}), got {parents.min()} to {parents.max()}; renumber the nodes")
    parents = parents.astype(np.int64)  # a caller's small type could not hold n
    ancestor = np.append(parents, -1)  # of the missing node -1, which stands last, too
    for _ in range(n.bit_length()):
        ancestor = ancestor[ancestor]  # twice as far up
    if (ancestor >= 0).any():
        raise ValueError(f"{name} has a cycle through node {ancestor.max()}; a tree has none")
    return parents
