"""What a run looks like: its learning curves, and which pieces of a source each piece of its translation looks at."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import tgnn
from experiments.common.figures import learning_curves
from experiments.translate import model
from experiments.translate.config import Config
from experiments.translate.data import Batch, Corpus, Pair, lay_out
from experiments.translate.task import Result
from tgnn import plot
from tgnn.typing import Params


def save_figures(result: Result, corpus: Corpus, config: Config, run_dir: Path) -> list[Path]:
    """Writes the learning curves and the alignment of one test sentence."""
    paths = [learning_curves(run_dir, ["validation_nats"], "validation sentences", unit="nats a piece")]
    paths.append(run_dir / "alignment.png")
    alignment(result, corpus, config).savefig(paths[-1], dpi=120)
    return paths


def alignment(result: Result, corpus: Corpus, config: Config) -> Figure:
    """The last layer's cross-attention, the mean of its heads, as a heat map."""
    english, said = specimen(result, corpus)
    source, target = (corpus.vocabulary.ids([text])[0] for text in (english, said))
    target = target[: config.slots - 1]  # an untrained model does not end
    weights = cross_attention(result.params, Pair(source, target), result.name, config)[-1].mean(0)
    senders, receivers = corpus.vocabulary.pieces(english), [*corpus.vocabulary.pieces(said)[: len(target)], "END"]
    ax = Figure(figsize=(7.5, 5.5), layout="constrained").add_subplot()
    return plot.alignment(weights, receivers, senders, title="who looks at whom", ax=ax).figure


def cross_attention(params: Params, pair: Pair, name: str, config: Config) -> np.ndarray:
    """How much the node that says each piece of the target, END behind, looks at each of the source.

    Returns:
        `[layers, heads, len(target) + 1, len(source)]`.
    """
    batch = lay_out([pair], [[0]], config.slots, model.VARIANTS[name].graph, config)
    row = Batch(*(x[0] for x in batch))
    seen = tgnn.analysis.attention_of(model.row_logits, params, row, model.VARIANTS[name])
    cross = [layer.matrix() for layer in seen if layer.name.endswith("cross")]
    return np.stack(cross)[:, :, : len(pair.target) + 1, : len(pair.source)]


def specimen(result: Result, corpus: Corpus) -> tuple[str, str]:
    """The first test sentence of 8 to 14 words that is said as the reference has it; else the first one."""
    texts = corpus.texts["test"]
    triples = list(zip(texts.english, result.said, texts.german, strict=True))
    right = [(e, s) for e, s, g in triples if s == g and 8 <= len(e.split()) <= 14]
    return right[0] if right else triples[0][:2]
