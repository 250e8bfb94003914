"""RowWindows tile by tile, as `blocks.py` runs them: queries stand window after window, senders are gathered.

A tile's senders are gathered once for all its receivers and heads, and their gradients added once. Reference: Li and
Chandramowlishwaran, Fused3S: Fast Sparse Attention on Tensor Cores, arXiv:2505.08098 (row windows whose columns are
compacted; there for tensor cores and without gradients).
"""

from functools import partial

import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused.blocks import Data, Reader, backward, forward
from tgnn.attention.fused.execution import Form
from tgnn.attention.fused.rows import Packed, Plan
from tgnn.attention.fused.tiled import Tiled, prepare
from tgnn.graphs.layout import rows_at
from tgnn.typing import Array


class Gathered(Reader):
    """The senders of a tile are listed: `sender` holds their numbers. Rows of all heads are read and added at once."""

    @staticmethod
    def index(plan: Plan, sender: Array) -> Array:
        return sender

    @staticmethod
    def ready(x: Array) -> Array:
        return x

    @staticmethod
    def take(plan: Plan, sender: Array, x: Array) -> Array:
        return jnp.moveaxis(rows_at(x, sender), 1, 0)

    @staticmethod
    def zeros(x: Array) -> Array:
        return jnp.zeros_like(x)

    @staticmethod
    def add(plan: Plan, sender: Array, total: Array, part: Array) -> Array:
        return total.at[sender].add(jnp.moveaxis(part, 0, 1), mode="drop")

    @staticmethod
    def done(plan: Plan, like: Array, total: Array) -> Array:
        return total


def pack(call: Call) -> tuple[Plan, Packed, Data]:
    """The tiles of a call; receivers are gathered into their windows, which rows without one fill up."""
    layout = call.layout
    prepared = prepare(call)
    (groups, size), width = layout.receivers.shape, layout.edge_shape[2]
    exists = (layout.senders >= 0) & (layout.senders < layout.n_senders)
    data = Data(
        prepared.others,
        call.draw,
        layout.receivers,
        jnp.clip(layout.windows, 0, max(groups - 1, 0)),
        jnp.where(exists, layout.senders, layout.n_senders),  # dropped by sums; negative ones would wrap around
        layout.live,
    )
    packed = prepared._replace(receiver=rows_at(prepared.receiver, layout.receivers.ravel()))
    packed = Packed(packed.receiver, packed.sender, packed.value, packed.floats, packed.slots)
    return Plan(prepared.rule, size, width, False), packed, data


class Windows(Tiled):
    """The tiles of `RowWindows`."""

    name = "tiles of row windows"
    form: Form = "row windows"

    pack = staticmethod(pack)
    forward, backward = (staticmethod(partial(x, Gathered)) for x in (forward, backward))  # pyright: ignore

    def unpack(self, call: Call, output: Array) -> Array:
        rows = rows_at(output, call.layout.places)  # [n_receivers, key_heads, group, dim]
        return rows.reshape(rows.shape[0], -1, rows.shape[-1])
