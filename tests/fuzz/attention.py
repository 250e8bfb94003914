"""`attend` and `attention_weights` on anything: values, log-sum-exps, weights and gradients against the loop."""

from contextlib import contextmanager
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import tgnn
from tests.fuzz import oracle
from tests.fuzz.graphs import LISTS, Graph, graphs, layout_of, live_edges, on_rows
from tests.fuzz.scores import score_of

SCORES = "dot", "cosine", "additive", "additive v2", "gaussian", "own"
DTYPES = "float32", "bfloat16", "float16", "float64"
WAYS = "eager", "jit", "jit of the layout", "vmap", "stack", "scan", "remat"


class Case(NamedTuple):
    """One call, in plain values."""

    graph: Graph
    heads: int = 1
    group: int = 1
    dims: tuple = (1, 1)
    dtypes: tuple = ("float32",) * 3
    score: str = "dot"
    size: float = 1.0
    bias: str | None = None
    scale: str | None = None
    edges: bool = False
    edge_value: bool = False
    dropout_rate: float = 0.0
    poison: bool = False
    implementation: str | None = None
    way: str = "jit"
    gradients: bool = False
    seed: int = 0


@st.composite
def cases(draw) -> Case:
    """Every argument, one more often left out than given."""
    score, key_heads = draw(st.sampled_from(SCORES)), draw(st.integers(1, 2))
    group = draw(st.sampled_from((1, 1, 2, 3)))
    one = draw(st.sampled_from(DTYPES))
    return Case(
        draw(graphs()),
        key_heads * group,
        group,
        (draw(st.integers(1, 4)), draw(st.integers(1, 3))),
        draw(st.sampled_from(((one,) * 3, tuple(draw(st.sampled_from(DTYPES)) for _ in range(3))))),
        score,
        draw(st.sampled_from((1.0, 1.0, 0.01, 20.0))),
        draw(st.sampled_from((None, None, "array", "shared", "holes", "callable"))),
        draw(st.sampled_from((None, None, "number", "heads"))),
        score in ("dot", "additive", "additive v2", "gaussian") and draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from((0.0, 0.0, 0.3, 0.9))),
        draw(st.booleans()),
        draw(st.sampled_from((None, None, "definition", "fused"))),
        draw(st.sampled_from(WAYS)),
        draw(st.booleans()),
        draw(st.integers(0, 2**16)),
    )


@contextmanager
def precision(case: Case):
    """64 bits where a number has them."""
    jax.config.update("jax_enable_x64", "float64" in case.dtypes)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


def check(case: Case) -> None:
    """An AssertionError where the library and the loop disagree."""
    with precision(case):
        call = Call(case)
        call.check_values()
        if case.gradients and case.graph.n and case.graph.m:
            call.check_gradients()


