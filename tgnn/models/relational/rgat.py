"""R-GAT: additive attention to neighbours that are seen through another linear map in each relation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import Additive
from tgnn.errors import check_size
from tgnn.graphs.relations import Relation, Relations
from tgnn.models.cards import Choice
from tgnn.models.heads import add_bias, layer_sizes
from tgnn.models.relational.kinds import Kinds, check_relations, run_kinds, weight_name
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_rgat(
    rng: Array,
    dims: Sequence[int],
    relations: Iterable[Relation],
    *,
    num_heads: int = 8,
    num_output_heads: int = 1,
    num_bases: int | None = None,
) -> list[Params]:
    """Initialises one layer between each two successive sizes of `dims`; hidden sizes are those of one head.

    Args:
        rng: a key.
        dims: input features, the same for all kinds, features of a head of each hidden layer, outputs.
        relations: triples (sender kind, name, receiver kind), or a graph of them.
        num_heads: heads of the hidden layers, which are concatenated.
        num_output_heads: heads of the last layer, which are averaged.
        num_bases: of how many maps those of the relations are mixtures; None: each has a map of its own.

    Returns:
        A list of `{"relations", "receiver", "sender", "bias"}`, and `"basis"` with `num_bases`.
    """
    relations = check_relations(relations)
    if len(dims) and isinstance(dims[0], (Mapping, tuple, list)):
        raise ValueError(
            f"dims begin with {dims[0]}, but a relation has one linear map for both ends; map the features of all "
            "kinds to one size first"
        )
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    num_bases = None if num_bases is None else check_size("num_bases", num_bases, 1)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size, relations, num_bases) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng, in_dim, heads, head_dim, last, relations, num_bases) -> Params:
    rngs, number = jax.random.split(rng, 4), num_bases or len(relations)
    one = partial(init_linear, in_dim=in_dim, out_dim=(heads, head_dim), use_bias=False)
    kernels = jax.vmap(one)(jax.random.split(rngs[0], number))["kernel"]  # [number, in_dim, heads, head_dim]
    names = [weight_name(relation) for relation in relations]
    params = {
        "receiver": init_linear(rngs[1], (heads, head_dim), heads, use_bias=False),
        "sender": init_linear(rngs[2], (heads, head_dim), heads, use_bias=False),
        "bias": jnp.zeros(head_dim if last else (heads, head_dim)),
    }
    if num_bases is None:
        return params | {"relations": {name: {"kernel": kernels[i]} for i, name in enumerate(names)}}
    mixtures = jax.nn.initializers.glorot_uniform()(rngs[3], (len(names), num_bases))
    maps = {name: {"mixture": mixtures[i]} for i, name in enumerate(names)}
    return params | {"relations": maps, "basis": kernels}


def rgat(
    params: list[Params],
    graph: Relations | Mapping[Relation, Graph],
    x: Kinds,
    *,
    within: bool = False,
    activation: Callable[[Array], Array] = jax.nn.elu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> dict[str, Array]:
    """Attends to neighbours in all relations at once, or in each by itself, with additive scores.

    Args:
        params: what `init_rgat` made.
        graph: `Relations.from_layouts(...)`, made once, or a mapping `{(sender kind, name, receiver kind): layout}`.
            Relations that params know may be missing.
        x: of each kind `[n, dims[0]]`.
        within: whether each relation has a softmax of its own, whose outputs are added (the paper's WIRGAT); else one
            softmax runs over the in-edges of all relations (ARGAT).
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        Of each kind `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: a relation that params do not know, x that are not the nodes, or a rate above 0 without a key.

    Reference: Busbridge et al., Relational Graph Attention Networks, arXiv:1904.05811, eqs. 3 to 7, additive. As in
        PyG's RGATConv the maps to the scores are shared by the relations, and read all heads.

    >>> import jax, tgnn
    >>> cites = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> writes = tgnn.EdgeList.from_edges([0, 0], [0, 1], n_receivers=3, n_senders=1)
    >>> graph = {("paper", "cites", "paper"): cites, ("author", "writes", "paper"): writes}
    >>> params = tgnn.models.init_rgat(jax.random.key(0), (4, 2), graph, num_heads=2)
    >>> x = {"paper": jax.numpy.ones((3, 4)), "author": jax.numpy.ones((1, 4))}
    >>> tgnn.models.rgat(params, graph, x)["paper"].shape
    (3, 2)
    """
    layer = partial(rgat_layer, within=within, dropout_rate=dropout_rate, implementation=implementation)
    return run_kinds(layer, params, graph, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


def rgat_layer(
    params: Params,
    graph: Relations,
    x: Kinds,
    rng: Array | None = None,
    *,
    within: bool = False,
    dropout_rate: float = 0.0,
    implementation: str | None = None,
) -> dict[str, Array]:
    """One layer: of each kind `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one."""

    def kernel(relation):
        found = params["relations"][weight_name(relation)]
        return found["kernel"] if "kernel" in found else jnp.tensordot(found["mixture"], params["basis"], 1)

    # A receiver is seen through the map of each relation, too, so that its part of a score is one of the edge.
    to_score = {relation: linear(params["receiver"], kernel(relation), in_axes=2) for relation in graph.relations}
    value = graph.each(lambda relation: linear({"kernel": kernel(relation)}, x[relation[0]]))  # [senders, heads, dim]
    asked = graph.each(lambda relation: linear({"kernel": to_score[relation]}, x[relation[2]]))[..., None]
    key = linear(params["sender"], value, in_axes=2)[..., None]  # [senders, heads, 1]
    one = jnp.ones(key.shape[1:], key.dtype)
    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation, "score": Additive(one, one)}
    if within:
        heard = attend(graph.within, asked, key, value, **options)  # [receivers of each relation, heads, dim]
        heard = graph.sum_relations(heard)
    else:
        edges = graph.within.from_receivers(asked)[..., 0]  # [n_edge, heads]
        query = jnp.zeros((graph.union.n_receivers, *asked.shape[1:]), asked.dtype)
        heard = graph.split(attend(graph.across, query, key, value, edges=edges, **options))
    return {kind: add_bias(params["bias"], rows) for kind, rows in heard.items()}


CHOICES = (
    Choice(
        "R-GAT",
        "neighbours in several relations: `Relations`",
        "`Additive`, after a linear map for each relation",
        "one softmax over all relations, or one in each",
        "arXiv:1904.05811",
    ),
)
