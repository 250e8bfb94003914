"""Sums over the edges of each node as one GPU kernel: no array [n_edge, features] is stored, and nothing is scattered.

The edges of a node stand next to each other: its run. A program of the kernel reads the node's own row once, then its
run in blocks of edges, with the rows of their other ends, and carries the sums in registers. Runs longer than `PIECE`
are shared by further programs of a kernel before, whose sums the node's program merges in a fixed order: two runs give
the same bits. What is computed for an edge is a function of values, the same that any other execution calls.

Pallas, through Triton, whose blocks have powers of two as sizes: rows are padded with zeros where they are read.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.fused.derivatives import vary_alike
from tgnn.errors import widen_index
from tgnn.typing import Array, Params

PIECE = 64  # edges of a run that one program reads; measured on an H200, as what follows
BLOCK_NUMBERS = 2048  # numbers in the rows of a block
WARP_NUMBERS = 512  # of these for each warp
INTERPRET = False  # True runs the kernels anywhere, slowly: for tests


class Runs(NamedTuple):
    """The edges of each of n nodes, one run after the other."""

    begin: Array  # int32 [n + 1]: where in the order the run of each node begins
    other: Array  # int32 [n_edge]: the node at the other end; -1 where the edge is dead
    position: Array  # int32 [n_edge]: the edge's place in the caller's arrays
    piece: Array  # int32 [n + 1]: the number of each node's first piece beyond its first
    piece_node: Array  # int32 [pieces]
    piece_begin: Array  # int32 [pieces]
    piece_end: Array  # int32 [pieces]

    @classmethod
    def of(cls, nodes: Array, others: Array, live: Array, order: Array, n: int) -> "Runs":
        """The runs of the edges in an order in which `nodes` [n_edge] never falls, but for dead edges out of range."""
        pick = lambda x: widen_index(x).at[order].get(mode="promise_in_bounds")  # noqa: E731
        find = lambda x, numbers, side: jnp.searchsorted(x, numbers, side=side, method="scan_unrolled")  # noqa: E731
        begin = find(pick(nodes), jnp.arange(n + 1), "left").astype(jnp.int32)
        other = jnp.where(pick(live), pick(others), -1).astype(jnp.int32)
        further = jnp.maximum(-(-(begin[1:] - begin[:-1]) // PIECE) - 1, 0)
        piece = jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(further, dtype=jnp.int32)])
        number = jnp.arange(max(pieces_of(order), 1), dtype=jnp.int32)
        node = jnp.clip(find(piece, number, "right") - 1, 0, n - 1).astype(jnp.int32)
        fetch = lambda x, at: x.at[at].get(mode="promise_in_bounds")  # noqa: E731
        first = fetch(begin, node) + PIECE * (1 + number - fetch(piece, node))
        end = jnp.minimum(first + PIECE, fetch(begin, node + 1))
        used = number < piece[-1]
        return cls(begin, other, order.astype(jnp.int32), piece, node, jnp.where(used, first, 0), used * end)


def pieces_of(order: Array) -> int:
    """How many pieces there may be beyond the first ones of all runs."""
    return len(order) // PIECE


class Rows(NamedTuple):
    """Arrays whose rows a program reads."""

    own: Params = ()  # [n, ...] each: of the program's node, seen as [1, ...]
    other: Params = ()  # [n_others, ...]: of the other end of each edge, seen as [block, ...]
    edge: Params = ()  # [n_edge, ...] in the caller's order, seen as [block, ...]
    shared: Params = ()  # read as they are, padded with zeros


class Ends(NamedTuple):
    """Who the edges of a block join."""

    node: Array  # int32 []
    other: Array  # int32 [block]; 0 where there is no edge
    live: Array  # bool [block]


@dataclass(frozen=True)
class Sweep:
    """What is summed over the edges of each node, in terms of values.

    Args:
      step: `(rows, ends, carry) -> carry, per_edge`: the sums with a block more, and a tuple of arrays [block, ...].
      merge: `(carry, carry) -> carry`: the sums of two parts of a run.
      finish: `(rows, carry) -> ` a tuple of arrays [1, ...], the node's row of each output.
      zero: arrays: the sums over no edge.
      outputs: of the nodes' rows, ShapeDtypeStructs [n, ...], without padding.
      per_edge: of what `step` gives, ShapeDtypeStructs [n_edge, ...]; 0 on dead edges.
      heads: query heads; a row of fewer heads is read once for each of these.
      repeats: whether the lanes of a block without an edge see the rows of another edge, at which `step` has a
        derivative if it has one anywhere; else they see zeros, which cost nothing to read.
    """

    step: Callable
    merge: Callable
    finish: Callable
    zero: Callable[[], Params]
    outputs: Sequence[Any]
    per_edge: Sequence[Any]
    heads: int
    repeats: bool

    def __call__(self, runs: Runs, rows: Rows) -> tuple[list[Array], list[Array]]:
        """The outputs of the nodes, and those of the edges."""
        from jax.experimental import pallas as pl
        from jax.experimental.pallas import triton

        scalars = jax.tree.map(lambda x: jnp.ndim(x) == 0, rows.shared)
        runs, rows = vary_alike((runs, rows._replace(shared=jax.tree.map(padded, rows.shared))), (runs, rows))
        leaves, treedef = jax.tree.flatten(rows)
        widest = max(numbers(x.shape[1:]) for x in jax.tree.leaves((rows.own, rows.other)))
        mean = -(-len(runs.other) // max(len(runs.begin) - 1, 1))
        block = min(power_of_two(mean), max(BLOCK_NUMBERS // widest, 1), PIECE)
        per_edge = vary_alike([jnp.zeros(x.shape, x.dtype) for x in self.per_edge], rows)
        zero = jax.eval_shape(self.zero)
        flat, carry_def = jax.tree.flatten(zero)
        pieces = pieces_of(runs.other)
        warps = min(max(block * widest // WARP_NUMBERS, 1), 8)

        def read_run(refs, node, first, last):
            """The sums over a part of a run, and the rows of its node."""
            runs, rows, targets = refs
            own = jax.tree.map(lambda ref: read(ref, node[None], self.heads), rows.own)
            seen = Rows(own, shared=jax.tree.map(lambda ref, one: ref[0] if one else ref[...], rows.shared, scalars))

            def body(i, carry):
                place = first + i * block + jnp.arange(block, dtype=jnp.int32)
                inside = place < last
                other = triton.load(runs.other.at[place], mask=inside, other=-1)
                live = other >= 0
                position = triton.load(runs.position.at[place], mask=live, other=runs.position.shape[0])
                # Of one edge both numbers: where it stands in the run is the same for both.
                lane = jnp.where(live, jnp.arange(block, dtype=jnp.int32), -1).max() if self.repeats else None
                others, mine = (filled(x, live, lane) for x in (other, position))
                shown = None if self.repeats else live
                found = jax.tree.map(lambda ref: read(ref, others, self.heads, shown), rows.other)
                each_edge = jax.tree.map(lambda ref: read(ref, mine, 1, shown), rows.edge)
                new, each = self.step(seen._replace(other=found, edge=each_edge), Ends(node, others, live), carry)
                for ref, x in zip(targets, each, strict=True):
                    write(ref, position, x, live)
                if not self.repeats:
                    return new
                some = other.max() >= 0  # in a block without any edge there was none to repeat
                return jax.tree.map(lambda new, old: jnp.where(some, new, old), new, carry)

            steps = jax.lax.div(last - first + jnp.int32(block - 1), jnp.int32(block))
            return seen, jax.lax.fori_loop(0, steps, body, self.zero())

        def take_apart(refs, count):
            """References of runs and rows, and the rest."""
            structure = jax.tree.structure(Runs(*range(len(Runs._fields))))
            split = len(Runs._fields), len(Runs._fields) + len(leaves)
            runs, rows = structure.unflatten(refs[: split[0]]), treedef.unflatten(refs[split[0] : split[1]])
            rest = refs[split[1] :]
            return runs, rows, rest[:count], rest[count:]

        def further(*refs):
            """The sums of one further piece of a long run."""
            runs, rows, _, outs = take_apart(refs, len(per_edge))
            targets, sums = outs[: len(per_edge)], outs[len(per_edge) :]
            x = pl.program_id(0)
            node, first, last = runs.piece_node[x], runs.piece_begin[x], runs.piece_end[x]
            _, carry = read_run((runs, rows, targets), node, first, last)
            for ref, value in zip(sums, jax.tree.leaves(carry), strict=True):
                write(ref, x[None], value[None])

        def each(*refs):
            """A node: its first piece, then what other programs found."""
            runs, rows, given, outs = take_apart(refs, len(per_edge) + len(flat) * bool(pieces))
            targets, outputs = outs[: len(per_edge)], outs[len(per_edge) :]
            node = pl.program_id(0)
            first, last = runs.begin[node], runs.begin[node + 1]
            seen, carry = read_run((runs, rows, targets), node, first, jnp.minimum(last, first + PIECE))
            if pieces:
                sums = given[len(per_edge) :]

                def add(x, carry):
                    part = [read(ref, x[None], 1).reshape(like.shape) for ref, like in zip(sums, flat, strict=True)]
                    return self.merge(carry, carry_def.unflatten(part))

                carry = jax.lax.fori_loop(runs.piece[node], runs.piece[node + 1], add, carry)
            for ref, value in zip(outputs, self.finish(seen, carry), strict=True):
                write(ref, node[None], value)

        def launch(kernel, programs, shapes, *more):
            given = [*runs, *leaves, *per_edge, *more]
            start = len(runs) + len(leaves)
            shapes = [*per_edge, *shapes]
            return pl.pallas_call(
                kernel,
                grid=(programs,),
                out_shape=[as_varying(x, rows) for x in shapes],
                in_specs=[pl.BlockSpec(memory_space=pl.ANY)] * len(given),
                out_specs=[pl.BlockSpec(memory_space=pl.ANY)] * len(shapes),
                input_output_aliases={start + i: i for i in range(len(per_edge))},
                compiler_params=triton.CompilerParams(num_warps=warps, num_stages=2),
                interpret=INTERPRET,
            )(*given)

        sums = []
        if pieces:
            shapes = [jax.ShapeDtypeStruct((pieces, *x.shape), x.dtype) for x in flat]
            found = launch(further, pieces, shapes)
            per_edge, sums = found[: len(per_edge)], found[len(per_edge) :]
        found = launch(each, len(runs.begin) - 1, self.outputs, *sums)
        return found[len(per_edge) :], found[: len(per_edge)]


def filled(index: Array, live: Array, lane: Array | None) -> Array:
    """Indices, where there is no edge that of the edge in a lane, or 0."""
    if lane is None:
        return jnp.where(live, index, 0)
    lanes = jax.lax.broadcasted_iota(jnp.int32, index.shape, 0)
    return jnp.where(live, index, jnp.where(lanes == lane, index, 0).sum())


def read(ref: Any, index: Array, heads: int, live: Array | None = None) -> Array:
    """Rows of an array in memory, [k] -> [k, ...], padded with zeros; a key head is read for each of its queries.

    Args:
      ref: [n, ...].
      index: int [k], in range.
      heads: of the result where `ref` has fewer; 1: as many as `ref` has.
      live: bool [k]: where False, zeros.
    """
    from jax.experimental.pallas import triton

    sizes = list(ref.shape[1:])
    group = max(heads // sizes[0], 1) if sizes else 1
    if sizes:
        sizes[0] *= group
    axes, inside = axes_of(index, sizes)
    if live is not None:
        inside = inside & live.reshape(-1, *(1,) * len(sizes))
    if group > 1:
        axes[1] = axes[1] // group
    return triton.load(ref.at[tuple(axes)], mask=inside, other=jnp.zeros((), ref.dtype))


def write(ref: Any, index: Array, x: Array, live: Array | None = None) -> None:
    """Rows [k, ...], padded, into an array in memory [n, ...]."""
    from jax.experimental.pallas import triton

    axes, inside = axes_of(index, ref.shape[1:])
    if live is not None:
        inside = inside & live.reshape(-1, *(1,) * (ref.ndim - 1))
    triton.store(ref.at[tuple(axes)], jnp.broadcast_to(x, inside.shape).astype(ref.dtype), mask=inside)


def axes_of(index: Array, sizes: Sequence[int]) -> tuple[list[Array], Array]:
    """The index of each axis of rows [k, *sizes] padded to powers of two, broadcast, and what is no padding."""
    shape = (len(index), *padded_sizes(sizes))
    axes = [jnp.broadcast_to(index.reshape(-1, *(1,) * len(sizes)), shape)]
    inside = jnp.ones(shape, bool)
    for i, size in enumerate(sizes, 1):
        axis = jax.lax.broadcasted_iota(jnp.int32, shape, i)
        axes.append(axis)
        inside = inside & (axis < size) if size != shape[i] else inside
    return axes, inside


def power_of_two(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


def padded_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Each up to a power of two."""
    return tuple(map(power_of_two, sizes))


def numbers(sizes: Sequence[int]) -> int:
    """Numbers in a row of these sizes, with its padding."""
    return math.prod(padded_sizes(sizes))


def padded(x: Array) -> Array:
    """Zeros up to powers of two along every axis; a number as [1]."""
    x = jnp.asarray(x)
    return jnp.pad(x, [(0, power_of_two(n) - n) for n in x.shape]) if x.ndim else x[None]


def as_varying(x: Any, source: Params) -> jax.ShapeDtypeStruct:
    """The shape and dtype of x; under `shard_map` it varies over the axes over which `source` does."""
    kind = getattr(jax.typeof(vary_alike(jnp.zeros(()), source)), "manual_axis_type", None)
    return jax.ShapeDtypeStruct(x.shape, x.dtype, **({} if kind is None else {"manual_axis_type": kind}))
