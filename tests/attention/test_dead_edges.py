"""Where there is no edge, no derivative is seen: scores and biases may be singular there."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import call_of, normal
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused.executions import walk

pytestmark = pytest.mark.nans  # dead pairs are computed, and dropped


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Distance(tgnn.Score):
    """Minus a distance: without a derivative between a point and itself, as two rows of zeros are."""

    weight: jax.Array  # [heads, dim]

    def pair(self, receiver, sender, edge=None):
        steps = receiver - sender
        return -jnp.linalg.norm(jnp.expand_dims(self.weight, range(steps.ndim - 2)) * steps, axis=-1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Pole:
    """A bias that is infinite for one pair."""

    slope: jax.Array  # [heads]
    receiver: jax.Array
    sender: jax.Array

    def __call__(self, receiver, sender):
        far = (receiver - self.receiver) ** 2 + (sender - self.sender) ** 2
        return self.slope / jnp.sqrt(far.astype(jnp.float32))


def case(layout):
    """Operands, score and bias that are singular on pairs that are no edge, if there are some."""
    adjacent = np.asarray(layout.adjacency())
    alive = adjacent.any(axis=1)[:, None] & adjacent.any(axis=0)[None]
    receivers, senders = np.nonzero(~adjacent & alive)
    i, j = (receivers[-1], senders[-1]) if len(receivers) else (-5, -5)
    query, key = normal(1, layout.n_receivers, 2, 3), normal(2, layout.n_senders, 2, 3)
    if i >= 0:  # all that the last receiver does not see: padding is read from the last node, and from the first
        key = key.at[senders[receivers == i]].set(query[i])
    nodes = query, key, normal(3, layout.n_senders, 2, 3)
    return nodes, Distance(1.0 + normal(4, 2, 3) ** 2), Pole(normal(5, 2), jnp.asarray(i * 1.0), jnp.asarray(j * 1.0))


def derivatives(layout, implementation, nodes, score, bias):
    def loss(moving):
        (query, key, value), score, slope = moving
        pole = Pole(slope, bias.receiver, bias.sender)
        output = tgnn.attend(layout, query, key, value, score=score, bias=pole, implementation=implementation)
        return (output * jnp.cos(jnp.arange(output.size * 1.0)).reshape(output.shape)).sum()

    return jax.jit(jax.grad(loss))((nodes, score, bias.slope))


QUICK = "edges padded", "causal segments"


DEFINED = "neighbors", "neighbors padded", "buckets"  # whose only path is the definition
CASES = [pytest.param("definition", x, marks=[] if x in QUICK else pytest.mark.slow) for x in LAYOUTS]
CASES += [pytest.param("fused", x, marks=pytest.mark.slow) for x in LAYOUTS if x not in DEFINED]


@pytest.mark.parametrize(("implementation", "name"), CASES)
def test_pairs_that_are_no_edge_may_be_singular(name, implementation):
    layout = LAYOUTS[name]
    nodes, score, bias = case(layout)
    taken = [execution for execution, no in walk(call_of(layout, *nodes, score=score, bias=bias)) if no is None]
    assert bool(taken) == (name not in DEFINED)
    senders, receivers = layout.pairs()
    edges = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=layout.n_receivers, n_senders=layout.n_senders)
    assert edges.live.all()  # so nothing can go wrong here
    expected = jax.tree.leaves(derivatives(edges, "definition", nodes, score, bias))
    assert all(np.isfinite(x).all() and (x != 0).any() for x in expected)
    found = jax.tree.leaves(derivatives(layout, implementation, nodes, score, bias))
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5)


@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_without_any_edge_all_gradients_are_zero(implementation):
    layouts = tgnn.EdgeList(jnp.array([-1, 7]), jnp.array([0, -1]), 3, 3), tgnn.Complete(3).with_segments([-1, -1, -1])
    for layout in layouts:
        nodes, score, bias = case(layout)
        bias = Pole(bias.slope, jnp.zeros(()), jnp.zeros(()))
        zeros = tuple(x * 0 for x in nodes)
        for leaf in jax.tree.leaves(derivatives(layout, implementation, zeros, score, bias)):
            np.testing.assert_array_equal(leaf, np.zeros(leaf.shape))
