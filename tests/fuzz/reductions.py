"""`aggregate` on anything: every reduction of every type of numbers against the loop."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import tgnn
from tests.fuzz import oracle
from tests.fuzz.attention import close, eps_of
from tests.fuzz.graphs import Graph, graphs, layout_of, live_edges, on_rows

REDUCTIONS = "sum", "mean", "max", "min", "std", "softmax"
DTYPES = "float32", "bfloat16", "float16", "int8", "uint8", "int16", "int32", "uint32"


class Case(NamedTuple):
    """One call, in plain values."""

    graph: Graph
    reduction: str = "sum"
    dtype: str = "float32"
    size: float = 1.0
    shift: float = 0.0
    edges: bool = False
    way: str = "jit"
    seed: int = 0


@st.composite
def cases(draw) -> Case:
    """Every argument."""
    return Case(
        draw(graphs()),
        draw(st.sampled_from(REDUCTIONS)),
        draw(st.sampled_from(DTYPES)),
        draw(st.sampled_from((1.0, 0.01, 50.0))),
        draw(st.sampled_from((0.0, 0.0, 100.0, -100.0))),
        draw(st.booleans()),
        draw(st.sampled_from(("eager", "jit", "vmap"))),
        draw(st.integers(0, 2**16)),
    )


def check(case: Case) -> None:
    """An AssertionError where the library and the loop disagree."""
    layout, edges = layout_of(case.graph), live_edges(case.graph)
    rng, real = np.random.default_rng(case.seed), case.dtype.startswith(("float", "bfloat"))
    numbers = case.size * rng.normal(size=(case.graph.m, 3)) + case.shift
    if not real:
        limits = jnp.iinfo(case.dtype)
        numbers = np.clip(numbers, max(limits.min, -1000), min(limits.max, 1000))
    x = jnp.asarray(numbers, case.dtype)
    features = jnp.asarray(rng.normal(size=(len(edges.rows), 3)), jnp.float32) if case.edges else None
    if case.graph.kind == "neighbors" and len(set(zip(*edges[:2], strict=True))) < len(edges.rows):
        features = None  # a pair that stands twice has one name only
    found = in_its_way(case, layout, x, None if features is None else on_rows(case.graph, layout, edges, features, 0.0))
    exact = np.asarray(x, np.float64 if real or features is not None else np.int64)
    extra = None if features is None else np.asarray(features, np.float64)
    expected = oracle.reduce(edges.senders, edges.receivers, exact, case.graph.n, case.reduction, extra)
    largest = 1.0 + np.abs(exact).max(initial=0) + (0.0 if extra is None else np.abs(extra).max(initial=0))
    degree = 1 + len(edges.rows)
    rounding = (
        1e-6 * degree * largest * (30 if case.reduction == "std" else 1 + largest * (case.reduction == "softmax"))
    )
    coarse = eps_of(found.dtype) * np.abs(expected).max(initial=0) if jnp.issubdtype(found.dtype, jnp.floating) else 0
    exactly = jnp.issubdtype(found.dtype, jnp.integer)
    close(found, expected, 0 if exactly else rounding + coarse, case.reduction)


def in_its_way(case, layout, x, edges):
    run = lambda x, edges: tgnn.aggregate(layout, x, case.reduction, edges=edges)  # noqa: E731
    if case.way == "eager":
        return run(x, edges)
    if case.way == "jit":
        return jax.jit(run)(x, edges)
    return jax.vmap(run, (0, None))(jnp.stack([x, x]), edges)[1]
