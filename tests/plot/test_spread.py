"""Curves of several runs."""

import numpy as np
import pytest

from tgnn import plot

pytest.importorskip("matplotlib")


def test_the_line_is_the_mean_and_the_band_the_deviation():
    ax = plot.spread_curves([0, 5], {"a$b$": [[1, 2], [3, 2]], "one run": [1, 0]}, xlabel="heads")
    first, second = ax.lines
    np.testing.assert_array_equal(first.get_xydata(), [[0, 2], [5, 2]])
    np.testing.assert_array_equal(second.get_xydata(), [[0, 1], [5, 0]])
    (band,) = ax.collections  # of the one that has several runs
    heights = band.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [2 - 2**0.5, 2 + 2**0.5])
    ax.figure.canvas.draw()


def test_curves_of_another_length_are_named():
    with pytest.raises(ValueError, match=r"runs\['a'\] has shape \(1, 3\), expected \[runs, 2\]"):
        plot.spread_curves([0, 1], {"a": [1, 2, 3]})
    with pytest.raises(ValueError, match="runs is empty"):
        plot.spread_curves([0, 1], {})
