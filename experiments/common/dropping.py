"""Models with the dropout of their recipe in training and none in evaluation, which is a call without a key."""

from collections.abc import Callable

from jax import Array

from tgnn.nn import rate_when_training


def dropping(model: Callable[..., Array], dropout_rate: float) -> Callable[..., Array]:
    """`model(..., dropout_rate=, rng=)` as `apply(..., rng=None)`."""

    def apply(*args, rng: Array | None = None, **options) -> Array:
        return model(*args, dropout_rate=rate_when_training(rng, dropout_rate), rng=rng, **options)

    return apply
