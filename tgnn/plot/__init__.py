"""Pictures: graphs and trees, layouts as they are stored, attention as maps, arcs and graphs, curves, and `view`.

A function with one panel draws on `ax` and returns it. Without one it makes a figure of its own, which pyplot does not
know of, so that nothing needs closing: `ax.figure.savefig("graph.svg")`. One with several panels returns the figure. As
the last line of a notebook's cell both are shown. Strong is dark and wide, and curves differ in their dashes, so that
pictures can be read in black and white. Words are drawn as they are written: a dollar sign is no mathematics. Needs
matplotlib, and NetworkX for places; both are imported when drawing. `view` needs neither.
"""

from tgnn.plot.arcs import arc_diagram as arc_diagram
from tgnn.plot.attention import alignment as alignment
from tgnn.plot.attention import attention_graph as attention_graph
from tgnn.plot.crossing import crossovers as crossovers
from tgnn.plot.crossing import speed_curves as speed_curves
from tgnn.plot.curves import learning_curves as learning_curves
from tgnn.plot.graphs import draw_adjacency as draw_adjacency
from tgnn.plot.graphs import draw_graph as draw_graph
from tgnn.plot.interactive import View as View
from tgnn.plot.interactive import view as view
from tgnn.plot.multiples import heads as heads
from tgnn.plot.rates import learning_rates as learning_rates
from tgnn.plot.spread import pruning_curves as pruning_curves
from tgnn.plot.spread import spread_curves as spread_curves
from tgnn.plot.storing import draw_storage as draw_storage
from tgnn.plot.trees import draw_tree as draw_tree
from tgnn.plot.weighted import weighted_graph as weighted_graph
