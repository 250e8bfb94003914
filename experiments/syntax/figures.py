"""Pictures of a reading: relations, the tree in each head, and what other edges leave."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure


def save(folder: Path, relations: Sequence, uuas: np.ndarray, shape: tuple[int, int], kept: Mapping) -> list[Path]:
    """Writes `relations.png`, `trees.png` and `edges.png`."""
    drawn = {"relations": draw_relations(relations), "trees": draw_trees(uuas, shape), "edges": draw_edges(kept)}
    paths = [folder / f"{name}.png" for name in drawn]
    for path, figure in zip(paths, drawn.values(), strict=True):
        figure.savefig(path, dpi=150)
    return paths


def draw_relations(relations: Sequence) -> Figure:
    """Bars of the best head, the best offset and the untrained network."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    ax, x = figure.add_subplot(), np.arange(len(relations))
    ax.bar(x - 0.27, [row.accuracy for row in relations], 0.27, label="best head")
    ax.bar(x, [row.offset_accuracy for row in relations], 0.27, label="best offset")
    means, errors = ([f(row.untrained) for row in relations] for f in (np.mean, np.std))
    ax.bar(x + 0.27, means, 0.27, yerr=errors, label="best head, untrained")
    ax.set_xticks(x, [row.name for row in relations], rotation=60)
    ax.set(ylabel="accuracy", ylim=(0, 1), title="the word with most attention is the syntactic head")
    ax.legend()
    return figure


def draw_trees(uuas: np.ndarray, shape: tuple[int, int]) -> Figure:
    """UUAS of each head."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.add_subplot()
    picture = ax.imshow(uuas[: shape[0] * shape[1]].reshape(shape), cmap="viridis", vmin=0)
    ax.set(xlabel="head", ylabel="layer", title="UUAS of the maximum spanning tree", xticks=range(shape[1]))
    ax.set_yticks(range(shape[0]))
    figure.colorbar(picture, ax=ax)
    return figure


def draw_edges(kept: Mapping) -> Figure:
    """Cosines to the full network, by layer."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.add_subplot()
    layers = list(dict.fromkeys(layer for _, layer in kept))
    for graph in dict.fromkeys(graph for graph, _ in kept):
        means = [np.mean(kept[graph, layer]["cosine"]) if (graph, layer) in kept else np.nan for layer in layers]
        ax.plot(layers, means, "o-", label=graph.replace("_", " "))
    ax.set(xlabel="layers whose edges are replaced", ylabel="cosine to the full network's embedding")
    ax.legend()
    return figure
