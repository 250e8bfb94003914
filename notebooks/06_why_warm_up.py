# %% [markdown]
# # Why warm-up?
#
# Recipes for Transformers begin with a learning rate near zero. The essay lists it among the things that "everybody
# does" without saying why. One reason can be seen before the first step: in the original Transformer, which normalises
# *after* each residual sum (post-LN), the gradients of the layers are very unequal at the start; in one that normalises
# *before* each part (pre-LN) they are not (Xiong et al., *On Layer Normalization in the Transformer Architecture*,
# [2002.04745](https://arxiv.org/abs/2002.04745)).
#
# Let us look at both, and train both with and without warm-up.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

import tgnn
from tgnn import plot
from tgnn.nn.transformer import TransformerConfig, init_language_model, language_model
from tgnn.train.losses import cross_entropy

# %% [markdown]
# ## The task: sort six digits
#
# The network reads six digits and then writes them in order, each seeing what stands before it.

# %%
LENGTH, DIGITS = 6, 10
graph = tgnn.Causal(2 * LENGTH)
config = {"vocab_size": DIGITS + 1, "model_dim": 32, "num_layers": 4, "num_heads": 4}


def batch(rng, size=16):
    digits = jax.random.randint(rng, (size, LENGTH), 0, DIGITS)
    text = jnp.concatenate([digits, jnp.full((size, 1), DIGITS), jnp.sort(digits, 1)], 1)
    labels = jnp.where(jnp.arange(2 * LENGTH) < LENGTH, -1, text[:, 1:])  # only the sorted half is asked for
    return text[:, :-1], labels


def loss_of(params, tokens, labels):
    logits = jax.vmap(lambda tokens: language_model(params, graph, tokens))(tokens)
    return cross_entropy(logits, labels)


# %% [markdown]
# ## Before the first step
#
# The size of the gradient of each layer, of networks that nobody has trained. (Three starts.)


# %%
@jax.jit
def sizes_of_gradients(params, rng):
    slopes = jax.grad(loss_of)(params, *batch(rng))["decoder"]["blocks"]["mlp"]
    return sum((leaf**2).reshape(len(leaf), -1).sum(1) for leaf in jax.tree.leaves(slopes)) ** 0.5  # [layers]


def init(rng):
    return {
        "post-LN": init_language_model(rng, TransformerConfig(**config, norm_first=False)),
        "pre-LN": init_language_model(rng, TransformerConfig(**config, norm_first=True)),
    }


STARTS = 3
starts = jax.jit(jax.vmap(init))(jax.random.split(jax.random.key(0), STARTS))
each = jax.random.split(jax.random.key(1), STARTS)
sizes = {name: np.array(jax.vmap(sizes_of_gradients)(params, each)) for name, params in starts.items()}
labels = {"xlabel": "layer", "ylabel": "size of the gradient", "title": "before the first step"}
plot.spread_curves(range(1, config["num_layers"] + 1), sizes, **labels)

# %%
for name, found in sizes.items():
    print(f"{name:8}: the last layer's gradient is {np.mean(found[:, -1] / found[:, 0]):.1f} times the first layer's")

# %% [markdown]
# ## Training with and without warm-up
#
# The same learning rate for all, large, and reached at once or over 40 steps. All starts run side by side under
# `jax.vmap`.

# %%
STEPS, RATE, WARMUP = 100, 1e-2, 40


def learn(params, rng, warmup):
    optimizer = optax.adam(lambda step: RATE * jnp.minimum(1.0, (step + 1) / warmup), b2=0.98)

    def step(state, rng):
        params, optimizer_state = state
        loss, slope = jax.value_and_grad(loss_of)(params, *batch(rng))
        updates, optimizer_state = optimizer.update(slope, optimizer_state, params)
        return (optax.apply_updates(params, updates), optimizer_state), loss

    return jax.lax.scan(step, (params, optimizer.init(params)), jax.random.split(rng, STEPS))[1]


learn_all = jax.jit(jax.vmap(jax.vmap(learn, (0, 0, None)), (None, None, 0)))  # [warmups, starts, steps]
losses = {}
for name, params in starts.items():
    at_once, warmed = np.array(learn_all(params, each, jnp.array([1.0, WARMUP])))
    losses |= {f"{name}, at once": at_once, f"{name}, warm-up": warmed}

# %%
means = {name: found.reshape(STARTS, -1, 10).mean(-1) for name, found in losses.items()}  # over 10 steps each
labels = {"xlabel": "step", "ylabel": "loss (nats a digit)", "title": f"learning rate {RATE}"}
ax = plot.spread_curves(np.arange(10, STEPS + 1, 10), means, **labels)
ax.axhline(np.log(DIGITS), color="0.5", linewidth=1)
ax.text(STEPS, np.log(DIGITS), "a guess", ha="right", va="bottom", color="0.5")
ax

# %%
for name, found in losses.items():
    last = found[:, -10:].mean(-1)
    print(f"{name:18}: {last.mean():.2f} ± {last.std(ddof=1):.2f} nats over the last 10 steps")

# %% [markdown]
# What to take from it: compare the two post-LN lines with the two pre-LN ones. A network that stays at the level of a
# guess has been thrown off by its first steps, and no later step brings it back; warm-up keeps these steps small. The
# other way out is one argument, `TransformerConfig(norm_first=True)`, which is the default here.
