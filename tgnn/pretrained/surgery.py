"""What the models share when their heads are gated or cut out: blocks, and which of them each layer runs."""

from collections.abc import Iterable, Sequence

import jax.numpy as jnp

from tgnn.errors import check_size
from tgnn.nn.per_head import keep_heads, remaining
from tgnn.typing import Array, Params

Gates = Array | Sequence[Array | None]
"""`[layers, heads]`, or a sequence with `[heads]`, or None where all are open, for each layer."""

Heads = Iterable[tuple[int, int]]
"""`(layer, head)` each."""


def count_heads(attention: Params) -> int:
    """Heads of an attention's parameters."""
    return attention["query"]["kernel"].shape[-2]


def blocks_with_gates(
    blocks: list[Params], layers: tuple[int, ...], gates: Gates, part: str
) -> tuple[list[Params], tuple[int, ...]]:
    """A block for each layer, with its gates; layers that shared one share its arrays still."""
    found = []
    for block, gate in zip([blocks[i] for i in layers], each_layer(gates, len(layers)), strict=True):
        found.append(block if gate is None else block | {part: with_gate(block[part], gate, count_heads(block[part]))})
    return found, tuple(range(len(layers)))


def each_layer(gates: Gates, num_layers: int) -> list[Array | None]:
    """The gates of each layer; a ValueError for another number of layers."""
    found = list(gates)
    if len(found) != num_layers:
        raise ValueError(f"gates are for {len(found)} layers, but there are {num_layers}; give [heads] for each")
    return found


def with_gate(part: Params, gate: Array, num_heads: int) -> Params:
    """A layer whose heads are multiplied by numbers, on top of those that it has; a ValueError for another shape."""
    gate = jnp.asarray(gate)
    if gate.shape != (num_heads,):
        raise ValueError(f"gates of a layer have shape {gate.shape}, but it has {num_heads} heads; give one for each")
    return part | {"gate": part["gate"] * gate if "gate" in part else gate}


def blocks_without(
    blocks: list[Params], layers: tuple[int, ...], heads: Heads, part: str
) -> tuple[list[Params], tuple[int, ...]]:
    """The blocks without these heads, and which of them each layer runs: equal ones stay one."""
    gone = heads_of_layers(heads, len(layers))
    wanted = [(block, gone[i]) for i, block in enumerate(layers)]
    distinct = list(dict.fromkeys(wanted))
    found = [without(blocks[block], out, part) for block, out in distinct]
    return found, tuple(distinct.index(x) for x in wanted)


def without(block: Params, gone: tuple[int, ...], part: str) -> Params:
    """A block without some of its heads."""
    kept = remaining(count_heads(block[part]), gone)
    return block | {part: keep_heads(block[part], kept)} if gone else block


def heads_of_layers(heads: Heads, num_layers: int) -> list[tuple[int, ...]]:
    """The heads that are removed, layer by layer; a ValueError for a layer or head that cannot be."""
    found: list[list[int]] = [[] for _ in range(num_layers)]
    for layer, head in heads:
        if layer not in range(num_layers):
            raise ValueError(f"heads name layer {layer}, but there are 0 ... {num_layers - 1}; rename it")
        found[layer].append(check_size("head", head))
    return [tuple(sorted(set(gone))) for gone in found]
