"""What a run shows of itself: on a terminal, in a log, in a notebook."""

import types

import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.training import STEP, batch_at, new_state
from tgnn.train import progress
from tgnn.training import fit


@pytest.fixture
def clock(monkeypatch):
    """The time, which passes where a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_every_half_minute_and_one_for_each_evaluation(clock, capsys):
    shown = progress.start_progress(0, 1200)
    for done in range(10, 101, 10):  # a second each
        clock[0] += 10
        shown.show(done, f"loss {1 / done:.4f}", "accuracy 0.5" if done == 50 else "")
    shown.close()
    assert capsys.readouterr().err.splitlines() == [
        "step 30 of 1,200: loss 0.0333, 1 steps/s, 0:19:30 left",
        "step 50 of 1,200: accuracy 0.5, loss 0.0200, 1 steps/s, 0:19:10 left",
        "step 80 of 1,200: loss 0.0125, 1 steps/s, 0:18:40 left",
    ]


def test_the_first_report_has_no_rate_since_its_steps_waited_for_the_compiler(clock):
    pace = progress.Pace(100, "epoch")
    clock[0] += 60
    assert pace.words(10, "loss 1") == "epoch 10 of 100: loss 1"
    clock[0] += 5
    assert pace.words(20, "", "loss 1") == "epoch 20 of 100: loss 1, 2 epochs/s, 0:00:40 left"


def test_only_numbers_are_put_in_words():
    found = {"word_error": jnp.bfloat16(0.5), "per_class": np.ones(3), "note": "x", "none": None, "right": 3}
    assert progress.in_words(found) == "word error 0.5, right 3"


def test_fit_says_in_a_log_what_its_evaluations_find_unless_quiet(capsys):
    options = {"num_steps": 4, "evaluate": lambda state: {"validation_error": 0.25}, "evaluate_every": 2}
    fit(new_state(), STEP, batch_at, **options, quiet=True)
    assert capsys.readouterr() == ("", "")
    fit(new_state(), STEP, batch_at, **options)
    out, err = capsys.readouterr()
    first, last = err.splitlines()
    assert out == "" and first.startswith("step 2 of 4: validation error 0.25, loss ")
    assert last.startswith("step 4 of 4: ") and last.endswith(" left") and " steps/s, " in last


def test_a_terminal_shows_the_rate_and_keeps_what_evaluations_find(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    shown = progress.start_progress(0, 100)
    for done in (10, 20):
        clock[0] += 5
        shown.show(done, "loss 0.5", "accuracy [0.7]")
    shown.close()
    err = capsys.readouterr().err
    assert "step 20: accuracy [0.7]" in err and "loss 0.5, 2 steps/s" in err


def test_a_notebook_has_one_line_that_changes(clock, monkeypatch):
    pytest.importorskip("IPython")
    lines = []
    line = types.SimpleNamespace(update=lambda text, raw: lines.append(text["text/plain"]))
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: line)
    shown = progress.Cell(30, "step")
    for done in range(1, 31):
        clock[0] += 0.1
        shown.show(done, "loss 0.5", "accuracy 0.7" if done == 2 else "")
    assert lines[0] == "step 1 of 30: loss 0.5"
    assert all(line.startswith("step") and "accuracy 0.7, loss 0.5" in line for line in lines[1:])
    assert len(lines) < 10 and lines[-1].endswith("10 steps/s, 0:00:00 left")
