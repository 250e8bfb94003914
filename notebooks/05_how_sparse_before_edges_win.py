# %% [markdown]
# # How sparse must a graph be before edges win?
#
# Message passing touches only the edges that exist. A matrix product touches all pairs, but hardware is built for it: a
# missing edge of a dense matrix is much cheaper than an existing edge of a list. So below some density the list wins,
# and above it the matrix. Where that is depends on your machine. This notebook measures it there.

# %%
import time

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import tgnn
from tgnn import plot

print(jax.devices()[0].device_kind, "x", jax.device_count())

# %% [markdown]
# One graph of n nodes, random edges, one layer of attention with 4 heads of 16 and its gradients. The same edges stored
# as a list (`EdgeList`) and as a matrix with a mask (`Dense`) give the same numbers; only the time differs.

# %%
n, heads, head_dim = 512, 4, 16
densities = np.array([0.002, 0.006, 0.02, 0.06, 0.2])
rng = np.random.default_rng(0)
query, key, value = (jnp.asarray(rng.normal(size=(n, heads, head_dim)), jnp.float32) for _ in range(3))


@jax.jit
def layer(layout, query, key, value):
    return jax.grad(lambda *nodes: (tgnn.attend(layout, *nodes) ** 2).sum(), argnums=(0, 1, 2))(query, key, value)


def seconds(layout, repeats=5):
    """Times of single calls; the first, which compiles, is not counted."""
    jax.block_until_ready(layer(layout, query, key, value))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(layer(layout, query, key, value))
        times.append(time.perf_counter() - begin)
    return times


def random_edges(density):
    pairs = rng.choice(n * n, int(density * n * n), replace=False)
    return tgnn.EdgeList.from_edges(pairs % n, pairs // n, n_receivers=n)


graphs = [random_edges(density) for density in densities]
measured = {
    "edges, as a list": np.array([seconds(graph) for graph in graphs]).T,  # [repeats, densities]
    "all pairs, with a mask": np.array([seconds(tgnn.Dense(graph.adjacency())) for graph in graphs]).T,
}

# %%
title = f"one layer and its gradients, {n} nodes, {heads} heads of {head_dim}"
plot.speed_curves(
    densities, measured, crossing=tuple(measured), xlabel="density: share of all pairs that are edges", title=title
)

# %%
medians = {name: np.median(times, 0) for name, times in measured.items()}
crossing = plot.crossovers(densities, *medians.values())
if len(crossing):
    print(f"On this machine the list wins below a density of {crossing[0]:.2%}: {crossing[0] * n:.0f} edges a node.")
else:
    faster = min(medians, key=lambda name: medians[name].sum())
    print(f"On this machine the curves do not cross between {densities[0]:.1%} and {densities[-1]:.0%}: {faster} wins.")

# %% [markdown]
# ## Structure is worth more than sparsity
#
# A window of 64 has as many edges as a random graph of density 12 %. But its edges follow a rule, so nothing is
# gathered: neighbouring receivers share their senders. The same number of edges, with and without structure:

# %%
window = tgnn.Window(n, 32, 31)
count = window.count_edges()
same = random_edges(count / n**2)
print(f"{count} edges each")
bars = {
    "random\nas a list": seconds(same),
    "window\nas a list": seconds(window.to_edges()),
    "window\nas a window": seconds(window),
    "all pairs\nof them all": seconds(tgnn.Complete(n)),
}
figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.bar(
    list(bars), [1e3 * np.median(times) for times in bars.values()], color=["0.75", "0.6", "0.3", "0.9"], edgecolor="0"
)
ax.set_ylabel("milliseconds")
plt.show()

# %% [markdown]
# ## Do not choose by hand
#
# `tgnn.plan` takes a list of edges and gives the layout that saved measurements say is fastest. (Those that come with
# the library were made on other machines; `tgnn.plan(..., timings=)` takes your own.)

# %%
for density, graph in zip(densities, graphs, strict=True):
    print(f"density {density:6.1%}: {tgnn.plan(graph).title}")
