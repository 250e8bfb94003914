# %% [markdown]
# # Which graph is this model?
#
# Sparse Transformers have many names and one difference: which words see which. Here all patterns of `tgnn.patterns`
# are drawn at the same size, with what they cost and how far they reach.
#
# * **edges**: how many pairs are scored. Time and memory follow it.
# * **diameter**: how many layers a message needs between the two words that are farthest from each other.
# * **spectral gap**: how quickly news spreads over the whole graph; 0 means never.
# * **tile fill**: how full the tiles are that hold an edge. Hardware computes tiles.

# %%
import matplotlib.pyplot as plt
import numpy as np

import tgnn
from tgnn import patterns, plot
from tgnn.planning.cost import cost

n = 32
tree = np.maximum((np.arange(n) - 1) // 2, -1)  # every node has two children
GRAPHS = {
    "complete: BERT": patterns.complete(n),
    "causal: GPT": patterns.causal(n),
    "prefix: PrefixLM, T5": patterns.prefix(n, 8),
    "documents: packed batches": patterns.document(n, np.arange(n) // 8, causal=True),
    "cached past: Transformer-XL": patterns.cached_past(n // 2, n // 2, span=n // 2),
    "window: Longformer, Mistral": patterns.window(n, 3, 3),
    "dilated window": patterns.dilated(n, 3, 3, dilation=4),
    "strided: Sparse Transformer": patterns.strided(n, 6),
    "fixed: Sparse Transformer": patterns.fixed(n, 8),
    "window and hubs: Longformer": patterns.longformer(n, 2, [0, 1]),
    "star: Star-Transformer": patterns.star(n),
    "BigBird": patterns.bigbird(n, block=2),
    "expander: Exphormer": patterns.expander(n, 4),
    "binary partition: BP-Transformer": patterns.binary_partition(n // 2, 2),
    "chain: an RNN": patterns.chain(n),
    "tree: Tree-LSTM, syntax": patterns.dependency(n, tree),
}

# %%
figure, axes = plt.subplots(4, 4, figsize=(14, 15.5), layout="constrained")
for ax, (name, graph) in zip(axes.ravel(), GRAPHS.items(), strict=True):
    found = patterns.statistics(graph, block=8)
    reach = "" if found.diameter is None else f", diameter {found.diameter}"
    plot.draw_adjacency(graph, title=f"{name}\n{found.n_edge} edges{reach}", ax=ax)
    ax.set_xlabel("")
    ax.set_ylabel("")
    ax.title.set_fontsize(9)
plt.show()

# %% [markdown]
# The same in numbers. The last column is what one call of `attend` with gradients moves, with 8 heads of 64, as
# predicted by the layout that stores the pattern.

# %%
print(f"{'pattern':34} {'stored as':10} {'edges':>6} {'density':>8} {'diameter':>9} {'gap':>6} {'fill':>6} {'MB':>6}")
for name, graph in GRAPHS.items():
    s = patterns.statistics(graph, block=8)
    gap = "" if s.spectral_gap is None else f"{abs(s.spectral_gap):.3f}"
    moved = cost(graph).bytes / 1e6
    print(
        f"{name:34} {graph.title:10} {s.n_edge:6} {s.density:8.1%} {s.diameter or '':>9} {gap:>6} {s.tile_fill:6.0%} "
        f"{moved:6.2f}"
    )

# %% [markdown]
# ## How the cost grows
#
# The patterns differ little at 32 words. They differ by powers of n in long texts.

# %%
lengths = np.array([128, 256, 512, 1024, 2048])
GROWING = {
    "complete": lambda m: patterns.complete(m),
    "strided, √n": lambda m: patterns.strided(m, int(m**0.5)),
    "binary partition": lambda m: patterns.binary_partition(m, 4),
    "window of 65": lambda m: patterns.window(m, 32, 32),
    "expander": lambda m: patterns.expander(m, 4),
    "chain": lambda m: patterns.chain(m),
}
edges = {name: [build(int(m)).count_edges() for m in lengths] for name, build in GROWING.items()}
plot.speed_curves(lengths, edges, xlabel="words", ylabel="edges", title="edges of one layer")

# %% [markdown]
# ## Patterns are sets
#
# Patterns are united, cut and subtracted like sets of edges. BigBird, for one, is a window, hubs and random edges; so
# is this, and `attend` takes it like any other layout. How it is stored is drawn on the right.

# %%
mine = patterns.window(12, 1, 1) | patterns.expander(12, 4) - tgnn.Causal(12)
plot.draw_storage(mine, title="window | (expander - causal)")
