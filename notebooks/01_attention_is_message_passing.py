# %% [markdown]
# # Attention is message passing
#
# *Transformers are graph neural networks* (C. Joshi). This notebook computes the same numbers from every layout of
# `tgnn`, and draws each graph. One function does all of it:
#
# $$\text{logits}_{ij} = \text{scale}\,\langle query_i, key_j\rangle + bias_{ij} \qquad
#   \text{weights}_{ij} = \operatorname{softmax}_{j \to i} \qquad output_i = \sum_j \text{weights}_{ij}\, value_j$$
#
# What changes between a graph network and a Transformer is which edges $j \to i$ exist.

# %%
# %matplotlib inline
import inspect

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import networkx
import numpy as np

import tgnn
from tgnn.plot import draw_adjacency, draw_graph

# %% [markdown]
# ## A sparse graph: Zachary's karate club
#
# 34 people, 78 friendships. Every edge carries a message in both directions.

# %%
club = networkx.karate_club_graph()
edges = tgnn.from_networkx(club)
n = edges.n_receivers
places = np.array(list(networkx.spring_layout(club, seed=1).values()))
title = f"karate club: {n} nodes, {edges.n_edge} edges"
draw_graph(edges, positions=places, labels=[str(i) for i in range(n)], title=title).figure

# %%
rng = np.random.default_rng(0)
query, key, value = (jnp.asarray(rng.normal(size=(n, 4, 8)), jnp.float32) for _ in range(3))
output = tgnn.attend(edges, query, key, value)
output.shape

# %% [markdown]
# The definition, once more, with nothing but a loop over people:

# %%
by_hand = np.zeros(output.shape)
for i in range(n):
    friends = np.asarray(edges.senders)[np.asarray(edges.receivers) == i]
    logits = np.einsum("hd,jhd->jh", query[i], key[friends]) / np.sqrt(8)
    weights = np.exp(logits) / np.exp(logits).sum(0)
    by_hand[i] = np.einsum("jh,jhd->hd", weights, value[friends])
print("largest difference:", abs(output - by_hand).max())

# %% [markdown]
# ## The same graph in other layouts
#
# A layout is *how the edges are stored*: as a list, as a matrix, as tiles, as a table of neighbours. The numbers are
# the same, and so are the gradients.

# %%
senders, receivers = np.asarray(edges.senders), np.asarray(edges.receivers)
layouts = {
    "EdgeList": edges,
    "Dense": tgnn.Dense(edges.adjacency()),
    "Neighbors": tgnn.Neighbors.from_edges(senders, receivers, n_receivers=n),
    "Blocks": tgnn.Blocks.from_edges(senders, receivers, 8, n_receivers=n),
}


def loss(layout, query):
    return (tgnn.attend(layout, query, key, value) ** 2).sum()


slope = jax.grad(loss, 1)(edges, query)
for name, layout in layouts.items():
    error = abs(tgnn.attend(layout, query, key, value) - output).max()
    error_slope = abs(jax.grad(loss, 1)(layout, query) - slope).max()
    print(f"{name:10} slots {layout.edge_shape!s:14} output differs by {error:.1e}, gradient by {error_slope:.1e}")

# %% [markdown]
# ## A Transformer's graphs
#
# Words know no friendships: every word hears every word (`Complete`), or the words before it (`Causal`), or those
# nearby (`Window`). Nothing else changes.

# %%
words = "a transformer is a graph neural network on a complete graph of words".split()
m = len(words)
graphs = {"Complete": tgnn.Complete(m), "Causal": tgnn.Causal(m), "Window": tgnn.Window(m, 2, 2)}
figure, axes = plt.subplots(2, 3, figsize=(13, 8))
for column, (name, layout) in enumerate(graphs.items()):
    draw_graph(layout, labels=words, title=name, ax=axes[0, column])
    draw_adjacency(layout, ax=axes[1, column])
plt.show()

# %%
query, key, value = (jnp.asarray(rng.normal(size=(m, 4, 8)), jnp.float32) for _ in range(3))
for name, layout in graphs.items():
    as_edges = layout.to_edges()  # the same graph, every edge listed
    error = abs(tgnn.attend(layout, query, key, value) - tgnn.attend(as_edges, query, key, value)).max()
    print(f"{name:10} {as_edges.n_edge:4} edges, differs from message passing along them by {error:.1e}")

# %% [markdown]
# And it is the attention that everybody knows:

# %%
theirs = jax.nn.dot_product_attention(query, key, value, is_causal=True)
print(
    "differs from jax.nn.dot_product_attention by", abs(tgnn.attend(graphs["Causal"], query, key, value) - theirs).max()
)

# %% [markdown]
# ## Two sets of nodes
#
# Receivers and senders need not be the same: cross-attention, a cached past and pooling are bipartite graphs.

# %%
letters, phonemes = list("graph"), ["G", "R", "AE", "F"]
cross = tgnn.Complete(len(phonemes), len(letters))
draw_graph(cross, labels=phonemes, sender_labels=letters, title="phonemes listen to letters").figure

# %% [markdown]
# ## The definition itself
#
# All of the above ran these lines (or a faster execution that the tests hold equal to them).

# %%
from tgnn.attention import definition

print(inspect.getsource(definition))
