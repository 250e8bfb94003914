"""Layouts: which edges exist, in the form that the hardware likes. One file per family; `base.py` holds the verbs."""

from tgnn.layouts.base import Layout as Layout
from tgnn.layouts.blocks import Blocks as Blocks
from tgnn.layouts.dense import Causal as Causal
from tgnn.layouts.dense import Complete as Complete
from tgnn.layouts.dense import Dense as Dense
from tgnn.layouts.edges import EdgeList as EdgeList
from tgnn.layouts.neighbors import Neighbors as Neighbors
from tgnn.layouts.prefix import Prefix as Prefix
from tgnn.layouts.sorted_chunks import SortedChunks as SortedChunks
from tgnn.layouts.window import Window as Window
