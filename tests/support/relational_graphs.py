"""Papers, authors and venues: several relations, one without edges, one with a masked edge, isolated nodes."""

import numpy as np

import tgnn
from tgnn.graphs.relations import Relations

SIZES = {"author": 7, "paper": 11, "venue": 3}
GENERATOR = np.random.default_rng(0)
TRIPLES = {
    ("author", "writes", "paper"): 19,
    ("paper", "cites", "paper"): 23,
    ("paper", "written_by", "author"): 17,
    ("venue", "prints", "paper"): 9,
    ("author", "reviews", "paper"): 0,
}
PAIRS = {
    triple: np.stack(
        [GENERATOR.integers(0, SIZES[triple[0]] - (n > 0), n), GENERATOR.integers(0, SIZES[triple[2]] - 2, n)]
    )
    for triple, n in TRIPLES.items()
}  # the last papers and authors hear nobody, and nothing enters a venue
MASKS = {triple: np.arange(n) != 4 for triple, n in TRIPLES.items()}
LAYOUTS = {
    triple: tgnn.EdgeList.from_edges(
        *pairs, n_receivers=SIZES[triple[2]], n_senders=SIZES[triple[0]], mask=MASKS[triple]
    )
    for triple, pairs in PAIRS.items()
}
GRAPH = Relations.from_layouts(LAYOUTS)
DIM = 6
X = {kind: GENERATOR.normal(size=(n, DIM)).astype(np.float32) for kind, n in SIZES.items()}


def live_pairs(triple):
    """Sender and receiver of each live edge of a relation."""
    return PAIRS[triple][:, MASKS[triple]].T.tolist()
