"""Which edges exist: layouts, one family a file (`layout.py` says what a layout is), and graphs from graphs."""

from tgnn.graphs.blocks import Blocks as Blocks
from tgnn.graphs.dense import Causal as Causal
from tgnn.graphs.dense import Complete as Complete
from tgnn.graphs.dense import Dense as Dense
from tgnn.graphs.edge_list import EdgeList as EdgeList
from tgnn.graphs.layout import Layout as Layout
from tgnn.graphs.neighbors import Neighbors as Neighbors
from tgnn.graphs.prefix import Prefix as Prefix
from tgnn.graphs.row_windows import RowWindows as RowWindows
from tgnn.graphs.sorted_chunks import SortedChunks as SortedChunks
from tgnn.graphs.transforms import coalesce as coalesce
from tgnn.graphs.transforms import degrees as degrees
from tgnn.graphs.transforms import readout as readout
from tgnn.graphs.transforms import self_loops as self_loops
from tgnn.graphs.transforms import undirected as undirected
from tgnn.graphs.window import Window as Window
