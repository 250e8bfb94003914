"""HGT: the heterogeneous graph Transformer, dot products between kinds of nodes through a matrix for each relation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.graphs.relations import Relation, Relations
from tgnn.models.cards import Choice
from tgnn.models.heads import concatenate_heads, split_heads
from tgnn.models.layers import check_dims
from tgnn.models.relational.kinds import Kinds, check_relations, own_weights, run_kinds, sizes_of_kinds, weight_name
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_hgt(rng: Array, dims: Sequence[int], relations: Iterable[Relation], *, num_heads: int) -> list[Params]:
    """Initialises layers `{"kinds", "relations"}` between the sizes of `dims`.

    Args:
        rng: a key.
        dims: input features, then the outputs of each layer, multiples of `num_heads`; the first may be a size for each
            kind, `{kind: size}`.
        relations: triples (sender kind, name, receiver kind), or a graph of them.
        num_heads: of every layer.
    """
    relations = check_relations(relations)
    kinds = sizes_of_kinds(dims[0] if len(dims) else 0, relations)
    sizes = check_dims((0, *dims[1:]))
    layers = []
    for r, (in_dim, out_dim) in zip(jax.random.split(rng, len(sizes)), sizes, strict=True):
        inputs = dict.fromkeys(kinds, in_dim) if layers else kinds
        layers.append(_init_layer(r, inputs, split_heads(out_dim, num_heads), relations))
    return layers


def _init_layer(rng: Array, kinds: dict[str, int], heads: tuple[int, int], relations: list[Relation]) -> Params:
    def init_kind(rng, in_dim):
        rngs = jax.random.split(rng, 4)
        maps = {name: init_linear(r, in_dim, heads) for name, r in zip(("query", "key", "value"), rngs, strict=False)}
        return maps | {"output": init_linear(rngs[3], heads[0] * heads[1], heads[0] * heads[1]), "skip": jnp.ones(())}

    def init_relation(rng):
        matrix = jax.nn.initializers.glorot_uniform(batch_axis=0)
        key, value = (matrix(r, (*heads, heads[1])) for r in jax.random.split(rng))  # [heads, head_dim, head_dim]
        return {"key": key, "value": value, "prior": jnp.ones(heads[0])}

    kind_rngs = jax.random.split(jax.random.fold_in(rng, 0), len(kinds))
    rngs = jax.random.split(jax.random.fold_in(rng, 1), len(relations))
    return {
        "kinds": {kind: init_kind(r, n) for r, (kind, n) in zip(kind_rngs, kinds.items(), strict=True)},
        "relations": {weight_name(relation): init_relation(r) for r, relation in zip(rngs, relations, strict=True)},
    }


def hgt(
    params: list[Params],
    graph: Relations | Mapping[Relation, Graph],
    x: Kinds,
    *,
    activation: Callable[[Array], Array] = lambda x: x,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> dict[str, Array]:
    """Attends to neighbours in all relations at once: one softmax over the union of a node's in-edges.

    Args:
        params: what `init_hgt` made.
        graph: `Relations.from_layouts(...)`, made once, or a mapping `{(sender kind, name, receiver kind): layout}`.
            Relations that params know may be missing.
        x: of each kind its `[n, features]`.
        activation: between the layers; the paper has none there, since GELU stands within.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        Of each kind `[n, dims[-1]]`. A node without in-edges keeps its share of itself, and gets the output's bias.

    Raises:
        ValueError: a relation or a kind that params do not know, x that are not the nodes, or a rate above 0 without a
            key.

    Reference: Hu et al., Heterogeneous Graph Transformer, arXiv:2003.01332, eqs. 2 to 5, without relative times. As in
        their code and PyG's HGTConv the residual is a learned share of both, where the sizes agree, and the matrices
        belong to triples. PyG drops kinds that no relation enters; we keep them.

    >>> import jax, tgnn
    >>> cites = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> writes = tgnn.EdgeList.from_edges([0, 0], [0, 1], n_receivers=3, n_senders=1)
    >>> graph = {("paper", "cites", "paper"): cites, ("author", "writes", "paper"): writes}
    >>> params = tgnn.models.init_hgt(jax.random.key(0), (4, 2), graph, num_heads=2)
    >>> x = {"paper": jax.numpy.ones((3, 4)), "author": jax.numpy.ones((1, 4))}
    >>> tgnn.models.hgt(params, graph, x)["paper"].shape
    (3, 2)
    """
    layer = partial(hgt_layer, dropout_rate=dropout_rate, implementation=implementation)
    return run_kinds(layer, params, graph, x, activation=activation, dropout_rate=dropout_rate, rng=rng)


def hgt_layer(
    params: Params,
    graph: Relations,
    x: Kinds,
    rng: Array | None = None,
    *,
    dropout_rate: float = 0.0,
    implementation: str | None = None,
) -> dict[str, Array]:
    """One layer: of each kind `[n, in_dim] -> [n, model_dim]`."""
    kinds = {kind: own_weights(params["kinds"], kind) for kind in graph.kinds}
    query, key, value = (
        {kind: linear(kinds[kind][name], x[kind]) for kind in kinds} for name in ("query", "key", "value")
    )

    def seen(rows, relation, matrix):
        return jnp.einsum("nhd,hde->nhe", rows[relation[0]], matrix.astype(rows[relation[0]].dtype))

    def key_of(relation):  # the prior multiplies the scores, and so may the keys
        found = params["relations"][weight_name(relation)]
        return seen(key, relation, found["key"] * found["prior"][:, None, None])

    def value_of(relation):
        return seen(value, relation, params["relations"][weight_name(relation)]["value"])

    options = {"dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    heard = attend(graph.across, graph.join(query), graph.each(key_of), graph.each(value_of), **options)
    heard = graph.split(concatenate_heads(heard))
    return {kind: _update(own, x[kind], heard[kind]) for kind, own in kinds.items()}


def _update(params: Params, x: Array, heard: Array) -> Array:
    new = linear(params["output"], jax.nn.gelu(heard, approximate=False))
    if new.shape != x.shape:
        return new
    share = jax.nn.sigmoid(params["skip"]).astype(x.dtype)
    return share * new + (1 - share) * x


CHOICES = (
    Choice(
        "HGT",
        "neighbours in several relations: `Relations`",
        "dot product through a matrix for each relation, times a prior",
        "one softmax over all relations",
        "arXiv:2003.01332",
    ),
)
