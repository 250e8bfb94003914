"""What a layout is, what attention on it costs, which implementation runs, and why: in words."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from tgnn.attention.call import prepare
from tgnn.attention.fused.executions import reason
from tgnn.attention.scores import Score, dot_product
from tgnn.graphs.host import distinct, pair_key
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout, is_traced
from tgnn.planning.choose import GAIN, predictions
from tgnn.planning.cost import Cost, cost
from tgnn.planning.timings import load as load_timings

MOST_SLOTS = 2**22  # above, facts that need every edge are left out


def explain(
    layout: Layout | jraph.GraphsTuple,
    query: Any = None,
    key: Any = None,
    *,
    score: Score = dot_product,
    bias: Any = None,
    gradients: bool = True,
    timings: str | os.PathLike[str] | None = None,
) -> str:
    """Edges, density, fill, predicted bytes, operations and memory, which implementation runs, and why.

    Args:
      layout: concrete.
      query: [n_receivers, heads, head_dim], an array or `jax.ShapeDtypeStruct`; default 8 heads of 16 in float32.
      key: [n_senders, key_heads, head_dim]; default like the query.
      score: as for `attend`; operations are counted as for dot products, but what runs is asked with it.
      bias: as for `attend`.
      gradients: whether the call will be differentiated.
      timings: a file of measured times, as for `plan`.

    >>> from tgnn import Causal
    >>> print(explain(Causal(512)).splitlines()[0])
    Causal: 512 receivers, 512 senders, 131,328 edges, 50.1 % of all pairs
    """
    layout = as_layout(layout)
    query = jax.ShapeDtypeStruct((layout.n_receivers, 8, 16), jnp.float32) if query is None else query
    key = jax.ShapeDtypeStruct((layout.n_senders, *query.shape[1:]), query.dtype) if key is None else key
    heads, head_dim = query.shape[1:]
    found = cost(layout, heads, head_dim, gradients=gradients, itemsize=jnp.dtype(query.dtype).itemsize)
    lines = [
        f"{layout.title}: {layout.n_receivers:,} receivers, {layout.n_senders:,} senders, {found.edges:,} edges, "
        f"{percent(found.edges, layout.n_receivers * layout.n_senders)} of all pairs",
        f"slots: {found.slots:,}, of which {percent(found.edges, found.slots)} hold an edge",
        *structure(layout, found.edges),
        f"a call{' with gradients' if gradients else ''}, {heads} heads of {head_dim}, {query.dtype}: "
        f"moves at least {amount(found.bytes)}B, computes {amount(found.flops)}FLOP, "
        f"temporaries of about {amount(found.memory)}B",
        *limits(found),
        "runs: " + runs(layout, query, key, score, bias),
        *alternatives(layout, heads, head_dim, gradients, timings),
    ]
    return "\n".join(lines)


def runs(layout: Layout, query: Any, key: Any, score: Score, bias: Any) -> str:
    """Which execution `attend` would take, and why: the same walk through the list."""
    found = ""

    def ask(query, key):
        nonlocal found
        value = jnp.zeros(key.shape, key.dtype)
        made = prepare(layout, query, key, value, score, bias, None, None, None, 0.0, None, (0, 0, 0))
        found = reason(made)

    jax.eval_shape(ask, query, key)
    return found


def structure(layout: Layout, n_edge: int) -> list[str]:
    """Degrees, duplicates, the farthest edge, and how full tiles would be."""
    if any(map(is_traced, jax.tree.leaves(layout))) or not n_edge or layout.count_all_slots() > MOST_SLOTS:
        return []
    senders, receivers = layout.pairs()
    degrees = np.bincount(receivers, minlength=layout.n_receivers)
    keys = pair_key(senders, receivers, layout.n_senders)
    copies = len(keys) - len(distinct(keys))
    tiles = len(distinct(pair_key(senders // 64, receivers // 64, layout.n_senders)))
    return [
        f"in-degrees: {degrees.min():,} to {degrees.max():,}, mean {degrees.mean():.1f}, spread {degrees.std():.1f}",
        f"duplicates: {copies:,}" + (", so a mask or tiles cannot hold them" if copies else ""),
        f"bandwidth: the farthest edge joins nodes {np.abs(senders - receivers).max():,} apart; "
        f"tiles of 64 x 64: {tiles:,}, {percent(len(keys), tiles * 64**2)} full",
    ]


def limits(found: Cost) -> list[str]:
    """What bounds the computation, in words."""
    intensity = found.flops / max(found.bytes, 1)
    which = "matrix multiplication" if intensity > 10 else "memory bandwidth"
    return [f"{intensity:.1f} FLOP per byte: bound by {which}"]


def alternatives(
    layout: Layout, heads: int, head_dim: int, gradients: bool, timings: str | os.PathLike[str] | None
) -> list[str]:
    """Predicted times, and what measurement they come from."""
    backend = jax.default_backend()
    saved = load_timings(timings)
    if saved is None:
        return [
            f"why: layouts were not measured on {backend}, so edges without a rule stay a list; "
            "measure with python -m experiments.speed --calibrate FILE and set TGNN_MEASURED=FILE"
        ]
    each = predictions(layout, heads, head_dim, gradients, timings, backend)
    listed = ", ".join(f"{kind} {seconds * 1e3:.3g} ms" for kind, seconds in each.items())
    return [
        f"why: predicted from times measured on {saved.device} ({saved.versions}): {listed or 'nothing'}; "
        f"plan leaves a list that is no rule a list unless another layout takes at most {GAIN:.0%} of its time"
    ]


def percent(part: int, whole: int) -> str:
    """A share in percent."""
    return f"{100 * part / max(whole, 1):.3g} %"


def amount(x: float) -> str:
    """A number with a decimal prefix: 1,234,567 is "1.23 M"."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if x >= 10**power:
            return f"{x / 10**power:.3g} {prefix}"
    return f"{x:.3g} "
