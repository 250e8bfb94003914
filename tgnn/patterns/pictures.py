"""A picture of a pattern: matrix, graph, and what it costs."""

from typing import Any

from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.patterns.summary import statistics
from tgnn.plot.canvas import AS_WRITTEN


def draw(layout: Layout, title: str = "") -> Any:
    """Draws who sees whom as a matrix and as a graph, with the statistics of the pattern. Needs matplotlib and SciPy.

    Args:
        layout: concrete and small: O(n_receivers * n_senders).
        title: of the picture.

    Returns:
        A figure that pyplot does not know of: `draw(window(16, 2)).savefig("window.png")`. A notebook shows it.

    >>> from tgnn.graphs import Causal
    >>> len(draw(Causal(5), "causal").axes)
    2
    """
    from tgnn import plot
    from tgnn.plot.picture import Picture

    layout = as_layout(layout)
    figure = Picture(figsize=(8, 4.2), layout="constrained")
    matrix, graph = figure.subplots(1, 2)
    plot.draw_adjacency(layout, ax=matrix)
    plot.draw_graph(layout, ax=graph)
    found = statistics(layout)
    words = [f"{found.n_edge} edges", f"density {found.density:.3g}", f"tile fill {found.tile_fill:.2g}"]
    if found.diameter is not None:
        words += [f"diameter {found.diameter}", f"spectral gap {found.spectral_gap:.2g}"]
    figure.suptitle("\n".join(filter(None, [title, ", ".join(words)])), **AS_WRITTEN)
    return figure
