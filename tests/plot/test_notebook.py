"""In a notebook a picture is shown once, with the inline backend and without it, and pyplot knows of none."""

import sys

import numpy as np
import pytest

import tgnn
from tgnn import patterns, plot

pytest.importorskip("matplotlib")
pytest.importorskip("IPython")
PNG = b"\x89PNG"
PICTURES = {
    "draw": lambda: patterns.draw(tgnn.Causal(3)),
    "draw_graph": lambda: plot.draw_graph(tgnn.Causal(3)),
    "draw_adjacency": lambda: plot.draw_adjacency(tgnn.Causal(3)),
    "attention_graph": lambda: plot.attention_graph(np.eye(2)),
    "alignment": lambda: plot.alignment(np.eye(2)),
    "learning_curves": lambda: plot.learning_curves([{"step": 1, "loss": 1.0}]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_notebook_shows_a_picture(name):
    from IPython.core.formatters import DisplayFormatter

    shown, _ = DisplayFormatter().format(PICTURES[name]())
    assert shown["image/png"].startswith(PNG)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["", "%matplotlib inline"])
def test_cells_of_a_notebook_show_each_picture_once(backend):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    cells = [
        f"{backend}\nimport tgnn, tgnn.plot, tgnn.patterns",
        "tgnn.patterns.draw(tgnn.Causal(3))",
        "tgnn.plot.draw_graph(tgnn.Causal(3))",
        "picture = tgnn.plot.draw_graph(tgnn.Causal(3))",
        "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\ntgnn.plot.draw_graph(tgnn.Causal(3), ax=ax);",
        "plt.get_fignums()",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in notebook.cells]
    assert shown == [0, 1, 1, 0, 1, 0]
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "[]"
