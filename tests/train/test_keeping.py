"""Which checkpoints stay: the last ones and the best ones."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.training import STEP, assert_same_state, batch_at, new_state
from tgnn.train import checkpoint
from tgnn.train.writing import steps_in
from tgnn.training import fit

TREE = {"a": jnp.ones(2)}


def save_all(directory, scores, **kwargs):
    for step, score in enumerate(scores, start=1):
        checkpoint.save(directory, step, TREE, score=score, **kwargs)


def test_the_last_ones_stay_and_those_of_the_highest_scores(tmp_path):
    save_all(tmp_path / "a", [0.1, 0.9, 0.3, 0.9, 0.2, None, float("nan"), 0.5], keep=2)
    assert steps_in(tmp_path / "a") == [8, 7, 2] and checkpoint.best_step(tmp_path / "a") == 2
    save_all(tmp_path / "b", [0.1, 0.9, 0.3, 0.8, 0.2, 0.0], keep=1, keep_best=2)
    assert steps_in(tmp_path / "b") == [6, 4, 2]
    save_all(tmp_path / "c", [0.1, 0.9, 0.3], keep=1, keep_best=0)
    assert steps_in(tmp_path / "c") == [3]


def test_where_there_is_no_score_there_is_no_best(tmp_path):
    save_all(tmp_path, [None, float("nan")])
    assert checkpoint.best_step(tmp_path) is None and steps_in(tmp_path) == [2, 1]
    assert checkpoint.best_step(tmp_path / "nowhere") is None


def test_a_damaged_best_one_is_not_the_best(tmp_path):
    save_all(tmp_path, [0.9, 0.5, 0.1])
    (tmp_path / "1" / "manifest.json").write_text("{}")
    assert checkpoint.best_step(tmp_path) == 2


def test_counts_that_are_none_are_refused(tmp_path):
    with pytest.raises(ValueError, match="keep_best must be an integer of at least 0"):
        checkpoint.save(tmp_path, 1, TREE, keep_best=-1)


def scored(values):
    """An evaluation of a step by a list of numbers."""
    return lambda state: {"accuracy": np.float32(values[int(state.step) - 1])}


VALUES = [0.1, 0.7, 0.2, 0.7, 0.3, 0.8, 0.5, 0.4, 0.3, 0.2]


def test_fit_saves_the_best_state_at_once_and_keeps_it_and_the_last(tmp_path):
    looks = {"evaluate": scored(VALUES), "evaluate_every": 1, "best": "accuracy"}
    fit(new_state(), STEP, batch_at, num_steps=5, run_dir=tmp_path, keep=1, **looks)
    assert steps_in(tmp_path / "checkpoints") == [5, 2]
    # and the run that goes on knows what was best before it
    fit(new_state(), STEP, batch_at, num_steps=10, run_dir=tmp_path, keep=1, resume=True, **looks)
    assert steps_in(tmp_path / "checkpoints") == [10, 6]
    best, step = checkpoint.restore(
        tmp_path / "checkpoints", new_state(), step=checkpoint.best_step(tmp_path / "checkpoints")
    )
    assert step == 6
    assert_same_state(best, fit(new_state(), STEP, batch_at, num_steps=6))


def test_a_best_that_nothing_gives_is_refused(tmp_path):
    with pytest.raises(ValueError, match="best is 'accuracy', but there is no evaluate"):
        fit(new_state(), STEP, batch_at, num_steps=2, run_dir=tmp_path, best="accuracy")
    with pytest.raises(ValueError, match=r"best is 'loss', but evaluate gave \['accuracy'\]; name one of these"):
        fit(new_state(), STEP, batch_at, num_steps=2, run_dir=tmp_path, best="loss", evaluate=scored(VALUES))
