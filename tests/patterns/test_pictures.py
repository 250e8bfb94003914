"""Pictures of patterns."""

import pytest

from tgnn import patterns


@pytest.mark.slow
def test_a_picture_in_one_call(tmp_path):
    pytest.importorskip("matplotlib")
    figure = patterns.draw(patterns.bigbird(12, 2, n_random=0), "BigBird")
    figure.savefig(tmp_path / "bigbird.png")
    assert "BigBird\n" in figure.get_suptitle() and "diameter 2" in figure.get_suptitle()


@pytest.mark.parametrize("layout", [patterns.causal(0), patterns.memory(0, 2), patterns.complete(2, 0)])
def test_a_picture_of_nothing(layout):  # and without a warning, which is an error here
    pytest.importorskip("matplotlib")
    assert "0 edges" in patterns.draw(layout).get_suptitle()
