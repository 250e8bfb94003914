"""Two states become a distribution over the scores 1 to 5, whose mean is the relatedness."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.sentences.examples import Bins, union
from experiments.common.sentences.models import WIDTH
from experiments.common.training import dropping
from experiments.relatedness.config import Config
from experiments.relatedness.data import Pair, Relatedness
from tgnn.models.recurrent.tree_lstm import init_tree_lstm, states
from tgnn.nn.basic import dropout, embedding, init_linear, linear
from tgnn.typing import Array, Params

SCORES = np.arange(1.0, 6.0, dtype=np.float32)
DEPTH = 64  # no sentence is longer


class PairBatch(NamedTuple):
    """Pairs, all of whose trees are one forest."""

    graph: Any
    tokens: np.ndarray
    roots: np.ndarray  # int [n_pair, 2]
    relatedness: np.ndarray  # [n_pair], NaN in the padding


class Siamese(NamedTuple):
    """A model of pairs and its batches."""

    init: Callable[[Array], Params]
    apply: Callable[..., Array]  # (params, graph, tokens, roots, *, rng) -> logits [n_pair, 5]
    bins: Bins


def init_siamese(rng: Array, vocab_size: int, config: Config, arity: int | None) -> Params:
    """One recurrent network for both sentences; how their states' products and differences become five logits."""
    tree_rng, product_rng, difference_rng, output_rng = jax.random.split(rng, 4)
    dims = (config.embedding_dim, config.hidden_dim, len(SCORES))
    params = init_tree_lstm(tree_rng, vocab_size, *dims, arity=arity)
    return params | {
        "product": init_linear(product_rng, config.hidden_dim, config.comparison_dim),
        "difference": init_linear(difference_rng, config.hidden_dim, config.comparison_dim, use_bias=False),
        "output": init_linear(output_rng, config.comparison_dim, len(SCORES)),
    }


def siamese(params: Params, graph: Any, tokens: Array, roots: Array, *, dropout_rate=0.0, rng=None) -> Array:
    """Logits of the scores `[n_pair, 5]`. Reference: Tai, Socher and Manning, arXiv 1503.00075, equation 15."""
    x = embedding(params["embedding"], tokens)
    x = dropout(rng, x, dropout_rate) if dropout_rate else x
    first, second = jnp.moveaxis(states(params["cell"], graph, x)[roots], 1, 0)
    hidden = linear(params["product"], first * second) + linear(params["difference"], jnp.abs(first - second))
    return linear(params["output"], jax.nn.sigmoid(hidden))


def targets(relatedness: Array) -> Array:
    """The distribution on the two nearest scores whose mean is the relatedness `[n] -> [n, 5]`."""
    return jnp.maximum(0.0, 1.0 - jnp.abs(relatedness[:, None] - SCORES[None]))


def make(config: Config, data: Relatedness) -> Siamese:
    """The model and its batches."""
    pairs = [*data.train, *data.held_out, *(pair for part in data.parts.values() for pair in part)]
    arity = pairs[0].children.shape[1]
    slots = -(-max(len(pair.tokens) for pair in pairs) // 16) * 16
    rows = max(1, config.nodes // slots)
    n_node, n_pair = rows * slots, rows * slots // min(len(pair.tokens) for pair in pairs)

    def lay_out(filled: list[list[Pair]]) -> PairBatch:
        chosen = [pair for members in filled for pair in members]
        steps = n_node // WIDTH + DEPTH
        batch = union(chosen, n_node, width=WIDTH, n_step=steps, arity=arity)  # pyright: ignore
        ends = np.cumsum([len(pair.tokens) for pair in chosen])
        starts = ends - [len(pair.tokens) for pair in chosen]
        roots, relatedness = np.zeros((n_pair, 2), np.int32), np.full(n_pair, np.nan, np.float32)
        roots[: len(chosen), 0] = starts + [pair.first_root for pair in chosen]
        roots[: len(chosen), 1] = ends - 1
        relatedness[: len(chosen)] = [pair.relatedness for pair in chosen]
        return PairBatch(batch.graph, batch.tokens, roots, relatedness)

    def apply(params, graph, tokens, roots, *, rng=None):
        return siamese(params, graph, tokens, roots, **dropping(config.dropout_rate, rng))

    init = partial(init_siamese, vocab_size=data.vocab_size, config=config, arity=arity if arity > 1 else None)
    return Siamese(init, apply, Bins(lambda pair: len(pair.tokens), lay_out, rows, slots))
