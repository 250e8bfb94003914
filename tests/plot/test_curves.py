"""Learning curves."""

import numpy as np
import pytest

from tgnn import plot

pytest.importorskip("matplotlib")


def test_learning_curves_pass_over_records_without_the_metric():
    records = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "validation_loss": 3.0}, {"step": 3, "loss": None}]
    curves = plot.learning_curves(records, ["loss", "validation_loss"], log=True).lines
    assert [curve.get_label() for curve in curves] == ["loss", "validation loss"]
    np.testing.assert_array_equal(curves[0].get_xydata(), [[1, 2], [2, 1]])


def test_one_metric_may_be_named_by_itself():
    (curve,) = plot.learning_curves([{"step": 1, "loss": 2.0}], "loss").lines
    assert curve.get_label() == "loss"


def test_metrics_that_nobody_logged_are_said():
    with pytest.raises(ValueError, match="no record has any of the metrics loss"):
        plot.learning_curves([{"step": 1}], ["loss"])
