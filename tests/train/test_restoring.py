"""What may be restored from what: weights alone, other devices, other versions; and nothing with one changed byte."""

import json
import os
import subprocess
import sys
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.support.training import new_state
from tgnn.train import checkpoint, manifest
from tgnn.training import init_state


def state_of(params):
    return init_state(jax.random.key(0), params, optax.adam(0.1))


def test_weights_alone_are_restored_without_optimizer_model_or_target(tmp_path):
    params = {
        "layers": [
            {"kernel": jnp.arange(6.0).reshape(2, 3), "half": jnp.ones(2, jnp.bfloat16)},
            {"empty": jnp.ones(0)},
        ],
        'it\'s "quoted" [0].params': jnp.arange(3),
    }
    checkpoint.save(tmp_path, 3, state_of(params))
    restored, step = checkpoint.restore_params(tmp_path)
    assert step == 3
    chex.assert_trees_all_equal(restored, params)
    chex.assert_trees_all_equal_dtypes(restored, params)


class Layer(NamedTuple):
    kernel: jax.Array


def test_a_target_says_what_containers_the_weights_are_in_and_is_asked_for_where_they_are_no_dicts(tmp_path):
    params = [Layer(jnp.arange(3.0)), {"none": None}]
    checkpoint.save(tmp_path, 3, state_of(params))
    restored, _ = checkpoint.restore_params(tmp_path, jax.eval_shape(lambda: params))
    assert isinstance(restored[0], Layer)
    chex.assert_trees_all_equal(restored, params)
    with pytest.raises(ValueError, match=r"has weights named \[0\].kernel .*; pass target"):
        checkpoint.restore_params(tmp_path)
    with pytest.raises(ValueError, match=r"holds \[0\].kernel as float32\[3\] but target wants float32\[4\]"):
        checkpoint.restore_params(tmp_path, [Layer(jnp.zeros(4)), {"none": None}])


def test_weights_alone_are_of_the_step_and_the_config_asked_for(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state_of(jnp.full(2, step)), config={"rate": step})
    restored, step = checkpoint.restore_params(tmp_path, step=1)
    assert step == 1 and restored.tolist() == [1, 1]
    with pytest.raises(ValueError, match="rate was 2, is 3"):
        checkpoint.restore_params(tmp_path, config={"rate": 3})
    checkpoint.save(tmp_path, 3, {"params": jnp.ones(2)})
    with pytest.raises(ValueError, match="3 holds no .params; use restore"):
        checkpoint.restore_params(tmp_path)


def test_a_manifest_tells_versions_and_a_newer_one_is_refused_and_not_taken_for_damage(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"a": jnp.ones(2)}, config={"rate": 0.1}, score=0.5)
    content = manifest.read(tmp_path / "1")
    assert content["versions"].keys() >= {"jax", "orbax-checkpoint"} and content["versions"]["jax"] == jax.__version__
    assert content["config"] == {"rate": 0.1} and content["score"] == 0.5
    monkeypatch.setattr(manifest, "FORMAT", 1)
    with pytest.raises(ValueError, match="1 has format 2, and this tgnn reads up to 1; .* install that version"):
        checkpoint.restore(tmp_path, {"a": jnp.zeros(2)})


def test_a_manifest_of_the_first_format_is_read(tmp_path):
    checkpoint.save(tmp_path, 1, {"a": jnp.ones(2)}, config={"rate": 0.1})
    path = tmp_path / "1" / "manifest.json"
    content = json.loads(path.read_text())["content"]
    content = {name: content[name] for name in ("step", "config", "leaves", "files")}
    path.write_text(manifest.text_of({"content": content, "sha256": manifest.content_sum(content)}))
    assert checkpoint.restore(tmp_path, {"a": jnp.zeros(2)}, config={"rate": 0.1})[0]["a"].tolist() == [1, 1]
    assert manifest.read(tmp_path / "1")["score"] is None


def test_one_changed_byte_in_any_file_is_noticed(tmp_path):
    """Also where the file goes on being what it was to its reader: a blank for a line break, a flag of a library."""
    checkpoint.save(tmp_path, 1, new_state())
    files = [path for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(files) > 5
    rng = np.random.default_rng(0)
    for path in files:
        whole = path.read_bytes()
        for place in {0, len(whole) - 1, *rng.integers(0, len(whole), 3).tolist()} if whole else ():
            for bits in (1, 7, 128):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
                assert checkpoint.latest_step(tmp_path) is None, f"{path.name} byte {place} by {bits}"
        path.write_bytes(whole + b"\n")
        assert checkpoint.latest_step(tmp_path) is None, f"{path.name} grew"
        path.write_bytes(whole)
    assert checkpoint.latest_step(tmp_path) == 1


MESH_TREE = {
    "rows": jnp.arange(96.0).reshape(8, 12),
    "columns": jnp.arange(32.0).reshape(4, 8).astype(jnp.bfloat16),
    "everywhere": jnp.arange(5),
    "rng": jax.random.key(3),
}
ON_A_MESH = """
import sys, jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from tests.train.test_restoring import MESH_TREE, assert_same_bits
from tgnn.train import checkpoint
axes = {"rows": P("data", "model"), "columns": P(None, ("data", "model")), "everywhere": P(), "rng": P()}
def placed(*shape):
    devices = np.array(jax.devices()[:np.prod(shape)]).reshape(shape)
    mesh = jax.sharding.Mesh(devices, ("data", "model"), axis_types=(AxisType.Auto,) * 2)
    return {name: jax.device_put(leaf, NamedSharding(mesh, axes[name])) for name, leaf in MESH_TREE.items()}
checkpoint.save(sys.argv[1], 1, placed(2, 4))
for shape in [(4, 2), (2, 1), (1, 1)]:
    tree = placed(*shape)
    empty = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), tree)
    got = checkpoint.restore(sys.argv[1], empty)[0]
    assert all(got[name].sharding == leaf.sharding for name, leaf in tree.items()), shape
    assert len(got["rows"].addressable_shards) == shape[0] * shape[1]
    assert_same_bits(got)
"""


def assert_same_bits(tree):
    for name, leaf in MESH_TREE.items():
        got, expected = (jax.random.key_data(x) if name == "rng" else x for x in (tree[name], leaf))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.slow
def test_what_was_saved_on_a_mesh_is_restored_onto_others_with_other_numbers_of_devices(tmp_path):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    arguments = [sys.executable, "-c", ON_A_MESH, str(tmp_path)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_same_bits(checkpoint.restore(tmp_path, MESH_TREE)[0])  # and by this process, which has one device
