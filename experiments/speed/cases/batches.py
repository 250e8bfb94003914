"""A batch of molecules as one disjoint union and as a stack of padded dense graphs: 8 heads of 8."""

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from experiments.speed import graphs
from experiments.speed.cases.case import Case, arrays
from experiments.speed.contestant import from_jax
from tgnn.planning.cost import cost

HEADS, HEAD_DIM = 8, 8


def cases(family, size, config, data_dir) -> list[Case]:
    """Bonds (a sparse graph per molecule), and all pairs of atoms (a Transformer per molecule)."""
    count = config.batch_graphs
    graph = graphs.molecules(count)
    lengths = graphs.sizes_of_molecules(count)
    batch = Padded(lengths)
    senders, receivers = np.unique(np.stack([graph.senders, graph.receivers]), axis=1)  # a matrix cannot count
    which = np.repeat(np.arange(count), lengths)
    masks = np.zeros((count, batch.length, batch.length), bool)
    masks[which[receivers], batch.place[receivers], batch.place[senders]] = True
    real = np.arange(batch.length)[None] < lengths[:, None]
    bonds = {
        "union, edges": tgnn.EdgeList.from_edges(senders, receivers, n_receivers=graph.n),
        "stack, dense": tgnn.Dense(jnp.asarray(masks)),
    }
    pairs = {
        "union, edges": tgnn.Complete(graph.n).with_segments(which).to_edges(),
        "union, segments": tgnn.Complete(graph.n).with_segments(which),
        "stack, segments": tgnn.stack(
            [tgnn.Complete(batch.length).with_segments(np.where(row, 0, -1)) for row in real]
        ),
    }
    return [batch.compare(f"{family}-bonds", bonds), batch.compare(f"{family}-pairs", pairs)]


class Padded:
    """Where the nodes of a union stand in a stack of graphs of one length."""

    def __init__(self, lengths: np.ndarray):
        self.shape = len(lengths), int(lengths.max())
        self.length = self.shape[1]
        first = np.cumsum(lengths) - lengths
        self.place = np.arange(lengths.sum()) - np.repeat(first, lengths)  # within its graph
        self.slots = np.repeat(np.arange(len(lengths)), lengths) * self.length + self.place

    def stack(self, x: np.ndarray) -> np.ndarray:
        """[n, ...] -> [graphs, length, ...], zeros in the padding."""
        padded = np.zeros((self.shape[0] * self.length, *x.shape[1:]), x.dtype)
        padded[self.slots] = x
        return padded.reshape(*self.shape, *x.shape[1:])

    def union(self, x: np.ndarray) -> np.ndarray:
        """The inverse."""
        return x.reshape(-1, *x.shape[2:])[self.slots]

    def compare(self, name: str, layouts: dict) -> Case:
        """The unions against the stack."""
        *unions, stack = layouts
        n = len(self.slots)
        *inputs, cotangent = arrays(1, *[(n, HEADS, HEAD_DIM)] * 4)
        stacked = [self.stack(x) for x in inputs], self.stack(cotangent)
        sides = {side: lambda side=side: from_jax(tgnn.attend, layouts[side], inputs, cotangent) for side in unions} | {
            stack: lambda: from_jax(jax.vmap(tgnn.attend), layouts[stack], *stacked, views=self.union)
        }
        costs = (cost(layouts[unions[0]], HEADS, HEAD_DIM, gradients=yes) for yes in (False, True))
        return Case(name, unions[0], sides, *costs)
