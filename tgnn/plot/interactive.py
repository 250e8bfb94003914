"""Attention to look into: one page of HTML that holds its data and asks no network."""

import base64
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from tgnn.plot.canvas import check_labels
from tgnn.plot.nodes import circle
from tgnn.plot.weighing import Weighed, weighed
from tgnn.plot.weighted import places_of_edges

KINDS = "lines", "matrix", "graph"
MOST_NODES = 2**16  # nodes are written in 16 bits


@dataclass(frozen=True, repr=False)
class View:
    """A page; as the last line of a notebook's cell it is shown.

    Attributes:
        page: the HTML.
        height: in a notebook, in pixels.
    """

    page: str
    height: int = 620

    def save(self, path: str | Path) -> Path:
        """Writes the page to a file, which any browser opens."""
        Path(path).write_text(self.page, encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        """A frame of its own, so that nothing of the notebook and of the page meets."""
        style = f"width:100%;height:{self.height}px;border:1px solid #ccc"
        return f'<iframe style="{style}" srcdoc="{html.escape(self.page)}"></iframe>'

    def __repr__(self) -> str:
        return f"View({len(self.page) / 1e6:.2f} MB of HTML; save(path) writes it, a notebook shows it)"


def view(
    layers: Any,
    words: Sequence[str] | None = None,
    *,
    senders: Sequence[str] | None = None,
    positions: Any = None,
    kind: str | None = None,
    layer: int = 0,
    head: int | None = None,
    threshold: float | None = None,
    title: str = "",
    height: int = 620,
) -> View:
    """A page that shows the attention of all layers and heads, to be chosen; hovering a node shows its edges alone.

    Weights are kept as 8-bit square roots: right to 0.004 at 1, finer below. A sentence of 64 tokens with 12 layers of
    12 heads takes 0.8 MB.

    Args:
        layers: what `tgnn.analysis.attention_of` gives, or one of it; or for each layer a pair of a graph and weights
            `[*edge_shape, heads]`; or weights as matrices `[layers, heads, n_receivers, n_senders]`, or of one layer.
        words: names of the receivers, and of the senders where these are the same nodes.
        senders: names of the senders, where they are others.
        positions: `[n, 2]`, or how NetworkX finds them, as for `draw_graph`; default a circle.
        kind: what is shown first: "lines" between two columns, "matrix", or "graph"; default graph where there are
            positions and lines elsewhere.
        layer: shown first.
        head: shown first; default the mean of all.
        threshold: edges of no more than this are hidden at first; default 0.02, or half of what uniform attention gives
            where that is less.
        title: of the page.
        height: in a notebook, in pixels.

    Returns:
        A `View`: `.save("attention.html")`, or the last line of a notebook's cell.

    Raises:
        ValueError: for layers of different nodes, names that do not fit, and weights outside of 0 ... 1.

    >>> view(np.full((2, 3, 3), 1 / 3), "abc").page.count("<canvas")
    1
    """
    found = [(getattr(x, "name", ""), weighed(*x) if is_pair(x) else weighed(x)) for x in separate(layers)]
    n_receivers, n_senders = checked_sizes([edges for _, edges in found])
    same = n_receivers == n_senders and senders is None
    words = check_labels("words", words, n_receivers)
    senders = words if same else check_labels("senders", senders, n_senders)
    kind = kind or ("graph" if positions is not None and same else "lines")
    if kind not in KINDS or (kind == "graph" and not same):
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, a graph of one kind of nodes, got {kind!r}; choose")
    if not 0 <= layer < len(found):
        raise ValueError(f"layer is {layer} but there are {len(found)}; choose one of 0 ... {len(found) - 1}")
    first = found[layer][1]
    if head is not None and not 0 <= head < first.num_heads:
        raise ValueError(f"head is {head} but there are {first.num_heads}; choose one of 0 ... {first.num_heads - 1}")
    if threshold is None:
        threshold = min(0.02, 0.5 * n_receivers / max(len(first.senders), 1))
    begin = {"layer": layer, "head": -1 if head is None else head, "kind": kind, "threshold": float(threshold)}
    data = {"title": title, "receivers": words, "senders": senders, "same": same, "start": begin}
    data |= {"n_receivers": n_receivers, "n_senders": n_senders} | packed(found)
    data["positions"] = on_page(first, positions) if same else None
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # no word ends the script
    room = files("tgnn.plot")
    page = (room / "page.html").read_text(encoding="utf-8")
    page = page.replace("SCRIPT", (room / "page.js").read_text(encoding="utf-8"), 1).replace("DATA", text, 1)
    return View(page, height)


def is_pair(layer: Any) -> bool:
    """Whether a layer is a graph with its weights."""
    return isinstance(layer, tuple) and len(layer) == 2 and not hasattr(layer, "_fields")


def separate(layers: Any) -> list[Any]:
    """The layers one by one."""
    graph = is_pair(layers) and (hasattr(layers[0], "edge_shape") or hasattr(layers[0], "n_node"))
    if graph or hasattr(layers, "calls"):
        return [layers]
    if isinstance(layers, list | tuple):
        return list(layers)
    matrices = np.asarray(layers, float)
    return list(matrices) if matrices.ndim == 4 else [matrices]


def checked_sizes(found: list[Weighed]) -> tuple[int, int]:
    """The number of receivers and of senders, of all layers; or a ValueError."""
    sizes = sorted({(edges.n_receivers, edges.n_senders) for edges in found})
    if len(sizes) != 1 or max(sizes[0]) > MOST_NODES:
        raise ValueError(
            f"layers join receivers and senders {sizes}, expected one pair of sizes up to {MOST_NODES}; view those of "
            "one graph at a time"
        )
    for edges in found:
        if not ((edges.weights >= 0) & (edges.weights <= 1.01)).all():
            raise ValueError("weights must be numbers in 0 ... 1, got others; give what tgnn.attention_weights returns")
    return sizes[0]


def packed(found: list[tuple[str, Weighed]]) -> dict[str, Any]:
    """Edges and weights in base64; layers with the same edges share them."""
    lists: list[dict[str, str]] = []
    layers = []
    for name, edges in found:
        pair = {"senders": base64_of(edges.senders, "<u2"), "receivers": base64_of(edges.receivers, "<u2")}
        if pair not in lists:
            lists.append(pair)
        codes = np.rint(255 * np.sqrt(np.clip(edges.weights.T, 0, 1)))  # [heads, n_edge]
        shape = {"heads": edges.num_heads, "edges": lists.index(pair), "name": name}
        layers.append({"weights": base64_of(codes, np.uint8), **shape})
    return {"edges": lists, "layers": layers}


def base64_of(x: np.ndarray, dtype: Any) -> str:
    """The bytes of an array, row by row."""
    return base64.b64encode(np.ascontiguousarray(x, dtype).tobytes()).decode()


def on_page(edges: Weighed, positions: Any) -> list[list[float]]:
    """Places in 0 ... 1, from the upper left corner."""
    places = circle(edges.n_receivers) if positions is None else places_of_edges(edges, positions)
    low, size = places.min(0, initial=np.inf), float(np.ptp(places, 0).max(initial=0)) if len(places) else 0.0
    places = (places - low[None]) / (size or 1.0)
    return [[round(float(x), 4), round(1 - float(y), 4)] for x, y in places]
