"""The GPU kernel of edge lists, in interpret mode: equal to the definition, hubs and dead edges included."""

import re
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import CASES, Slopes, arguments, assert_equals_definition, call_of, inputs, normal
from tests.support.gpus import hopper, kernels_in, lower_for_gpus
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused import runs
from tgnn.attention.fused.edge_kernel import EdgeKernel
from tgnn.attention.fused.executions import choose

REFUSED = "callable", "gaussian"  # of 5 features: no power of two, and zeros would change them
TAKEN = [case for case in CASES if case not in REFUSED]
ALL = [("edges padded", "gat", 1024), ("edges", "per edge", 1024), ("edges", "gatv2", 2)]
ALL += [("edges padded", case, 2) for case in TAKEN]


@pytest.fixture
def gpu(monkeypatch):
    """What tgnn chooses on a GPU, run here."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(runs, "INTERPRET", True)


def execution_of(layout, *nodes, **options):
    return choose(call_of(layout, *nodes, **options))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "case", "piece"), ALL)
def test_equals_the_definition(name, case, piece, gpu, monkeypatch):
    """Pieces of two edges: every neighbourhood is shared by several programs."""
    monkeypatch.setattr(runs, "PIECE", piece)
    options = {k: x for k, x in arguments(LAYOUTS[name], case).items() if k in ("score", "bias")}
    assert isinstance(execution_of(LAYOUTS[name], *inputs(LAYOUTS[name]), **options), EdgeKernel)
    assert_equals_definition(LAYOUTS[name], case)


def small(layout, key_heads=2, dim=4, dtype=jnp.float32):
    sizes = (layout.n_receivers, 4), (layout.n_senders, key_heads), (layout.n_senders, key_heads)
    return [normal(i, *size, dim).astype(dtype) for i, size in enumerate(sizes)]


def compare(layout, nodes, tolerance=2e-5, **options):
    """Outputs and gradients of the nodes and of what floats among the options."""
    moving = {k: options.pop(k) for k in list(options) if k in ("score", "bias", "scale")}

    def loss(implementation, nodes, moving):
        return (tgnn.attend(layout, *nodes, **moving, **options, implementation=implementation) ** 2).sum()

    both = [
        jax.value_and_grad(partial(loss, x), (0, 1), allow_int=True)(nodes, moving) for x in ("definition", "fused")
    ]
    for a, b in zip(*map(jax.tree.leaves, both), strict=True):
        if a.dtype != jax.dtypes.float0:
            np.testing.assert_allclose(b, a, rtol=2e-4, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["callable", "gaussian", "one bias for all heads"])
def test_what_may_not_be_padded_is_taken_at_powers_of_two(name, gpu):
    layout = LAYOUTS["edges padded"]
    options = {
        "callable": {"bias": Slopes(normal(8, 4), jnp.asarray(2)), "scale": jnp.asarray(0.7)},
        "gaussian": {"score": tgnn.Gaussian(normal(13, 4, 4), 1.0 + normal(14, 4, 4) ** 2)},
        "one bias for all heads": {"bias": normal(3, *layout.edge_shape, 1)},
    }[name]
    nodes = small(layout, key_heads=4)
    chosen = {k: x for k, x in options.items() if k != "scale"}
    assert isinstance(execution_of(layout, *nodes, **chosen), EdgeKernel)
    compare(layout, nodes, **options)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Everything(tgnn.Score):
    """All that the kernel says it knows."""

    weight: jax.Array

    def pair(self, receiver, sender, edge=None):
        x, y = receiver * self.weight[None], sender - receiver
        near = jnp.where((x < y) & (x <= 3.0) | ~(y > 4.0) ^ (y >= 5.0), jnp.sign(x), jnp.clip(y, -1.0, 1.0))
        smooth = jnp.tanh(x) + jax.nn.sigmoid(y) + jnp.sin(x) * jnp.cos(y) + jax.nn.gelu(y) + jax.nn.softplus(x)
        roots = jnp.sqrt(1.0 + x**2) + jax.lax.rsqrt(1.0 + y**2) + jnp.log(2.0 + jnp.abs(x)) + jnp.log1p(y * y)
        powers = jnp.exp(-x * x) + jnp.exp2(-jnp.abs(y)) + jnp.expm1(-y * y) + (1.0 + y * y) ** 1.5 + x**3
        rest = jnp.floor(x) + jnp.maximum(x, y) - jnp.minimum(x, y) + jnp.mod(x, 2.0) + jnp.isfinite(x) + (x == y)
        total = near + smooth + roots + powers + rest
        return total.sum(-1) / 10.0 + total.max(-1) - total.min(-1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sorting(tgnn.Score):
    """What it does not know."""

    def pair(self, receiver, sender, edge=None):
        return jnp.sort(receiver * sender)[..., 0]


@pytest.mark.slow
def test_own_scores_of_known_functions(gpu):
    layout = LAYOUTS["edges"]
    score, nodes = Everything(normal(5, 4, 4)), small(layout, key_heads=4)
    assert isinstance(execution_of(layout, *nodes, score=score), EdgeKernel)
    compare(layout, nodes, 2e-4, score=score)
    assert kernels_in(lower_for_gpus(layout, nodes, score=score)) == 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pointed(tgnn.Score):
    """Without a derivative where a row is zero, and with a parameter."""

    weight: jax.Array

    def pair(self, receiver, sender, edge=None):
        weighed = self.weight[None] * sender
        return (receiver * weighed).sum(-1) / jnp.sqrt((weighed * weighed).sum(-1))


@pytest.mark.slow
@pytest.mark.nans
@pytest.mark.parametrize("name", ["edges", "edges padded"])
def test_what_no_edge_is_computed_from_may_be_singular(name, gpu):
    """Blocks are longer than some runs: what fills them up must not be where a score has no derivative."""
    layout = LAYOUTS[name]
    nodes, score = small(layout, key_heads=4), Pointed(1.0 + normal(5, 4, 4) ** 2)
    assert isinstance(execution_of(layout, *nodes, score=score), EdgeKernel)
    compare(layout, nodes, score=score)
    distance = jax.tree_util.Partial(lambda slope, i, j: slope / (i - j + 0.0), jnp.ones(4))  # of node 0 to itself: inf
    edges = tgnn.EdgeList.from_edges([1, 2, 0, 2], [0, 0, 1, 1], n_receivers=4)
    compare(edges, small(edges, key_heads=4), bias=distance)


@pytest.mark.parametrize("score", [Sorting(), tgnn.Gaussian(jnp.ones((4, 3)), jnp.ones((4, 3)))])
def test_what_triton_could_not_compile_goes_elsewhere(score, gpu):
    layout = LAYOUTS["edges"]
    assert execution_of(layout, *small(layout, key_heads=4, dim=3), score=score) is None


@pytest.mark.parametrize("case", [x if x == "plain" else pytest.param(x, marks=pytest.mark.slow) for x in TAKEN])
def test_the_program_for_gpus_has_no_scatter_and_no_features_of_edges(case, gpu):
    layout = LAYOUTS["edges padded"]
    options = arguments(layout, case)
    text = lower_for_gpus(layout, inputs(layout), **options)
    # forward, and both ends of the edges backward; each once more for the further pieces of long runs
    assert kernels_in(text) == (3 if layout.n_edge < runs.PIECE else 6)
    assert not re.search(r"stablehlo\.\w*scatter", text)
    rows = [x for x in re.findall(r"tensor<(\d+)x4x[35]xf32>", text) if int(x) == layout.n_edge]
    assert bool(rows) == (case == "per edge")  # what the caller gave, and its gradients


@pytest.mark.slow
def test_bfloat16_is_summed_in_float32(gpu):
    layout = LAYOUTS["edges padded"]
    nodes = small(layout, dtype=jnp.bfloat16)
    wide = tgnn.attend(layout, *(x.astype(jnp.float32) for x in nodes), implementation="definition")
    found = tgnn.attend(layout, *nodes, implementation="fused")
    assert found.dtype == jnp.bfloat16
    np.testing.assert_array_equal(found, wide.astype(jnp.bfloat16))


@pytest.mark.slow
def test_transformations(gpu, monkeypatch):
    monkeypatch.setattr(runs, "PIECE", 4)
    layout = LAYOUTS["edges padded"]
    nodes = small(layout)

    def loss(implementation, *nodes):
        output, lse = tgnn.attend(layout, *nodes, implementation=implementation, return_lse=True)
        return (output**2).sum() + jnp.where(jnp.isfinite(lse), lse, 0.0).sum()

    def results(implementation):
        slope = jax.grad(partial(loss, implementation), (0, 1, 2))
        batch = [jnp.stack([x, 2 * x, -x]) for x in nodes]
        return slope(*nodes), jax.vmap(slope)(*batch), jax.jvp(slope, tuple(nodes), tuple(nodes))

    expected, found = map(results, ("definition", "fused"))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(b, a, rtol=2e-4, atol=5e-5), expected, found)


@pytest.mark.slow
@pytest.mark.nans
def test_what_no_edge_reads_stays_unseen(gpu):
    """NaN in rows without edges, and on dead edges."""
    layout = tgnn.EdgeList.from_edges([0, 1, 5], [0, 0, 5], n_receivers=6, mask=[True, True, False], pad_to=5)
    nodes = [x.at[2:].set(jnp.nan) for x in small(layout)]
    carried = jnp.zeros((5, 4, 4)).at[2:].set(jnp.nan)

    def run(carried, *nodes):
        return tgnn.attend(layout, *nodes, edge_value=carried, implementation="fused")

    output, pull = jax.vjp(run, carried, *nodes)
    assert not np.asarray(output[1:]).any() and np.isfinite(np.asarray(output)).all()
    assert all(np.isfinite(np.asarray(x)).all() for x in pull(output))


def test_a_graph_without_its_orders_goes_elsewhere(gpu):
    layout = LAYOUTS["edges"]
    unsorted = tgnn.EdgeList(layout.senders, layout.receivers, layout.n_receivers, layout.n_senders)
    assert execution_of(unsorted, *inputs(unsorted)) is None


def test_it_lowers_where_each_device_has_some_heads(gpu, monkeypatch):
    """Inside of `shard_map` outputs vary as operands do. (JAX interprets no kernel that is checked so.)"""
    layout, nodes = LAYOUTS["edges"], small(LAYOUTS["edges"], key_heads=4)
    monkeypatch.setattr(runs, "INTERPRET", False)
    jax.clear_caches()
    heads = jax.sharding.PartitionSpec(None, "x")
    with hopper():
        mesh = jax.sharding.get_abstract_mesh()
        mesh = jax.sharding.Mesh(jax.devices()[:1], ("x",)) if mesh.empty else mesh
        run = jax.shard_map(partial(tgnn.attend, layout), mesh=mesh, in_specs=(heads,) * 3, out_specs=heads)
        slope = jax.grad(lambda *nodes: (run(*nodes) ** 2).sum(), (0, 1, 2))
        text = jax.jit(slope).trace(*nodes).lower(lowering_platforms=("cuda",)).as_text()
    assert kernels_in(text) == (3 if layout.n_edge < runs.PIECE else 6)
