"""A mesh of the sphere on which nodes see 8 hops far, as in weather forecasts: 8 heads of 16."""

import numpy as np

import tgnn
from experiments.speed.cases.case import Case, arrays
from experiments.speed.contestant import from_jax
from tgnn.planning.cost import cost

HEADS, HEAD_DIM = 8, 16
LEVELS = {10 * 4**level + 2: level for level in range(7)}


def cases(family, size, config, data_dir) -> list[Case]:
    """The mesh with this number of nodes: what `plan` takes, beside a list and tiles of the matrix in two orders."""
    if not size.isdigit() or int(size) not in LEVELS:
        raise ValueError(f"a mesh has {', '.join(map(str, LEVELS))} nodes, got {size!r}; choose one of them")
    n = int(size)
    edges = tgnn.patterns.k_hop(tgnn.patterns.icosahedral_mesh(LEVELS[n]).layout, config.mesh_hops)
    *inputs, cotangent = arrays(1, *[(n, HEADS, HEAD_DIM)] * 4)

    def ordered(by: str):
        tiles, permutation = tgnn.reorder(tgnn.Blocks.from_edges(*edges.pairs(), n_receivers=n), by=by)
        back = np.argsort(permutation)
        moved = [x[permutation] for x in (*inputs, cotangent)]
        return from_jax(tgnn.attend, tiles, moved[:-1], moved[-1], views=lambda x: x[back])

    sides = {
        "EdgeList": lambda: from_jax(tgnn.attend, edges, inputs, cotangent),
        "Blocks, Cuthill-McKee": lambda: ordered("cuthill-mckee"),
        "Blocks, bisection": lambda: ordered("bisection"),
        "tgnn": lambda: from_jax(tgnn.attend, tgnn.plan(edges), inputs, cotangent),
    }
    costs = (cost(edges, HEADS, HEAD_DIM, gradients=yes) for yes in (False, True))
    return [Case(f"{family}-{n}", "EdgeList", sides, *costs)]
