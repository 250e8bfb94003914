"""What performance is held to: ratios of time to a peer's, in one run on one pinned thread."""

from typing import NamedTuple


class Target(NamedTuple):
    """The most that forward, and forward with backward, may take in units of the peer's time."""

    what: str
    case: str
    against: str
    forward: float
    both: float


EDGES = {"arxiv": (0.16, 0.25), "cora": (0.16, 0.28), "mol": (0.16, 0.28)}
TARGETS = (
    *(Target(f"attention on edges, {x}", f"edges-{x}", "PyG", *limits) for x, limits in EDGES.items()),
    *(Target(f"attention on edges, {x}", f"edges-{x}", "PyG compiled", 0.6, 0.8) for x in EDGES),
    Target("GAT layer, arxiv", "gat-arxiv", "PyG", 0.26, 0.36),
    Target("window ±128 at 4,096", "window-4096", "SDPA", 0.15, 0.13),
    *(
        Target(f"{kind}, {n:,}", f"{kind}-{n}", "SDPA", 1.25, 1.3)
        for kind in ("complete", "causal")
        for n in (512, 2048)
    ),
    *(
        Target(f"own score, {graph}", f"score-{graph}", "dot product", 1.3, 1.3)
        for graph in ("complete-2048", "window-4096", "edges-arxiv")
    ),
)
OTHERS_IN_JAX = "jraph", "jax.nn", "flax"  # the best of them: at most 1.0
MEMORY_RATIO = 1 / 15  # temporaries of attention on arxiv's edges with backward pass, against PyG
BYTES_PER_EDGE = 64  # temporaries at 8 heads
COMPILE_SECONDS = 1.0, 1.5  # forward, forward with backward
NOT_MEASURED = (
    "all of these on two CPU threads",
    "2.4 M nodes / 62 M edges on a GPU",
    "TPU",
)
