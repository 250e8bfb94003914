"""Layouts and scores of one's own: what they define is enough for everything."""

import time
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import tgnn
from tests.support.calls import close, inputs
from tests.support.layouts import LAYOUTS
from tgnn.attention.scores import InnerProduct
from tgnn.planning.cost import cost


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Ring(tgnn.Layout):
    """Receiver i sees the `degree` nodes from i on, around a circle of n."""

    n: int = jax.tree.static()
    degree: int = jax.tree.static()

    @property
    def n_receivers(self):
        return self.n

    @property
    def n_senders(self):
        return self.n

    @property
    def edge_shape(self):
        return (self.n, self.degree)

    @property
    def live(self):
        return None

    @property
    def receiver_index(self):
        return jnp.arange(self.n)[:, None]

    @property
    def sender_index(self):
        return (self.receiver_index + jnp.arange(self.degree)[None, :]) % self.n


RING, SIZE = Ring(7, 3), 7
SEEN = (np.arange(SIZE)[None, :] - np.arange(SIZE)[:, None]) % SIZE < 3
PAST = np.tri(SIZE, dtype=bool)


@pytest.mark.slow
def test_an_own_layout_runs_as_its_edge_list():
    operands = inputs(RING)
    expected = tgnn.attend(RING.to_edges(), *operands)
    for implementation in (None, "definition"):
        close(tgnn.attend(RING, *operands, implementation=implementation), expected, 1e-6)
    with pytest.raises(ValueError, match="no fused execution takes this call on Ring"):
        tgnn.attend(RING, *operands, implementation="fused")
    close(tgnn.attend(tgnn.plan(RING), *operands), expected, 1e-6)
    both = tgnn.stack([RING, RING])
    close(jax.vmap(tgnn.attend, (0, None, None, None), axis_size=2)(both, *operands)[1], expected, 1e-6)


@pytest.mark.slow
def test_an_own_layout_is_known_to_every_function_of_layouts():
    np.testing.assert_array_equal(RING.adjacency(), SEEN)
    np.testing.assert_array_equal(RING.to_edges().adjacency(), SEEN)
    causal = tgnn.Causal(SIZE)
    for made, expected in ((RING | causal, SEEN | PAST), (causal & RING, SEEN & PAST), (RING - causal, SEEN & ~PAST)):
        np.testing.assert_array_equal(made.adjacency(), expected)
    assert tgnn.degrees(RING, "senders").tolist() == [3] * SIZE
    arranged = RING.arrange(jnp.array([1.0, 2.0]), np.array([1, 5]), np.array([0, 1]))  # 5 -> 1 is no edge
    assert float(arranged[0, 1]) == 1 and float(arranged.sum()) == 1
    found = cost(RING, heads=1, head_dim=2, gradients=False)
    assert (found.edges, found.slots, found.flops) == (21, 21, 21 * 8)
    text = tgnn.explain(RING)
    assert text.startswith("Ring: 7 receivers, 7 senders, 21 edges") and "the definition, because" in text
    assert repr(RING) == "Ring(n=7, degree=3)" and RING == Ring(7, 3) != Ring(7, 2)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cosine(InnerProduct):
    """The inner product of unit vectors, stretched by a parameter."""

    stretch: jax.Array

    def receiver(self, query):
        return unit(query) * self.stretch

    def sender(self, key):
        return unit(key)


def unit(x):
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


@partial(jax.jit, static_argnames="by_hand")
def cosine(layout, nodes, stretch, by_hand):
    """Output and gradients: by the score, or by the dot product of nodes that were mapped by hand."""

    def loss(nodes, stretch):
        query, key, value = nodes
        if by_hand:
            output = tgnn.attend(layout, unit(query) * stretch, unit(key), value, scale=1.0)
        else:
            output = tgnn.attend(layout, query, key, value, score=Cosine(stretch))
        return (output**2).sum(), output

    return jax.grad(loss, (0, 1), has_aux=True)(nodes, stretch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [x if x in ("edges", "window") else pytest.param(x, marks=pytest.mark.slow) for x in LAYOUTS]
)
def test_an_own_inner_product_is_the_dot_product_of_mapped_nodes(name):
    layout = LAYOUTS[name]
    query, key, value = inputs(layout, 2, 2)
    found, expected = (cosine(layout, (query, key, value), jnp.asarray(1.5), x) for x in (False, True))
    jax.tree.map(lambda a, b: close(a, b, 1e-5), found, expected)


LARGE = {
    "complete": lambda: tgnn.Complete(384),
    "window": lambda: tgnn.Window(1024, 16, 16),
    "edges": lambda: tgnn.Window(1024, 16, 16).to_edges(),
}


def programs(layout):
    """The two ways of `cosine`, compiled, and their operands."""
    rng = np.random.default_rng(0)
    shapes = [(n, 8, 64) for n in (layout.n_receivers, layout.n_senders, layout.n_senders)]
    operands = layout, tuple(jnp.asarray(rng.normal(size=x), jnp.float32) for x in shapes), jnp.asarray(1.5)
    return [cosine.lower(*operands, by_hand=x).compile() for x in (False, True)], operands


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_an_own_inner_product_needs_the_memory_of_the_dot_product(name):
    """But for one copy of the rows, in which the map's derivative is kept from NaN that no edge reads."""
    (own, by_hand), (layout, *_) = programs(LARGE[name]())
    rows = 4 * 8 * 64 * layout.n_receivers
    own, by_hand = (x.memory_analysis().temp_size_in_bytes for x in (own, by_hand))
    assert own <= 1.3 * by_hand + rows


@pytest.mark.slow
def test_an_own_inner_product_takes_the_time_of_the_dot_product():
    """The best of several runs in turn; it took fifty times as long when it was scored pair by pair."""
    both, operands = programs(LARGE["complete"]())
    seconds = [[], []]
    for _ in range(7):
        for each, program in zip(seconds, both, strict=True):
            begin = time.perf_counter()
            jax.block_until_ready(program(*operands))
            each.append(time.perf_counter() - begin)
    assert min(seconds[0]) <= 2 * min(seconds[1])


@pytest.mark.parametrize(
    "name",
    [x if x in ("edges padded", "causal segments") else pytest.param(x, marks=pytest.mark.slow) for x in LAYOUTS],
)
def test_programs_are_exported_with_a_layout_as_an_argument(name):
    check_export(LAYOUTS[name])


@pytest.mark.slow
def test_programs_are_exported_with_own_and_planned_layouts():
    check_export(RING)
    check_export(tgnn.plan(tgnn.Causal(13).to_edges()))


def check_export(layout):
    operands = layout, *inputs(layout, 2, 2), Cosine(jnp.asarray(0.5))
    run = jax.jit(lambda layout, query, key, value, score: tgnn.attend(layout, query, key, value, score=score))
    again = export.deserialize(export.export(run)(*operands).serialize())
    close(again.call(*operands), run(*operands), 1e-6)