class Call:
    """A case with its numbers: those that are differentiated by name, as the library and as the loop take them."""

    def __init__(self, case: Case):
        self.case, self.rng = case, np.random.default_rng(case.seed)
        self.graph, self.layout, self.edges = case.graph, layout_of(case.graph), live_edges(case.graph)
        if case.graph.kind == "neighbors":  # a pair that stands twice has one name only
            _, first = np.unique(np.stack(self.edges[:2]), axis=1, return_index=True)
            if len(first) < len(self.edges.rows) and (case.bias or case.edges or case.edge_value):
                self.case = case._replace(bias=None, edges=False, edge_value=False)
        self.key = jax.random.key(case.seed)
        self.moving = self.numbers()
        self.exact = {name: widened(x) for name, x in self.moving.items()}
        words, ends = np.asarray(jax.random.key_data(self.key)), (self.edges.senders, self.edges.receivers)
        rate = self.case.dropout_rate
        self.keep = oracle.kept(words, rate, *ends, self.case.heads) if rate else None

    def numbers(self) -> dict:
        case, live = self.case, len(self.edges.rows)
        heads, (dim, value_dim) = case.heads, case.dims
        key_heads = heads // case.group
        query, key, value = case.dtypes
        moving = {
            "query": self.normal(query, self.graph.n, heads, dim, size=case.size),
            "key": self.normal(key, self.graph.m, key_heads, dim, size=case.size),
            "value": self.normal(value, self.graph.m, key_heads, value_dim),
        }
        if case.score in ("additive", "additive v2", "gaussian", "own"):
            first, second = self.normal("float32", heads, dim), 1.0 + self.normal("float32", heads, dim) ** 2
            moving["parameters"] = [first, second]
        if case.bias in ("array", "holes", "shared"):
            moving["bias"] = self.normal("float32", live, 1 if case.bias == "shared" else heads)
        if case.bias == "callable":
            moving["slopes"] = self.normal("float32", heads)
        if case.edges:
            moving["edges"] = self.normal("float32", live, heads, *(() if case.score == "additive" else (dim,)))
        if case.edge_value:
            moving["edge_value"] = self.normal(value, live, heads, value_dim)
        if case.scale:
            moving["scale"] = self.normal("float32", *(() if case.scale == "number" else (heads,)))
        return moving

    def normal(self, dtype, *shape, size=1.0):
        return jnp.asarray(size * self.rng.normal(size=shape), dtype)

    # -- the library ------------------------------------------------------------------------------------------------

    def arguments(self, layout, moving) -> tuple[list, dict]:
        case, dead = self.case, jnp.nan if self.case.poison and self.graph.kind in LISTS else 0.0
        place = lambda x: on_rows(self.graph, self.layout, self.edges, x, dead)  # noqa: E731
        named = {name: place(moving[name]) for name in ("edges", "edge_value") if name in moving}
        if "bias" in moving:
            holes = jnp.asarray(self.holes(), bool)
            named["bias"] = place(
                jnp.where(holes, -jnp.inf, moving["bias"]) if case.bias == "holes" else moving["bias"]
            )
        if "slopes" in moving:
            named["bias"] = jax.tree_util.Partial(slope, moving["slopes"])
        if "scale" in moving:
            named["scale"] = moving["scale"]
        named["score"] = score_of(case.score, moving.get("parameters"))
        return [self.poisoned(moving[name], name == "query") for name in ("query", "key", "value")], named

    def poisoned(self, x, receivers: bool):
        """NaN in the rows of nodes without any live edge."""
        if not self.case.poison:
            return x
        heard = np.isin(np.arange(len(x)), self.edges.receivers if receivers else self.edges.senders)
        return jnp.where(jnp.asarray(heard)[:, None, None], x, jnp.asarray(jnp.nan, x.dtype))

    def run(self, layout, moving, implementation=None):
        nodes, named = self.arguments(layout, moving)
        dropping = {"dropout_rate": self.case.dropout_rate, "rng": self.key} if self.case.dropout_rate else {}
        return tgnn.attend(layout, *nodes, **named, **dropping, implementation=implementation, return_lse=True)

    def in_its_way(self, implementation):
        run = lambda layout, moving: self.run(layout, moving, implementation)  # noqa: E731
        layout, moving = self.layout, self.moving
        if self.case.way == "eager":
            return run(layout, moving)
        if self.case.way == "jit":
            return jax.jit(lambda moving: run(layout, moving))(moving)
        if self.case.way == "jit of the layout":
            return jax.jit(run)(layout, moving)
        if self.case.way == "vmap":
            twice = jax.tree.map(lambda x: jnp.stack([x, x]), moving)
            return jax.tree.map(lambda x: x[1], jax.jit(jax.vmap(lambda moving: run(layout, moving)))(twice))
        if self.case.way == "stack":
            pair = tgnn.stack([layout, layout])
            return jax.tree.map(lambda x: x[1], jax.vmap(run, (0, None), axis_size=2)(pair, moving))
        if self.case.way == "scan":
            each = jax.lax.scan(lambda carry, _: (carry, run(layout, moving)), 0, length=2)[1]
            return jax.tree.map(lambda x: x[1], each)
        return jax.jit(jax.checkpoint(run))(layout, moving)

    # -- the loop ---------------------------------------------------------------------------------------------------

    def holes(self):
        return np.random.default_rng(self.case.seed + 1).random((len(self.edges.rows), self.case.heads)) < 0.3

    def loop(self, exact):
        case, operands = self.case, dict(exact)
        senders, receivers = self.edges.senders, self.edges.receivers
        if case.bias == "shared":
            operands["bias"] = np.repeat(operands["bias"], case.heads, axis=1)
        if case.bias == "holes":
            operands["bias"] = np.where(self.holes(), -np.inf, operands["bias"])
        if case.bias == "callable":
            slopes, apart = operands["slopes"][None], np.abs(receivers - senders)[:, None]
            operands["bias"] = slopes * apart
            if (np.float32(slopes) == slopes).all():  # not moved to find its derivative: `slope` rounds what it returns
                operands["bias"] = np.float64(np.float32(slopes) * np.float32(apart))
        if "scale" in operands:
            operands["scale"] = np.broadcast_to(operands["scale"], (case.heads,))
        return oracle.attend(senders, receivers, operands, case.score, self.keep)

    # -- the comparison ---------------------------------------------------------------------------------------------

    @property
    def rounding(self) -> float:
        """Of the logits, relative to the largest part of one: parameters are float32 numbers, and taken as exact."""
        return 2e-15 if "float64" in self.case.dtypes else 1e-6

    def check_values(self) -> None:
        expected, lse, weights = self.loop(self.exact)
        found, found_lse = self.tried(self.in_its_way)
        assert found.dtype == self.moving["value"].dtype, (found.dtype, "is no dtype of value")
        steep = 1.0 + np.abs(lse[np.isfinite(lse)]).max(initial=0.0) + self.spread()
        largest = 1.0 + np.abs(np.asarray(self.exact["value"])).max(initial=0.0) + largest_of(self.exact, "edge_value")
        kept = 1 / (1 - self.case.dropout_rate)
        close(found, expected, (self.rounding * steep + eps_of(found.dtype)) * largest * kept, "output")
        close(found_lse, lse, self.rounding * steep, "log-sum-exp")
        empty = ~np.isfinite(lse)
        assert (np.asarray(found, np.float64)[empty] == 0).all(), "a receiver without an edge receives no zeros"
        self.check_weights(weights, steep)

    def check_weights(self, weights, steep) -> None:
        nodes, named = self.arguments(self.layout, self.moving)
        named.pop("edge_value", None)
        found = tgnn.attention_weights(self.layout, *nodes[:2], **named)
        rounding = self.rounding if "float64" in self.case.dtypes[:2] else 1e-6  # values are not asked for
        close(found.sum(), weights.sum(), rounding * steep * (1 + weights.sum()), "sum of the weights")
        if self.graph.kind in LISTS:
            close(found[self.edges.rows], weights, rounding * steep, "weights")

    def spread(self) -> float:
        """The largest term of a logit, by which rounding scales."""
        query, key = (np.abs(self.exact[name]).max(initial=0.0) for name in ("query", "key"))
        dim = self.case.dims[0]
        if self.case.score == "gaussian":
            return dim * (query + key + 3.0 + largest_of(self.exact, "edges")) ** 2 * self.slope()
        edges = largest_of(self.exact, "edges")
        more = np.abs(self.exact["parameters"][0]).max(initial=0.0) if "parameters" in self.exact else 1.0
        product = query * (key + edges) if self.case.score == "dot" else (query + key + edges + 1) * (1 + more)
        return dim * product * self.slope()

    def slope(self) -> float:
        return max(1.0, largest_of(self.exact, "scale"))

    def tried(self, run):
        try:
            return run(self.case.implementation)
        except ValueError as error:
            if self.case.implementation != "fused" or "fused" not in str(error):
                raise
            return run(None)  # refused, in words

    def check_gradients(self) -> None:
        """Along a random direction, by central differences of the loop."""
        shape = (self.graph.n, self.case.heads, self.case.dims[1])
        along = np.random.default_rng(self.case.seed + 2).normal(size=shape)

        def loss(moving, implementation):
            output = self.run(self.layout, moving, implementation)[0]
            return (output.astype(jnp.promote_types(output.dtype, jnp.float32)) * jnp.asarray(along)).sum()

        slopes = self.tried(lambda implementation: jax.jit(lambda x: jax.grad(loss)(x, implementation))(self.moving))
        slopes = jax.tree.map(lambda x: np.asarray(x, np.float64), slopes)
        for name, leaf in slopes.items():
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(leaf)), f"the gradient of {name} is not finite"
        step = 1e-6
        for name, leaf in self.exact.items():
            direction = jax.tree.map(lambda x: np.random.default_rng(self.case.seed + 3).normal(size=x.shape), leaf)
            if name == "bias" and self.case.bias == "holes":
                direction = np.where(self.holes(), 0.0, direction)
            ends = [
                (
                    self.loop({**self.exact, name: jax.tree.map(lambda x, d, s=s: x + s * d, leaf, direction)})[0]
                    * along
                ).sum()
                for s in (step, -step)
            ]
            terms = [
                np.abs(g * d).sum()
                for g, d in zip(jax.tree.leaves(slopes[name]), jax.tree.leaves(direction), strict=True)
            ]
            found = sum(
                (g * d).sum() for g, d in zip(jax.tree.leaves(slopes[name]), jax.tree.leaves(direction), strict=True)
            )
            size = 1.0 + sum(terms) + np.abs(along).sum() * self.spread() * 1e-2
            # What comes back has the type of the output, which is that of the values.
            coarse = max(eps_of(x.dtype) for x in jax.tree.leaves((self.moving[name], self.moving["value"])))
            close(found, (ends[0] - ends[1]) / (2 * step), (coarse * 4 + 2e-4) * size, f"slope of {name}")


def slope(slopes, receiver, sender):
    """A bias by callable."""
    return slopes * jnp.abs(receiver - sender).astype(slopes.dtype)


def largest_of(exact: dict, name: str) -> float:
    return float(np.abs(exact[name]).max(initial=0.0)) if name in exact else 0.0


def widened(x):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), x)


def eps_of(dtype) -> float:
    return float(jnp.finfo(dtype).eps)


def close(found, expected, tolerance, what) -> None:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    with np.errstate(invalid="ignore"):  # of equal infinities
        same = (found == expected) | (np.abs(found - expected) <= tolerance)
    if not same.all():
        worst = np.unravel_index(np.argmin(same), same.shape) if same.ndim else ()
        got, wanted = float(found[worst]), float(expected[worst])
        raise AssertionError(f"{what}{list(map(int, worst))} is {got!r}, expected {wanted!r} +- {tolerance:.2g}")
