# %% [markdown]
# # From GCN to GAT to Transformer by changing three arguments
#
# A graph network and a Transformer run the same line: every node sums the messages that come in along its edges,
# weighted by a softmax. What differs is
#
# 1. **the graph**: who sends to whom,
# 2. **the score**: how much an edge matters before the softmax,
# 3. **the heads**: how many sums are made side by side.
#
# Here is the line, and then the three models as three calls of it.

# %%
import dataclasses

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import networkx
import numpy as np
import optax

import tgnn
from tgnn import plot
from tgnn.attention.scores import Additive, Score, dot_product
from tgnn.models.cards import choices
from tgnn.nn.basic import init_linear, linear
from tgnn.train.losses import accuracy, cross_entropy

# %% [markdown]
# The first score is none at all: all edges matter alike, so that the softmax makes a mean over the neighbours. That is
# the whole of a graph convolution. (Kipf and Welling's own GCN divides by the roots of both degrees instead of the
# receiver's degree; `tgnn.models.gcn` does that.)


# %%
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Alike(Score):
    """All edges matter alike."""

    def pair(self, receiver, sender, edge=None):
        return jnp.zeros(jnp.broadcast_shapes(receiver.shape, sender.shape)[:-1])


def init_layer(rng, in_dim, out_dim, heads):
    names = "query", "key", "value", "receiver_vector", "sender_vector"
    rngs = dict(zip(names, jax.random.split(rng, len(names)), strict=True))
    params = {name: init_linear(rngs[name], in_dim, (heads, out_dim // heads)) for name in names[:3]}
    for name in names[3:]:
        params[name] = 0.5 * jax.random.normal(rngs[name], (heads, out_dim // heads))
    return params


def layer(params, layout, x, score):
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))  # [n, heads, head_dim]
    if score == "additive":  # GAT: one number from each end, of the values themselves
        query, key, score = value, value, Additive(params["receiver_vector"], params["sender_vector"])
    return tgnn.attend(layout, query, key, value, score=score).reshape(len(x), -1)  # the line


def model(params, layout, x, score):
    return layer(params[1], layout, jax.nn.elu(layer(params[0], layout, x, score)), score)


# %% [markdown]
# ## The task: a karate club that split in two
#
# 34 people, their friendships, and the side of two of them: the instructor and the officer. Which side did the others
# take? Every person is described by two coordinates: the slowest waves on the graph of friendships, the graph's own
# "positional encoding". (A Transformer needs them: it sees everybody, and learns from nothing else who is close.)

# %%
club = networkx.karate_club_graph()
friends = tgnn.self_loops(tgnn.from_networkx(club))
everybody = tgnn.Complete(34)
labels = jnp.array([club.nodes[i]["club"] == "Officer" for i in club]).astype(int)
known = jnp.isin(jnp.arange(34), jnp.array([0, 33]))

laplacian = networkx.normalized_laplacian_matrix(club).toarray()
x = jnp.asarray(np.linalg.eigh(laplacian)[1][:, 1:5] * 34**0.5, jnp.float32)  # [34, 4]

# %%
MODELS = {  # the three arguments
    "GCN": {"layout": friends, "score": Alike(), "heads": 1},
    "GAT": {"layout": friends, "score": "additive", "heads": 4},
    "Transformer": {"layout": everybody, "score": dot_product, "heads": 4},
}


def train(layout, score, heads, seed=0, steps=100):
    optimizer = optax.adamw(0.02, weight_decay=0.01)

    def answers(params):  # the mean over heads of the last layer
        return model(params, layout, x, score).reshape(34, heads, 2).mean(1)

    def step(state, _):
        params, optimizer_state = state
        slope = jax.grad(lambda params: cross_entropy(answers(params), labels, known))(params)
        updates, optimizer_state = optimizer.update(slope, optimizer_state, params)
        return (optax.apply_updates(params, updates), optimizer_state), None

    @jax.jit
    def run(rng):  # all steps in one program: there is nothing to look at in between
        rngs = jax.random.split(rng)
        params = [init_layer(rngs[0], x.shape[1], 16, heads), init_layer(rngs[1], 16, 2 * heads, heads)]
        (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), length=steps)
        return params, accuracy(answers(params), labels, ~known)

    return run(jax.random.key(seed))


trained = {}
for name, arguments in MODELS.items():
    trained[name], right = train(**arguments)
    print(f"{name:12} right about {float(right):.0%} of the other 32")

# %% [markdown]
# ## What each of them looks at
#
# `attention_of` runs a model once and gives the weights of all its layers. The first layer of each, mean over heads, on
# the same places: GCN looks at all friends alike, GAT chooses among them, the Transformer sees edges where there are
# none.

# %%
places = np.array(list(networkx.spring_layout(club, seed=1).values()))
figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained")
for ax, (name, arguments) in zip(axes, MODELS.items(), strict=True):
    layers = tgnn.analysis.attention_of(model, trained[name], arguments["layout"], x, arguments["score"])
    plot.weighted_graph(layers[0], positions=places, colors=labels, title=name, threshold=0.05, most=0.5, ax=ax)
plt.show()

# %% [markdown]
# ## The same models in the library
#
# Nothing above was a toy: `tgnn.models.gat` and a Transformer's `multi_head_attention` make the same call with more
# around it. Each model of the library says what its three choices are:

# %%
for rows in choices().values():
    for name, graph, score, reduction, _ in rows:
        if name in ("GCN", "GAT", "Transformer encoder", "Transformer decoder"):
            print(f"{name:20} | {graph:28} | {score:28} | {reduction}")
