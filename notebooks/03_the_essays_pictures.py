# %% [markdown]
# # The essay's pictures, drawn live
#
# *Transformers are Graph Neural Networks* (C. Joshi) is an essay of a few drawings. Here each of them is a graph that
# can be run: nothing below is a sketch, every line is an edge along which `tgnn.attend` would send a message.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import tgnn
from tgnn import patterns, plot
from tgnn.analysis import attention_of
from tgnn.nn.transformer import TransformerConfig, init_language_model, language_model

words = "the cat sat on the mat".split()
n = len(words)

# %% [markdown]
# ## An RNN beside a Transformer
#
# A recurrent network hands one state from word to word: its graph is a chain. What the first word says reaches the
# last one after five steps. In a Transformer every word hears every other one at once, and all in parallel.

# %%
figure, axes = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")
for column, (name, graph) in enumerate({"RNN": patterns.chain(n), "Transformer": patterns.complete(n)}.items()):
    found = patterns.statistics(graph)
    title = f"{name}: {found.n_edge} edges, {found.diameter} step{'s' if found.diameter > 1 else ''} from end to end"
    plot.arc_diagram(graph, words, title=title, ax=axes[0, column])
    plot.draw_adjacency(graph, ax=axes[1, column])
plt.show()

# %% [markdown]
# ## Three ways through a long text
#
# A complete graph on n words has n² edges. Transformer-XL cuts the text into segments and lets each see the one before
# it, which is remembered. A binary partition (BP-Transformer) adds nodes for spans of 1, 2, 4, … words, and each word
# sees close words one by one and distant ones span by span: the number of edges grows with n log n.

# %%
length = 16
graphs = {
    "Transformer": patterns.causal(length),
    "Transformer-XL: 8 new words, 8 remembered": patterns.cached_past(length // 2, length // 2, span=length // 2),
    "binary partition: 16 words, 15 spans": patterns.binary_partition(length, 2),
}
figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
for ax, (name, graph) in zip(axes, graphs.items(), strict=True):
    plot.draw_adjacency(graph, title=f"{name}\n{patterns.statistics(graph).n_edge} edges", ax=ax)
plt.show()

# %% [markdown]
# How the edges grow is the whole point, so let us count them. (Transformer-XL is given segments of 64 words.)

# %%
lengths = np.array([64, 128, 256, 512, 1024, 2048])
counts = {
    "Transformer": [patterns.causal(int(m)).count_edges() for m in lengths],
    "Transformer-XL": [int(m) // 64 * patterns.cached_past(64, 64, span=64).count_edges() for m in lengths],
    "binary partition": [patterns.binary_partition(int(m), 4).count_edges() for m in lengths],
}
plot.speed_curves(lengths, counts, xlabel="words", ylabel="edges", title="edges of one layer")

# %% [markdown]
# ## A syntax tree
#
# Linguists draw sentences as trees. A tree is a graph, so a network can run on it: as a Tree-LSTM, or as attention that
# sees nothing but the tree. The same edges twice, as a tree and as arcs over the sentence:

# %%
heads = [1, 2, -1, 5, 5, 2]  # the word that each word depends on
names = ["det", "nsubj", "", "case", "det", "obl"]
tree = patterns.dependency(n, heads)
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
plot.draw_tree(heads, words, kind="words", edge_labels=names, title="dependency tree", ax=left)
plot.arc_diagram(tree, words, title=f"the same {tree.n_edge} edges, both directions and loops", ax=right)
plt.show()

# %% [markdown]
# ## Self-attention beside dynamic convolution
#
# In self-attention the weight of an edge hangs on both words, and there is an edge between any two. In a dynamic
# convolution it hangs on the receiver alone and on how far the sender is, and there are edges to close words only. Two
# networks that nobody has trained, one layer each, one head each:

# %%
config = TransformerConfig(vocab_size=n, model_dim=16, num_layers=1, num_heads=2)
tokens = np.arange(n)
attentive = init_language_model(jax.random.key(1), config)
attentive = jax.tree.map(lambda leaf: 1.5 * leaf, attentive)  # further from uniform, so that there is something to see
convolving = jax.tree.map(lambda leaf: 3 * leaf, tgnn.models.init_light_conv(jax.random.key(1), config, width=3))

(attention,) = attention_of(language_model, attentive, tgnn.Complete(n), tokens)
(convolution,) = attention_of(tgnn.models.light_conv, convolving, tgnn.Window(n, 2, 0), tokens)
weights = {  # [heads, n, n] each; before the text a convolution sees zeros, whose two columns are left out
    "self-attention: any two words": attention.matrix(),
    "dynamic convolution: a word and the two before it": convolution.matrix()[:, :, 2:],
}
figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
for ax, (name, matrix) in zip(axes, weights.items(), strict=True):
    plot.arc_diagram(matrix, words, head=0, title=name, ax=ax)
plt.show()
