import logging
import os
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn.train import checkpoint


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
        name = "_content_sum" if crash == "before the manifest" else None
        patch.setattr(checkpoint, name, crashed) if name else patch.setattr(checkpoint.Path, "rename", crashed)
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
    assert checkpoint._steps(tmp_path) == [9, 3]
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


def test_bad_arguments_are_a_clear_error(tmp_path):
    for step, keep in [(-1, 3), (0, 0)]:
        with pytest.raises(ValueError, match="step must be 0 or more and keep 1 or more"):
            checkpoint.save(tmp_path, step, {}, keep=keep)
