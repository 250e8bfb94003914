"""Two states become a distribution over the scores 1 to 5, whose mean is the relatedness."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.dropping import dropping
from experiments.common.sequences.batches import Packing, union
from experiments.common.sequences.models import WIDTH
from experiments.common.sequences.train import Trainer
from experiments.relatedness.config import Config
from experiments.relatedness.data import Pair, Relatedness
from tgnn.models.recurrent.tree_lstm import init_tree_lstm, states
from tgnn.nn.basic import dropout, embedding, init_linear, linear
from tgnn.train.losses import masked_mean
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
    """What `Trainer` asks of a classifier, for pairs."""

    init: Any
    apply: Any
    lay_out: Any
    size: Any
    rows: int
    slots: int


class Answers(NamedTuple):
    """Predicted and true relatedness of pairs."""

    predictions: np.ndarray
    labels: np.ndarray

    @property
    def score(self) -> float:
        """Pearson's correlation."""
        return float(np.corrcoef(self.predictions, self.labels)[0, 1])


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
    x = dropout(rng, embedding(params["embedding"], tokens), dropout_rate)
    first, second = jnp.moveaxis(states(params["cell"], graph, x)[roots], 1, 0)
    hidden = linear(params["product"], first * second) + linear(params["difference"], jnp.abs(first - second))
    return linear(params["output"], jax.nn.sigmoid(hidden))


def targets(relatedness: Array) -> Array:
    """The distribution on the two nearest scores whose mean is the relatedness `[n] -> [n, 5]`."""
    return jnp.maximum(0.0, 1.0 - jnp.abs(relatedness[:, None] - SCORES[None]))


def make(config: Config, data: Relatedness) -> Siamese:
    """The model and its batches."""
    pairs = [*data.train, *data.held_out, *data.test]
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

    init = partial(init_siamese, vocab_size=data.vocab_size, config=config, arity=arity if arity > 1 else None)
    apply = dropping(siamese, config.dropout_rate)
    return Siamese(init, apply, lay_out, lambda pair: len(pair.tokens), rows, slots)


class PairTrainer(Trainer):
    """Trains on the divergence from the target distribution, and keeps the weights of the best correlation."""

    def __init__(self, siamese: Siamese, config: Config, train: Sequence[Pair], held_out: Sequence[Pair]):
        super().__init__(siamese, config, train, held_out)  # pyright: ignore
        self.scores = jax.jit(self._scores)

    def _scores(self, params: Any, batch: PairBatch) -> Array:
        logits = self.classifier.apply(params, batch.graph, batch.tokens, batch.roots)
        return jnp.exp(jax.nn.log_softmax(logits)) @ SCORES

    def loss(self, params: Any, batch: PairBatch, rng: Array):  # pyright: ignore
        """Cross-entropy with the target distribution, which differs from the divergence by a constant."""
        logits = self.classifier.apply(params, batch.graph, batch.tokens, batch.roots, rng=rng)
        real = jnp.isfinite(batch.relatedness)
        wanted = targets(jnp.where(real, batch.relatedness, 1.0))
        return masked_mean(-(wanted * jax.nn.log_softmax(logits)).sum(-1), real), {}

    def answer(self, params: Any, examples) -> Answers:  # pyright: ignore
        """The mean of the distribution of each pair."""
        packing = Packing(examples, self.classifier.size, self.packing.rows, self.packing.slots)
        predictions, labels = [], []
        for chosen in packing.in_turn():
            batch: Any = self.classifier.lay_out(chosen)
            real = np.isfinite(batch.relatedness)
            predictions.append(np.asarray(self.scores(params, batch))[real])
            labels.append(batch.relatedness[real])
        return Answers(np.concatenate(predictions), np.concatenate(labels))
