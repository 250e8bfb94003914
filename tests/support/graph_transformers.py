"""Each Graph Transformer: its parameters, its run on a batch, and its dense form."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tests.support.dense_layers import affine, dense_attention, dense_update, masked_softmax, perceptron, standardise
from tests.support.filled import filled
from tests.support.graph_batches import DIM, HEADS, LAYERS, SIZES, SLOTS, N, dense, extended, places
from tgnn import models


def dense_graph_transformer(params, batch):
    mask, edges = dense(batch.layout, batch.edges)

    def layer(carry, p):
        x, edges = carry
        query, key, value = (affine(p[name], x) for name in ("query", "key", "value"))
        terms = query[:, None] * key[None] * affine(p["edge"], edges) / np.sqrt(DIM // HEADS)
        weights = masked_softmax(terms.sum(-1), mask)
        x = dense_update(p["nodes"], x, jnp.einsum("nmh,mhd->nhd", weights, value))
        return (x, dense_update(p["edges"], edges, terms)), None

    return jax.lax.scan(layer, (batch.x, edges), params)[0][0]


def run_graph_transformer(params, batch, **options):
    return models.graph_transformer(params, batch.layout, batch.x, edges=batch.edges, **options)


def measure(batch):
    """Three virtual nodes, whatever the number of graphs, so that shapes agree."""
    options = {"max_distance": 3, "path_length": 2}
    return batch._replace(
        more=models.surroundings(batch.layout, segments=batch.segments, num_graphs=3, **options), layout=None
    )


def run_graphormer(params, batch, **options):
    return models.graphormer(params, batch.more, batch.x, edges=batch.edges, **options)[0]


def permute_surroundings(around, order, shuffle):
    """Of several shortest paths the one of the first order: a choice that no permutation can respect."""
    order, place = extended(order, N + 3), np.argsort(extended(shuffle, SLOTS))
    distances, paths = (x[order][:, order] for x in (around.distances, around.paths))
    return models.Surroundings(
        around.degrees[order[:N]], around.segments, distances, np.where(paths >= 0, place[paths], -1)
    )


def dense_graphormer(params, batch):
    around, edges = jax.tree.map(np.asarray, batch.more), jnp.asarray(batch.edges)
    x = batch.x
    for place, name in enumerate(("in_degree", "out_degree")):
        x = x + params[name]["table"][np.minimum(around.degrees[:, place], 4)]
    x = jnp.concatenate([x, jnp.broadcast_to(params["virtual"], (3, DIM))])
    segments = around.segments
    mask = jnp.asarray((segments[:, None] == segments[None]) & (segments[:, None] >= 0))
    counts = np.maximum((around.paths >= 0).sum(-1), 1)
    path = sum(
        jnp.einsum("nme,eh->nmh", jnp.where((around.paths[..., p] >= 0)[..., None], edges[around.paths[..., p]], 0), w)
        for p, w in enumerate(params["path"])
    )
    bias = params["distance"][around.distances] + path / counts[..., None]

    def layer(x, p):
        x = x + dense_attention(p["attention"], standardise(p["attention"]["norm_before"], x), mask, bias)
        return x + perceptron(p["mlp"], standardise(p["mlp"]["norm_before"], x), exact_gelu), None

    x, _ = jax.lax.scan(layer, x, params["encoder"]["blocks"])
    return standardise(params["encoder"]["norm"], x)[:N]


def run_gps(params, batch, **options):
    everywhere = tgnn.Complete(N).with_segments(batch.segments)
    return models.gps(params, batch.layout, batch.x, edges=batch.edges, attention_layout=everywhere, **options)


def dense_gps(params, batch):
    mask, edges = dense(batch.layout, batch.edges)
    same = jnp.asarray((batch.segments[:, None] == batch.segments[None]) & (batch.segments[:, None] >= 0))

    def layer(carry, p):
        x, edges = carry
        if "gine" in p:
            total = jnp.where(mask[..., None], jax.nn.relu(x[None] + edges), 0).sum(1)
            first, second = p["gine"]["mlp"]
            local = affine(second, jax.nn.relu(affine(first, (1 + p["gine"]["epsilon"]) * x + total)))
        else:
            g = p["gated"]
            gates = affine(g["receiver"], x)[:, None] + affine(g["sender"], x)[None] + affine(g["edge"], edges)
            messages = jnp.where(mask[..., None], jax.nn.sigmoid(gates) * affine(g["value"], x)[None], 0)
            local = affine(g["self"], x) + messages.sum(1)
            edges = standardise(p["edge_norm"], edges + jax.nn.relu(gates))
        everywhere = standardise(p["attention_norm"], x + dense_attention(p["attention"], x, same))
        x = standardise(p["local_norm"], x + local) + everywhere
        return (standardise(p["mlp_norm"], x + perceptron(p["mlp"], x)), edges), None

    return jax.lax.scan(layer, (batch.x, edges), params)[0][0]


def graphs_of(batch):
    """Three graphs on the nodes: the given edges, the same backwards, and each graph's complete one."""
    backwards = tgnn.EdgeList(batch.layout.receivers, batch.layout.senders, N, N, batch.layout.mask)
    return [batch.layout, backwards, tgnn.Complete(N).with_segments(batch.segments)]


