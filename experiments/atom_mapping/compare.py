"""Whether two maps of a reaction are the same one, in whatever order their atoms are written."""

import networkx as nx
import numpy as np

from experiments.atom_mapping.mapping import molecules


def graph_of(reaction: str, numbers: list[np.ndarray]) -> nx.Graph:
    """Atoms with element, side and map number, and bonds, of both sides.

    The parts of a salt are not joined: some of the published maps write them with dots, and say which belong together
    behind the reaction.
    """
    graph = nx.Graph()
    for side, (text, own) in enumerate(zip(reaction.split(">>"), numbers, strict=True)):
        molecule = molecules(text.replace("~", "."))
        for i, (element, number) in enumerate(zip(molecule.elements.tolist(), own.tolist(), strict=True)):
            graph.add_node((side, i), kind=(side, element, number))
        graph.add_edges_from(((side, i), (side, j)) for i, j in molecule.bonds.tolist())
    return graph


def is_same_map(first: tuple[str, list[np.ndarray]], second: tuple[str, list[np.ndarray]]) -> bool:
    """Whether one graph becomes the other by renaming its nodes, with map numbers, elements and bonds unchanged."""
    return nx.is_isomorphic(graph_of(*first), graph_of(*second), node_match=lambda a, b: a["kind"] == b["kind"])
