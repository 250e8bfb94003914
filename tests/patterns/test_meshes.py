"""The icosahedral mesh: a triangulation of the sphere whose levels are nested."""

import numpy as np
import pytest

from tgnn.patterns import icosahedral_mesh, k_hop


@pytest.mark.parametrize("level", range(5))
def test_a_mesh_is_a_triangulation_of_the_sphere(level):
    mesh = icosahedral_mesh(level)
    n = 10 * 4**level + 2
    senders, receivers = mesh.layout.pairs()
    assert mesh.vertices.shape == (n, 3) and mesh.layout.n_receivers == mesh.layout.n_senders == n
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 1.0, atol=1e-12)
    assert len(senders) == 60 * 4**level and n - len(senders) // 2 + len(mesh.faces) == 2  # Euler
    assert np.bincount(np.bincount(receivers)).tolist() == [0, 0, 0, 0, 0, 12, n - 12][: 7 if level else 6]
    np.testing.assert_array_equal(np.sort(senders * n + receivers), np.sort(receivers * n + senders))
    corners = mesh.vertices[mesh.faces]
    assert (np.linalg.det(corners) > 0).all()  # anticlockwise, seen from outside
    solid = 2 * np.arctan2(  # Van Oosterom and Strackee, 1983
        np.linalg.det(corners), 1 + sum((corners[:, i] * corners[:, (i + 1) % 3]).sum(1) for i in range(3))
    )
    np.testing.assert_allclose(solid.sum(), 4 * np.pi, rtol=1e-12)  # covered once
    sides = np.linalg.norm(mesh.vertices[senders] - mesh.vertices[receivers], axis=1)
    assert sides.max() < 1.35 * sides.min()


def test_coarse_nodes_are_the_first_of_finer_levels():
    coarse, fine = icosahedral_mesh(1), icosahedral_mesh(3)
    np.testing.assert_array_equal(fine.vertices[: len(coarse.vertices)], coarse.vertices)
    two = k_hop(coarse.layout, 1), k_hop(icosahedral_mesh(2).layout, 2)
    near = set(zip(*two[1].pairs(), strict=True))
    assert set(zip(*two[0].pairs(), strict=True)) <= near  # an edge is two edges of the next level


@pytest.mark.slow
def test_the_finest_mesh_is_built_at_once():
    assert icosahedral_mesh(6).layout.n_edge == 245_760


def test_hops_on_a_mesh_are_hexagons():
    degrees = np.bincount(k_hop(icosahedral_mesh(4).layout, 3).pairs()[1])
    assert degrees.max() == 37 and np.median(degrees) == 37  # 1 + 6 + 12 + 18


@pytest.mark.parametrize("level", [-1, 7, 1.5, True])
def test_other_levels_are_refused(level):
    with pytest.raises(ValueError, match="level"):
        icosahedral_mesh(level)
