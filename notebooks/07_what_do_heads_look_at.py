# %% [markdown]
# # What do heads look at?
#
# One call, `tgnn.analysis.attention_of`, runs a model once and gives the attention weights of all its layers and heads.
# First of a small model whose task we know; then of one that others trained on English. In both we take heads away and
# see what breaks, because looking at a head does not tell whether it matters.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

import tgnn
from tgnn import plot, pretrained
from tgnn.analysis import attention_of
from tgnn.nn.transformer import TransformerConfig, init_language_model, language_model
from tgnn.train.losses import accuracy, cross_entropy

# %% [markdown]
# ## A model that we know: reversing a word
#
# The network reads six letters, a bar, and then writes the letters backwards. To write a letter it has to find the
# right one before the bar: a head that does so must draw a falling line in the matrix.

# %%
LENGTH, BAR = 6, 26
n = 2 * LENGTH
graph = tgnn.Causal(n)


def batch(rng, size=16):
    letters = jax.random.randint(rng, (size, LENGTH), 0, BAR)
    text = jnp.concatenate([letters, jnp.full((size, 1), BAR), letters[:, ::-1]], 1)
    return text[:, :-1], jnp.where(jnp.arange(n) < LENGTH, -1, text[:, 1:])


def logits_of(params, tokens):
    return jax.vmap(lambda tokens: language_model(params, graph, tokens))(tokens)


config = TransformerConfig(vocab_size=27, model_dim=32, num_layers=2, num_heads=2)
optimizer = optax.adam(optax.linear_schedule(0.0, 4e-3, 50), b2=0.98)


def step(state, rng):
    params, optimizer_state = state
    tokens, labels = batch(rng)
    slope = jax.grad(lambda params: cross_entropy(logits_of(params, tokens), labels))(params)
    updates, optimizer_state = optimizer.update(slope, optimizer_state, params)
    return (optax.apply_updates(params, updates), optimizer_state), None


@jax.jit
def train(rng):
    params = init_language_model(rng, config)
    rngs = jax.random.split(rng, 300)
    return jax.lax.scan(step, (params, optimizer.init(params)), rngs)[0][0]


params = train(jax.random.key(0))
tokens, labels = batch(jax.random.key(1), 200)
right = jax.jit(lambda params: accuracy(logits_of(params, tokens), labels))
print(f"letters right, of words it has never seen: {float(right(params)):.0%}")

# %% [markdown]
# All heads of all layers, while it reads "attend|dnetta":

# %%
word = "attend|dnett"  # what it reads; each letter behind the bar is asked to give the next
ids = jnp.array([BAR if letter == "|" else ord(letter) - ord("a") for letter in word])
layers = jax.jit(lambda params: attention_of(language_model, params, graph, ids))(params)
both = np.concatenate([layer.matrix() for layer in layers])  # [layers * heads, n, n]
figure = plot.heads(both, kind="matrix", words=list(word))
for i, ax in enumerate(figure.axes[: len(both)]):
    ax.set_title(f"layer {i // 2}, head {i % 2}", fontsize=9)
figure

# %% [markdown]
# Now take heads away and ask again. A head is closed by a gate of 0 beside its weights.


# %%
def without(params, layer, heads):
    """The network with some heads of a layer closed."""
    gates = jnp.ones((config.num_layers, config.num_heads)).at[layer, jnp.array(heads)].set(0.0)
    decoder = params["decoder"]
    attention = decoder["blocks"]["attention"] | {"gate": gates}
    return params | {"decoder": decoder | {"blocks": decoder["blocks"] | {"attention": attention}}}


for layer in range(config.num_layers):
    for heads in ([0], [1], [0, 1]):
        print(f"without heads {heads!s:6} of layer {layer}: {float(right(without(params, layer, heads))):.0%} right")

# %% [markdown]
# ## A model that others trained
#
# `glassllm` is a Llama of 1.4 MB, trained on *Alice in Wonderland* (`pip install glassllm`; it comes with
# `tgnn[test]`). `tgnn.pretrained.load` gives its weights to tgnn's own blocks, so that it is a model like any other.
# Hover over a word in the page below, or choose a layer and a head.

# %%
from glassllm import load_pretrained  # noqa: E402  for its tokenizer

_, tokenizer = load_pretrained("en")
params, model = pretrained.load(pretrained.installed("glassllm", "weights/en.npz"))
sentence = "Alice was beginning to get very tired of sitting by her sister"
ids = np.array(tokenizer.encode(sentence))
tokens = [tokenizer.decode([int(i)]).strip() or "·" for i in ids]

layers = [layer[0] for layer in attention_of(model, params, ids[None])]  # of the one text in the batch
layers[0]

# %%
plot.view(layers, tokens, layer=1, head=0, title=sentence, height=500)

# %% [markdown]
# The same as pictures that can be printed: the four heads of one layer as arcs over the sentence.

# %%
plot.heads(layers[1], kind="arcs", words=tokens, title="layer 1")

# %% [markdown]
# ## Prune and see
#
# Which of its 16 heads does it need to tell this story? `pretrained.all_gates` gives a gate for each head. Close one
# after the other, and see how much worse the next token is guessed:

# %%
STORY = [
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do",
    "The rabbit-hole went straight on like a tunnel for some way, and then dipped suddenly down",
    "The King and Queen of Hearts were seated on their throne when they arrived, with a great crowd",
    "The Hatter was the only one who got any advantage from the change: and Alice was a good deal worse off",
]
encoded = [tokenizer.encode(line) for line in STORY]
length = min(map(len, encoded))
texts = jnp.array([ids[:length] for ids in encoded])


@jax.jit
def measure(gates):
    return cross_entropy(model(params, texts[:, :-1], gates=gates).logits, texts[:, 1:])


gates = pretrained.all_gates(params, model)
whole = float(measure(gates))
harm = np.array([float(pretrained.pruning_curve(measure, gates, [head], [1])[0]) - whole for head in range(16)])
print(f"with all heads: {whole:.2f} nats a token; more without one of them:")
for layer, row in enumerate(harm.reshape(4, 4)):
    print(f"  layer {layer}: " + "  ".join(f"head {head} {x:+.2f}" for head, x in enumerate(row)))

# %% [markdown]
# A negative number says that these lines are guessed better without the head. Four lines are few: measure on more
# before you believe it. Now more and more of them: the least harmful ones first, the most harmful ones first, or at
# random.

# %%
order = np.argsort(harm)
counts = range(17)
random = [np.random.default_rng(seed).permutation(16) for seed in range(5)]
curves = {
    "least harmful first": [pretrained.pruning_curve(measure, gates, order, counts)],
    "most harmful first": [pretrained.pruning_curve(measure, gates, order[::-1], counts)],
    "at random": [pretrained.pruning_curve(measure, gates, each, counts) for each in random],
}
plot.pruning_curves(counts, curves, total=16, whole=whole, ylabel="nats a token")

# %% [markdown]
# ## Another graph for a trained model
#
# The layout is an argument, so a trained model runs on other graphs than its own. It was trained on `Causal`; what does
# it lose when it sees less?

# %%
m = texts.shape[1] - 1
for name, graph in {
    "causal, its own": tgnn.Causal(m),
    "a window of 4": tgnn.Window(m, 3, 0),
    "BigBird, its past": tgnn.patterns.bigbird(m, block=2) & tgnn.Causal(m),
    "itself alone": tgnn.Window(m, 0, 0),
}.items():
    logits = model(params, texts[:, :-1], layout=graph).logits
    print(f"{name:18} {float(cross_entropy(logits, texts[:, 1:])):.2f} nats a token")
