"""The attention weights of any model, by layer and head, from one run of the model itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.recording import Note, record
from tgnn.graphs.layout import Layout
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array


@register
@dataclass(frozen=True)
class Attention:
    """What one layer of attention looked at.

    A layer whose heads all see one graph has a `layout` and `weights`; `of` and `matrix` work for every layer. Where
    the model attends under `jax.vmap`, all arrays have its axes in front, and `layer[i]` is the i-th of them.

    Attributes:
        calls: of each call of `attend` its layout and weights: one, or several where heads have graphs of their own.
        heads: the heads of each call.
        name: of the parts of the model around it, such as "decoder/cross"; may be empty.
        axes: how many axes of `jax.vmap` are in front.
    """

    calls: tuple[tuple[Any, Array], ...]
    heads: tuple[tuple[int, ...], ...] = jax.tree.static()  # pyright: ignore
    name: str = jax.tree.static(default="")  # pyright: ignore
    axes: int = jax.tree.static(default=0)  # pyright: ignore

    @property
    def num_heads(self) -> int:
        """How many heads there are."""
        return sum(map(len, self.heads))

    @property
    def layout(self) -> Any:
        """The graph of all heads."""
        return self._single()[0]

    @property
    def weights(self) -> Array:
        """`[*edge_shape, heads]`, float32 or wider, edges in the caller's order: `tgnn.attention_weights`."""
        return self._single()[1]

    def _single(self) -> tuple[Any, Array]:
        first, *others = self.calls
        if others:
            raise ValueError("the heads of this layer have graphs of their own; ask one of them: layer.of(head)")
        return first

    def of(self, head: int) -> "Attention":
        """One head alone, with a last axis of 1.

        Raises:
            ValueError: there is no such head.
        """
        for (layout, weights), heads in zip(self.calls, self.heads, strict=True):
            if head in heads:
                place = heads.index(head)
                return Attention(((layout, weights[..., place : place + 1]),), ((0,),), self.name, self.axes)
        raise ValueError(f"head is {head} but there are {self.num_heads}; choose one in 0 ... {self.num_heads - 1}")

    def matrix(self) -> Array:
        """`[heads, n_receivers, n_senders]`: 0 where there is no edge, sums where an edge is doubled."""
        each = []
        for layout, weights in self.calls:
            place = to_matrix
            for _ in range(self.axes):
                place = jax.vmap(place)
            each.append(place(layout, weights))
        order = jnp.argsort(jnp.array([head for heads in self.heads for head in heads]))
        return jnp.take(jnp.concatenate(each, self.axes), order, self.axes)

    def edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
        """Edges on the host, as pictures take them.

        Returns:
            Senders `[n_edge]`, receivers `[n_edge]` and weights `[n_edge, heads]` of the live edges, and the numbers of
            senders and of receivers. Where heads have graphs of their own these are the pairs that any of them joins.

        Raises:
            ValueError: under `jax.vmap` or jit.
        """
        if self.axes:
            raise ValueError(f"this layer ran under {self.axes} jax.vmap; take one of what it ran on: layer[i]")
        first = self.calls[0][0]
        sizes = first.n_senders, first.n_receivers
        if len(self.calls) == 1:
            weights = np.asarray(self.calls[0][1])[first.on_edges(first.live)]
            return *first.pairs(), weights[:, np.argsort(self.heads[0])], *sizes
        matrix = np.asarray(self.matrix())  # [heads, n_receivers, n_senders]
        keys = np.unique(
            np.concatenate([np.ravel_multi_index(x.pairs()[::-1], matrix.shape[1:]) for x, _ in self.calls])
        )
        receivers, senders = np.unravel_index(keys, matrix.shape[1:])
        return senders, receivers, matrix[:, receivers, senders].T, *sizes

    def __getitem__(self, i: Any) -> "Attention":
        """The i-th along the first axis of `jax.vmap`."""
        if not self.axes:
            raise IndexError("this layer ran once, not under jax.vmap; its heads are layer.of(head)")
        calls = jax.tree.map(lambda x: x[i], self.calls)
        return Attention(calls, self.heads, self.name, self.axes - 1)

    def __repr__(self) -> str:
        shown = ", ".join(f"{one_line(layout)}: {w.dtype}{list(w.shape)}" for layout, w in self.calls[:2])
        more = f", and {len(self.calls) - 2} more" if len(self.calls) > 2 else ""
        return f"Attention({self.name or 'attention'}, {self.num_heads} heads, {shown}{more})"


def attention_of(function: Callable, *args: Any, **kwargs: Any) -> tuple[Attention, ...]:
    """What every layer of a model looks at: the weights of each call of `tgnn.attend` while the model runs once.

    Any function will do: a model of `tgnn.models`, a loaded one, a Flax module, or one's own with jit, scan and vmap
    inside. It may be called under `jax.jit`, `jax.grad` and `jax.vmap`. The weights are those before dropout.

    Args:
        function: the model.
        *args: what it is called with.
        **kwargs: likewise.

    Returns:
        The layers in the order in which they ran; none of a model that attends nowhere, such as `gcn`. A model that
        attends to several graphs at once gives one entry for each.

    Raises:
        ValueError: where the model attends inside of what JAX traces apart: `jax.checkpoint` (pass remat=False), a
            branch or a `while_loop` under jit, `jax.grad`, `jax.shard_map`.

    Loops over layers run as Python loops and the model operation by operation. For many inputs of one shape put it into
    `jax.jit`: `jax.jit(lambda params, x: tgnn.analysis.attention_of(model, params, layout, x))`.

    >>> import tgnn
    >>> params = tgnn.models.init_gat(jax.random.key(0), (4, 8, 3), num_heads=2)
    >>> layers = attention_of(tgnn.models.gat, params, tgnn.Complete(5), jnp.ones((5, 4)))
    >>> [layer.weights.shape for layer in layers]
    [(5, 5, 2), (5, 5, 1)]
    """
    _, layers = record(function, *args, **kwargs)
    return tuple(map(joined, layers))


def joined(notes: list[Note]) -> Attention:
    """The calls of one layer."""
    heads = tuple(note.heads or tuple(range(note.weights.shape[-1])) for note in notes)
    return Attention(tuple((note.layout, note.weights) for note in notes), heads, notes[0].name, notes[0].axes)


def to_matrix(layout: Layout, weights: Array) -> Array:
    """Numbers of edges `[*edge_shape, heads]` as matrices `[heads, n_receivers, n_senders]`; 0 where no edge is."""
    weights = layout.zero_dead_edges(weights)
    shape = layout.n_receivers, layout.n_senders
    if layout.edge_shape != shape or layout.form != "matrix":
        ends = (jnp.broadcast_to(x, layout.edge_shape) for x in (layout.receiver_index, layout.sender_index))
        weights = jnp.zeros((*shape, weights.shape[-1]), weights.dtype).at[tuple(ends)].add(weights, mode="drop")
    return jnp.moveaxis(weights, -1, 0)  # [n_receivers, n_senders, heads] -> [heads, n_receivers, n_senders]
