"""ZINC, ESOL and PTC in one alphabet of atoms and bonds, in which what a data set does not tell is a token."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.graph_classification.folds import make_folds
from tgnn.datasets import esol, tu, zinc250k
from tgnn.datasets.graphs import Graphs, disjoint_edges
from tgnn.datasets.smiles import ELEMENTS

# Columns of an atom: atomic number, charge from -2, hydrogens, whether aromatic, bonded atoms.
SIZES = (len(ELEMENTS), 5, 5, 2, 7)
LOWEST = (0, -2, 0, 0, 0)
NUM_BONDS = 5  # orders 1, 2, 3, and 4 for aromatic
KNOWN = {"esol": (True, True, True, True, True), "ptc": (True, False, True, False, True)}
KNOWS_BONDS = {"esol": True, "ptc": False}

# PTC's nineteen tags in ascending order. Its files do not name them; README.md says how these were found.
PTC_ELEMENTS = tuple("Ba Br Ca Cl Cu In Na Pb Sn Zn S O P K N F H I C".split())


class Problem(NamedTuple):
    """Molecules with labels, and what each of several networks, trained side by side, may learn from.

    Attributes:
        graphs: nodes int32 [n_atom, 5], edges int32 [n_edge, 2]: the order that is shown, and the order.
        seen: bool [networks, n_graph], the molecules that a network trains on.
        parts: "validation" and "test", each bool [networks, n_graph].
        metric: "rmse", to be low, or "accuracy", to be high.
        outputs: numbers that a network says of a molecule.
        scale: of a standardised label in the unit of the data set.
    """

    graphs: Graphs
    seen: np.ndarray
    parts: dict[str, np.ndarray]
    metric: str
    outputs: int
    scale: float = 1.0


def load_problem(dataset: str, data_dir: Path | None) -> Problem:
    """ESOL in one random split, 80 : 10 : 10, always the same; PTC in its ten folds."""
    return load_esol(data_dir) if dataset == "esol" else load_ptc(data_dir)


def load_esol(data_dir: Path | None) -> Problem:
    """Labels are standardised by the training molecules."""
    graphs = esol.load(data_dir).graphs
    count = len(graphs.labels)
    masks = [np.isin(np.arange(count), part)[None] for part in esol.random_split(count)]
    mean, sd = (float(f(graphs.labels[masks[0][0]])) for f in (np.mean, np.std))
    graphs = replace(encode(graphs, "esol"), labels=((graphs.labels - mean) / sd).astype(np.float32))
    return Problem(graphs, masks[0], {"validation": masks[1], "test": masks[2]}, "rmse", 1, sd)


def load_ptc(data_dir: Path | None) -> Problem:
    """Ten networks, each blind to one fold, its test molecules, and to the next one, its validation molecules."""
    data = tu.load("PTC", data_dir)
    folds = make_folds(data.folds, len(data.graphs.labels))
    atoms = without_hydrogens(with_elements(data.graphs))
    parts = {"validation": folds.validation, "test": folds.test}
    return Problem(encode(atoms, "ptc"), ~(folds.test | folds.validation), parts, "accuracy", data.num_classes)


def load_molecules(dataset: str, count: int, held_out: int, data_dir: Path | None) -> tuple[Graphs, Graphs]:
    """Molecules to pre-train on and others to score, from everywhere in ZINC-250k, told as `dataset` tells its own."""
    whole = zinc250k.load(data_dir)
    chosen = np.random.default_rng(0).permutation(len(whole))[: count + held_out]
    graphs = encode(whole.take(chosen).graphs(), dataset)
    return graphs.take(np.arange(held_out, len(chosen))), graphs.take(np.arange(min(held_out, len(chosen))))


def with_elements(graphs: Graphs) -> Graphs:
    """PTC's graphs with columns as ESOL's; charges and aromatic rings are unknown, and so are the orders of bonds."""
    numbers = np.array([ELEMENTS.index(symbol) for symbol in PTC_ELEMENTS], np.int32)
    nodes = np.zeros((len(graphs.nodes), len(SIZES)), np.int32)
    nodes[:, 0] = numbers[graphs.nodes]
    return replace(graphs, nodes=nodes)


def without_hydrogens(graphs: Graphs) -> Graphs:
    """Hydrogens that are atoms become a number of the atom that they are on, as SMILES has it; degrees are counted."""
    senders, receivers = disjoint_edges(graphs)
    heavy = graphs.nodes[:, 0] != 1
    both = heavy[senders] & heavy[receivers]
    nodes, count = graphs.nodes.copy(), len(graphs.nodes)
    nodes[:, 2] = np.bincount(receivers[~heavy[senders]], minlength=count)
    nodes[:, 4] = np.bincount(receivers[both], minlength=count)
    graph_of_node = np.repeat(np.arange(len(graphs)), graphs.n_node)
    starts = np.cumsum(heavy) - heavy  # new numbers, over all graphs
    n_node = np.bincount(graph_of_node[heavy], minlength=len(graphs)).astype(np.int32)
    offset = (np.cumsum(n_node) - n_node)[graph_of_node[receivers[both]]]
    return Graphs(
        nodes=nodes[heavy],
        edges=graphs.edges[both],
        senders=(starts[senders[both]] - offset).astype(np.int32),
        receivers=(starts[receivers[both]] - offset).astype(np.int32),
        n_node=n_node,
        n_edge=np.bincount(graph_of_node[receivers[both]], minlength=len(graphs)).astype(np.int32),
        labels=graphs.labels,
    )


def encode(graphs: Graphs, dataset: str) -> Graphs:
    """Columns from 0, rare values at the ends of their range, and a token for all that the data set does not know."""
    low, sizes = np.array(LOWEST)[None], np.array(SIZES)[None]
    nodes = np.clip(graphs.nodes - low, 0, sizes - 1)
    nodes = np.where(np.array(KNOWN[dataset])[None], nodes, sizes).astype(np.int32)
    shown = graphs.edges if KNOWS_BONDS[dataset] else np.full_like(graphs.edges, NUM_BONDS)
    orders = np.where(graphs.edges > 0, graphs.edges, -1)  # PTC's zeros are no class
    return replace(graphs, nodes=nodes, edges=np.stack([shown, orders], axis=1).astype(np.int32))


def most_frequent(values: np.ndarray, size: int) -> float:
    """The share of the most frequent class: what always saying it gets right."""
    counts = np.bincount(values[values >= 0], minlength=size)
    return float(counts.max() / max(counts.sum(), 1))


def tokens(sizes: Sequence[int] = SIZES) -> np.ndarray:
    """What stands for the columns of a hidden atom."""
    return np.array(sizes, np.int32)
