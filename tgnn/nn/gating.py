"""A gate in place of a residual sum."""

import jax
import jax.numpy as jnp

from tgnn.errors import check_size
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_gru_gate(rng: Array, dim: int, *, bias: float = 2.0) -> Params:
    """Initialises `{"new", "old", "bias"}`: three linear maps each of what a part adds and of what it was added to.

    Args:
        rng: a key.
        dim: features of a row.
        bias: how much the gate prefers the old row; above 0, a stack begins near the identity.
    """
    check_size("dim", dim, minimum=1)
    rngs = iter(jax.random.split(rng, 6))
    maps = {
        side: {name: init_linear(next(rngs), dim, dim, use_bias=False) for name in ("reset", "update", "candidate")}
        for side in ("new", "old")
    }
    return maps | {"bias": jnp.full(dim, float(bias))}


def gru_gate(params: Params, old: Array, new: Array) -> Array:
    """Lets each feature of a row keep its old value or take one made of both, as a recurrent unit does with its state.

    reset = sigmoid(W_r new + U_r old), update = sigmoid(W_z new + U_z old - bias),
    candidate = tanh(W_g new + U_g (reset * old)), output = (1 - update) * old + update * candidate.

    Args:
        params: what `init_gru_gate` made.
        old: `[..., dim]`, what a residual sum would add to.
        new: `[..., dim]`, what it would add.

    Returns:
        `[..., dim]`. Six products with dim² weights: the two gates of a block of the usual sizes double its cost.

    >>> params = init_gru_gate(jax.random.key(0), 2, bias=1e3)  # which keeps the old row
    >>> gru_gate(params, jnp.array([3.0, 4.0]), jnp.array([5.0, 6.0])).tolist()
    [3.0, 4.0]

    Reference: Parisotto et al., Stabilizing Transformers for Reinforcement Learning, arXiv:1910.06764, section 3.2,
        "Gated-Recurrent-Unit-type gating"; the bias is learnt here.
    """
    from_new, from_old = params["new"], params["old"]
    bias = jnp.broadcast_to(params["bias"].astype(old.dtype), old.shape)
    reset = jax.nn.sigmoid(linear(from_new["reset"], new) + linear(from_old["reset"], old))
    update = jax.nn.sigmoid(linear(from_new["update"], new) + linear(from_old["update"], old) - bias)
    candidate = jnp.tanh(linear(from_new["candidate"], new) + linear(from_old["candidate"], reset * old))
    return (1 - update) * old + update * candidate
