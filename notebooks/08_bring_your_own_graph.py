# %% [markdown]
# # Bring your own graph
#
# Your graph is in a file, or in another library. Here is the way from there to a trained model and to a prediction that
# is explained. Nothing is downloaded.

# %%
import csv
import io

import jax
import jax.numpy as jnp
import jraph
import matplotlib.pyplot as plt
import networkx
import numpy as np
import optax
import scipy.sparse

import tgnn
from tgnn import plot
from tgnn.analysis import attention_of
from tgnn.models import gat, init_gat
from tgnn.train.losses import accuracy, cross_entropy

# %% [markdown]
# ## A file with names and weights
#
# Who wrote how many letters to whom, in an office that we made up. Two groups: those who sell and those who build.

# %%
FILE = """from,to,letters
Ana,Ben,9
Ben,Ana,7
Ana,Cleo,6
Cleo,Dan,8
Dan,Ana,5
Ben,Dan,4
Cleo,Ben,3
Eva,Dan,6
Ana,Eva,4
Eva,Ben,5
Fay,Gus,9
Gus,Fay,8
Gus,Hal,7
Hal,Ida,6
Ida,Fay,7
Jon,Gus,5
Ida,Jon,4
Jon,Hal,6
Fay,Jon,5
Hal,Gus,3
Eva,Fay,1
Dan,Jon,2
Ida,Cleo,1
Ben,Gus,1
"""

rows = list(csv.DictReader(io.StringIO(FILE)))
names, numbers = np.unique([[row["from"], row["to"]] for row in rows], return_inverse=True)
senders, receivers = numbers.reshape(-1, 2).T  # names -> 0 ... n - 1
letters = np.array([float(row["letters"]) for row in rows])

n = len(names)
edges = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n)
edges

# %% [markdown]
# Every array per edge, here the letters, stays in the order of your rows: in the layout, in the model and in what comes
# out of it. (No row has to be sorted.)

# %%
plot.draw_graph(edges, positions="spring", labels=names, edge_width=letters / 3, title="letters")

# %% [markdown]
# ## From other libraries
#
# The same graph as NetworkX, SciPy, jraph and, where it is installed, PyTorch Geometric know it. All arrive at the same
# edges.

# %%
theirs = networkx.DiGraph()
theirs.add_nodes_from(range(n))  # in our order
theirs.add_weighted_edges_from(zip(senders.tolist(), receivers.tolist(), letters, strict=True))
matrix = scipy.sparse.coo_matrix((letters, (receivers, senders)), shape=(n, n))  # rows are receivers
tuple_of_graphs = jraph.GraphsTuple(
    nodes=None,
    edges=letters[:, None],
    senders=senders,
    receivers=receivers,
    globals=None,
    n_node=np.array([n]),
    n_edge=np.array([len(senders)]),
)
arrived = {
    "NetworkX": tgnn.from_networkx(theirs),
    "SciPy": tgnn.from_scipy(matrix),
    "jraph": tgnn.EdgeList.from_graph(tuple_of_graphs),
}
try:
    import torch
    from torch_geometric.data import Data

    data = Data(edge_index=torch.tensor(np.stack([senders, receivers])), num_nodes=n)
    arrived["PyG"] = tgnn.EdgeList.from_edges(*data.edge_index.numpy(), n_receivers=data.num_nodes)
except ImportError:
    print("PyG is not installed: skipped")
for name, graph in arrived.items():
    same = bool((graph.adjacency() == edges.adjacency()).all())
    print(f"{name:8}: {graph.n_edge} edges, {'the same' if same else 'OTHER EDGES'}")

# %% [markdown]
# ## Train
#
# We are told the group of two people and ask for that of the others. A GAT with the letters as features of the edges;
# everybody also sees themself, with the mean of what reaches them.

# %%
layout, features = tgnn.self_loops(edges, edges=jnp.log1p(jnp.asarray(letters, jnp.float32))[:, None])
x = jnp.eye(n)  # nothing is known of a person but who it is
sells = np.isin(names, ["Ana", "Ben", "Cleo", "Dan", "Eva"])
labels = jnp.asarray(sells.astype(int))
known = jnp.asarray(np.isin(names, ["Ana", "Fay"]))

optimizer = optax.adamw(0.02, weight_decay=0.02)


@jax.jit
def train(rng):
    params = init_gat(rng, (n, 8, 2), num_heads=2, edge_dim=1)

    def step(state, _):
        params, optimizer_state = state
        slope = jax.grad(lambda p: cross_entropy(gat(p, layout, x, edges=features), labels, known))(params)
        updates, optimizer_state = optimizer.update(slope, optimizer_state, params)
        return (optax.apply_updates(params, updates), optimizer_state), None

    return jax.lax.scan(step, (params, optimizer.init(params)), length=100)[0][0]


params = train(jax.random.key(0))
predict = jax.jit(lambda layout: jax.nn.softmax(gat(params, layout, x, edges=features)))
print(f"right about the others: {float(accuracy(predict(layout), labels, ~known)):.0%}")

# %% [markdown]
# ## Explain a prediction
#
# Let us ask about somebody whom the model gets wrong. Two answers. What it looked at: the attention weights of the
# first layer. And what it needed: how its answer moves when an edge is taken away, one after the other. (The answer:
# the difference of the two logits, above 0 for "sells".) They need not agree, which is why one should ask for both.

# %%
wrong = np.flatnonzero(np.asarray(predict(layout)).argmax(1) != labels)
person = int(wrong[0]) if len(wrong) else int(np.flatnonzero(names == "Cleo")[0])
layers = jax.jit(lambda params: attention_of(gat, params, layout, x, edges=features))(params)
looked = np.asarray(layers[0].weights).mean(-1)  # [n_edge], mean over heads, in the order of the rows


@jax.jit
def sure(mask):  # that the person sells, seeing these edges only
    seen = tgnn.EdgeList(layout.senders, layout.receivers, n, n, mask)
    logits = gat(params, seen, x, edges=features)[person]
    return logits[1] - logits[0]


every = np.ones(layout.n_edge, bool)
whole = float(sure(every))
needed = whole - np.array([float(sure(np.arange(layout.n_edge) != e)) for e in range(layout.n_edge)])  # [n_edge]
truth, answer = "sells" if sells[person] else "builds", "sells" if whole > 0 else "builds"
print(f"{names[person]} {truth}; the model says that {names[person]} {answer} ({whole:+.2f}), because of these edges:")
for e in np.argsort(-abs(needed))[:6]:
    sender, receiver = names[layout.senders[e]], names[layout.receivers[e]]
    print(f"  {sender:>4} -> {receiver:4} adds {needed[e]:+6.2f}, looked at with {looked[e]:.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
pictures = {"what the first layer looked at": looked, f"what the answer about {names[person]} needed": abs(needed)}
for ax, (title, weights) in zip(axes, pictures.items(), strict=True):
    colors = np.where(sells, "tab:blue", "tab:gray")
    plot.weighted_graph(layout, weights, positions="spring", labels=names, colors=colors, title=title, ax=ax)
plt.show()

# %% [markdown]
# The same in a page to play with: choose the head, hover over a name.

# %%
plot.view(layers[:1], names, positions="spring", head=0, threshold=0.1, height=480, title="letters, first layer")
