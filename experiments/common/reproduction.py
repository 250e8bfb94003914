"""The table of what papers report and what comes out here: `python -m experiments.common.reproduction docs/results.md`.

The middle columns are read from the results kept with the code; a test compares, so that none is typed by hand.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from experiments.common import results
from experiments.common.tables import put

START, END = (
    "<!-- reproduction: written by `python -m experiments.common.reproduction docs/results.md` -->",
    "<!-- end of reproduction -->",
)
HEADER = ("what", "here", "seeds", "published", "source", "not comparable because of")


class Row(NamedTuple):
    """One number of a paper.

    Attributes:
        what: model and task.
        file: of the results, below this folder, without `.json`.
        metric: in that file.
        published: as the paper has it.
        source: arXiv number, or another address.
        differs: what keeps the two from being comparable; empty where they are.
        percent: whether the metric is a share, to be shown in per cent.
    """

    what: str
    file: str
    metric: str
    published: str
    source: str
    differs: str = ""
    percent: bool = True


SMALL = "a CPU's budget, another split"
ROWS = (
    Row("GCN, Cora", "citation/results/gcn-cora", "test_accuracy", "81.5 %", "1609.02907"),
    Row(
        "MoNet, Cora",
        "citation/results/monet-cora",
        "test_accuracy",
        "81.7 ± 0.5 %",
        "1611.08402",
        "the mean for the paper's sum; a recipe chosen with test accuracies in sight",
    ),
    Row("GAT, Cora", "citation/results/gat-cora", "test_accuracy", "83.0 ± 0.7 %", "1710.10903"),
    Row("GCN, CiteSeer", "citation/results/gcn-citeseer", "test_accuracy", "70.3 %", "1609.02907"),
    Row("GAT, CiteSeer", "citation/results/gat-citeseer", "test_accuracy", "72.5 ± 0.7 %", "1710.10903"),
    Row(
        "MPNN with sums, ZINC, MAE", "molecules/results/mpnn_sum", "validation_mae", ".145", "2004.05718", SMALL, False
    ),
    Row(
        "MPNN with maxima, ZINC, MAE",
        "molecules/results/mpnn_max",
        "validation_mae",
        ".252",
        "2004.05718",
        SMALL,
        False,
    ),
    Row(
        "GCN with its source's residual blocks, minesweeper, ROC AUC",
        "heterophily/results/full-gcn-minesweeper",
        "test_roc_auc",
        "89.75 ± .52 %",
        "2302.11640",
        "5 layers, not the best of 1 to 5",
    ),
    Row(
        "GIN, PTC",
        "graph_classification/results/gin_sum-PTC",
        "paper_accuracy",
        "64.6 ± 7.0 %",
        "1810.00826",
        "about 300 updates, layer norm for batch norm",
    ),
    Row(
        "Multi-graph Transformer, QuickDraw",
        "sketches/results/multi_graph",
        "validation_top1",
        "72.8 %",
        "1912.11258",
        "17 drawings a class, not 1,000",
    ),
    Row(
        "Transformer on complete graphs, QuickDraw",
        "sketches/results/complete",
        "validation_top1",
        "52.5 %",
        "1912.11258",
        "17 drawings a class, not 1,000",
    ),
    Row(
        "Transformer, Tiny Shakespeare, nats a character",
        "language/results/cpu-transformer",
        "validation_nats",
        "1.88",
        "github.com/karpathy/nanoGPT",
        "ReLU for GELU; the whole validation text, not 20 batches of it",
        percent=False,
    ),
    Row(
        "Transformer with rotary positions, CMUdict, phoneme error",
        "pronounce/results/cpu-rotary",
        "phoneme_error",
        "5.2 % (not confirmed)",
        "2004.06338",
        f"rotary, not sinusoidal positions; {SMALL}",
    ),
    Row(
        "Transformer, Multi30k, English to German, BLEU of test 2016",
        "translate/results/cpu",
        "complete/test_bleu_beam",
        "41.02",
        "2105.14462",
        "rotary positions, 3 layers, not 4; ten epochs; a beam of 4, not 5",
        False,
    ),
    Row(
        "Tree-LSTM, SST-5",
        "sentiment/results/fine-tree_lstm",
        "accuracy",
        "51.0 ± 0.5 %",
        "1503.00075",
        "no word vectors, the dev split",
    ),
    Row(
        "Tree-LSTM with GloVe, SST-5",
        "sentiment/results/glove-tree_lstm-adagrad",
        "accuracy",
        "51.0 ± 0.5 %",
        "1503.00075",
        "vectors of 50 dimensions, not 300, the dev split",
    ),
)


def table(root: Path = Path(__file__).parent.parent) -> str:
    """The table in Markdown."""
    rows = [HEADER, ["---"] * len(HEADER)]
    for row in ROWS:
        summary = results.read(root / f"{row.file}.json")["metrics"][row.metric]
        seeds = len(summary["values"])
        link = row.source if "/" in row.source else f"[{row.source}](https://arxiv.org/abs/{row.source})"
        what = f"[{row.what}](../experiments/{row.file.split('/')[0]}/README.md)"
        rows.append([what, shown(summary, row.percent), str(seeds), row.published, link, row.differs])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shown(summary: dict, percent: bool) -> str:
    """A mean, and its standard deviation over seeds where there are several."""
    numbers = [summary["mean"], summary["std"]][: 1 + (len(summary["values"]) > 1)]
    each = [f"{100 * x:.1f}" if percent else f"{x:.3f}" for x in numbers]
    return " ± ".join(each) + (" %" if percent else "")


def written(text: str) -> str:
    """The page with the table between its two comments; a ValueError if it does not have them."""
    return put(text, START, END, table())


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