def stack_graphs(batch):
    mask, _ = places(batch.layout)
    same = (batch.segments[:, None] == batch.segments[None]) & (batch.segments[:, None] >= 0)
    return batch._replace(more=tgnn.Dense(np.stack([mask, mask.T, same])))


def run_multi_graph(params, batch, **options):
    """The nodes see their edges' features through a sum, since this model knows of nodes only."""
    x = batch.x + tgnn.aggregate(batch.layout, jnp.zeros_like(batch.x), edges=batch.edges)
    return models.multi_graph_transformer(params, batch.more, x, **options)


def dense_multi_graph(params, batch):
    masks, edges = jnp.asarray(batch.more.mask), dense(batch.layout, batch.edges)[1]

    def layer(x, p):
        heard = jnp.stack(
            [dense_attention(jax.tree.map(lambda leaf, i=i: leaf[i], p["graphs"]), x, masks[i]) for i in range(3)]
        )
        mixed = jnp.einsum("gnd,gde->ne", x[None] + heard, p["mix"]["kernel"]) + p["mix"]["bias"][None]
        x = standardise(p["norm"], jax.nn.relu(mixed))
        return standardise(p["mlp_norm"], x + jax.nn.relu(affine(p["mlp"], x))), None

    return jax.lax.scan(layer, batch.x + edges.sum(1), params)[0]


def join(batch):
    """Two virtual nodes for each of three graphs, whatever the number of graphs, so that shapes agree."""
    options = {"num_graphs": 3, "num_virtual": 2, "degree": 2, "pad_to": 139}
    return batch._replace(more=models.interactions(batch.layout, segments=batch.segments, **options), layout=None)


def run_exphormer(params, batch, **options):
    return models.exphormer(params, batch.more, batch.x, edges=batch.edges, **options)


def dense_exphormer(params, batch):
    """Each kind of edge is a matrix of its own; the softmax runs over all four."""
    layout, kinds = batch.more.layout, np.asarray(batch.more.kinds)
    features = params["kinds"]["table"][kinds] + jnp.pad(batch.edges, ((0, len(kinds) - SLOTS), (0, 0)))
    parts = []
    for kind in range(4):
        live = np.asarray(layout.mask) & (kinds == kind)
        parts.append(dense(tgnn.EdgeList(layout.senders, layout.receivers, N + 6, N + 6, live), features))
    mask, edges = jnp.concatenate([m for m, _ in parts], axis=1), jnp.concatenate([e for _, e in parts], axis=1)

    def layer(x, p):
        query, key, value = (affine(p[name], x) for name in ("query", "key", "value"))
        key, value = jnp.tile(key, (4, 1, 1)), jnp.tile(value, (4, 1, 1))
        logits = (query[:, None] * key[None] * affine(p["edge"], edges)).sum(-1) / np.sqrt(DIM // HEADS)
        return dense_update(p["nodes"], x, jnp.einsum("nmh,mhd->nhd", masked_softmax(logits, mask), value)), None

    x = jnp.concatenate([batch.x, jnp.tile(params["virtual"], (3, 1))])
    return jax.lax.scan(layer, x, params["layers"])[0][:N]


def permute_interactions(graph, order, shuffle):
    """The random edges move with the nodes: new ones would be others."""
    layout, place = graph.layout, np.argsort(extended(order, N + 6))
    live = np.asarray(layout.mask)
    senders, receivers = (
        np.where(live, place[np.where(live, ends, 0)], ends)[extended(shuffle, layout.n_edge)]
        for ends in (layout.senders, layout.receivers)
    )
    kinds = graph.kinds[extended(shuffle, layout.n_edge)]
    joined = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N + 6, mask=kinds >= 0)
    return models.Interactions(joined, kinds)


def exact_gelu(x):
    return x * jax.scipy.stats.norm.cdf(x)


class Case(NamedTuple):
    """A model: its parameters, its run on a batch, and its dense form."""

    params: Any
    run: Any
    dense: Any
    prepare: Any = lambda batch: batch
    permute: Any = None  # of what was measured, where measuring anew would choose otherwise


CASES = {
    "graph_transformer": Case(
        filled(models.init_graph_transformer, **SIZES, edge_dim=DIM), run_graph_transformer, dense_graph_transformer
    ),
    "graphormer": Case(
        filled(models.init_graphormer, **SIZES, edge_dim=DIM, max_degree=4, max_distance=3, path_length=2),
        run_graphormer,
        dense_graphormer,
        measure,
        permute_surroundings,
    ),
    "gps gine": Case(filled(models.init_gps, **SIZES), run_gps, dense_gps),
    "gps gated": Case(filled(models.init_gps, **SIZES, local="gated", edge_dim=DIM), run_gps, dense_gps),
    "exphormer": Case(
        filled(models.init_exphormer, **SIZES, num_virtual=2),
        run_exphormer,
        dense_exphormer,
        join,
        permute_interactions,
    ),
    "multi_graph_transformer": Case(
        filled(models.init_multi_graph_transformer, num_layers=LAYERS, model_dim=DIM, num_heads=HEADS, num_graphs=3),
        run_multi_graph,
        dense_multi_graph,
        stack_graphs,
    ),
}
