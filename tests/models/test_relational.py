"""R-GCN, R-GAT and HGT equal loops over nodes, relations and edges in float64."""

from collections import Counter
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from tests.support.filled import filled
from tests.support.relational_graphs import DIM, GRAPH, LAYOUTS, SIZES, X, live_pairs
from tgnn import models

HEADS, OUT = 2, 4


def f64(tree):
    return jax.tree.map(lambda x: np.asarray(x, np.float64), tree)


def affine(params, x):
    return np.tensordot(x, params["kernel"], 1) + params.get("bias", 0)


def kernel_of(params, triple):
    found = params["relations"]["__".join(triple)]
    return found["kernel"] if "kernel" in found else np.tensordot(found["mixture"], params["basis"], 1)


def softmax(logits):
    weights = np.exp(logits - logits.max(0))
    return weights / weights.sum(0)


def in_edges():
    """Of each node (kind, number): the relation and the sender of every live edge."""
    found = {(kind, i): [] for kind, n in SIZES.items() for i in range(n)}
    for triple in LAYOUTS:
        for sender, receiver in live_pairs(triple):
            found[triple[2], receiver].append((triple, sender))
    return found


def loop_rgcn(params, x):
    output = {kind: affine(params["self"][kind], rows) for kind, rows in x.items()}
    for (kind, i), edges in in_edges().items():
        counts = Counter(triple for triple, _ in edges)
        for triple, sender in edges:
            output[kind][i] += x[triple[0]][sender] @ kernel_of(params, triple) / counts[triple]
    return output


def loop_rgat(params, x, within):
    output = {kind: np.zeros((n, HEADS, OUT)) for kind, n in SIZES.items()}
    for (kind, i), edges in in_edges().items():
        groups = [[e for e in edges if e[0] == triple] for triple in LAYOUTS] if within else [edges]
        for group in filter(None, groups):
            logits, values = [], []
            for triple, sender in group:
                mine, theirs = (
                    np.tensordot(rows, kernel_of(params, triple), 1) for rows in (x[kind][i], x[triple[0]][sender])
                )
                total = np.tensordot(mine, params["receiver"]["kernel"], 2) + np.tensordot(
                    theirs, params["sender"]["kernel"], 2
                )
                logits.append(np.where(total > 0, total, 0.2 * total))
                values.append(theirs)
            output[kind][i] += (softmax(np.array(logits))[..., None] * np.array(values)).sum(0)
    return {kind: (rows + params["bias"]).reshape(len(rows), -1) for kind, rows in output.items()}


def loop_hgt(params, x):
    heads, dim = HEADS, DIM // HEADS
    kinds, output = params["kinds"], {}
    made = {
        name: {kind: affine(kinds[kind][name], rows) for kind, rows in x.items()} for name in ("query", "key", "value")
    }
    heard = {kind: np.zeros((n, heads, dim)) for kind, n in SIZES.items()}
    for (kind, i), edges in in_edges().items():
        logits, values = [], []
        for triple, sender in edges:
            relation = params["relations"]["__".join(triple)]
            key = np.einsum("hd,hde->he", made["key"][triple[0]][sender], relation["key"])
            logits.append((made["query"][kind][i] * key).sum(-1) * relation["prior"] / np.sqrt(dim))
            values.append(np.einsum("hd,hde->he", made["value"][triple[0]][sender], relation["value"]))
        if edges:
            heard[kind][i] = (softmax(np.array(logits))[..., None] * np.array(values)).sum(0)
    for kind, rows in heard.items():
        rows = rows.reshape(len(rows), -1)
        new = affine(kinds[kind]["output"], rows * (1 + erf(rows / np.sqrt(2))) / 2)
        share = 1 / (1 + np.exp(-kinds[kind]["skip"]))
        output[kind] = share * new + (1 - share) * x[kind]
    return output


SIZES_OF = {
    "rgcn": (models.init_rgcn, {}),
    "rgcn bases": (models.init_rgcn, {"num_bases": 2}),
    "rgat": (models.init_rgat, {"num_heads": HEADS}),
    "rgat bases": (models.init_rgat, {"num_heads": HEADS, "num_bases": 3}),
    "hgt": (models.init_hgt, {"num_heads": HEADS}),
}


def layer_of(name, dims=(DIM, OUT)):
    """A hidden layer, whose heads are concatenated: the first of two."""
    init, options = SIZES_OF[name]
    dims = (DIM, DIM) if name == "hgt" else dims
    made = filled(init, (*dims, 3) if "rgat" in name else dims, tuple(LAYOUTS), **options)
    return made[:1]


