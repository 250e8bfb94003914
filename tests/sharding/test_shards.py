"""Attention on eight simulated devices is that on one: values, log-sum-exps and gradients, with dropout; and refusals.

Eight devices exist only in processes of their own, one for each form: `check_heads` and so on run there.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import tgnn
from tests.support.collectives import collectives, kinds, run_on_devices, sent
from tgnn import sharding

N, HEADS = 32, 8
RNG = np.random.default_rng(0)
SENDERS = RNG.integers(0, N, 150)
RECEIVERS = np.clip(SENDERS + RNG.integers(-4, 5, 150), 0, N - 2)  # the last receiver has no edge
GRAPH = tgnn.EdgeList.from_edges(SENDERS, RECEIVERS, n_receivers=N)
BIAS = jnp.asarray(RNG.normal(size=(150, HEADS)), jnp.float32)
SLOPE = jnp.linspace(0.1, 0.8, HEADS)
OPTIONS = {"dropout_rate": 0.4, "rng": jax.random.key(0), "return_lse": True}
AUTO = (AxisType.Auto,)


def mesh_of(count=None):
    devices = jax.devices()[:count]
    return jax.make_mesh((len(devices),), ("x",), axis_types=AUTO, devices=devices)


def nodes_of(n_senders=N, heads=HEADS, key_heads=HEADS, dtype=jnp.float32):
    rng = np.random.default_rng(1)
    shapes = (N, heads, 5), (n_senders, key_heads, 5), (n_senders, key_heads, 3)
    return [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def distance(slope):
    """A bias by a function, of the caller's numbers."""
    return jax.tree_util.Partial(lambda slope, i, j: slope * jnp.abs(i - j) * 0.1, slope)


def differentiate(attend, *operands):
    def loss(*operands):
        output, lse = attend(*operands)
        number = jnp.sin(output.astype(jnp.float32)).sum() + jnp.cos(jnp.where(jnp.isfinite(lse), lse, 0.0)).sum()
        return number, (output, lse)

    return jax.jit(jax.grad(loss, tuple(range(len(operands))), has_aux=True))(*operands)


def equal(shards, whole, *operands, tolerance=1e-6):
    """Both functions, and their gradients in all operands, to 1e-6 of the largest entry."""
    (slopes, found), (expected_slopes, expected) = (differentiate(x, *operands) for x in (shards, whole))
    for a, b in zip((*found, *slopes), (*expected, *expected_slopes), strict=True):
        a, b = (np.asarray(x, np.float64) for x in (a, b))
        largest = np.abs(b[np.isfinite(b)]).max(initial=1.0)
        np.testing.assert_allclose(a, b, atol=tolerance * largest, rtol=0)


# -- by heads ---------------------------------------------------------------------------------------------------------


def check_heads():
    place = {"mesh": mesh_of(), "axis": "x"}
    nodes = nodes_of()
    vectors = jnp.asarray(RNG.normal(size=(HEADS, 5)), jnp.float32)
    cases = {
        "array": (GRAPH, lambda x: {"bias": x}, BIAS),
        "function": (tgnn.Causal(N), lambda x: {"bias": distance(x), "scale": x}, SLOPE),
        "additive": (GRAPH, lambda x: {"score": tgnn.Additive(x, 2 * x), "edges": BIAS}, vectors),
        "values": (GRAPH, lambda x: {"edge_value": jnp.repeat(x[..., None], 3, axis=2)}, BIAS),
    }
    for layout, make, extra in cases.values():
        whole = lambda q, k, v, x: tgnn.attend(layout, q, k, v, **make(x), **OPTIONS)  # noqa: B023, E731
        shards = lambda q, k, v, x: sharding.attend_heads(layout, q, k, v, **make(x), **place, **OPTIONS)  # noqa: B023, E731
        equal(shards, whole, *nodes, extra)
    spread = NamedSharding(place["mesh"], PartitionSpec(None, "x"))
    rows = [jax.device_put(x, spread) for x in nodes]
    run = lambda *x: sharding.attend_heads(tgnn.Causal(N), *x, **place).sum()  # noqa: E731
    assert not collectives(jax.jit(jax.grad(lambda *x: run(*x) / 2, (0, 1, 2))).lower(*rows).compile())


# -- by edges ---------------------------------------------------------------------------------------------------------


