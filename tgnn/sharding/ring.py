"""Ring attention: Complete and Causal graphs that are too long for one device.

Each device has some receivers and as many senders. Keys and values go around the ring, one step after each block of
pairs, so that no device ever holds more than two shares of them; the parts are merged by their log-sum-exps. The
backward pass sends keys, values and their gradients around once more and computes each block again.
Reference: Liu, Zaharia and Abbeel, Ring Attention with Blockwise Transformers for Near-Infinite Context,
arXiv:2310.01889.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from tgnn.attention import attend, merge
from tgnn.attention.fused.derivatives import Structure, Tree, take_apart, vary_alike
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout
from tgnn.sharding.numbering import renumber
from tgnn.sharding.on_mesh import SHARED, check_mesh, check_share, on_mesh
from tgnn.sharding.options import Options, check_no_arrays_of_edges
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Graph


def attend_ring(layout: Graph, query: Array, key: Array, value: Array, *, mesh: Mesh, axis: str, **options: Any) -> Any:
    """`attend` on Complete or Causal, with receivers and senders split over an axis of a mesh.

    Memory of each device is that of its own share of rows, forwards and backwards. It sends every key and value
    `devices - 1` times over, backwards also their gradients. Differentiable backwards, more than once; not by `jvp`.

    Args:
      layout: Complete or Causal, with segments or without; the offset may be traced.
      query: see `attend`; its rows are a multiple of the devices.
      key: see `attend`; its rows too.
      value: see `attend`.
      mesh: with Auto axes.
      axis: its axis for nodes.
      **options: the others of `attend`, but arrays of edges: a bias is a callable, best a `jax.tree_util.Partial`.

    Returns:
      What `attend` returns, the receivers split over the mesh.

    Raises:
      ValueError: for other layouts, arrays of edges, sizes that cannot be split, or an Explicit mesh.
    """
    chosen, size = Options(**options), check_mesh(mesh, axis)
    query, key, value = jnp.asarray(query), jnp.asarray(key), jnp.asarray(value)
    check_no_arrays_of_edges(chosen, "give bias as a function, or use attend_heads")
    remedy = "pad the rows, and give the padding segment -1: layout.with_segments(...)"
    for name, x in (("receivers", query), ("senders", key)):
        check_share(name, len(x), size, axis, remedy)
    rule: Any = as_layout(layout, len(query), len(key))
    whole = rule.part((0, len(query)), (0, len(key)))  # without segments; refuses what is no rule
    if (len(query), len(key), len(value)) != (rule.n_receivers, rule.n_senders, rule.n_senders):
        raise ValueError(
            f"query, key and value have {len(query)}, {len(key)} and {len(value)} rows, but the layout has "
            f"{rule.n_receivers} receivers and {rule.n_senders} senders; give a row for each"
        )
    part = PartitionSpec(axis)
    arguments = rule.segments, query, key, value, whole, chosen
    output, lse = on_mesh(some_rows, mesh, axis, (part,) * 4 + (SHARED,) * 2, part, *arguments)
    return (output, lse) if chosen.return_lse else output


class Moving(NamedTuple):
    """What goes around: the share of senders of one device."""

    key: Array
    value: Array
    segments: Array | None


@dataclass(frozen=True)
class Ring:
    """What is known of a call before compilation; `structure` is that of `Fixed`."""

    axis: str
    size: int
    structure: Structure


class Fixed(NamedTuple):
    """What stays where it is, beside the query."""

    whole: Any
    segments: Array | None
    options: Options


def some_rows(
    axis: str,
    segments: tuple[Array, Array] | None,
    query: Array,
    key: Array,
    value: Array,
    whole: Layout,
    options: Options,
) -> Any:
    """The receivers of one device."""
    mine, theirs = segments or (None, None)
    structure, floats, others = take_apart(Fixed(whole, mine, options))
    floats = vary_alike(floats, query)  # each device has a gradient of its own for what all share; shard_map adds them
    ring = Ring(axis, jax.lax.axis_size(axis), structure)
    found: Any = around(ring, query, key, value, floats, others, theirs)
    output, lse = found
    return output.astype(value.dtype), lse


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def around(
    ring: Ring, query: Array, key: Array, value: Array, floats: list[Array], others: list[Array], segments: Array | None
) -> tuple[Array, Array]:
    """Output and log-sum-exp of this device's receivers, from all senders; both float32 or wider."""

    def step(carry, number):
        moving, *found = carry
        moving = send(ring, moving)
        new = block(ring, query, moving.key, moving.value, floats, others, moving.segments, number)
        return (moving, *merge(*zip(found, new, strict=True))), None

    moving = Moving(key, value, segments)
    found = block(ring, query, key, value, floats, others, segments, 0)
    return jax.lax.scan(step, (moving, *found), jnp.arange(1, ring.size))[0][1:]


