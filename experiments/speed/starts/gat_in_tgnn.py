"""GAT's first step with tgnn."""

import jax
import optax

import tgnn
from experiments.speed.starts.given import main
from tgnn.models import gat, init_gat
from tgnn.train.losses import cross_entropy
from tgnn.train.step import init_state, make_step


def train(inputs, weights, num_steps):
    """Losses of the first steps."""
    edges = tgnn.EdgeList.from_edges(inputs["senders"], inputs["receivers"], n_receivers=len(inputs["labels"]))
    rows = (inputs[name] for name in ("indptr", "indices", "values"))
    words = tgnn.SparseFeatures.from_rows(*rows, tuple(inputs["shape"].tolist()))
    batch = tgnn.self_loops(edges), words, inputs["train_labels"]
    params = init_gat(jax.random.key(0), (words.shape[1], 8, int(inputs["labels"].max()) + 1))
    if weights is not None:
        params = jax.tree.unflatten(jax.tree.structure(params), list(weights.values()))

    def loss(params, batch, rng):
        layout, words, labels = batch
        return cross_entropy(gat(params, layout, words), labels), {}

    optimizer = optax.adamw(0.005, weight_decay=5e-4)
    step, state, losses = make_step(loss, optimizer), init_state(jax.random.key(1), params, optimizer), []
    for _ in range(num_steps):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    return jax.block_until_ready((losses, state))[0]


if __name__ == "__main__":
    main(train)
