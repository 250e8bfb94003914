"""The graph of the digits."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from experiments.digits.data import Digits
from tgnn import plot


def save_picture(digits: Digits, path: Path) -> None:
    """The digits where their first two principal components put them, coloured by class, with their edges."""
    centred = digits.pixels - digits.pixels.mean(axis=0, keepdims=True)
    places = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    figure = Figure(figsize=(8, 6), layout="constrained")
    style = {"colors": digits.classes, "node_size": 8, "edge_width": 0.15}
    title = f"{len(places):,} digits and their nearest neighbours"
    plot.draw_graph(digits.layout, positions=places, title=title, ax=figure.add_subplot(), **style)
    figure.savefig(path, dpi=150)
