"""Mixed precision: weights and their moments in float32, the network in half the bytes."""

from typing import Any

import jax
import jax.numpy as jnp

from tgnn.train.step import LossFn
from tgnn.typing import Array, DTypeLike, Params


def cast(tree: Any, dtype: DTypeLike) -> Any:
    """Real numbers of a pytree in another dtype; integers, masks and keys as they are."""
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def computed_in(dtype: DTypeLike, loss_fn: LossFn, *, remat: bool = False) -> LossFn:
    """A loss for `make_step` that runs in another dtype; weights, gradients and the optimizer keep theirs.

    `attend` and the losses of this library sum in float32 whatever they are given. bfloat16 has the range of float32,
    so nothing is scaled; float16 may overflow, which the guard of `make_step` then skips.

    Args:
      dtype: of the network, such as `jnp.bfloat16`.
      loss_fn: `(params, batch, rng) -> (loss, metrics)`.
      remat: whether the backward pass computes everything again instead of keeping it: the least memory, a third more
        time. `jax.checkpoint` around each block of a network saves nearly as much where there are many.

    Reference: Micikevicius et al., Mixed Precision Training, arXiv:1710.03740.
    """
    run = jax.checkpoint(loss_fn) if remat else loss_fn

    def loss(params: Params, batch: Any, rng: Array):
        value, metrics = run(cast(params, dtype), cast(batch, dtype), rng)
        return value.astype(jnp.float32), metrics

    return loss
