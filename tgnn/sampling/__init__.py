"""Graphs that do not fit a step: a part of them for each step, drawn on the host by (seed, step) alone."""

from tgnn.sampling.hops import Hops as Hops
from tgnn.sampling.hops import run_hops as run_hops
from tgnn.sampling.hops import take as take
from tgnn.sampling.importance import sample_important as sample_important
from tgnn.sampling.in_edges import InEdges as InEdges
from tgnn.sampling.in_edges import in_edges_of as in_edges_of
from tgnn.sampling.subgraphs import Subgraph as Subgraph
from tgnn.sampling.subgraphs import induced_subgraph as induced_subgraph
from tgnn.sampling.subgraphs import saint_weights as saint_weights
from tgnn.sampling.subgraphs import sample_subgraph as sample_subgraph
from tgnn.sampling.uniform import sample_neighbors as sample_neighbors
from tgnn.train.prefetching import prefetch as prefetch
