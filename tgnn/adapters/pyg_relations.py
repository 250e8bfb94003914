"""Weights of PyTorch Geometric's layers of several relations as parameters of the models here.

RGCNConv and RGATConv number their relations, HGTConv names its by triples; either way `relations` tells their order.
RGCNConv has one root weight, which every kind of nodes gets here. RGATConv's `w, l1, b1, l2, b2` serve options that are
not here. HGTConv keeps queries, keys and values of a kind in one matrix, and matrices of heads and relations in one
list, heads first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.adapters.pyg import splits
from tgnn.adapters.relations import to_numpy
from tgnn.graphs.relations import Relation, check_distinct
from tgnn.models.relational.kinds import weight_name
from tgnn.typing import Params

UNUSED = {"w", "l1", "b1", "l2", "b2"}  # of RGATConv's `mod`


def from_pyg_relations(
    model: str, layers: Sequence[Mapping[str, Any]], like: Sequence[Params], relations: Sequence[Relation]
) -> list[Params]:
    """Parameters of `rgcn`, `rgat` or `hgt` from the weights of as many of PyG's layers.

    Args:
        model: "rgcn" (RGCNConv, whole or in bases), "rgat" (RGATConv, additive) or "hgt" (HGTConv).
        layers: `conv.state_dict()` of each layer, or any arrays under those names.
        like: what the model's init gives for the same sizes and heads; its numbers do not matter.
        relations: the triples in PyG's order: of the numbers in `edge_type`, or of `metadata[1]`.

    Returns:
        Parameters shaped like `like`.

    Raises:
        ValueError: for another model, number of layers, relations or heads, or a weight that is missing or of another
            shape.
    """
    if model not in READERS:
        raise ValueError(f"model must be one of {', '.join(READERS)}, got {model!r}")
    if len(layers) != len(like):
        raise ValueError(f"layers has {len(layers)} layers, but like has {len(like)}; initialise it with those sizes")
    return [
        _convert(f"layers[{i}]", READERS[model], *pair, relations)
        for i, pair in enumerate(zip(layers, like, strict=True))
    ]


def _convert(where: str, read: Callable, weights: Mapping[str, Any], like: Params, relations) -> Params:
    names = [weight_name(relation) for relation in relations]
    check_distinct("relations", names)
    if set(names) != set(like["relations"]):
        raise ValueError(f"relations are {sorted(names)}, but like is for {sorted(like['relations'])}; give the same")
    weights = {name: to_numpy(x) for name, x in weights.items() if name not in UNUSED}
    try:
        found = read(weights, like, names)
    except KeyError as error:
        raise ValueError(
            f"{where} lacks {error.args[0]!r}; use a layer of theirs with the same parts (bases, bias, kinds) as ours"
        ) from None
    same = jax.tree.structure(found) == jax.tree.structure(like)
    if not same or not all(jax.tree.leaves(jax.tree.map(lambda x, leaf: splits(x.shape, leaf.shape), found, like))):
        raise ValueError(f"{where} has other parts or shapes than like; initialise like with their sizes")
    return jax.tree.map(lambda x, leaf: jnp.asarray(x, leaf.dtype).reshape(leaf.shape), found, like)


def _parts(weights, name: str, n: int) -> np.ndarray:
    """A weight of theirs that has so many parts along its first axis, or a ValueError."""
    if len(weights[name]) != n:
        raise ValueError(
            f"{name} has {len(weights[name])} parts, expected {n}; give as many relations and heads as theirs"
        )
    return weights[name]


def _maps(weights, mixtures: str, bases: str, names) -> Params:
    """A whole map for each relation, or its mixture of bases."""
    own, theirs = ("mixture", mixtures) if mixtures in weights else ("kernel", "weight")
    maps = {name: {own: x} for name, x in zip(names, _parts(weights, theirs, len(names)), strict=True)}
    if own == "kernel":
        return {"relations": maps}
    return {"relations": maps, "basis": weights[bases]}


def _rgcn(weights, like, names) -> Params:
    root = {"kernel": weights["root"], "bias": weights["bias"]}
    return {"self": {kind: dict(root) for kind in like["self"]}} | _maps(weights, "comp", "weight", names)


def _rgat(weights, like, names) -> Params:
    ends = {"receiver": {"kernel": weights["q"]}, "sender": {"kernel": weights["k"]}, "bias": weights["bias"]}
    return ends | _maps(weights, "att", "basis", names)


def _hgt(weights, like, names) -> Params:
    heads = like["relations"][names[0]]["prior"].shape[0]

    def linears(theirs: str, ours: Sequence[str]) -> Params:
        """Maps that stand below each other in one matrix, `[len(ours) * out, in]`."""
        parts = (np.array_split(weights[f"{theirs}.{part}"], len(ours)) for part in ("weight", "bias"))
        return {name: {"kernel": w.T, "bias": b} for name, w, b in zip(ours, *parts, strict=True)}

    def kind_of(kind: str) -> Params:
        maps = linears(f"kqv_lin.lins.{kind}", ("key", "query", "value")) | linears(f"out_lin.lins.{kind}", ("output",))
        return maps | {"skip": weights[f"skip.{kind}"]}

    def relation_of(i: int) -> Params:
        key, value = (_parts(weights, name, heads * len(names))[i :: len(names)] for name in MATRICES)
        return {"key": key, "value": value, "prior": weights[f"p_rel.{names[i]}"]}

    return {
        "kinds": {kind: kind_of(kind) for kind in like["kinds"]},
        "relations": {name: relation_of(i) for i, name in enumerate(names)},
    }


MATRICES = "k_rel.weight", "v_rel.weight"
READERS: dict[str, Callable[..., Params]] = {"rgcn": _rgcn, "rgat": _rgat, "hgt": _hgt}
