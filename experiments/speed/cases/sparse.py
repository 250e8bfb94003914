"""Windows and block-sparse graphs of 4,096 nodes, 8 heads of 64, against dense kernels with a mask."""

from functools import partial

import numpy as np

import tgnn
from experiments.speed.cases.case import Case, arrays, tensors
from experiments.speed.cases.dense import FLEX_SIZES, HEAD_DIM, HEADS, flex, jax_nn, sdpa
from experiments.speed.contestant import from_jax
from tgnn.planning.cost import cost

REACH = 128  # of the window to either side, at 4,096 nodes
BLOCK, BLOCKS_PER_ROW = 64, 6


def window(family, size, config, data_dir) -> list[Case]:
    """A band around the diagonal."""
    n = int(size)
    reach = REACH * n // 4096
    inside = np.abs(np.arange(n)[:, None] - np.arange(n)[None]) <= reach

    def near(batch, head, receiver, sender):
        return (receiver - sender).abs() <= reach

    *inputs, cotangent = arrays(1, *[(n, HEADS, HEAD_DIM)] * 4)
    local = partial(jax_nn, local_window_size=(reach, reach))
    peers = {"jax.nn": lambda: from_jax(local, None, inputs, cotangent)}
    return [against_masks(f"{family}-{n}", tgnn.Window(n, reach, reach), inside, near, peers, inputs, cotangent)]


def blocks(family, size, config, data_dir) -> list[Case]:
    """Random tiles, full, and the diagonal ones."""
    n = int(size)
    rows = n // BLOCK
    tiles = np.eye(rows, dtype=bool)
    rng = np.random.default_rng(0)
    for row in range(rows):
        tiles[row, rng.choice(rows, min(BLOCKS_PER_ROW, rows), replace=False)] = True
    inside = np.kron(tiles, np.ones((BLOCK, BLOCK), bool))
    table = tensors(tiles)[0]

    def in_tile(batch, head, receiver, sender):
        return table[receiver // BLOCK, sender // BLOCK]

    receivers, senders = np.nonzero(inside)
    layout = tgnn.Blocks.from_edges(senders, receivers, BLOCK, n_receivers=n)
    *inputs, cotangent = arrays(1, *[(n, HEADS, HEAD_DIM)] * 4)
    return [against_masks(f"{family}-{n}", layout, inside, in_tile, {}, inputs, cotangent)]


def against_masks(name: str, layout, inside: np.ndarray, mask_mod, peers, inputs, cotangent) -> Case:
    """A layout against dense kernels that are told the same edges."""
    sides = {
        "SDPA": lambda: sdpa(inputs, cotangent, mask=tensors(inside)[0]),
        "tgnn": lambda: from_jax(tgnn.attend, layout, inputs, cotangent),
    } | peers
    if len(inside) >= max(FLEX_SIZES):
        sides["FlexAttention"] = lambda: flex(inputs, cotangent, mask_mod)
    costs = (cost(layout, HEADS, HEAD_DIM, gradients=yes) for yes in (False, True))
    return Case(name, "SDPA", sides, *costs)
