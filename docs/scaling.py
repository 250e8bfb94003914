"""Writes the tables of scaling.md: `python docs/scaling.py`. Counts, not measurements; the tests compare."""

from pathlib import Path

import numpy as np

import tgnn
from tgnn.planning.cost import cost
from tgnn.sharding import choose_owners, partition_nodes, traffic

PAGE = Path(__file__).parent / "scaling.md"
START, END = "<!-- {}: written by python docs/scaling.py -->", "<!-- end -->"
HEADS, HEAD_DIM = 8, 16  # of the graph
TEXT_HEADS, TEXT_DIM = 16, 64  # of the text


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---:"] * len(header), *rows])


def of_graph() -> str:
    """A layer on 100 million nodes, with gradients."""
    nodes = 100_000_000
    rows = []
    for devices in (8, 64, 512):
        found = [f"{devices}", f"{traffic('edges', devices, nodes, HEADS, HEAD_DIM).both / 1e9:,.1f}"]
        for cut in (0.01, 0.1, 1.0):  # rows that are sent for each node
            sent = int(cut * nodes)
            found.append(f"{traffic('nodes', devices, nodes, HEADS, HEAD_DIM, n_sent=sent).both / 1e9:,.3f}")
        found.append(f"{nodes / devices * HEADS * HEAD_DIM * 4 / 1e9:,.2f}")
        rows.append(found)
    header = ["devices", "edges, GB", "nodes, 1 % sent, GB", "10 %", "100 %", "rows of a device, GB"]
    return table(header, rows)


def of_text() -> str:
    """A causal layer around a ring, with gradients."""
    rows = []
    for tokens in (65_536, 262_144, 1_048_576):
        of_all = cost(tgnn.Causal(tokens), TEXT_HEADS, TEXT_DIM).flops
        for devices in (8, 64, 512):
            moved = traffic("ring", devices, tokens, TEXT_HEADS, TEXT_DIM, itemsize=2).both
            flops = of_all / devices
            held = tokens / devices * TEXT_HEADS * TEXT_DIM * 2 * 4  # query, key, value, output
            numbers = f"{held / 1e6:,.1f}", f"{moved / 1e9:,.2f}", f"{flops / 1e12:,.2f}", f"{flops / moved:,.0f}"
            rows.append([f"{tokens:,}", str(devices), *numbers])
    return table(["tokens", "devices", "rows of a device, MB", "received, GB", "TFLOP", "FLOP per byte"], rows)


def of_cuts() -> str:
    """How many rows are sent for each node, of graphs that are cut in three ways."""
    rng, n = np.random.default_rng(0), 20_000
    at = rng.uniform(size=(n, 2))
    graphs = {
        "window of 8": tgnn.Window(n, 4, 4).to_edges(),
        "8 nearest places of a plane": tgnn.k_nearest(at, 8)[0],
        "8 of all at random": tgnn.EdgeList.from_edges(*rng.integers(0, n, (2, 8 * n)), n_receivers=n),
    }
    rows = []
    for name, graph in graphs.items():
        found = [name]
        for by in ("metis", "order", None):
            owner = rng.integers(0, 8, n) if by is None else choose_owners(graph, 8, by=by)
            found.append(f"{partition_nodes(graph, 8, owner).n_cut / n:.3f}")
        rows.append(found)
    return table(["20,000 nodes, 8 parts", "METIS", "an order", "by chance"], rows)


TABLES = {"graph": of_graph, "text": of_text, "cuts": of_cuts}


def written(page: str) -> str:
    """The page with the tables in their places."""
    for name, make in TABLES.items():
        before, rest = page.split(START.format(name))
        page = before + START.format(name) + "\n" + make() + "\n" + END + rest.split(END, 1)[1]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
