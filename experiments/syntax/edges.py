"""The same network on other edges: the true tree alone, beside a random tree, a chain, a window and a star.

Nodes are tokens: a word's other tokens hang on its first one, [CLS] and [SEP] on the first token of the root. So each
tree of n tokens has n - 1 edges, in both directions, and a loop at each token: 3 n - 2. The chain has as many, the star
around [CLS] too, the window of the two tokens before has one fewer. Heads that find nothing attend to [CLS] and [SEP]:
three graphs also come with these joined to all tokens, in both directions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.syntax.data import Batch, Text, batches
from tgnn import pretrained
from tgnn.graphs import Dense
from tgnn.typing import Params

TREE, RANDOM, CHAIN, ENDS = "tree", "random_tree", "chain", "_and_ends"
GRAPHS = TREE, RANDOM, CHAIN, "window", "star", "loops", TREE + ENDS, RANDOM + ENDS, CHAIN + ENDS


def parents(text: Text) -> np.ndarray:
    """The token that each token hangs on, -1 at the first token of the root: int [n_token]."""
    heads, words = text.sentence.heads, text.words
    first = np.array([np.flatnonzero(words == word)[0] for word in range(len(heads))])
    root = first[heads < 0][0]
    above = np.where(heads < 0, -1, first[heads])  # [n_word], tokens
    found = np.where(words < 0, root, first[words])
    found[first] = above
    return found


def joined(parents: np.ndarray) -> np.ndarray:
    """The tree's edges in both directions, and loops: bool [n, n]."""
    mask = np.eye(len(parents), dtype=bool)
    below = np.flatnonzero(parents >= 0)
    mask[below, parents[below]] = mask[parents[below], below] = True
    return mask


def edges_of(text: Text, graph: str, rng: np.random.Generator) -> np.ndarray:
    """bool [n_token, n_token], rows receivers."""
    n = len(text.ids)
    if graph.endswith(ENDS):
        mask = edges_of(text, graph.removesuffix(ENDS), rng).copy()
        mask[[0, -1]] = mask[:, [0, -1]] = True
        return mask
    back = np.arange(n)[:, None] - np.arange(n)  # how far before the receiver the sender stands
    if graph in (TREE, RANDOM):
        mask = joined(parents(text))
        order = rng.permutation(n) if graph == RANDOM else np.arange(n)
        return mask[order][:, order]  # a random tree is the true one with its nodes shuffled
    if graph == CHAIN:
        return np.abs(back) <= 1
    if graph == "window":
        return (back >= 0) & (back <= 2)
    if graph == "star":
        return joined(np.where(np.arange(n) == 0, -1, 0))
    return back == 0


def layouts(
    batch: Batch, masks: Mapping[int, np.ndarray] | None, layers: Sequence[int], num_layers: int
) -> list[Dense]:
    """A graph of each text for each layer: the masks where they are wanted, all edges elsewhere."""
    rows, n = batch.ids.shape
    full = np.ones((rows, n, n), bool)
    own = np.broadcast_to(np.eye(n, dtype=bool), full.shape).copy()
    for row, mask in (masks or {}).items():
        own[row, : len(mask), : len(mask)] = mask
    return [Dense(own if layer in layers else full) for layer in range(num_layers)]


def embeddings(
    params: Params,
    model: Any,
    texts: Sequence[Text],
    rows: int,
    graph: str | None,
    layers: Sequence[int],
    seed: int = 0,
) -> np.ndarray:
    """Sentence embeddings `[n_text, dim]` with the edges of some layers replaced, in the order of `batches`."""
    rng, found = np.random.default_rng(seed), []
    for batch in batches(texts, rows):
        masks = {row: edges_of(text, graph, rng) for row, text in enumerate(batch.texts)} if graph else None
        layout = layouts(batch, masks, layers if graph else (), len(model.layers))
        found.append(pretrained.embed(params, model, batch.ids, mask=batch.mask, layout=layout)[: len(batch.texts)])
    return np.concatenate(found)


def likeness(found: np.ndarray, full: np.ndarray) -> dict[str, float]:
    """Cosines of unit vectors to those of the full network, and how often one's own is the nearest of all."""
    similar = found @ full.T
    return {
        "cosine": float(np.diag(similar).mean()),
        "identified": float((similar.argmax(1) == np.arange(len(full))).mean()),
    }