def check_edges():
    place = {"mesh": mesh_of(), "axis": "x"}
    nodes, parts = nodes_of(heads=4, key_heads=2), sharding.split_edges(GRAPH, 8)
    features = jnp.repeat(BIAS[:, :4, None], 3, axis=2)
    for implementation in ("definition", "fused"):
        options = OPTIONS | {"implementation": implementation}
        whole = lambda q, k, v, x, s: tgnn.attend(GRAPH, q, k, v, edge_value=x, bias=distance(s), **options)  # noqa: B023, E731
        shards = lambda q, k, v, x, s: sharding.attend_edges(  # noqa: E731
            parts,
            q,
            k,
            v,
            edge_value=x,
            bias=distance(s),
            **place,
            **options,  # noqa: B023
        )
        equal(shards, whole, *nodes, features, SLOPE[:4])
    traced = lambda q, k, v, x: sharding.attend_edges(GRAPH, q, k, v, bias=x, **place, **OPTIONS)  # noqa: E731
    equal(traced, lambda q, k, v, x: tgnn.attend(GRAPH, q, k, v, bias=x, **OPTIONS), *nodes, BIAS[:, :4])
    nodes = [jnp.ones((N, 4, 5))] * 3
    run = lambda *x: sharding.attend_edges(parts, *x, **place)  # noqa: E731
    said = sharding.traffic("edges", 8, N, 4, 5)
    for function, expected in ((run, said.forward), (jax.grad(lambda *x: (run(*x) ** 2).sum(), (0, 1, 2)), said.both)):
        program = jax.jit(function).lower(*nodes).compile()
        assert kinds(program) == {"all-reduce"} and sent(program, "all-reduce") == expected


# -- by nodes ---------------------------------------------------------------------------------------------------------


def check_nodes():
    mesh = mesh_of()
    place = {"mesh": mesh, "axis": "x"}
    nodes, features = nodes_of(heads=4, key_heads=2), jnp.repeat(BIAS[:, :4, None], 3, axis=2)
    for owner, implementation in ((None, "fused"), (np.random.default_rng(2).integers(0, 8, N), "definition")):
        cut = sharding.partition_nodes(GRAPH, 8, owner)
        options = OPTIONS | {"implementation": implementation}

        def shards(q, k, v, x, s, cut=cut, options=options):
            rows, edges = map(cut.pack, (q, k, v)), cut.pack_edges(x)
            found = sharding.attend_nodes(cut, *rows, edge_value=edges, bias=distance(s), **place, **options)
            return tuple(map(cut.unpack, found))

        whole = lambda q, k, v, x, s: tgnn.attend(GRAPH, q, k, v, edge_value=x, bias=distance(s), **options)  # noqa: B023, E731
        equal(shards, whole, *nodes, features, SLOPE[:4])
    check_halo(place)


def check_halo(place):
    """The bytes of the program follow the cut and not the nodes: forwards the rows, backwards their gradients."""
    spread = NamedSharding(place["mesh"], PartitionSpec("x"))
    for n, reach in ((256, 1), (1024, 1), (1024, 9)):
        cut = sharding.partition_nodes(tgnn.Window(n, reach, reach), 8)
        assert cut.n_cut == 14 * reach and cut.n_sent == 16 * reach  # the two ends have one neighbour each
        rows = [jax.ShapeDtypeStruct((n, 2, 4), jnp.float32, sharding=spread)] * 3
        run = lambda *x: sharding.attend_nodes(cut, *x, **place)  # noqa: B023, E731
        said = sharding.traffic("nodes", 8, n, 2, 4, n_sent=cut.n_sent)
        forward = jax.jit(run).lower(*rows).compile()
        both = jax.jit(jax.grad(lambda *x: run(*x).sum(), (0, 1, 2))).lower(*rows).compile()  # noqa: B023
        assert kinds(forward) == kinds(both) == {"collective-permute"}
        assert sent(forward, "collective-permute") == said.forward == cut.n_sent // 8 * 2 * 2 * 4 * 4
        assert sent(both, "collective-permute") == said.both


# -- around a ring ----------------------------------------------------------------------------------------------------

RINGS = {
    "complete": tgnn.Complete(N, 16),
    "causal": tgnn.Causal(N),
    "causal segments": tgnn.Causal(N, offset=jnp.asarray(2)).with_segments(np.repeat([0, 1, 2, -1], [10, 13, 5, 4])),
}


def check_ring():
    place = {"mesh": mesh_of(), "axis": "x"}
    for layout, implementation in zip(RINGS.values(), ("definition", "fused", "fused"), strict=True):
        options = OPTIONS | {"implementation": implementation}

        def shards(q, k, v, s, layout=layout, options=options):
            return sharding.attend_ring(layout, q, k, v, bias=distance(s), scale=s, **place, **options)

        def whole(q, k, v, s, layout=layout, options=options):
            return tgnn.attend(layout, q, k, v, bias=distance(s), scale=s, **options)

        equal(shards, whole, *nodes_of(layout.n_senders, 4, 2), SLOPE[:4])
    check_memory_of_ring()


