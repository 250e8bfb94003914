"""Where a node stands in a graph that is given by data: Laplacian eigenvectors, random walks, shortest paths.

Host side, in NumPy and SciPy, once per data set; all of it takes concrete layouts with one set of nodes. Every encoding
of a disjoint union is the union of the encodings: walks and paths stay within a graph by themselves, and eigenvectors
are those of each connected component. So a batch is encoded as one layout, and needs no segment ids.
"""

from tgnn.nn.paths import ShortestPaths as ShortestPaths
from tgnn.nn.paths import shortest_path_edges as shortest_path_edges
from tgnn.nn.paths import shortest_paths as shortest_paths
from tgnn.nn.spectral import Spectrum as Spectrum
from tgnn.nn.spectral import flip_signs as flip_signs
from tgnn.nn.spectral import laplacian_eigenvectors as laplacian_eigenvectors
from tgnn.nn.walks import random_walk as random_walk
