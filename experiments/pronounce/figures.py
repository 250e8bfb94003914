"""What a run looks like: its learning curves, and where the phonemes of one word come from."""

from pathlib import Path

from matplotlib.figure import Figure

from experiments.common.figures import learning_curves
from experiments.pronounce.architectures import ARCHITECTURES
from experiments.pronounce.task import Result
from tgnn import plot


def save_figures(result: Result, run_dir: Path) -> list[Path]:
    """Writes learning curves and, for one held-out word, the Transformer's attention as an alignment and as a graph."""
    names = ["validation_phoneme_error", "validation_word_error"]
    style = {"unit": "nats per phoneme", "log": True, "ylabel": "error rate"}
    paths = [learning_curves(run_dir, names, "validation words", **style)]
    for name, figure in attention(result).items():
        paths.append(run_dir / name)
        figure.savefig(paths[-1], dpi=150)
    return paths


def attention(result: Result) -> dict[str, Figure]:
    """Who looks at whom in one word; nothing for a model that does not tell."""
    look = ARCHITECTURES[result.architecture].attention
    if look is None:
        return {}
    word, said = specimen(result)
    weights = look(result.params, word, said)[-1].mean(-1)  # of the last layer, over its heads
    receivers, senders = [*said, "END"], list(word)
    # Row i is the node that says phoneme i: it has been given the ones before.
    return {
        "alignment.png": plot.alignment(weights, receivers, senders, title=f"who looks at whom in “{word}”").figure,
        "attention-graph.png": attention_graph(weights, receivers, senders),
    }


def specimen(result: Result) -> tuple[str, tuple[str, ...]]:
    """The longest test word of at most 12 letters that is said right; else the first one with whatever is said."""
    pairs = list(zip(result.test.words, result.said, strict=True))
    right = [(w, s) for (w, s), a in zip(pairs, result.test.phonemes, strict=True) if s in a and len(w) <= 12]
    return max(right, key=lambda pair: len(pair[0])) if right else pairs[0]


def attention_graph(weights, receivers, senders) -> Figure:
    ax = Figure(figsize=(9, 4), layout="constrained").add_subplot()
    return plot.attention_graph(weights, receivers, senders, title="the same as a bipartite graph", ax=ax).figure
