"""Positions of nodes in graphs; they live in `tgnn.nn.graph_positions`."""

from tgnn.nn.graph_positions import ShortestPaths as ShortestPaths
from tgnn.nn.graph_positions import Spectrum as Spectrum
from tgnn.nn.graph_positions import flip_signs as flip_signs
from tgnn.nn.graph_positions import laplacian_eigenvectors as laplacian_eigenvectors
from tgnn.nn.graph_positions import random_walk as random_walk
from tgnn.nn.graph_positions import shortest_path_edges as shortest_path_edges
from tgnn.nn.graph_positions import shortest_paths as shortest_paths
