"""Speed curves and where they cross; pruning curves; curves that can be told apart without colours."""

import numpy as np
import pytest

from tgnn import plot

pytest.importorskip("matplotlib")


def test_power_laws_cross_where_they_do():
    x = np.geomspace(1, 1e4, 7)
    np.testing.assert_allclose(plot.crossovers(x, 3 * x, x**2 / 50), [150])
    assert plot.crossovers(x, x, 2 * x).size == 0 and plot.crossovers(x, x, x).size == 0
    np.testing.assert_allclose(plot.crossovers([1, 10, 100], [1, np.nan, 100], [10, 10, 10]), [10])


def test_speed_curves_show_medians_ranges_and_the_crossing():
    runs = {"edges": [[1, 10, 100], [3, 12, 100], [2, 11, 100]], "dense": [30, 30, 30]}
    ax = plot.speed_curves([1, 10, 100], runs, crossing=("edges", "dense"), xlabel="edges", title="speed")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 11, 100])
    assert (ax.get_xscale(), ax.get_yscale(), len(ax.collections), len(ax.texts)) == ("log", "log", 1, 1)


def test_curves_differ_in_dashes_and_marks():
    lines = plot.spread_curves([0, 1], {str(i): [i, i] for i in range(7)}).lines
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == 7
    assert len({line.get_marker() for line in lines}) == 7


def test_pruning_curves_are_shares_with_the_whole_as_a_level():
    ax = plot.pruning_curves([0, 6, 12], {"random": [[0.9, 0.7, 0.1], [0.9, 0.5, 0.3]]}, total=12, whole=0.9)
    level, line = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), [0, 50, 100])
    np.testing.assert_allclose(line.get_ydata(), [0.9, 0.6, 0.2])
    assert set(level.get_ydata()) == {0.9}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot.speed_curves([1, 2], {}), "at least one is asked for"),
        (lambda: plot.speed_curves([1, 2], {"a": [1]}), r"seconds\['a'\] has shape"),
        (lambda: plot.speed_curves([1], {"a": [1]}, crossing=("a", "b")), "has the curves"),
        (lambda: plot.pruning_curves([0, 13], {"a": [1, 0]}, total=12), "there are 12; count again"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
