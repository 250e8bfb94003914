"""GIN: a perceptron on the sum of a node and its neighbours, which tells multisets of neighbours apart."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from tgnn.attention.aggregation import aggregate
from tgnn.errors import check_size
from tgnn.models.cards import Choice
from tgnn.models.layers import Nodes, check_dims, ends, run_layers, single_dim
from tgnn.nn.basic import init_mlp, linear, mlp
from tgnn.typing import Array, Graph, Params


def init_gin(rng: Array, dims: Sequence[int], *, hidden_dim: int | None = None) -> list[Params]:
    """Initialises layers `{"mlp", "epsilon"}` between the successive sizes of `dims`; epsilon is learned, from 0.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer.
        hidden_dim: hidden units of each layer's perceptron; default the outputs of the first layer.
    """
    sizes = [(single_dim(in_dim, "GIN"), out_dim) for in_dim, out_dim in check_dims(dims)]
    hidden_dim = dims[1] if hidden_dim is None else check_size("hidden_dim", hidden_dim, minimum=1)
    return [
        {"mlp": init_mlp(r, (in_dim, hidden_dim, out_dim)), "epsilon": jnp.zeros(())}
        for r, (in_dim, out_dim) in zip(jax.random.split(rng, len(sizes)), sizes, strict=True)
    ]


def gin(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Applies `mlp((1 + epsilon) x_i + sum_j x_j)` in each layer.

    Args:
        params: what `init_gin` made.
        graph: edges between the nodes, without self-loops.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)` of one size, for one layer.
        activation: inside the perceptrons and between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        `[n, dims[-1]]`.

    Raises:
        ValueError: x are not the nodes of the graph, or there is a rate above 0 without a key.

    Reference: Xu et al., How Powerful are Graph Neural Networks?, arXiv:1810.00826, eq. 4.1.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_gin(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.gin(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """

    def layer(params, layout, x, rng, edges):
        first, *rest = params["mlp"]
        # The perceptron's first map is linear, so it may come before the sum: fewer features per edge.
        senders, receivers = (linear({"kernel": first["kernel"]}, part) for part in ends(x))
        scale, bias = 1.0 + params["epsilon"].astype(senders.dtype), first["bias"].astype(senders.dtype)
        hidden = scale * receivers + aggregate(layout, senders) + bias[None]
        return mlp(rest, activation(hidden), activation=activation)

    return run_layers(layer, params, graph, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


CHOICES = (Choice("GIN", "neighbours", "1", "`aggregate`: sum", "arXiv:1810.00826"),)
