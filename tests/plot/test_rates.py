"""Pictures of learning rates."""

import numpy as np
import pytest

from tgnn import plot
from tgnn.schedules import make_schedule, one_cycle, warmup_cosine


def test_every_schedule_is_a_curve_of_its_rates():
    made = {"one": one_cycle(1e-3, 90), "cosine": make_schedule("warmup_cosine", learning_rate=1.0, warmup_steps=9,
                                                               num_steps=90)}  # fmt: skip
    ax = plot.learning_rates(made, 90, log=True, title="$5")
    assert [line.get_label() for line in ax.lines] == ["one", "cosine"] and ax.get_yscale() == "log"
    steps, rates = ax.lines[1].get_data()
    np.testing.assert_allclose(rates, [float(warmup_cosine(1.0, 9, 90)(int(step))) for step in steps], rtol=1e-5)
    assert len(plot.learning_rates({"one": one_cycle(1.0, 5000)}, 5000).lines[0].get_xdata()) == 400


def test_nothing_to_draw_is_a_clear_error():
    for schedules, steps, message in (({}, 3, "schedules"), ({"one": one_cycle(1.0, 9)}, 0, "num_steps")):
        with pytest.raises(ValueError, match=message):
            plot.learning_rates(schedules, steps)
