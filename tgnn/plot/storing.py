"""A layout as it is stored: which pairs have a slot, and what stands in the slots."""

from typing import Any

import numpy as np

from tgnn.graphs import Layout
from tgnn.graphs.interop import as_layout
from tgnn.plot.canvas import AS_WRITTEN

MAX_NUMBERS = 300  # more slots than these cannot be read
LIVE, DEAD = "#0072B2", "#E69F00"


def draw_storage(graph: Any, *, title: str = "") -> Any:
    """Draws a layout twice: the pairs of nodes that have a slot, and the slots in their order with their senders.

    Dark slots are edges; light, hatched ones are stored and computed but dead; what is white is not stored at all.

    Args:
        graph: a layout, or a `jraph.GraphsTuple`; concrete and small.
        title: of the picture; default the kind of the layout.

    Returns:
        A figure, which pyplot does not know of; a notebook shows it.

    >>> import tgnn
    >>> [ax.get_ylabel() for ax in draw_storage(tgnn.Window(5, 1, 1)).axes]
    ['receiver', '']
    """
    from tgnn.plot.picture import Picture

    layout = as_layout(graph).stored
    layout.require_concrete()
    live = layout.on_edges(layout.live)
    senders, receivers = layout.on_edges(layout.sender_index), layout.on_edges(layout.receiver_index)
    figure = Picture(figsize=(9, 4.2), layout="constrained")
    pairs, slots = figure.subplots(1, 2)
    draw_pairs(pairs, layout, senders, receivers, live)
    draw_slots(slots, senders, live)
    shape = " × ".join(map(str, live.shape))
    words = f"{live.sum()} edges in {shape} slots" if live.ndim > 1 else f"{live.sum()} edges in a list of {shape}"
    figure.suptitle(f"{title or layout.title}: {words}", **AS_WRITTEN)
    return figure


def draw_pairs(ax: Any, layout: Layout, senders: np.ndarray, receivers: np.ndarray, live: np.ndarray) -> None:
    """The matrix of all pairs: edges dark, dead slots light."""
    shape = layout.n_receivers, layout.n_senders
    inside = (senders >= 0) & (senders < shape[1]) & (receivers >= 0) & (receivers < shape[0])
    state = np.zeros(shape, int)
    known = layout.form in ("matrix", "tiles", "band")  # elsewhere a dead slot belongs to no pair
    for value, which in ((1, inside & ~live & known), (2, inside & live)):
        state[receivers[which], senders[which]] = value
    paint(ax, state)
    ax.set_xlabel("sender")
    ax.set_ylabel("receiver")
    ax.set_title("pairs with a slot", fontsize=10)


def draw_slots(ax: Any, senders: np.ndarray, live: np.ndarray) -> None:
    """The slots as an array of two axes, each with the number of its sender."""
    state, numbers = as_table(np.where(live, 2, 1)), as_table(senders)
    paint(ax, state)
    if state.size <= MAX_NUMBERS:
        for row, column in np.ndindex(state.shape):
            if state[row, column] == 2:
                ax.text(column, row, str(numbers[row, column]), ha="center", va="center", color="white", fontsize=7)
    ax.set_xlabel("slots, row by row" if live.ndim == 1 else "slots" if live.ndim == 2 else "tiles of slots")
    ax.set_title("the slots, with their senders", fontsize=10)


def as_table(x: np.ndarray) -> np.ndarray:
    """Any array with two axes: a list in rows of 16, tiles beside each other with a gap; filled up with 0."""
    if x.ndim == 1:
        width = min(16, max(len(x), 1))
        return np.pad(x, (0, -len(x) % width)).reshape(-1, width)
    if x.ndim == 2:
        return x
    tiles = x.reshape(-1, *x.shape[-2:])
    columns = max(int(np.ceil((len(tiles) * x.shape[-2] / max(x.shape[-1], 1)) ** 0.5)), 1)
    tiles = np.pad(tiles, ((0, -len(tiles) % columns), (0, 1), (0, 1)))
    table = np.moveaxis(tiles.reshape(-1, columns, *tiles.shape[1:]), 1, 2)  # [rows, height, columns, width]
    return table.reshape(table.shape[0] * table.shape[1], -1)[:-1, :-1]


def paint(ax: Any, state: np.ndarray) -> None:
    """0 white, 1 light and hatched, 2 dark."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Rectangle

    rows, columns = (max(size, 1) for size in state.shape)
    aspect = "equal" if max(rows, columns) <= 4 * min(rows, columns) else "auto"
    style = {"vmin": 0, "vmax": 2, "interpolation": "nearest", "aspect": aspect}
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    ax.imshow(state, cmap=ListedColormap(["white", "white", LIVE]), extent=extent, **style)
    for row, column in np.argwhere(state == 1) if (state == 1).sum() <= 4096 else []:
        box = {"facecolor": DEAD, "alpha": 0.35, "hatch": "////", "edgecolor": "0.3", "linewidth": 0}
        ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **box))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
