"""A save in the background: what it saves may change, training goes on, and what goes wrong is heard of."""

import errno
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.training import STEP, assert_same_state, batch_at, new_state
from tgnn.train import checkpoint, manifest
from tgnn.train.writing import steps_in
from tgnn.training import fit


@pytest.fixture
def disk(monkeypatch):
    """An event without which no manifest is written, so that every save is in progress until then."""
    write, go_on = manifest.write, threading.Event()

    def slow(*arguments):
        assert go_on.wait(60)
        write(*arguments)

    monkeypatch.setattr(manifest, "write", slow)
    yield go_on
    go_on.set()


def test_what_is_being_saved_may_be_changed_and_donated(tmp_path, disk):
    tree = {"host": np.arange(4.0), "device": jnp.arange(50_000.0)}
    writing = checkpoint.begin(tmp_path, 1, tree).in_background()
    assert writing.in_progress and checkpoint.latest_step(tmp_path) is None
    tree["host"][:] = -1
    changed = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)(tree["device"])
    assert changed[7] == -1
    disk.set()
    assert writing.finish() == tmp_path / "1" and not writing.in_progress
    restored = checkpoint.restore(tmp_path, {"host": np.zeros(4), "device": jnp.zeros(50_000)})[0]
    np.testing.assert_array_equal(restored["host"], np.arange(4.0))
    np.testing.assert_array_equal(restored["device"], np.arange(50_000.0))


def test_a_directory_is_locked_until_its_save_has_ended(tmp_path, disk):
    writing = checkpoint.begin(tmp_path, 1, {"a": jnp.ones(2)}).in_background()
    with pytest.raises(ValueError, match="is in use by process"):
        checkpoint.save(tmp_path, 2, {"a": jnp.ones(2)})
    disk.set()
    writing.finish()
    checkpoint.save(tmp_path, 2, {"a": jnp.ones(2)})
    assert steps_in(tmp_path) == [2, 1]


def test_training_goes_on_while_a_state_is_saved(tmp_path, disk):
    reached = []

    def batches(step):
        reached.append(step)
        if step == 5:
            disk.set()
        return batch_at(step)

    state = fit(new_state(), STEP, batches, num_steps=8, run_dir=tmp_path, save_seconds=0)
    assert max(reached) == 7 and disk.is_set()  # with a save that waits for step 5 the loop has reached it
    assert_same_state(checkpoint.restore(tmp_path / "checkpoints", new_state())[0], state)
    first = min(steps_in(tmp_path / "checkpoints"))
    expected = fit(new_state(), STEP, batch_at, num_steps=first)
    assert_same_state(checkpoint.restore(tmp_path / "checkpoints", new_state(), step=first)[0], expected)


def test_a_save_that_fails_in_the_background_ends_the_run_and_leaves_the_steps_before(tmp_path, monkeypatch):
    write = manifest.write

    def full(folder, content):
        if content["step"] == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(folder, content)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="4 was not written .*No space left.*; free"):
        patch.setattr(manifest, "write", full)
        fit(new_state(), STEP, batch_at, num_steps=9, run_dir=tmp_path, save_every=2)
    saved = steps_in(tmp_path / "checkpoints")
    assert 2 in saved and 4 not in saved and not list((tmp_path / "checkpoints").glob(".partial-*"))
    resumed = fit(new_state(), STEP, batch_at, num_steps=9, run_dir=tmp_path, save_every=2, resume=True)
    assert_same_state(resumed, fit(new_state(), STEP, batch_at, num_steps=9))
