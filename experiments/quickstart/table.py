"""The one table at the end: every graph of the run, what ran on it and what came out."""

from typing import Any

import jax
import jax.numpy as jnp
from rich.table import Table

import tgnn
from experiments.common.results import summarise
from experiments.digits.data import Digits
from experiments.digits.run import Score
from experiments.pronounce.data import Batch
from experiments.pronounce.model import layouts
from experiments.pronounce.task import Result, in_words
from tgnn.graphs.transforms import degrees


def results_table(
    word: str, said: tuple[str, ...], batch: Batch, result: Result, seconds: float, digits: Digits, scores: dict
) -> Table:
    """Graph, nodes, edges, density, layout, parameters, score and seconds of everything that ran."""
    table = Table(title="one attention, two kinds of graph")
    for column in ("graph", "nodes", "edges", "density", "layout", "parameters", "score", "seconds"):
        table.add_column(column, justify="left" if column in ("graph", "layout", "score") else "right")
    for row in [*word_rows(word, said, result), batch_row(batch, result, seconds), *digits_rows(digits, scores)]:
        table.add_row(*row)
    return table


def word_rows(word: str, said: tuple[str, ...], result: Result) -> list[list[str]]:
    """The three graphs of one word, with the weights that work on each."""
    n, m = len(word), len(said) + 1
    decoder = count(result.params) - count(result.params["source"])
    crossing = count(result.params["decoder"]["blocks"]["cross"])
    graphs = {
        f"letters of “{word}”": (tgnn.Complete(n), count(result.params["source"])),
        "its phonemes": (tgnn.Causal(m), decoder - crossing),
        "letters → phonemes": (tgnn.Complete(m, n), crossing),
    }
    return [[name, *describe(layout), f"{size:,}", "", ""] for name, (layout, size) in graphs.items()]


def batch_row(batch: Batch, result: Result, seconds: float) -> list[str]:
    """All words of a batch as one graph."""
    nodes = int((batch.letters >= 0).sum() + (batch.phonemes >= 0).sum())
    per_row = jax.vmap(lambda row: jnp.stack([edges(layout) for layout in layouts(row)]).sum())(batch)
    num_edges = float(per_row.sum())
    words = int((batch.letter_positions == 0).sum())
    size = [f"{nodes:,}", f"{num_edges:,.0f}", f"{num_edges / nodes**2:.2%}"]
    shown = [f"{count(result.params):,}", in_words(result.metrics), f"{seconds:.0f}"]
    return [f"a batch: {words} words, disjoint", *size, "these, with segments", *shown]


def digits_rows(digits: Digits, scores: dict[str, Score]) -> list[list[str]]:
    """The graph of neighbours under each network, and the method that does without it."""
    rows = []
    for name, score in scores.items():
        graph = ["digits, no graph", f"{len(digits.classes):,}", "0", "", ""]
        if name != "logistic_regression":
            graph = ["digits, nearest neighbours", *describe(digits.layout)]
        summary = summarise(score.accuracies)
        accuracy = f"{name.replace('_', ' ')}: accuracy {summary['mean']:.1%} ± {summary['std']:.1%}"
        rows.append([*graph, f"{score.num_parameters:,}", accuracy, f"{score.seconds:.0f}"])
    return rows


def describe(layout: Any) -> list[str]:
    """Nodes, edges, density and name of a layout."""
    n, m = layout.n_receivers, layout.n_senders
    num_edges = float(edges(layout))
    nodes = f"{n:,}" if n == m else f"{m:,} → {n:,}"
    return [nodes, f"{num_edges:,.0f}", f"{num_edges / (n * m):.2%}", type(layout).__name__]


def edges(layout: Any) -> jax.Array:
    """How many edges are live."""
    return degrees(layout).sum()


def count(params: Any) -> int:
    """How many numbers the weights are."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
