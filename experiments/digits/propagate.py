"""Steps of averaging over neighbours: what label spreading and APPNP have in common, on `layout.aggregate`."""

import jax

from tgnn.attention.aggregation import symmetric_weights
from tgnn.graphs import EdgeList
from tgnn.nn.basic import dropout, fold, mlp
from tgnn.typing import Array, Params


def propagate(layout: EdgeList, x: Array, *, restart: float, num_steps: int) -> Array:
    """Personalised PageRank from each row of `x`: `z = (1 - restart) A z + restart x`, so often, from `z = x`.

    Args:
        layout: edges in both directions; `A` has the weights `1 / sqrt(degree_i degree_j)`.
        x: `[n, dim]`.
        restart: share of `x` in each step.
        num_steps: how many.

    Reference: Zhou et al., Learning with Local and Global Consistency, NIPS 2003 (labels as `x`); Gasteiger,
        Bojchevski and Günnemann, Predict then Propagate, arXiv:1810.05997, equation 4 (predictions as `x`).
    """
    weights = symmetric_weights(layout)

    def step(_, z: Array) -> Array:
        return (1 - restart) * layout.aggregate(weights, z[:, None])[:, 0] + restart * x  # one head: [n, 1, dim]

    return jax.lax.fori_loop(0, num_steps, step, x)


def appnp(
    params: list[Params],
    layout: EdgeList,
    x: Array,
    *,
    restart: float,
    num_steps: int,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """APPNP: a perceptron of each node alone, `init_mlp`'s, whose predictions are propagated."""
    predictions = mlp(params, dropout(fold(rng, 0), x, dropout_rate) if dropout_rate else x)
    return propagate(layout, predictions, restart=restart, num_steps=num_steps)