LOOPS = [(name, False) for name in SIZES_OF] + [("rgat", True), ("rgat bases", True)]


@pytest.mark.parametrize(
    "name, within", [pytest.param(*x, marks=pytest.mark.slow if "bases" in x[0] or x[1] else ()) for x in LOOPS]
)
def test_models_equal_loops_over_nodes_relations_and_edges(name, within):
    params, base = layer_of(name), name.split()[0]
    loop = {"rgcn": loop_rgcn, "rgat": partial(loop_rgat, within=within), "hgt": loop_hgt}[base]
    options = {"within": within} if base == "rgat" else {}
    found = jax.jit(partial(getattr(models, base), **options))(params, GRAPH, jax.tree.map(jnp.asarray, X))
    chex.assert_trees_all_close(found, loop(f64(params)[0], f64(X)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rgcn", "rgat", "hgt"])
def test_a_mapping_a_joined_graph_and_tracing_agree(name):
    model, params, x = getattr(models, name.split()[0]), layer_of(name), jax.tree.map(jnp.asarray, X)

    def run(params, graph, x):
        output = model(params, graph, x)
        return sum((rows**2).sum() for rows in output.values()), output

    step = jax.jit(jax.grad(run, argnums=(0, 2), has_aux=True))
    expected = step(params, GRAPH, x)
    chex.assert_trees_all_close(step(params, LAYOUTS, x), expected, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(model(params, LAYOUTS, X), expected[1], rtol=1e-4, atol=1e-5)
    chex.assert_tree_all_finite(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rgcn bases", "rgat bases", "hgt"])
def test_a_batch_without_a_relation_is_one_without_its_edges(name):
    """Reviews have no edge: leaving them out changes nothing, and no gradient is NaN."""
    model, params = getattr(models, name.split()[0]), layer_of(name)
    less = {triple: layout for triple, layout in LAYOUTS.items() if triple[1] != "reviews"}
    chex.assert_trees_all_close(model(params, less, X), model(params, GRAPH, X), rtol=1e-5, atol=1e-6)


def test_kinds_may_have_sizes_of_their_own():
    x = {kind: rows[:, : 2 + i] for i, (kind, rows) in enumerate(X.items())}
    dims = {kind: rows.shape[1] for kind, rows in x.items()}
    for model, init, options in ((models.rgcn, models.init_rgcn, {}), (models.hgt, models.init_hgt, {"num_heads": 2})):
        params = filled(partial(init, dims=(dims, 4, 2), relations=tuple(LAYOUTS), **options))
        output = jax.eval_shape(model, params, GRAPH, x)
        assert {kind: rows.shape for kind, rows in output.items()} == {kind: (n, 2) for kind, n in SIZES.items()}


def test_names_and_sizes_that_do_not_fit_are_refused():
    rng, params = jax.random.key(0), layer_of("rgcn")
    unknown = LAYOUTS | {("venue", "hosts", "paper"): LAYOUTS["venue", "prints", "paper"]}
    with pytest.raises(ValueError, match=r"graph has the relation \('venue', 'hosts', 'paper'\), but params are for"):
        models.rgcn(params, unknown, X)
    with pytest.raises(ValueError, match="params have no layer"):
        models.rgcn([], LAYOUTS, X)
    with pytest.raises(ValueError, match="x has the kind 'visitor', but params are for"):
        models.rgcn(params, LAYOUTS, X | {"visitor": X["venue"]})
    with pytest.raises(ValueError, match="relations that are mixtures of the same maps need senders of one size"):
        models.init_rgcn(rng, ({"author": 1, "paper": 2, "venue": 2}, 3), LAYOUTS, num_bases=2)
    with pytest.raises(ValueError, match=r"dims has no size for \['paper', 'venue'\]"):
        models.init_hgt(rng, ({"author": 2}, 4), LAYOUTS, num_heads=2)
    with pytest.raises(ValueError, match="a relation has one linear map for both ends"):
        models.init_rgat(rng, ({"author": 2}, 4), LAYOUTS)
    with pytest.raises(ValueError, match="num_bases must be an integer of at least 1"):
        models.init_rgcn(rng, (3, 2), LAYOUTS, num_bases=0)
    with pytest.raises(ValueError, match="relations must have different names"):
        models.init_rgcn(rng, (3, 2), [("a", "b__c", "d"), ("a__b", "c", "d")])
    with pytest.raises(ValueError, match="num_heads must divide"):
        models.init_hgt(rng, (3, 5), LAYOUTS, num_heads=2)
