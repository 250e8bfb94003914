"""A layout as it is stored: edges dark, dead slots light, and the senders in their slots."""

import numpy as np
import pytest

import tgnn
from tgnn import plot

pytest.importorskip("matplotlib")
SENDERS, RECEIVERS = np.array([0, 1, 2, 2, 4]), np.array([1, 2, 0, 3, 2])
EDGES = {"n_receivers": 5}
LAYOUTS = {
    "list": (tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, **EDGES), 5, 0),
    "masked": (tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, pad_to=8, **EDGES), 5, 3),
    "table": (tgnn.Neighbors.from_edges(SENDERS, RECEIVERS, **EDGES), 5, 5),
    "tiles": (tgnn.Blocks.from_edges(SENDERS, RECEIVERS, 2, **EDGES), 5, None),
    "band": (tgnn.Window(5, 1, 1), 13, None),
    "matrix": (tgnn.Causal(5), 15, 10),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_edge_is_dark_in_both_panels(name):
    layout, live, dead = LAYOUTS[name]
    figure = plot.draw_storage(layout)
    pairs, slots = figure.axes
    assert (pairs.images[0].get_array() == 2).sum() == live and (slots.images[0].get_array() == 2).sum() == live
    np.testing.assert_array_equal(pairs.images[0].get_array() == 2, layout.adjacency())
    assert dead is None or (slots.images[0].get_array() == 1).sum() == dead
    assert f"{live} edges in" in figure.get_suptitle()
    numbers = sorted(int(text.get_text()) for text in slots.texts)
    assert numbers == sorted(layout.pairs()[0].tolist())


@pytest.mark.parametrize(
    "layout", [tgnn.Complete(0), tgnn.EdgeList.from_edges([], [], n_receivers=0), tgnn.Window(1, 1, 0)]
)
def test_empty_and_single_nodes_are_drawn(layout, tmp_path):
    plot.draw_storage(layout, title="small").savefig(tmp_path / "storage.png")
