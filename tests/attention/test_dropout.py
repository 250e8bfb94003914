"""Dropout is drawn from receiver, sender and head: of a shard, a graph of a batch, or the whole."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import close
from tgnn.attention.dropout import Draw, is_kept

RNG = jax.random.key(1)


def kept(*places, origin=(0, 0, 0), rng=RNG):
    return np.asarray(is_kept(Draw(rng, origin), 0.5, *map(jnp.asarray, places)))


@pytest.mark.parametrize("axis", range(3))
def test_every_number_of_an_edge_decides_alone(axis):
    places = [jnp.full(4096, 3)] * 3
    places[axis] = jnp.arange(4096)
    found = kept(*places)
    assert 0.45 < found.mean() < 0.55
    others = [kept(*places, rng=jax.random.key(2))]
    for other in range(3):
        moved = list(places)
        moved[other] = moved[other] + 1
        others.append(kept(*moved))
    assert all(0.4 < (found == x).mean() < 0.6 for x in others)


@pytest.mark.parametrize("axis", range(3))
def test_the_origin_is_added_to_the_numbers(axis):
    i, j, head = (x.ravel() for x in np.indices((5, 6, 4)))
    origin = tuple(7 if k == axis else 0 for k in range(3))
    moved = [x + y for x, y in zip((i, j, head), origin, strict=True)]
    np.testing.assert_array_equal(kept(i, j, head, origin=origin), kept(*moved))


def test_an_origin_that_is_no_triple_is_an_error():
    x = jnp.ones((2, 1, 1))
    with pytest.raises(ValueError, match="origin must be three integers"):
        tgnn.attend(tgnn.Complete(2), x, x, x, dropout_rate=0.5, rng=RNG, origin=(0, 0))
    for rng in (0, jax.random.split(RNG)):
        with pytest.raises(ValueError, match="rng must be one PRNG key"):
            tgnn.attend(tgnn.Complete(2), x, x, x, dropout_rate=0.5, rng=rng)


@pytest.mark.slow
def test_a_stack_drops_the_edges_of_the_union():
    graphs = [tgnn.Complete(3), tgnn.Causal(5), tgnn.Window(4, 1, 1), tgnn.Complete(3)]
    nodes = [np.random.default_rng(i).normal(size=(15, 2, 3)).astype("f4") for i in range(3)]
    outputs = []
    for form in ("union", "stack"):
        made = tgnn.batch(graphs, form)
        output = made.attend(*(made.pack(x) for x in nodes), dropout_rate=0.5, rng=RNG)
        outputs.append(made.unpack(output))
    close(outputs[1], outputs[0], 1e-6)
    equal = tgnn.batch([tgnn.Complete(8)] * 2, "stack")  # each graph draws its own edges
    ones = jnp.ones((2, 8, 1, 1))
    dropped = equal.attend(ones, ones, jnp.eye(8)[None, :, None] * jnp.ones((2, 1, 1, 1)), dropout_rate=0.5, rng=RNG)
    assert (dropped[0] != dropped[1]).any()


@pytest.mark.slow
def test_shards_drop_the_edges_of_the_whole():
    """Two devices exist only in a process of their own."""
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    run = [sys.executable, "-c", "from tests.attention.test_dropout import check_shards; check_shards()"]
    done = subprocess.run(run, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_shards():
    """Over heads and over receivers, values and gradients."""
    from jax.sharding import PartitionSpec

    from tests.support.layouts import LAYOUTS

    assert jax.device_count() == 2
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("part",))
    heads, rows = PartitionSpec(None, "part"), PartitionSpec("part")

    def compare(layout, local, specs, origin):
        shapes = (layout.n_receivers, 4, 3), (layout.n_senders, 4, 3), (layout.n_senders, 4, 2)
        nodes = [jnp.asarray(np.random.default_rng(0).normal(size=x), jnp.float32) for x in shapes]

        def part(*nodes):
            start = origin(jax.lax.axis_index("part"))
            return tgnn.attend(local, *nodes, dropout_rate=0.5, rng=RNG, origin=start)

        whole = lambda *nodes: tgnn.attend(layout, *nodes, dropout_rate=0.5, rng=RNG)  # noqa: E731
        sharded = jax.shard_map(part, mesh=mesh, in_specs=specs, out_specs=specs[0])
        loss = lambda run: lambda *nodes: (jnp.sin(run(*nodes)).sum(), run(*nodes))  # noqa: E731
        found, expected = (jax.jit(jax.grad(loss(run), (0, 1, 2), has_aux=True))(*nodes) for run in (sharded, whole))
        jax.tree.map(lambda a, b: close(a, b, 1e-5), found, expected)

    for name in ("causal", "window", "edges padded", "blocks", "neighbors", "complete segments", "buckets"):
        compare(LAYOUTS[name], LAYOUTS[name], (heads,) * 3, lambda i: (0, 0, 2 * i))
    compare(
        tgnn.Complete(14, 11), tgnn.Complete(7, 11), (rows, PartitionSpec(), PartitionSpec()), lambda i: (7 * i, 0, 0)
    )
