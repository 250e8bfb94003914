"""What the tiled executions share: heads onto two axes, parameters into leaves, wide dtypes, and the way back."""

import math
from abc import abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused.derivatives import attend_with, attend_with_lse
from tgnn.attention.fused.execution import Execution, Statistics, backend, own_structure
from tgnn.attention.fused.tile import Rule, Slots, split_leaves
from tgnn.attention.scores import NodeMap, guarded, split
from tgnn.typing import Array


class Prepared(NamedTuple):
    """A call of `attend`, ready to be cut into tiles. Heads stand on [key_heads, group]."""

    rule: Rule
    receiver: Array  # [n_receivers, key_heads, group, ...], what the score needs of a receiver
    sender: Array  # [n_senders, key_heads, ...]
    value: Array  # [n_senders, key_heads, dim]
    floats: list[Array]
    others: list[Array]
    slots: Slots  # in the layout's edge shape
    each_head: bool  # heads may run one after the other: nothing is shared between them


TOGETHER = 2**14  # logits below which all heads run at once on a CPU: they fit its cache, and a loop costs more


class Tiled(Execution):
    """An execution by tiles: a subclass cuts the call into tiles and says how they run, forward and backward."""

    when = "on CPU from about 2 ** 15 logits on, elsewhere from 2 ** 30 on; below, the definition is as fast"
    from_logits = 2**15  # on a CPU

    @staticmethod
    @abstractmethod
    def pack(call: Call) -> tuple[Any, Any, Any]:
        """Plan, packed and data: the static, the differentiable and the other inputs of the tiles."""

    @staticmethod
    @abstractmethod
    def forward(plan: Any, packed: Any, data: Any) -> tuple[Array, Array]:
        """Output and statistics of the rows of all tiles, both in float32 or wider."""

    @staticmethod
    @abstractmethod
    def backward(plan: Any, packed: Any, data: Any, statistics: Array, gradient: Array, delta: Array) -> Any:
        """Gradients of `packed`; `delta` as in `tile.backward`."""

    def unpack(self, call: Call, output: Array) -> Array:
        """[receivers of the tiles, key_heads, group, dim] -> [n_receivers, heads, dim]."""
        return output.reshape(output.shape[0], -1, output.shape[-1])[: call.layout.n_receivers]

    def refusal(self, call: Call) -> str | None:
        if 0 in (call.query.shape[-1], call.value.shape[-1]):
            return f"head_dim is {call.query.shape[-1]} and value_dim {call.value.shape[-1]}; it needs at least 1"
        return own_structure(call)

    def is_faster(self, call: Call) -> bool:
        return count_logits(call) >= (self.from_logits if backend() == "cpu" else 2**30)

    def run(self, call: Call) -> Array:
        return attend_with(self.run_forward, self.run_backward, call)

    def run_with_lse(self, call: Call) -> tuple[Array, Array]:
        return attend_with_lse(self.run_forward, self.run_backward, self.log_sum_exp, call)

    def log_sum_exp(self, call: Call, saved: tuple[Array, Array]) -> Array:
        """The second output."""
        return self.statistics_of(call, saved[1]).log_sum_exp

    def statistics(self, call: Call) -> Statistics:
        return self.statistics_of(call, self.forward(*self.pack(call))[1])

    def statistics_of(self, call: Call, statistics: Array) -> Statistics:
        """Those of the receivers from those of the rows of all tiles."""
        rows = self.unpack(call, statistics)
        return Statistics(rows[..., 0], rows[..., 1])

    def run_forward(self, call: Call) -> tuple[Array, tuple[Array, Array]]:
        """Output, and what the backward pass reads."""
        output, statistics = self.forward(*self.pack(call))
        return self.unpack(call, output).astype(call.value.dtype), (output, statistics)

    def run_backward(
        self, call: Call, _: Array, saved: tuple[Array, Array], gradient: Array, to_lse: Array | None = None
    ) -> Call:
        """Gradients of all floating-point operands, as a Call: through the tiles, then through how they were cut."""
        output, statistics = saved

        def repack(x, like):
            return jax.linear_transpose(lambda x: self.unpack(call, x), like)(x.astype(like.dtype))[0]

        to_output = repack(gradient, output)
        delta = (to_output * output).sum(-1)
        if to_lse is not None:  # the slope of the log-sum-exp in a logit is its weight
            delta = delta - repack(to_lse[..., None], statistics[..., :1])[..., 0]
        leaves, treedef = jax.tree.flatten(call)
        chosen = [i for i, x in enumerate(leaves) if hasattr(x, "dtype") and jnp.issubdtype(x.dtype, jnp.inexact)]

        def packed(*floats):
            new = dict(zip(chosen, floats, strict=True))
            return self.pack(treedef.unflatten([new.get(i, x) for i, x in enumerate(leaves)]))[1]

        _, to_operands = jax.vjp(packed, *(leaves[i] for i in chosen))
        to_packed = self.backward(*self.pack(call), statistics, to_output, delta)
        gradients = dict(zip(chosen, to_operands(to_packed), strict=True))
        return treedef.unflatten([gradients.get(i) for i in range(len(leaves))])


def count_logits(call: Call) -> int:
    """One for each head of each slot."""
    return math.prod(call.layout.edge_shape) * call.query.shape[1]


def prepare(call: Call) -> Prepared:
    """The call in the shapes of the tiles, differentiably."""
    layout, scale, wide = call.layout, call.scale, call.wide
    heads, key_heads = call.query.shape[1], call.key.shape[1]
    receiver, sender, value = (x.astype(wide) for x in (call.query, call.key, call.value))
    number = float(scale) if isinstance(scale, int | float) else 1.0
    late = None if isinstance(scale, int | float) else jnp.asarray(scale, wide)
    if call.score.is_inner_product and late is not None:
        receiver, late = scaled(receiver, late), None  # once for each receiver, not for each pair
    bias = call.bias if callable(call.bias) else None
    rule, floats, others = split_leaves(call.score, bias, late)
    group = heads // key_heads
    rule = rule._replace(dropout_rate=call.dropout_rate, key_heads=key_heads, group=group, scale=number)
    shape = layout.edge_shape
    slots = Slots(
        None if callable(call.bias) else call.bias,
        *(
            None if x is None else layout.zero_dead_edges(jnp.broadcast_to(x, shape + x.shape[len(shape) :]))
            for x in (call.edges, call.edge_value)
        ),
    )
    receiver = receiver.reshape(receiver.shape[0], key_heads, group, *receiver.shape[2:])
    shared = callable(call.bias) or floats or others or any(x is not None for x in slots)
    each_head = not shared and call.score.is_inner_product and backend() == "cpu" and count_logits(call) >= TOGETHER
    return Prepared(rule, receiver, sender, value, floats, others, slots, each_head)


def scaled(receiver: Array, scale: Array) -> Array:
    """[n, heads, dim] times a scalar or [heads]; NaN in a row that no edge reads cannot reach the scale's gradient."""
    arrays, join = split(scale)
    assert join is not None  # an array is a pytree
    return guarded(NodeMap(by_head, join), arrays, receiver)


def by_head(scale: Array, receiver: Array) -> Array:
    """The product of `scaled`."""
    return receiver * (scale if scale.ndim == 0 else scale[None, :, None])


def pad_rows(x: Array, length: int) -> Array:
    """Zeros appended to the first axis, up to `length`."""
    return jnp.pad(x, [(0, length - x.shape[0])] + [(0, 0)] * (x.ndim - 1)) if length > x.shape[0] else x
