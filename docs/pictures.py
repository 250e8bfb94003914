"""Draws the pictures of the pages: `python docs/pictures.py`."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import networkx

import tgnn
from tgnn.plot import draw_adjacency, draw_graph

FOLDER = Path(__file__).parent / "images"
WORDS = "score every edge then sum".split()


def graphs() -> dict[str, tuple[tgnn.Layout, list[str]]]:
    """The title, the layout and the names of nodes of each picture."""
    club = tgnn.from_networkx(networkx.karate_club_graph())
    return {
        "a Transformer: every pair": (tgnn.Complete(5), WORDS),
        "a language model: the past": (tgnn.Causal(5), WORDS),
        "local attention: a window": (tgnn.Window(5, 1, 1), WORDS),
        "a GAT: edges given by data": (club, [""] * club.n_receivers),
    }


def header() -> plt.Figure:
    """One function on four graphs: each as a graph, and as the matrix of its edges."""
    figure, axes = plt.subplots(2, 4, figsize=(13, 6.4), height_ratios=(3, 2))
    for column, (title, (layout, names)) in enumerate(graphs().items()):
        draw_graph(layout, labels=names, title=title, ax=axes[0, column])
        draw_adjacency(layout, ax=axes[1, column])
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    header().savefig(FOLDER / "graphs.png", dpi=80)
