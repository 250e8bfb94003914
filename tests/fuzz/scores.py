"""Scores that a user would write: one that is an inner product of mapped nodes, and one that is not."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

import tgnn
from tgnn.attention.scores import Score


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Shortened(tgnn.InnerProduct):
    """Vectors that are never longer than one."""

    def receiver(self, query):
        return query / jnp.sqrt((query * query).sum(-1, keepdims=True) + 1.0)

    sender = receiver


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bounded(Score):
    """A sum of bounded products, weighed inside: no inner product."""

    weight: jax.Array

    def pair(self, receiver, sender, edge=None):
        weight = self.weight.reshape((1,) * (receiver.ndim - 2) + self.weight.shape)
        return jnp.tanh(weight * receiver * sender).sum(-1)


def score_of(name, parameters):
    """The library's score, or one of these."""
    make = {
        "dot": lambda: tgnn.dot_product,
        "cosine": Shortened,
        "additive": lambda: tgnn.Additive(*parameters),
        "additive v2": lambda: tgnn.AdditiveV2(parameters[0]),
        "gaussian": lambda: tgnn.Gaussian(*parameters),
        "own": lambda: Bounded(parameters[0]),
    }
    return make[name]()
