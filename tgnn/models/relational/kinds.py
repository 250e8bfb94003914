"""What the models of several kinds of nodes and edges share: names of weights, sizes, and a loop over layers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs.relations import Relation, Relations, as_relations, check_triples
from tgnn.nn.basic import dropout, fold
from tgnn.typing import Array, Graph, Params

Kinds = Mapping[str, Array]  # of each kind of nodes [n, features]


def weight_name(relation: Relation) -> str:
    """The name of a relation's weights in the parameters, as in PyG."""
    return "__".join(relation)


def check_relations(relations: Iterable[Relation]) -> list[Relation]:
    """Triples sorted by name, each once, or a ValueError. A graph of relations gives its own when it is iterated."""
    relations = list(relations)
    check_triples(dict.fromkeys(relations))
    names = {weight_name(relation) for relation in relations}
    if len(names) != len(relations):
        raise ValueError(f"relations must have different names, got {relations}; give each triple once, without '__'")
    return sorted(relations)


def sizes_of_kinds(dim: int | Mapping[str, int], relations: list[Relation]) -> dict[str, int]:
    """Features of each kind of nodes, sorted by name; one size is that of all kinds."""
    kinds = {kind for sender, _, receiver in relations for kind in (sender, receiver)}
    if not isinstance(dim, Mapping):
        return {kind: check_size("dims", dim) for kind in sorted(kinds)}
    if kinds - set(dim):
        raise ValueError(f"dims has no size for {sorted(kinds - set(dim))}; give one for each kind of nodes")
    return {kind: check_size("dims", dim[kind]) for kind in sorted(dim)}


def one_size(dim: int | Mapping[str, int], why: str) -> int:
    """The one size of all kinds, or a ValueError for several."""
    sizes = set(dim.values()) if isinstance(dim, Mapping) else {dim}
    if len(sizes) != 1:
        raise ValueError(f"dims begin with {dim}, but {why}; map the features of all kinds to one size first")
    return check_size("dims", sizes.pop())


def run_kinds(
    layer: Callable[..., dict[str, Array]],
    params: list[Params],
    graph: Relations | Mapping[Relation, Graph],
    x: Kinds,
    *,
    activation: Callable[[Array], Array],
    dropout_rate: float,
    rng: Array | None,
) -> dict[str, Array]:
    """`layers.run_layers` for several kinds: features are dropped, and the activation stands between the layers.

    Args:
        layer: `(params, graph, x, rng) -> x`.
        params: of each layer, with `"relations"` by their names.
        graph: joined relations, or a mapping of layouts.
        x: features of each kind.
        activation: between the layers.
        dropout_rate: of each layer's input.
        rng: key of the dropout.
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    graph = as_relations(graph, x)
    if not params:
        raise ValueError("params have no layer; initialise them with at least two dims")
    known = params[0]["relations"]
    for relation in graph.relations:
        if weight_name(relation) not in known:
            raise ValueError(
                f"graph has the relation {relation}, but params are for {sorted(known)}; initialise them with all "
                "relations of the graph"
            )
    return _run(layer, params, graph, dict(x), activation, dropout_rate, rng)


@compiled
def _run(layer, params, graph, x, activation, dropout_rate, rng):
    for i, layer_params in enumerate(params):
        x = jax.tree.map(activation, x) if i else x
        drop = fold(rng, 2 * i)
        x = {kind: dropout(fold(drop, k), x[kind], dropout_rate) for k, kind in enumerate(graph.kinds)}
        x = layer(layer_params, graph, x, fold(rng, 2 * i + 1))
    return x


def own_weights(params: Mapping[str, Any], kind: str) -> Params:
    """The weights of a kind, or a ValueError for one that the parameters do not know."""
    if kind not in params:
        raise ValueError(
            f"x has the kind {kind!r}, but params are for {sorted(params)}; initialise them with the size of every kind"
        )
    return params[kind]
