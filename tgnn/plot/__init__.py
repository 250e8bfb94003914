"""Pictures: a graph, its adjacency, attention as a heat map and as a graph, learning curves.

Every function draws on `ax` and returns it. Without one it makes a figure of its own, which pyplot does not know of, so
that nothing needs closing: `ax.figure.savefig("graph.png")`. As the last line of a notebook's cell it is shown. Words
are drawn as they are written: a dollar sign is no mathematics. Needs matplotlib, which is imported when drawing.
"""

from tgnn.plot.attention import alignment as alignment
from tgnn.plot.attention import attention_graph as attention_graph
from tgnn.plot.curves import learning_curves as learning_curves
from tgnn.plot.graphs import draw_adjacency as draw_adjacency
from tgnn.plot.graphs import draw_graph as draw_graph
from tgnn.plot.spread import spread_curves as spread_curves
