"""The one loop over seeds: what it saves and keeps, and that a run goes on with nothing but itself."""

import json
import os
import shutil
import signal
import time
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.common import command, training
from experiments.common.failures import terminating_politely
from experiments.common.training import Task, train_seeds
from tgnn.train.metrics_log import read_metrics


@pytest.fixture(autouse=True)
def batches_when_needed(monkeypatch):
    """A signal that a batch sends then comes at that batch's step."""
    monkeypatch.setattr(training, "AHEAD", 0)


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


def options(tmp_path, **changes):
    return command.complete("x", replace(command.Options(run_dir=tmp_path), **changes))


def descent(on_batch=lambda step: None, **changes):
    """A number that follows the numbers of the steps."""

    def batches(seed):
        def batch_at(step):
            on_batch(step)
            return jnp.float32(step + seed)

        return batch_at

    task = Task(
        init=lambda rng: {"x": jax.random.normal(rng, ())},
        loss=lambda params, batch, rng: ((params["x"] - batch) ** 2, {}),
        optimizer=optax.sgd(0.1),
        batches=batches,
        num_steps=12,
        score=lambda params: {"x": float(params["x"])},
        log_every=1,
        figures=lambda params, folder: [],
    )
    return task._replace(**changes)


def kill(at, number=signal.SIGINT):
    """What sends this process a signal before the batch of a step."""

    def on_batch(step):
        if step == at:
            os.kill(os.getpid(), number)

    return on_batch


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_saves_and_the_run_goes_on_to_the_same_end(tmp_path, number):
    whole = train_seeds(descent(), Config(), options(tmp_path / "a"))
    with pytest.raises(KeyboardInterrupt, match="stopped .*cpu-seed0 holds step 5; go on with --resume"):
        with terminating_politely():
            train_seeds(descent(kill(4, number)), Config(), options(tmp_path / "b"))
    with pytest.raises(command.Mistake, match="holds a run; add --resume"):
        train_seeds(descent(), Config(), options(tmp_path / "b"))
    seen = []
    resumed = train_seeds(descent(seen.append), Config(), options(tmp_path / "b", resume=True))
    assert resumed["x"] == whole["x"] and seen[-7:] == list(range(5, 12))
    assert [r["step"] for r in read_metrics(tmp_path / "b" / "cpu-seed0" / "metrics.jsonl")] == list(range(1, 13))


@pytest.mark.slow
def test_a_checkpoint_is_saved_whenever_one_is_due(tmp_path, monkeypatch):
    saved = []
    begin = training.checkpoint.begin
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)

    def begin_and_note(directory, step, *args, **kwargs):
        saved.append(step)
        return begin(directory, step, *args, **kwargs)

    monkeypatch.setattr(training.checkpoint, "begin", begin_and_note)
    train_seeds(descent(on_batch=lambda step: time.sleep(0.05)), Config(), options(tmp_path))
    assert saved[0] < 3 and saved[-1] == 12


def test_a_run_without_a_checkpoint_says_that_it_starts_at_zero_and_keeps_the_old_metrics(tmp_path, caplog):
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(3)), Config(), options(tmp_path))
    folder = tmp_path / "cpu-seed0"
    before = (folder / "metrics.jsonl").read_text()
    shutil.rmtree(folder / "checkpoints")  # as if it had been killed before the first one
    train_seeds(descent(), Config(), options(tmp_path, resume=True))
    assert "no checkpoint, starting at 0" in caplog.text
    assert [path.read_text() for path in folder.glob("metrics.jsonl.old-*")] == [before]
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 12


def test_a_run_does_not_go_on_with_another_config_and_nothing_is_overwritten(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(4)), Config(), options(tmp_path))
    (tmp_path / "cpu.seeds.jsonl").unlink()  # even then
    before = files(tmp_path / "cpu-seed0")
    with pytest.raises(command.Mistake, match="rate was 0.1, is 0.2"):
        train_seeds(descent(), Config(0.2), options(tmp_path, resume=True))
    assert before == files(tmp_path / "cpu-seed0")


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_damaged_checkpoints_are_neither_used_nor_deleted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(4)), Config(), options(tmp_path))
    manifest = tmp_path / "cpu-seed0" / "checkpoints" / "5" / "manifest.json"
    manifest.write_text("{}")
    with pytest.raises(command.Mistake, match="damaged|intact"):
        train_seeds(descent(), Config(), options(tmp_path, resume=True))
    assert manifest.exists()


@pytest.mark.slow
def test_the_best_weights_are_scored_also_after_an_interruption(tmp_path):
    task = {"evaluate": lambda params: {"near": -abs(float(params["x"]) - 1.0)}, "evaluate_every": 1, "keep": "near"}
    whole = train_seeds(descent(**task), Config(), options(tmp_path / "a"))
    assert abs(whole["x"][0] - 1) == -whole["near"][0] < 0.5  # the last weights are near 9
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(8), **task), Config(), options(tmp_path / "b"))
    assert train_seeds(descent(**task), Config(), options(tmp_path / "b", resume=True))["x"] == whole["x"]


def test_finished_seeds_are_taken_from_their_file_and_each_has_a_folder(tmp_path):
    first = train_seeds(descent(figures=None), Config(), options(tmp_path, seeds=2))
    assert all((tmp_path / f"cpu-seed{i}" / "learning.png").stat().st_size > 1000 for i in range(2))
    seen = []
    again = train_seeds(descent(seen.append), Config(), options(tmp_path, seeds=3, resume=True))
    assert again["x"][:2] == first["x"] and len(seen) == 12
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [f"cpu-seed{i}" for i in range(3)]
    assert json.loads((tmp_path / "cpu-seed2" / "config.json").read_text()) == {"rate": 0.1}


@pytest.mark.nans
def test_a_carry_is_handed_on_and_stays_where_a_batch_spoils_it(tmp_path):
    seen = []

    def loss(params, carry, batch, rng):
        new = jnp.where(batch == 3, jnp.nan, carry + batch)
        return params["x"] * 0 + carry, ({"carry_seen": carry}, new)

    train_seeds(descent(loss=loss, carry=lambda: jnp.float32(0)), Config(), options(tmp_path))
    seen = [record["carry_seen"] for record in read_metrics(tmp_path / "cpu-seed0" / "metrics.jsonl")]
    np.testing.assert_array_equal(seen, np.cumsum([0, 0, 1, 2, 0, 4, 5, 6, 7, 8, 9, 10]))
