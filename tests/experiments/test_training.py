"""The one loop over seeds: what it saves and keeps, and that a run goes on with nothing but itself."""

import json
import os
import signal
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.common import command, saving
from experiments.common.training import Task, train_seeds
from tgnn.train.metrics_log import read_metrics


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
    )
    return task._replace(**changes)


def kill(at):
    """What sends this process a signal before the batch of a step."""

    def on_batch(step):
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)

    return on_batch


def test_ctrl_c_lets_the_step_end_and_saves_and_the_run_goes_on_to_the_same_end(tmp_path, capsys):
    whole = train_seeds(descent(), Config(), options(tmp_path / "a"))
    with pytest.raises(KeyboardInterrupt, match="interrupted at step 4, which is saved in .*cpu-seed0"):
        train_seeds(descent(kill(4)), Config(), options(tmp_path / "b"))
    assert "stopping after this step" in capsys.readouterr().err
    with pytest.raises(command.Mistake, match="holds a run at step 4; add --resume"):
        train_seeds(descent(), Config(), options(tmp_path / "b"))
    seen = []
    resumed = train_seeds(descent(seen.append), Config(), options(tmp_path / "b", resume=True))
    assert resumed["x"] == whole["x"] and seen == list(range(4, 12))
    assert [r["step"] for r in read_metrics(tmp_path / "b" / "cpu-seed0" / "metrics.jsonl")] == list(range(1, 13))


def test_a_checkpoint_is_saved_whenever_one_is_due(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "OFTEN", 0.0)
    monkeypatch.setattr(saving, "SHARE", 1e9)

    def killed(step):
        if step == 6:
            raise MemoryError  # nobody saves on this one

    with pytest.raises(MemoryError):
        train_seeds(descent(killed), Config(), options(tmp_path))
    saved = sorted(int(path.name) for path in (tmp_path / "cpu-seed0" / "checkpoints").iterdir())
    assert saved == [3, 4, 5]


def test_a_run_without_a_checkpoint_says_that_it_starts_at_zero_and_keeps_the_old_metrics(tmp_path, capsys):
    def killed(step):
        if step == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        train_seeds(descent(killed), Config(), options(tmp_path))
    folder = tmp_path / "cpu-seed0"
    before = (folder / "metrics.jsonl").read_text()
    assert len(before.splitlines()) == 3
    train_seeds(descent(), Config(), options(tmp_path, resume=True))
    assert "no checkpoint, starting at 0" in capsys.readouterr().out
    assert (folder / "metrics-1.jsonl").read_text() == before
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 12


def test_a_run_does_not_go_on_with_another_config_and_nothing_is_overwritten(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(4)), Config(), options(tmp_path))
    (tmp_path / "cpu.seeds.jsonl").unlink()  # even then
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(command.Mistake, match="another rate"):
        train_seeds(descent(), Config(0.2), options(tmp_path, resume=True))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_damaged_checkpoints_are_neither_used_nor_deleted(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(4)), Config(), options(tmp_path))
    manifest = tmp_path / "cpu-seed0" / "checkpoints" / "4" / "manifest.json"
    manifest.write_text("{}")
    with pytest.raises(command.Mistake, match="holds damaged checkpoints only"):
        train_seeds(descent(), Config(), options(tmp_path, resume=True))
    assert manifest.exists()


def test_the_best_weights_are_scored_also_after_an_interruption(tmp_path):
    task = {"evaluate": lambda params: {"near": -abs(float(params["x"]) - 1.0)}, "evaluate_every": 1, "keep": "near"}
    whole = train_seeds(descent(**task), Config(), options(tmp_path / "a"))
    assert abs(whole["x"][0] - 1) == -whole["near"][0] < 0.5  # the last weights are near 9
    with pytest.raises(KeyboardInterrupt):
        train_seeds(descent(kill(8), **task), Config(), options(tmp_path / "b"))
    assert train_seeds(descent(**task), Config(), options(tmp_path / "b", resume=True))["x"] == whole["x"]


def test_finished_seeds_are_taken_from_their_file_and_each_has_a_folder(tmp_path):
    first = train_seeds(descent(), Config(), options(tmp_path, seeds=2))
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
