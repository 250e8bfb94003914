"""The results of a reading as tables."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from experiments.common.results import summarise

PUBLISHED = {"det": 0.943, "obj": 0.868}  # BERT's best heads on the Penn Treebank, arXiv:1906.04341, table 1


def tables(relations: Sequence, trees: Mapping[str, Sequence[float]], kept: Mapping) -> list[Table]:
    """Relations, spanning trees, and other edges."""
    heads = Table("relation", "words", "best head", "right", "best offset", "right", "untrained", "PTB, BERT-base")
    heads.title = "how often the word with most attention is the syntactic head"
    for row in relations:
        published = f"{PUBLISHED[row.name]:.1%}" if row.name in PUBLISHED else ""
        numbers = f"{row.accuracy:.1%}", f"{row.offset:+d}", f"{row.offset_accuracy:.1%}", spread(row.untrained)
        heads.add_row(row.name, str(row.count), row.head, *numbers, published)
    uuas = Table("tree", "UUAS", title="undirected edges found by maximum spanning trees")
    for name, values in trees.items():
        if not name.endswith("number"):
            uuas.add_row(name.removeprefix("uuas_").replace("_", " "), spread(values))
    graphs = Table("graph", "layers", "cosine", "identified", title="sentence embeddings on these edges alone")
    for (graph, layers), parts in kept.items():
        graphs.add_row(graph.replace("_", " "), layers, *(spread(x, percent=False) for x in parts.values()))
    return [heads, uuas, graphs]


def spread(values: Sequence[float], percent: bool = True) -> str:
    """Mean and, of several, standard deviation."""
    summary, form = summarise(values), ".1%" if percent else ".3f"
    mean = format(summary["mean"], form)
    return mean if len(values) == 1 else f"{mean} ± {summary['std']:{form}}"
