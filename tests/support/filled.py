"""Parameters filled by NumPy: nothing is compiled, and no bias or scale stands at its special initial value."""

import jax
import jax.numpy as jnp
import numpy as np


def filled(init, *args, **options):
    """What `init(rng, *args, **options)` would give, with random numbers: scales about one, the others about zero."""
    shapes = jax.eval_shape(lambda rng: init(rng, *args, **options), jax.random.key(0))
    generator = np.random.default_rng(0)

    def fill(path, leaf):
        return jnp.asarray(generator.normal(getattr(path[-1], "key", None) == "scale", 0.3, leaf.shape), leaf.dtype)

    with jax.ensure_compile_time_eval():  # values even where the first who asks is being traced: callers keep them
        return jax.tree_util.tree_map_with_path(fill, shapes)
