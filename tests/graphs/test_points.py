"""Graphs of points: against every distance, and what is refused."""

import numpy as np
import pytest

pytest.importorskip("scipy")

import tgnn

POINTS = np.random.default_rng(0).normal(size=(23, 3))
DISTANCES = np.linalg.norm(POINTS[:, None] - POINTS[None], axis=-1)
SEGMENTS = np.array([0, 1, -1] * 8)[:23]


@pytest.mark.parametrize("k", [0, 1, 4, 40])
def test_the_k_nearest_are_those_of_every_distance(k):
    layout, distances = tgnn.k_nearest(POINTS, k)
    for i in range(23):
        mine = layout.receivers == i
        expected = np.sort(np.delete(DISTANCES[i], i))[:k]
        np.testing.assert_allclose(distances[mine], expected, rtol=1e-12)
        np.testing.assert_allclose(DISTANCES[i][layout.senders[mine]], expected, rtol=1e-12)


@pytest.mark.parametrize("radius", [0.0, 0.7, 9.0])
def test_all_within_a_radius(radius):
    layout, distances = tgnn.within_radius(POINTS, radius)
    expected = (DISTANCES <= radius) & ~np.eye(23, dtype=bool)
    np.testing.assert_array_equal(layout.adjacency(), expected)
    np.testing.assert_allclose(distances, DISTANCES[layout.receivers, layout.senders], rtol=1e-12)


def test_segments_keep_apart_and_padding_has_no_edge():
    for layout, _ in (tgnn.k_nearest(POINTS, 3, segments=SEGMENTS), tgnn.within_radius(POINTS, 2.0, segments=SEGMENTS)):
        assert (SEGMENTS[layout.senders] == SEGMENTS[layout.receivers]).all() and (SEGMENTS[layout.senders] >= 0).all()
    layout, _ = tgnn.k_nearest(POINTS, 3, segments=SEGMENTS.astype(np.int8))
    assert np.bincount(layout.receivers, minlength=23).tolist() == [3 * (s >= 0) for s in SEGMENTS]


def test_copies_of_a_point_are_neighbours_and_never_oneself():
    layout, distances = tgnn.k_nearest(np.zeros((9, 2)), 3)
    assert (layout.senders != layout.receivers).all() and not distances.any() and layout.n_edge == 27
    for points in (np.zeros((0, 2)), np.zeros((1, 2))):
        assert tgnn.k_nearest(points, 2)[0].n_edge == tgnn.within_radius(points, 1.0)[0].n_edge == 0


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: tgnn.k_nearest(np.array([[0.0], [np.nan]]), 1), r"points \[1\] are not finite"),
        (lambda: tgnn.k_nearest(np.zeros(3), 1), r"points must have shape \[n, dim\], got \(3,\)"),
        (lambda: tgnn.k_nearest(POINTS, -1), "k must be"),
        (lambda: tgnn.k_nearest(POINTS, 1, segments=[0]), "segments must have shape"),
        (lambda: tgnn.within_radius(POINTS, np.inf), "radius must be a finite number"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
