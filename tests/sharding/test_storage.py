"""A graph in parts on disk: what is read onto eight devices attends as the whole graph."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

import tgnn
from tests.support.collectives import run_on_devices
from tgnn import sharding

N = 37


def graph():
    senders, receivers = np.random.default_rng(0).integers(0, N, (2, 150))
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N)


def mesh_of(count):
    return jax.make_mesh((count,), ("x",), axis_types=(AxisType.Auto,), devices=jax.devices()[:count])


def check():
    rng, layout, mesh = np.random.default_rng(1), graph(), mesh_of(8)
    x, edges = rng.normal(size=(N, 2, 4)).astype("f4"), rng.normal(size=(150, 2, 4)).astype("f4")
    partition = sharding.partition_nodes(layout, 8, rng.integers(0, 8, N))
    with tempfile.TemporaryDirectory() as folder:
        sharding.save_parts(folder, partition, {"x": x, "label": np.arange(N)}, {"edge_value": edges})
        read, nodes, of_edges = sharding.load_parts(folder, mesh, "x")
        for leaf in (*jax.tree.leaves((read.layout, read.nodes, read.sends)), *nodes.values(), *of_edges.values()):
            assert len(leaf.addressable_shards) == 8 and leaf.addressable_shards[0].data.size * 8 == leaf.size
        place = {"mesh": mesh, "axis": "x"}
        found = sharding.attend_nodes(read, *[nodes["x"]] * 3, edge_value=of_edges["edge_value"], **place)
        expected = tgnn.attend(layout, *[jnp.asarray(x)] * 3, edge_value=jnp.asarray(edges))
        np.testing.assert_allclose(read.unpack(found), expected, atol=1e-6)
        np.testing.assert_array_equal(read.unpack(nodes["label"]), np.arange(N))


@pytest.mark.slow
def test_parts_that_are_read_from_disk_attend_as_the_whole():
    run_on_devices("tests.sharding.test_storage", "check")


def test_one_part_is_the_graph(tmp_path):
    partition = sharding.partition_nodes(graph(), 1)
    sharding.save_parts(tmp_path / "parts", partition, {"x": np.arange(N)})
    read, nodes, _ = sharding.load_parts(tmp_path / "parts", mesh_of(1), "x")
    jax.tree.map(np.testing.assert_array_equal, read, partition)
    assert (read.hops, read.n_cut, read.layout.depth) == (partition.hops, partition.n_cut, partition.layout.depth)
    np.testing.assert_array_equal(nodes["x"], np.arange(N))


def test_bad_folders_and_arrays_are_refused(tmp_path):
    partition = sharding.partition_nodes(graph(), 2)
    with pytest.raises(ValueError, match="x must have a row for each of 37 nodes"):
        sharding.save_parts(tmp_path / "a", partition, {"x": np.ones(3)})
    assert not (tmp_path / "a").exists()  # before anything is written
    with pytest.raises(ValueError, match="edges, got shape"):
        sharding.save_parts(tmp_path / "a", partition, edge_arrays={"e": np.ones(3)})
    (Path(tmp_path) / "b").mkdir()
    (tmp_path / "b" / "x").touch()
    with pytest.raises(ValueError, match="must be empty or missing"):
        sharding.save_parts(tmp_path / "b", partition)
    with pytest.raises(ValueError, match="holds no graph in parts"):
        sharding.load_parts(tmp_path / "b", mesh_of(1), "x")
    sharding.save_parts(tmp_path / "c", partition)
    with pytest.raises(ValueError, match="holds 2 parts, but the axis 'x' has 1 devices"):
        sharding.load_parts(tmp_path / "c", mesh_of(1), "x")
