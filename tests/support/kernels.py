"""Kernels with their features in NumPy's float64, and attention by them, pair by pair."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.support.layouts import COUNTS
from tgnn.attention.kernels import EluPlusOne, FeatureMap, RandomFeatures, ReluFeatures, Sigmoid

DIM, FEATURES = 5, 7
PROJECTION = np.random.default_rng(8).normal(size=(4, FEATURES, DIM))
# Layouts whose receivers see all senders of their segment up to one.
LINEAR = "complete", "complete segments", "causal", "causal offset", "causal segments", "prefix"


def relu_squared(x):
    return jax.nn.relu(x) ** 2


def random_features(x):
    x = x * DIM**-0.25
    return np.exp(np.einsum("nhd,fd->nhf", x, PROJECTION[0]) - (x**2).sum(-1, keepdims=True) / 2) / FEATURES**0.5


KERNELS = {
    "random features": (RandomFeatures(jnp.asarray(PROJECTION[0], jnp.float32)), random_features),
    "relu features": (
        ReluFeatures(jnp.asarray(PROJECTION, jnp.float32)),
        lambda x: np.maximum(np.einsum("nhd,hfd->nhf", x, PROJECTION), 0) + 1e-3,
    ),
    "elu": (EluPlusOne(), lambda x: np.where(x < 0, np.exp(x), x + 1)),
    "sigmoid": (Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
    "feature map": (FeatureMap(relu_squared), lambda x: np.maximum(x, 0) ** 2),
}


def oracle(name, phi, query, key, value):
    """Output and log-sum-exp, [n, heads, dim] and [n, heads], in float64."""
    query, key, value = (np.asarray(x, np.float64) for x in (query, key, value))
    key, value = (np.repeat(x, query.shape[1] // x.shape[1], axis=1) for x in (key, value))
    weights = np.einsum("nhf,mhf->nmh", phi(query), phi(key)) * COUNTS[name][..., None]
    total = weights.sum(1)
    output = np.einsum("nmh,mhd->nhd", weights, value) / np.where(total == 0, 1, total)[..., None]
    with np.errstate(divide="ignore"):
        return output, np.log(total)
