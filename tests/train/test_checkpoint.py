import dataclasses
import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.train import checkpoint, manifest
from tgnn.train.metrics_log import MetricsLog, read_metrics
from tgnn.train.writing import steps_in


class Position(NamedTuple):
    epoch: int
    index: int


def make_tree(seed=0):
    values = np.random.default_rng(seed).normal(size=(3, 5)).astype(np.float32)
    return {
        "layers": [
            {"query": jnp.asarray(values), "bias": jnp.asarray(values[0], jnp.bfloat16)},
            {"empty": jnp.zeros((0, 3))},
        ],
        "rng": jax.random.key(seed),
        "keys": jax.random.split(jax.random.key(seed, impl="rbg"), 2),
        "position": Position(seed + 3, 11),
        "counts": np.arange(seed, seed + 4, dtype=np.int64),
        "none": None,
    }


@pytest.fixture
def two_steps(tmp_path):
    checkpoint.save(tmp_path, 10, make_tree(1))
    checkpoint.save(tmp_path, 20, make_tree(2))
    return tmp_path


def data_file(step_folder):
    """The largest file that orbax wrote: the values."""
    return max((path for path in (step_folder / "arrays").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)


def assert_same(got, expected):
    unwrap = lambda tree: jax.tree.map(  # noqa: E731
        lambda x: jax.random.key_data(x) if jnp.issubdtype(jnp.asarray(x).dtype, jax.dtypes.prng_key) else x, tree
    )
    chex.assert_trees_all_equal(unwrap(got), unwrap(expected))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert type(a) is type(b) and getattr(a, "dtype", None) == getattr(b, "dtype", None)


@pytest.mark.slow
def test_restore_returns_what_was_saved_values_types_and_keys(two_steps):
    tree, step = checkpoint.restore(two_steps, make_tree(0))
    assert step == 20 and checkpoint.latest_step(two_steps) == 20
    assert_same(tree, make_tree(2))
    assert_same(checkpoint.restore(two_steps, make_tree(0), step=10)[0], make_tree(1))


def test_shapes_alone_serve_as_target(tmp_path):
    tree = {"weights": jnp.arange(7.0), "rng": jax.random.key(5)}
    checkpoint.save(tmp_path, 1, tree)
    restored, _ = checkpoint.restore(tmp_path, jax.eval_shape(lambda: tree))
    assert_same(restored, tree)


def test_a_relative_directory_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint.save("run", 1, {"a": jnp.ones(2)})
    assert checkpoint.latest_step("run") == 1


def flip_one_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit_a_dtype(manifest):
    text = manifest.read_text()
    assert text.count("int64") == 3
    manifest.write_text(text.replace("int64", "int32"))


DAMAGES = {
    "bit flip": lambda folder: flip_one_bit(data_file(folder)),
    "truncation": lambda folder: os.truncate(data_file(folder), data_file(folder).stat().st_size // 2),
    "missing file": lambda folder: data_file(folder).unlink(),
    "missing manifest": lambda folder: (folder / "manifest.json").unlink(),
    "bit flip in the manifest": lambda folder: flip_one_bit(folder / "manifest.json"),
    "edited manifest": lambda folder: edit_a_dtype(folder / "manifest.json"),
    "truncated manifest": lambda folder: os.truncate(folder / "manifest.json", 50),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_checkpoint_falls_back_to_the_step_before(two_steps, damage, caplog):
    damage(two_steps / "20")
    assert checkpoint.latest_step(two_steps) == 10
    with caplog.at_level(logging.WARNING, logger="tgnn.checkpoint"):
        tree, step = checkpoint.restore(two_steps, make_tree(0))
    assert step == 10 and "damaged" in caplog.text
    assert_same(tree, make_tree(1))
    with pytest.raises(ValueError, match="no intact checkpoint of step 20"):
        checkpoint.restore(two_steps, make_tree(0), step=20)


def test_no_intact_checkpoint_is_a_clear_error(two_steps):
    flip_one_bit(data_file(two_steps / "10"))
    flip_one_bit(data_file(two_steps / "20"))
    assert checkpoint.latest_step(two_steps) is None
    with pytest.raises(ValueError, match=r"no intact checkpoint; found steps \[20, 10\]"):
        checkpoint.restore(two_steps, make_tree(0))
    with pytest.raises(ValueError, match=r"no intact checkpoint; found steps \[\]"):
        checkpoint.restore(two_steps / "nowhere", make_tree(0))


def test_a_damaged_checkpoint_can_be_saved_again_and_an_intact_one_cannot(two_steps):
    with pytest.raises(ValueError, match="already holds a checkpoint"):
        checkpoint.save(two_steps, 20, make_tree(4))
    flip_one_bit(data_file(two_steps / "20"))
    checkpoint.save(two_steps, 20, make_tree(4))
    assert_same(checkpoint.restore(two_steps, make_tree(0))[0], make_tree(4))


@pytest.mark.parametrize("crash", ["before the manifest", "before the rename"])
def test_a_crash_in_the_middle_of_a_save_leaves_the_step_before(two_steps, monkeypatch, crash):
    def crashed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        before_the_manifest = crash == "before the manifest"
        patch.setattr(*(manifest, "content_sum") if before_the_manifest else (Path, "rename"), crashed)
        checkpoint.save(two_steps, 30, make_tree(3))
    assert list(two_steps.glob(".partial-*"))
    assert checkpoint.latest_step(two_steps) == 20
    checkpoint.save(two_steps, 30, make_tree(3))
    assert not list(two_steps.glob(".partial-*"))
    assert_same(checkpoint.restore(two_steps, make_tree(0))[0], make_tree(3))


def test_folders_and_leftovers_of_others_are_no_steps(two_steps):
    for name in ["30.orbax-checkpoint-tmp-1", ".partial-40", "best", "050"]:
        (two_steps / name).mkdir()
    (two_steps / "60").write_text("a file")
    assert checkpoint.latest_step(two_steps) == 20
    checkpoint.save(two_steps, 70, {"a": jnp.ones(1)}, keep=1)
    assert (two_steps / "best").is_dir() and (two_steps / "050").is_dir()


def test_old_steps_are_deleted_but_never_the_one_just_saved(tmp_path):
    for step in [1, 2, 3, 9]:
        checkpoint.save(tmp_path, step, {"a": jnp.full(3, step)}, keep=2)
    assert steps_in(tmp_path) == [9, 3]
    flip_one_bit(data_file(tmp_path / "9"))
    checkpoint.save(tmp_path, 5, {"a": jnp.full(3, 5)}, keep=1)  # a run that fell back to step 3
    assert checkpoint.latest_step(tmp_path) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree | {"counts": np.zeros(5, np.int64)}, r"holds \['counts'\] as int64\[4\] but target wants"),
        (lambda tree: tree | {"counts": np.zeros(4, np.int32)}, r"wants int32\[4\]"),
        (lambda tree: tree | {"rng": jax.random.key(0, impl="rbg")}, r"\['rng'\] as key<fry>"),
        (lambda tree: tree | {"extra": jnp.zeros(1)}, r"missing \['extra'\], unexpected nothing"),
        (lambda tree: {k: v for k, v in tree.items() if k != "rng"}, r"missing nothing, unexpected \['rng'\]"),
        (lambda tree: tree | {"position": [1, 2]}, r"missing \['position'\]\[0\].*unexpected \['position'\].epoch"),
    ],
)
def test_another_structure_is_a_clear_error_and_not_damage(two_steps, change, message):
    with pytest.raises(ValueError, match=message):
        checkpoint.restore(two_steps, change(make_tree(0)))