def check_memory_of_ring():
    """Twice the devices and the rows: the same memory of each; 32 times the rows: 32 times; and no gathered rows."""
    found = []
    for count, n in ((4, 1024), (8, 2048), (8, 65_536)):
        mesh = mesh_of(count)
        rows = NamedSharding(mesh, PartitionSpec("x"))
        nodes = [jax.ShapeDtypeStruct((n, 2, 16), jnp.float32, sharding=rows)] * 3
        layout = tgnn.Causal(n)
        run = lambda *x: sharding.attend_ring(layout, *x, mesh=mesh, axis="x").sum()  # noqa: B023, E731
        program = jax.jit(jax.grad(run, (0, 1, 2))).lower(*nodes).compile()
        assert kinds(program) == {"collective-permute"}
        said = sharding.traffic("ring", count, n, 2, 16)
        # As written in the program: a step forwards, one backwards, and the way home.
        share = said.forward // (count - 1)
        assert sent(program, "collective-permute") == share + 2 * share + share
        assert said.both == (count - 1) * share + (count - 1) * 2 * share + share
        memory = program.memory_analysis()
        assert memory is not None
        found.append(memory.temp_size_in_bytes)
    assert found[1] <= 1.05 * found[0] and found[2] <= 1.05 * 32 * found[1], found


@pytest.mark.slow
@pytest.mark.parametrize("form", ["heads", "edges", "nodes", "ring"])
def test_eight_devices_are_one(form):
    run_on_devices("tests.sharding.test_shards", f"check_{form}")


# -- on one device ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_ring_has_second_derivatives_and_batches_and_runs_eagerly():
    place = {"mesh": mesh_of(1), "axis": "x"}
    nodes, layout = nodes_of(heads=2, key_heads=2), tgnn.Causal(N)
    ring = partial(sharding.attend_ring, layout, **place)

    @partial(jax.jit, static_argnums=0)
    def curvature(attend, *nodes):
        slope = lambda *x: sum((g**2).sum() for g in jax.grad(lambda *y: jnp.sin(attend(*y)).sum(), (0, 1, 2))(*x))  # noqa: E731
        return jax.grad(slope, (0, 1, 2))(*nodes)

    whole = partial(tgnn.attend, layout)
    for a, b in zip(curvature(ring, *nodes), curvature(whole, *nodes), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    batch = [jnp.stack([x, 2 * x]) for x in nodes]
    np.testing.assert_allclose(jax.vmap(ring)(*batch), jax.vmap(whole)(*batch), atol=1e-6)
    np.testing.assert_allclose(ring(*nodes), whole(*nodes), atol=1e-6)
    half = [x.astype(jnp.bfloat16) for x in nodes]
    equal(partial(ring, return_lse=True), partial(whole, return_lse=True), *half, tolerance=4e-3)


def test_refusals_name_what_does():
    mesh = mesh_of(1)
    nodes, place = nodes_of(), {"mesh": mesh, "axis": "x"}
    explicit = jax.make_mesh((1,), ("x",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:1])
    for attend in (sharding.attend_heads, sharding.attend_edges, sharding.attend_ring):
        with pytest.raises(ValueError, match=r"mesh must have Auto axes, .*axis_types=\(jax.sharding.AxisType.Auto,\)"):
            attend(GRAPH, *nodes, mesh=explicit, axis="x")
    with pytest.raises(ValueError, match="axis must be one of the mesh"):
        sharding.attend_heads(GRAPH, *nodes, mesh=mesh, axis="y")
    with pytest.raises(ValueError, match="layout must follow from positions.*use attend_edges or attend_nodes"):
        sharding.attend_ring(GRAPH, *nodes, **place)
    with pytest.raises(ValueError, match="bias is an array of all edges.*give bias as a function"):
        sharding.attend_ring(tgnn.Causal(N), *nodes, bias=jnp.zeros((N, N, HEADS)), **place)
    with pytest.raises(ValueError, match="layout must be an EdgeList, got Causal; use layout.to_edges"):
        sharding.attend_edges(tgnn.Causal(N), *nodes, **place)
    with pytest.raises(ValueError, match=r"use split_edges\(layout, 1\)"):
        sharding.attend_edges(sharding.split_edges(GRAPH, 2), *nodes, **place)
    with pytest.raises(ValueError, match=r"use partition_nodes\(layout, 1\)"):
        sharding.attend_nodes(sharding.partition_nodes(GRAPH, 2), *nodes, **place)
    cut = sharding.partition_nodes(GRAPH, 1)
    with pytest.raises(ValueError, match=r"use partition.pack\(key\)"):
        sharding.attend_nodes(cut, nodes[0], nodes[1][1:], nodes[2], **place)
    with pytest.raises(ValueError, match=r"use partition.pack_edges\(bias\)"):
        sharding.attend_nodes(cut, *nodes, bias=BIAS, **place)
