"""R-GCN: a linear map of its own for each relation, the mean in each, and their sum."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import jax

from tgnn.attention.aggregation import row_weights
from tgnn.errors import check_size
from tgnn.graphs.relations import Relation, Relations
from tgnn.models.cards import Choice
from tgnn.models.layers import check_dims
from tgnn.models.relational.kinds import (
    Kinds,
    check_relations,
    one_size,
    own_weights,
    run_kinds,
    sizes_of_kinds,
    weight_name,
)
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_rgcn(
    rng: Array, dims: Sequence[int], relations: Iterable[Relation], *, num_bases: int | None = None
) -> list[Params]:
    """Initialises layers `{"self", "relations"}` between the sizes of `dims`, and `"basis"` with `num_bases`.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer; the first may be a size for each kind, `{kind: size}`.
        relations: triples (sender kind, name, receiver kind), or a graph of them.
        num_bases: of how many maps those of the relations are mixtures; None: each has a map of its own.
    """
    relations = check_relations(relations)
    first = dims[0] if len(dims) and isinstance(dims[0], Mapping) else None
    sizes = check_dims((0, *dims[1:]) if first else dims)
    kinds = sizes_of_kinds(first or dims[0], relations)
    if num_bases is not None:
        num_bases = check_size("num_bases", num_bases, 1)
    layers = []
    for r, (in_dim, out_dim) in zip(jax.random.split(rng, len(sizes)), sizes, strict=True):
        inputs = first if first and not layers else in_dim
        own = {kind: inputs[kind] if isinstance(inputs, Mapping) else inputs for kind in kinds}
        layers.append(_init_layer(r, own, out_dim, relations, num_bases))
    return layers


def _init_layer(rng: Array, kinds: dict[str, int], out_dim: int, relations: list[Relation], num_bases: int | None):
    self_rngs = jax.random.split(jax.random.fold_in(rng, 0), len(kinds))
    rngs = jax.random.split(jax.random.fold_in(rng, 1), len(relations))
    own = {kind: init_linear(r, n, out_dim) for r, (kind, n) in zip(self_rngs, kinds.items(), strict=True)}
    if num_bases is None:
        maps = {
            weight_name(relation): init_linear(r, kinds[relation[0]], out_dim, use_bias=False)
            for r, relation in zip(rngs, relations, strict=True)
        }
        return {"self": own, "relations": maps}
    in_dim = one_size(kinds, "relations that are mixtures of the same maps need senders of one size")
    init = jax.nn.initializers.glorot_uniform(in_axis=-2, out_axis=-1, batch_axis=0)
    mixtures = jax.nn.initializers.glorot_uniform()(jax.random.fold_in(rng, 3), (len(relations), num_bases))
    return {
        "self": own,
        "relations": {weight_name(relation): {"mixture": mixtures[i]} for i, relation in enumerate(relations)},
        "basis": init(jax.random.fold_in(rng, 2), (num_bases, in_dim, out_dim)),
    }


def rgcn(
    params: list[Params],
    graph: Relations | Mapping[Relation, Graph],
    x: Kinds,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> dict[str, Array]:
    """Adds a linear map of each node and, of each relation, the mean of linear maps of its senders.

    Args:
        params: what `init_rgcn` made.
        graph: `Relations.from_layouts(...)`, made once, or a mapping `{(sender kind, name, receiver kind): layout}`.
            Relations that params know may be missing. The paper adds the inverse of each relation as another one.
        x: of each kind `[n, dims[0]]`.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.

    Returns:
        Of each kind `[n, dims[-1]]`. A node without in-edges gets its own part only.

    Raises:
        ValueError: a relation that params do not know, x that are not the nodes, or a rate above 0 without a key.

    Cost: a row for each relation and sender; with bases a row for each base and node, and a number for each edge.

    Reference: Schlichtkrull et al., Modeling Relational Data with Graph Convolutional Networks, arXiv:1703.06103, eqs.
        2 and 3, with c the number of in-edges in the relation. Each kind of nodes has a map `"self"` of its own; in the
        paper there is one kind.

    >>> import jax, tgnn
    >>> cites = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> writes = tgnn.EdgeList.from_edges([0, 0], [0, 1], n_receivers=3, n_senders=1)
    >>> graph = {("paper", "cites", "paper"): cites, ("author", "writes", "paper"): writes}
    >>> params = tgnn.models.init_rgcn(jax.random.key(0), (4, 2), graph)
    >>> x = {"paper": jax.numpy.ones((3, 4)), "author": jax.numpy.ones((1, 4))}
    >>> tgnn.models.rgcn(params, graph, x)["paper"].shape
    (3, 2)
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng}
    return run_kinds(rgcn_layer, params, graph, x, **options)


def rgcn_layer(params: Params, graph: Relations, x: Kinds, rng: Array | None = None) -> dict[str, Array]:
    """One layer; rng is not used, since there are no attention weights to drop."""
    weights, maps = row_weights(graph.within), params["relations"]  # [n_edge, 1]
    if "basis" in params:  # a head for each base, whose weight of an edge is the relation's share of it
        mixtures = jax.numpy.stack([maps[weight_name(relation)]["mixture"] for relation in graph.relations])
        value = jax.numpy.einsum("ni,bio->nbo", graph.join(x), params["basis"].astype(graph.join(x).dtype))
        heard = graph.union.aggregate(weights * mixtures[graph.relation_index], value).sum(1)
    else:
        value = graph.each(lambda relation: linear(maps[weight_name(relation)], x[relation[0]]))
        heard = graph.across.aggregate(weights, value[:, None])[:, 0]
    heard = graph.split(heard)
    return {kind: linear(own_weights(params["self"], kind), x[kind]) + heard[kind].astype(x[kind].dtype) for kind in x}


CHOICES = (
    Choice(
        "R-GCN",
        "neighbours in several relations: `Relations`",
        "1, and a linear map for each relation",
        "`aggregate`: mean in each relation, then sum",
        "arXiv:1703.06103",
    ),
)