@pytest.mark.parametrize("step", [np.int64(5), np.uint8(5), jnp.int32(5), jnp.uint8(5), 5])
def test_every_integer_is_a_step(tmp_path, step):
    checkpoint.save(tmp_path, step, {"a": jnp.ones(1)})
    assert checkpoint.latest_step(tmp_path) == 5
    assert checkpoint.restore(tmp_path, {"a": jnp.zeros(1)}, step=step)[1] == 5


@pytest.mark.parametrize("step", [5.0, np.float32(5), jnp.float32(5), "5", True, -1])
def test_nothing_else_is_a_step(tmp_path, step):
    with pytest.raises(ValueError, match="step must be an integer"):
        checkpoint.save(tmp_path, step, {"a": jnp.ones(1)})
    assert not list(tmp_path.iterdir())


def test_one_step_at_least_is_kept(tmp_path):
    with pytest.raises(ValueError, match="keep must be an integer of at least 1"):
        checkpoint.save(tmp_path, 0, {}, keep=0)


@pytest.mark.parametrize("path", ["s3://bucket/run", "gs://bucket/run", "file:///tmp/run", Path("gs://bucket/run")])
def test_remote_paths_are_refused_before_anything_is_made(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    for call in [
        lambda: checkpoint.save(path, 1, {"a": jnp.ones(1)}),
        lambda: checkpoint.restore(path, {"a": jnp.ones(1)}),
        lambda: checkpoint.latest_step(path),
        lambda: MetricsLog(path, 0),
        lambda: read_metrics(path),
    ]:
        with pytest.raises(ValueError, match="must be local, got"):
            call()
    assert not list(tmp_path.iterdir())


def test_folders_that_were_exchanged_are_not_taken_for_their_names(two_steps):
    (two_steps / "10").rename(two_steps / "x")
    (two_steps / "20").rename(two_steps / "10")
    (two_steps / "x").rename(two_steps / "20")
    with pytest.raises(ValueError, match="no intact checkpoint of step 20"):
        checkpoint.restore(two_steps, make_tree(0), step=20)
    assert checkpoint.latest_step(two_steps) is None


def test_a_damaged_checkpoint_is_put_aside_and_never_deleted(two_steps):
    flip_one_bit(data_file(two_steps / "20"))
    damaged = data_file(two_steps / "20").read_bytes()
    checkpoint.save(two_steps, 20, make_tree(4))
    assert data_file(two_steps / "20.old-1").read_bytes() == damaged
    (two_steps / "10" / "manifest.json").unlink()
    for step in range(30, 36):
        checkpoint.save(two_steps, step, {"a": jnp.ones(1)}, keep=1)
    assert data_file(two_steps / "10").exists() and data_file(two_steps / "20.old-1").exists()
    assert steps_in(two_steps) == [35, 10]


def test_the_config_is_compared_by_name(tmp_path):
    @dataclasses.dataclass
    class Config:
        rate: float
        widths: tuple = (8, 16)

    tree = {"a": jnp.ones(1)}
    checkpoint.save(tmp_path, 1, tree, config=Config(0.1))
    for same in [Config(0.1), {"rate": np.float64(0.1), "widths": [8, 16]}, None]:
        assert checkpoint.restore(tmp_path, tree, config=same)[1] == 1
    for other, message in [
        (Config(0.2), "rate was 0.1, is 0.2"),
        (Config(0.1, (8, 8)), r"widths was \[8, 16\], is \[8, 8\]"),
        ({"rate": 0.1}, r"widths was \[8, 16\], is missing"),
    ]:
        with pytest.raises(ValueError, match=message):
            checkpoint.restore(tmp_path, tree, config=other)
    with pytest.raises(ValueError, match="config holds .* of type function"):
        checkpoint.save(tmp_path, 2, tree, config={"activation": lambda x: x})
    assert checkpoint.latest_step(tmp_path) == 1


def test_a_failing_disk_is_one_sentence_and_leaves_the_steps_before(two_steps, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="30 was not written .*No space left.*; free"):
        patch.setattr(manifest, "sum_of", full)
        checkpoint.save(two_steps, 30, make_tree(3))
    assert checkpoint.latest_step(two_steps) == 20
    assert not list(two_steps.glob(".partial-*"))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written .*; choose another folder"):
        checkpoint.save(tmp_path / "file" / "run", 1, {"a": jnp.ones(1)})


def test_what_is_placed_nowhere_in_particular_is_restored_so(tmp_path):
    tree = {"a": jnp.arange(3.0), "b": jax.device_put(jnp.ones(2), jax.devices()[0]), "rng": jax.random.key(3)}
    checkpoint.save(tmp_path, 1, tree)
    restored = checkpoint.restore(tmp_path, tree)[0]
    assert [restored[name].committed for name in ("a", "b", "rng")] == [False, True, False]
    assert_same(restored, tree)


ON_DEVICES = """
import sys, jax, jax.numpy as jnp, optax
from tgnn.train import checkpoint, manifest
from tgnn.training import fit, init_state, make_step
run, count, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mesh = jax.make_mesh((count,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("data"))
everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
optimizer = optax.adam(0.1)
step = make_step(lambda params, batch, rng: (jnp.mean((batch @ params) ** 2), {}), optimizer)
batch_at = lambda step: jax.device_put(jnp.arange(48.0).reshape(8, 6) / 48 + step, rows)
params = jax.device_put(jnp.ones(6), everywhere) if sys.argv[4] == "placed" else jnp.ones(6)
state = init_state(jax.random.key(0), params, optimizer)
state = fit(state, step, batch_at, num_steps=steps, run_dir=run, resume=True, quiet=True)
print(int(state.step), len(state.params.sharding.device_set), [round(float(x), 4) for x in state.params])
"""


def on_devices(run, count, steps, placed):
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
    arguments = [sys.executable, "-c", ON_DEVICES, str(run), str(count), str(steps), placed]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split(" ", 2)


@pytest.mark.slow
@pytest.mark.parametrize("placed", ["placed", "left to jax"])
def test_a_run_goes_on_with_other_devices_than_it_was_saved_on(tmp_path, placed):
    straight = on_devices(tmp_path / "straight", 4, 6, placed)
    for steps, count in [(2, 4), (4, 4), (6, 2)]:
        found = on_devices(tmp_path / "run", count, steps, placed)
    assert found[0] == straight[0] == "6" and found[1] == "2" and straight[1] == "4"
    assert found[2] == straight[2]