def forward(
    ring: Ring, query: Array, key: Array, value: Array, floats: list[Array], others: list[Array], segments: Array | None
) -> tuple[tuple[Array, Array], tuple[Any, ...]]:
    """The forward pass keeps what is local."""
    found: Any = around(ring, query, key, value, floats, others, segments)
    return found, (query, key, value, floats, others, segments, *found)


def backward(ring: Ring, saved: tuple[Any, ...], gradients: tuple[Array, Array]) -> tuple[Any, ...]:
    """One round more: each block gives its part of all gradients, and those of keys and values travel with them."""
    query, key, value, floats, others, segments, output, lse = saved
    gradient, to_lse = gradients
    delta = (gradient * output).sum(-1) - jnp.where(lse == -jnp.inf, 0.0, to_lse)  # [n, heads]

    def slopes(moving: Moving, number):
        attend_block = lambda *x: block(ring, *x, others, moving.segments, number)  # noqa: E731
        (part, part_lse), pull = jax.vjp(attend_block, query, moving.key, moving.value, floats)
        # The whole is sum_b share_b part_b, with share_b = exp(lse_b - lse).
        dead = part_lse == -jnp.inf
        share = jnp.where(dead, 0.0, jnp.exp(jnp.where(dead, 0.0, part_lse - lse)))
        found = pull((share[..., None] * gradient, share * ((gradient * part).sum(-1) - delta)))
        return jax.tree.map(lambda x: x.astype(wide_dtype(x.dtype)), found)  # sums of all blocks are rounded once

    def step(carry, number):
        moving, to_moving, to_fixed = carry
        moving, to_moving = send(ring, (moving, to_moving))
        to_query, to_key, to_value, to_floats = slopes(moving, number)
        to_fixed = jax.tree.map(jnp.add, to_fixed, (to_query, to_floats))
        return (moving, jax.tree.map(jnp.add, to_moving, (to_key, to_value)), to_fixed), None

    moving = Moving(key, value, segments)
    to_query, to_key, to_value, to_floats = slopes(moving, 0)
    start = moving, (to_key, to_value), (to_query, to_floats)
    _, to_moving, (to_query, to_floats) = jax.lax.scan(step, start, jnp.arange(1, ring.size))[0]
    slopes_of = to_query, *send(ring, to_moving), to_floats  # home
    return *jax.tree.map(lambda x, like: x.astype(like.dtype), slopes_of, (query, key, value, floats)), None, None


around.defvjp(forward, backward)


def send(ring: Ring, tree: Tree) -> Tree:
    """Everything to the next device of the ring."""
    order = [(i, (i + 1) % ring.size) for i in range(ring.size)]
    return jax.tree.map(lambda x: jax.lax.ppermute(x, ring.axis, order), tree)


def block(
    ring: Ring,
    query: Array,
    key: Array,
    value: Array,
    floats: list[Array],
    others: list[Array],
    segments: Array | None,
    number: Array | int,
) -> tuple[Array, Array]:
    """Attention of this device's receivers to the senders that began `number` devices before it."""
    whole, mine, options = ring.structure.join(floats, others)
    index = jax.lax.axis_index(ring.axis)
    first, source = index * len(query), (index - number) % ring.size * len(key)
    layout = whole.part((first, len(query)), (source, len(key)), None if mine is None else (mine, segments))
    receiver, sender, head = options.origin
    options = options._replace(
        bias=renumber(options.bias, first, source), origin=(receiver + first, sender + source, head), return_lse=True
    )
    wide = value.astype(wide_dtype(query.dtype, key.dtype, value.dtype))  # here, so that less goes around
    return attend(layout, query, key, wide, **options.keywords())
