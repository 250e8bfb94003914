"""How often attention finds a word's syntactic head, by relation, and how much of the tree a spanning tree finds."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from experiments.syntax.data import Text
from experiments.syntax.reading import Read


class Counts(NamedTuple):
    """Right answers over all sentences."""

    relations: np.ndarray  # [2, layers, heads, n_relation]: a word attends to its head, and is attended to by it
    total: np.ndarray  # [n_relation]
    trees: np.ndarray  # [n_tree]: undirected edges found by every way to make a tree, see `tree_names`
    edges: int  # that there are


def tree_names(layers: int, heads: int) -> list[str]:
    """Which trees are made: of each head, of the mean of each layer, of the mean of all, and of the rollout."""
    each = [f"{layer}-{head}" for layer in range(layers) for head in range(heads)]
    return [*each, *(f"layer {layer}" for layer in range(layers)), "all", "rollout"]


def relation(name: str) -> str:
    """Without its subtype: "nsubj:pass" is "nsubj"."""
    return name.partition(":")[0]


def relation_names(texts: Sequence[Text]) -> list[str]:
    """All that occur, but for "root", which is no edge, and punctuation."""
    found = {relation(name) for text in texts for name in text.sentence.relations}
    return sorted(found - {"root", "punct"})


def relation_ids(text: Text, names: Sequence[str]) -> np.ndarray:
    """[n_word]; -1 of words that do not count."""
    number = {name: i for i, name in enumerate(names)}
    return np.array([number.get(relation(name), -1) for name in text.sentence.relations])


def count(readings: Iterable[Read], names: Sequence[str]) -> Counts:
    """Counts of a network."""
    parts = [count_one(reading, names) for reading in readings]
    return Counts(*(sum(part[1:], part[0]) for part in zip(*parts, strict=True)))


def count_one(reading: Read, names: Sequence[str]) -> Counts:
    """Counts of one sentence."""
    text, heads = reading.text, reading.heads
    layers, num_heads, n = heads.shape[:3]
    ids = relation_ids(text, names)
    other = np.where(np.eye(n, dtype=bool), -1, heads)  # no word is its own head
    said = np.stack([other.argmax(-1), other.argmax(-2)])  # [2, layers, heads, n_word]
    right = said == text.sentence.heads
    relations = by_relation(right, ids, len(names))
    stack = [*heads.reshape(-1, n, n), *heads.mean(1), heads.mean((0, 1)), reading.rolled]
    return Counts(relations, by_relation(ids >= 0, ids, len(names)), *overlap(np.stack(stack), text))


def by_relation(right: np.ndarray, ids: np.ndarray, size: int) -> np.ndarray:
    """[..., n_word] -> [..., n_relation]: how many are right."""
    return right.astype(np.int64) @ (ids[:, None] == np.arange(size))


def overlap(weights: np.ndarray, text: Text) -> tuple[np.ndarray, int]:
    """Edges of the true tree in the maximum spanning trees of `[k, n, n]`: `[k]`, and how many edges there are."""
    parents, n = spanning_trees(weights[:, text.is_word][:, :, text.is_word]), int(text.is_word.sum())
    number = np.where(text.is_word, np.cumsum(text.is_word) - 1, -1)
    heads = text.sentence.heads[text.is_word]
    heads = np.where(heads < 0, -1, number[heads])  # -1: the root, and the few words that depend on punctuation
    asked = np.flatnonzero(heads >= 0)
    up = parents[:, asked] == heads[asked]
    down = parents[:, heads[asked]] == asked if n else up
    return (up | down).sum(1), len(asked)


def spanning_trees(weights: np.ndarray) -> np.ndarray:
    """The parents `[k, n]` in the maximum spanning trees of `[k, n, n]`, -1 at node 0; both directions are summed.

    Prim's algorithm on all k at once: `tgnn.analysis.spanning_tree`, one by one, takes a hundred times as long.
    """
    both = weights + weights.swapaxes(1, 2)
    k, n = both.shape[:2]
    rows, parents = np.arange(k), np.full((k, n), -1)
    if n < 2:
        return parents
    left = np.ones((k, n), bool)  # not in the tree yet
    left[:, 0] = False
    best, parents[:, 1:] = both[:, 0].copy(), 0
    for _ in range(n - 1):
        new = np.where(left, best, -np.inf).argmax(1)
        left[rows, new] = False
        closer = left & (both[rows, new] > best)
        best = np.where(closer, both[rows, new], best)
        parents = np.where(closer, new[:, None], parents)
    return parents


def count_offsets(texts: Sequence[Text], names: Sequence[str], offsets: np.ndarray) -> np.ndarray:
    """[n_offset, n_relation]: how often the head is the word that stands so far away, or at the sentence's end."""
    found = np.zeros((len(offsets), len(names)), np.int64)
    for text in texts:
        n = len(text.sentence.words)
        said = np.clip(np.arange(n) + offsets[:, None], 0, n - 1)  # [n_offset, n_word]
        found += by_relation(said == text.sentence.heads, relation_ids(text, names), len(names))
    return found


def chain(texts: Sequence[Text]) -> float:
    """UUAS of the tree that joins each word to the next."""
    right = total = 0
    for text in texts:
        n = len(text.sentence.words)
        order = np.cumsum(text.is_word)
        near = np.where(np.abs(order[:, None] - order) == 1, 1.0, 0.0)
        found, edges = overlap(near[None], text) if n else (np.zeros(1), 0)
        right, total = right + int(found[0]), total + edges
    return right / total
