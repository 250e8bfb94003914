# %% [markdown]
# # On a TPU, or on many devices
#
# A layer of attention is cut in one of four ways: by heads, by edges, by nodes, or around a ring. Each gives the
# numbers that one device gives. You need no machine to try it: JAX splits a CPU into eight devices, if it is told so
# before it starts.

# %%
import os

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"  # leave both lines out on a machine that has several devices

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import networkx
import numpy as np
from jax.sharding import PartitionSpec

import tgnn
from tgnn import plot, sharding
from tgnn.nn.transformer import TransformerConfig, init_language_model, language_model

devices = jax.devices()
mesh = jax.make_mesh((len(devices),), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
print(f"{len(devices)} devices: {devices[0]} ... {devices[-1]}")

# %% [markdown]
# ## The same numbers, four times
#
# 64 nodes, 8 heads of 8. What changes is who holds what, and what is sent.

# %%
n, heads, head_dim = 64, 8, 8
rng = np.random.default_rng(0)
query, key, value = (jnp.asarray(rng.normal(size=(n, heads, head_dim)), jnp.float32) for _ in range(3))
near = networkx.random_geometric_graph(n, 0.22, seed=1)  # 64 places, joined where they are close
graph = tgnn.self_loops(tgnn.from_networkx(near))
alone = tgnn.attend(graph, query, key, value)
options = {"mesh": mesh, "axis": "x"}

# By heads: each device has all nodes and some heads. Nothing is sent.
by_heads = sharding.attend_heads(graph, query, key, value, **options)

# By edges: each device has all nodes and some edges. Partial softmaxes are merged.
by_edges = sharding.attend_edges(sharding.split_edges(graph, 8), query, key, value, **options)

# By nodes: each device has some nodes, and is sent the rows that its edges read elsewhere.
places = np.array([place for _, place in near.nodes(data="pos")])
owner = np.argsort(np.argsort(places[:, 0])) * 8 // n  # stripes from left to right
parts = sharding.partition_nodes(graph, 8, owner)
packed = (parts.pack(x) for x in (query, key, value))
by_nodes = parts.unpack(sharding.attend_nodes(parts, *packed, **options))

for name, output in {"heads": by_heads, "edges": by_edges, "nodes": by_nodes}.items():
    print(f"by {name:5}: differs from one device by {float(abs(output - alone).max()):.1e}")

# %% [markdown]
# A long text is cut around a ring: every device keeps its queries, and keys and values go round, one device further in
# each of eight steps. No device ever holds all of them.

# %%
causal = tgnn.Causal(n)
ring = sharding.attend_ring(causal, query, key, value, **options)
print(f"ring    : differs by {float(abs(ring - tgnn.attend(causal, query, key, value)).max()):.1e}")
print(f"one device holds {ring.addressable_shards[0].data.shape[0]} of {n} rows of the output")

# %% [markdown]
# ## What is sent
#
# Cut by nodes, a device is sent the rows of the senders whose edges cross the border. Colours are devices; dark edges
# are cut. The better the cut, the less is sent.

# %%
senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
cuts = {"stripes": owner, "by number, as it comes": np.arange(n) * 8 // n}
figure, axes = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
for ax, (name, of) in zip(axes, cuts.items(), strict=True):
    cut = of[senders] != of[receivers]
    sent = sharding.partition_nodes(graph, 8, of).n_cut
    title = f"{name}: {cut.sum()} of {graph.n_edge} edges cut, {sent} rows sent"
    width, shade = np.where(cut, 1.2, 0.5), [("0" if x else "0.8") for x in cut]
    plot.draw_graph(graph, positions=places, colors=of, edge_width=width, edge_color=shade, title=title, ax=ax)
plt.show()

# %% [markdown]
# ## Parameters
#
# `sharding.place` puts parameters where rules on their names say. Here the hidden layer of each block is split over the
# devices and everything else is copied; the model itself does not change.

# %%
config = TransformerConfig(vocab_size=32, model_dim=32, num_layers=2, num_heads=8)
params = jax.jit(lambda rng: init_language_model(rng, config))(jax.random.key(0))
rules = {
    "mlp/up/kernel": PartitionSpec(None, None, "x"),
    "mlp/up/bias": PartitionSpec(None, "x"),
    "mlp/down/kernel": PartitionSpec(None, "x", None),
}
placed = sharding.place(params, mesh, rules)
kernel = placed["decoder"]["blocks"]["mlp"]["up"]["kernel"]
print(f"{kernel.shape} in all, {kernel.addressable_shards[0].data.shape} on each device")

run = jax.jit(language_model)
tokens = jnp.arange(16)
error = abs(run(placed, tgnn.Causal(16), tokens) - run(params, tgnn.Causal(16), tokens)).max()
print(f"differs from one device by {float(error):.1e}")

# %% [markdown]
# ## On a TPU
#
# `pip install 'tgnn[tpu]'`, and the code above without its first two lines. `tgnn.explain(layout)` says which execution
# runs on the devices that it finds, and why:

# %%
print(tgnn.explain(tgnn.Causal(512)))
