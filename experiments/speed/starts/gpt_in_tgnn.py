"""A language model's first step with tgnn."""

import jax
import optax

import tgnn
from experiments.speed.starts.given import main
from tgnn.nn.transformer import TransformerConfig, init_language_model, language_model
from tgnn.train.losses import cross_entropy
from tgnn.train.step import init_state, make_step


def train(inputs, weights, num_steps):
    """Losses of the first steps."""
    tokens, (vocab, depth, dim, heads) = inputs["tokens"], inputs["sizes"].tolist()
    n = tokens.shape[1] - 1
    sizes = TransformerConfig(vocab, model_dim=dim, num_layers=depth, num_heads=heads, max_length=n, use_bias=False)
    params = init_language_model(jax.random.key(0), sizes)
    if weights is not None:
        params = jax.tree.unflatten(jax.tree.structure(params), list(weights.values()))
    past = tgnn.Causal(n)

    def loss(params, tokens, rng):
        logits = jax.vmap(lambda row: language_model(params, past, row, encoding=None))(tokens[:, :-1])
        return cross_entropy(logits, tokens[:, 1:]), {}

    optimizer = optax.adamw(1e-3, weight_decay=0.1)
    step, state, losses = make_step(loss, optimizer), init_state(jax.random.key(1), params, optimizer), []
    for _ in range(num_steps):
        state, metrics = step(state, tokens)
        losses.append(metrics["loss"])
    return jax.block_until_ready((losses, state))[0]


if __name__ == "__main__":
    main(train)
