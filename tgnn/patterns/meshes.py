"""The sphere as a graph: an icosahedron whose triangles are cut in four again and again."""

from typing import NamedTuple

import jax
import numpy as np

from tgnn.errors import check_size
from tgnn.graphs import EdgeList
from tgnn.graphs.host import distinct

FINEST = 6  # 40,962 nodes, as in weather forecasts


class Mesh(NamedTuple):
    """A triangulation of the unit sphere.

    Attributes:
      layout: both directions of each edge, sorted by receiver and sender; `n_node` receivers and senders.
      vertices: float64 [n_node, 3], unit vectors.
      faces: int [n_face, 3], seen from outside anticlockwise.
    """

    layout: EdgeList
    vertices: np.ndarray
    faces: np.ndarray


@jax.ensure_compile_time_eval()  # static, so that it is known under jit too
def icosahedral_mesh(level: int) -> Mesh:
    """The icosahedron, refined `level` times: 10 * 4 ** level + 2 nodes, 60 * 4 ** level edges. O(n).

    Five or six neighbours for each node, and nearly equal distances: what latitudes and longitudes cannot give. The
    nodes of a level are the first ones of all finer levels, so that coarse and fine edges join the same nodes.

    Args:
      level: 0 (the icosahedron, 12 nodes) to 6 (40,962 nodes).

    Raises:
      ValueError: for another level.

    Reference: Lam et al., GraphCast: Learning skillful medium-range global weather forecasting, arXiv:2212.12794, where
    the edges of all levels join the nodes of the finest.

    >>> mesh = icosahedral_mesh(1)
    >>> mesh.layout.n_receivers, mesh.layout.n_edge, mesh.faces.shape
    (42, 240, (80, 3))
    """
    level = check_size("level", level)
    if level > FINEST:
        raise ValueError(f"level is {level}, but meshes are built up to level {FINEST}; each has four times the nodes")
    vertices, faces = icosahedron()
    for _ in range(level):
        vertices, faces = refine(vertices, faces)
    keys = edge_keys(faces, len(vertices))
    low, high = np.divmod(distinct(keys), len(vertices))
    senders, receivers = np.append(low, high), np.append(high, low)
    order = np.lexsort((senders, receivers))
    return Mesh(EdgeList.from_edges(senders[order], receivers[order], n_receivers=len(vertices)), vertices, faces)


def icosahedron() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces: the corners of three golden rectangles."""
    golden = (1 + 5**0.5) / 2
    flat = np.array([[a, b * golden, 0.0] for a in (1, -1) for b in (1, -1)])
    vertices = np.concatenate([np.roll(flat, i, axis=1) for i in range(3)]) / np.hypot(1.0, golden)
    # A face joins three corners that are nearest to each other; its normal points outwards.
    near = vertices @ vertices.T > 0.4  # the cosine is 1 / sqrt(5) between neighbours
    i, j, k = np.nonzero(near[:, :, None] & near[None] & near[:, None, :])
    faces = np.stack([i, j, k], axis=1)[(i < j) & (j < k)]
    inwards = np.linalg.det(vertices[faces]) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return vertices, faces


def refine(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cuts each triangle in four: the new vertices are the middles of the edges, on the sphere, after the old ones."""
    n = len(vertices)
    edges, middle = np.unique(edge_keys(faces, n), return_inverse=True)
    low, high = np.divmod(edges, n)
    between = vertices[low] + vertices[high]
    between /= np.linalg.norm(between, axis=1, keepdims=True)
    a, b, c = faces.T
    ab, bc, ca = n + middle.reshape(3, -1)
    cut = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.concatenate([vertices, between]), np.concatenate([np.stack(x, axis=1) for x in cut])


def edge_keys(faces: np.ndarray, n: int) -> np.ndarray:
    """One integer for each side of each face, the same for both of its faces: int [3 * n_face], sides ab, bc, ca."""
    ends = np.concatenate([faces, np.roll(faces, -1, axis=1)]).reshape(2, -1, 3).transpose(0, 2, 1).reshape(2, -1)
    return ends.min(axis=0) * n + ends.max(axis=0)
