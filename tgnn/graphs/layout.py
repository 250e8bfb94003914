"""What every layout is: a set of edges, stored the way the hardware likes, with three verbs and its own facts.

A layout must say where its edges are: `edge_shape`, `live`, `receiver_index` and `sender_index`. Everything else is
written here once in terms of these, by gathers and segment sums; a layout overrides what it can do faster, as a
contraction, or knows without counting. The laws that hold every layout together are in `tests/attention/test_laws.py`.

Arrays with one entry per edge are in the caller's order wherever they come in or go out: [*edge_shape, ...].
"""

import ast
import dataclasses
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.core
import jax.export
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_edges, check_pairs, check_verb, widen_index
from tgnn.graphs.host import is_among, match, pair_key
from tgnn.printing import one_line
from tgnn.softmax import expand, group_log_sum_exp, group_softmax, segment_reduce, wide_dtype
from tgnn.typing import Array, ArrayLike, Span

if TYPE_CHECKING:
    from tgnn.graphs.edge_list import EdgeList

VERBS = "from_receivers", "from_senders", "score", "normalize", "reduce", "aggregate"


class Layout(ABC):
    """Edges from senders to receivers. Concrete layouts are frozen dataclasses registered as pytrees."""

    n_receivers: int
    n_senders: int
    form: ClassVar[str] = "slots"  # how edges are stored, in a word: executions say which forms they take
    is_rule: ClassVar[bool] = False  # whether the edges follow from positions, so that none is listed
    reads_rows: ClassVar[bool] = True  # whether every edge gathers rows of its own; False for contractions
    axes: ClassVar[dict[str, int]] = {}  # of its arrays, where it holds one graph; a stack has one more

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Checks the operands of the verbs, and gives each layout equality, a short repr and a name in exports."""
        super().__init_subclass__(**kwargs)
        for name in VERBS:
            if name in cls.__dict__:
                setattr(cls, name, checked(name, cls.__dict__[name]))
        for name in ("__eq__", "__hash__", "__repr__"):  # a dataclass would bring its own, which fail on arrays
            if name not in cls.__dict__:
                setattr(cls, name, getattr(Layout, name))
        if not getattr(cls, "__abstractmethods__", None):
            register_export(cls)

    # -- where the edges are ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def edge_shape(self) -> tuple[int, ...]:
        """Shape of one number per edge."""

    @property
    @abstractmethod
    def live(self) -> Array | None:
        """Which slots are edges: bool [*edge_shape], or None where all are."""

    @property
    @abstractmethod
    def receiver_index(self) -> Array:
        """The receiver of each slot: int, broadcastable to `edge_shape`."""

    @property
    @abstractmethod
    def sender_index(self) -> Array:
        """The sender of each slot: int, broadcastable to `edge_shape`."""

    # -- the two gathers and the reduction ------------------------------------------------------------------------

    def from_receivers(self, x: Array) -> Array:
        """What each edge sees of its receiver: [n_receivers, ...] -> broadcastable to [*edge_shape, ...]."""
        return self.zero_dead_edges(rows_at(x, self.receiver_index))

    def from_senders(self, x: Array) -> Array:
        """What each edge sees of its sender: [n_senders, ...] -> broadcastable to [*edge_shape, ...]."""
        return self.zero_dead_edges(rows_at(x, self.sender_index))

    def reduce(self, x: Array, op: str = "sum") -> Array:
        """Sum or maximum over the live in-edges of each receiver: [*edge_shape, ...] -> [n_receivers, ...]."""
        axes = len(self.edge_shape)
        ids = jnp.broadcast_to(self.receiver_index, self.edge_shape)
        ids = ids if self.live is None else jnp.where(self.live, ids, self.n_receivers)
        x = jnp.broadcast_to(x, self.edge_shape + x.shape[axes:])
        return segment_reduce(x.reshape(-1, *x.shape[axes:]), ids.ravel(), self.n_receivers, op)

    # -- the three verbs ------------------------------------------------------------------------------------------

    def score(self, query: Array, key: Array) -> Array:
        """Inner products of [n_receivers, heads, dim] and [n_senders, heads, dim]: [*edge_shape, heads]."""
        wide = wide_dtype(query.dtype, key.dtype)
        return (self.from_receivers(query.astype(wide)) * self.from_senders(key.astype(wide))).sum(-1)

    def normalize(self, logits: Array) -> Array:
        """Softmax over the in-edges of each receiver: [*edge_shape, heads], float32 or wider."""
        return group_softmax(logits, self.live, self.reduce, self.from_receivers)

    def log_sum_exp(self, logits: Array) -> Array:
        """What `normalize` divides by, as a logarithm: [n_receivers, heads], -inf for a receiver without an edge."""
        return group_log_sum_exp(logits, self.live, self.reduce, self.from_receivers)

    def aggregate(self, weights: Array, value: Array) -> Array:
        """Weights [*edge_shape, heads] times values [n_senders, heads, dim], summed: [n_receivers, heads, dim]."""
        wide = wide_dtype(weights.dtype, value.dtype)  # before the gather, whose transpose is a sum
        return self.reduce(weights.astype(wide)[..., None] * self.from_senders(value.astype(wide)))

    def zero_dead_edges(self, x: Array) -> Array:
        """`x`, broadcast to [*edge_shape, ...], with zeros wherever there is no edge (also for gradients)."""
        return x if self.live is None else jnp.where(expand(self.live, x.ndim), x, jnp.zeros((), x.dtype))

    # -- per-edge arrays ------------------------------------------------------------------------------------------

    @property
    def stored(self) -> "Layout":
        """The layout that executions run: this one, or where another was chosen for the same edges that one."""
        return self

    def sorted(self, *arrays: Array | None) -> "tuple[Layout, Sequence[Any]]":
        """A layout whose slots stand in the order of memory, and per-edge arrays in that order; None stays None."""
        return self, arrays

    def to_slots(self, x: Array) -> Array:
        """Per-edge values in the caller's order -> in the slots of `stored`."""
        return x

    def from_slots(self, x: Array) -> Array:
        """Per-edge values in the slots of `stored` -> in the caller's order."""
        return x

    def locate(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        """The slot of each pair, as one index array per axis of `edge_shape`; out of range where there is none.

        Args:
          senders: int [n_pair].
          receivers: int [n_pair].
        """
        check_pairs(senders, receivers)
        with jax.ensure_compile_time_eval():  # what is known before jit is computed before it
            senders, receivers = (
                widen_index(x if hasattr(x, "dtype") else np.asarray(x)) for x in (senders, receivers)
            )
            senders, receivers = jnp.asarray(senders), jnp.asarray(receivers)
            exist = (senders >= 0) & (senders < self.n_senders) & (receivers >= 0) & (receivers < self.n_receivers)
            return tuple(jnp.where(exist, slot, -1) for slot in self.find(senders, receivers))

    def find(self, senders: Array, receivers: Array) -> tuple[Array, ...]:
        """`locate` for pairs of nodes that exist; anything for others."""
        if any(map(is_traced, (senders, receivers, *jax.tree.leaves(self)))):
            raise ValueError(
                f"the edges of this {type(self).__name__} or the pairs are traced, but a pair is searched on the host; "
                "build the layout and call locate or arrange outside jit, or pass values in the caller's order"
            )
        own = np.where(self.on_edges(self.live), self.slot_keys(), -1).ravel()
        found = match(own, pair_key(senders, receivers, self.n_senders))
        places = np.unravel_index(np.maximum(found, 0), self.edge_shape) if own.size else ()
        places = places or (np.zeros_like(found),) * len(self.edge_shape)
        return tuple(jnp.asarray(np.where(found < 0, -1, place)) for place in places)

    def arrange(self, values: Array, senders: Array, receivers: Array) -> Array:
        """Puts values given per (sender, receiver) pair into the slots of this layout; 0 elsewhere. Differentiable.

        Args:
          values: [n_pair, ...].
          senders: int [n_pair].
          receivers: int [n_pair]. Pairs that are no edge of this layout are dropped.

        Returns:
          [*edge_shape, ...]: what `attend` takes as bias for this layout.
        """
        values = jnp.asarray(values)
        check_pairs(senders, receivers, values)
        outside = jnp.iinfo(jnp.int32).max  # negative indices would wrap around; this one is dropped
        slots = tuple(jnp.where(slot < 0, outside, slot) for slot in self.locate(senders, receivers))
        empty = jnp.zeros(self.edge_shape + values.shape[1:], values.dtype)
        return self.zero_dead_edges(empty.at[slots].set(values, mode="drop"))

    def from_caller(self, x: Array) -> Array:
        """`x` after a check: per-edge arrays are in the caller's order everywhere."""
        check_edges(self, "values of edges", x)
        return x

    def to_caller(self, x: Array) -> Array:
        """`x`: per-edge arrays are in the caller's order everywhere."""
        return x

    # -- facts ----------------------------------------------------------------------------------------------------

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Senders and receivers of the live edges, in row-major order of the slots. NumPy: nothing is compiled."""
        self.require_concrete()
        live = self.on_edges(self.live)
        senders, receivers = self.on_edges(self.sender_index), self.on_edges(self.receiver_index)
        return senders[live].astype(np.int64), receivers[live].astype(np.int64)

    def contains(self, senders: np.ndarray, receivers: np.ndarray) -> np.ndarray:
        """Whether each pair is an edge: bool, as senders and receivers broadcast; of rules without listing edges."""
        return is_among(pair_key(senders, receivers, self.n_senders), pair_key(*self.pairs(), self.n_senders))

    def count_edges(self) -> int:
        """Live edges; every slot where their number is only known under jit."""
        live = self.live
        return self.count_all_slots() if live is None or is_traced(live) else int(self.on_edges(live).sum())

    def count_all_slots(self) -> int:
        """Places for an edge, dead ones included."""
        return math.prod(self.edge_shape)

    def count_slots(self) -> int:
        """Slots that are computed: all, unless whole tiles of dead ones are skipped."""
        return self.count_all_slots()

    def temporary_bytes(self, heads: int, head_dim: int, gradients: bool) -> int:
        """Largest temporaries of a call in float32, without its inputs and outputs: here, rows and logits of edges."""
        return (3 if gradients else 2) * self.count_slots() * 4 * heads * (head_dim + 1)

    @property
    def title(self) -> str:
        """The kind of the layout, for reports."""
        return type(self).__name__

    def known_mask(self) -> tuple[str | int, ...] | None:
        """The edges in the words of vendors: ("full",), ("causal",), ("local", left, right), or None for others."""
        return None

    def data_slots(self) -> int | None:
        """How many slots there are, where their number depends on data; `pad_slots` takes more. None for rules."""
        return None

    def pad_slots(self, size: int) -> "Layout":
        """The same edges in more slots, the new ones dead."""
        return self

    def part(self, receivers: Span, senders: Span, segments: tuple[Array, Array] | None = None) -> "Layout":
        """A block of the adjacency matrix, and the segments of its nodes."""
        raise ValueError(
            f"layout must follow from positions, as Complete and Causal do, so that blocks of it are known, got "
            f"{type(self).__name__}; use attend_edges or attend_nodes of tgnn.sharding on layout.to_edges()"
        )

    def require_concrete(self) -> None:
        """A ValueError where edges are only known under jit."""
        if any(map(is_traced, jax.tree.leaves(self))):
            raise ValueError(
                f"the edges of this {type(self).__name__} are traced, but they are needed on the host; "
                "do this outside jit, and pass the result in"
            )

    def on_edges(self, x: ArrayLike | None) -> np.ndarray:
        """A concrete array, broadcast to `edge_shape`, in NumPy; None: all True."""
        return np.broadcast_to(True if x is None else np.asarray(x), self.edge_shape)

    def slot_keys(self) -> np.ndarray:
        """One integer for the pair of each slot."""
        return self.on_edges(pair_key(self.sender_index, self.receiver_index, self.n_senders))

    # -- other forms ----------------------------------------------------------------------------------------------

    def adjacency(self) -> Array:
        """Bool [n_receivers, n_senders]: True where at least one edge exists. O(n_receivers * n_senders) memory."""
        shape = self.edge_shape
        live = jnp.ones(shape, bool) if self.live is None else jnp.broadcast_to(self.live, shape)
        receivers = jnp.where(live, jnp.broadcast_to(self.receiver_index, shape), self.n_receivers)
        senders = jnp.where(live, jnp.broadcast_to(self.sender_index, shape), 0)
        empty = jnp.zeros((self.n_receivers, self.n_senders), bool)
        return empty.at[receivers.ravel(), senders.ravel()].set(True, mode="drop")

    # Sugar, imported late: these need every layout, and every layout needs this file.

    def __or__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import union

        return union(self, other) if isinstance(other, Layout) else NotImplemented

    def __and__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import intersection

        return intersection(self, other) if isinstance(other, Layout) else NotImplemented

    def __sub__(self, other: "Layout") -> "Layout":
        from tgnn.graphs.edge_sets import difference

        return difference(self, other) if isinstance(other, Layout) else NotImplemented

    def to_edges(self) -> "EdgeList":
        """The same edges as an `EdgeList`, in row-major order of this layout's slots.

        Outside jit only live edges are listed. Under jit their number is unknown, so every slot is listed with a mask.
        """
        from tgnn.graphs.edge_list import EdgeList

        sizes = {"n_receivers": self.n_receivers, "n_senders": self.n_senders}
        with jax.ensure_compile_time_eval():
            index = self.sender_index, self.receiver_index
            live = self.live
        if any(map(is_traced, (*index, live))):
            senders, receivers = (jnp.broadcast_to(x, self.edge_shape).ravel() for x in index)
            live = None if live is None else jnp.broadcast_to(live, self.edge_shape).ravel()
            return EdgeList(senders, receivers, mask=live, **sizes)
        live = self.on_edges(live)
        return EdgeList.from_edges(*(self.on_edges(x)[live] for x in index), **sizes)

    # -- as a Python value ----------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and sizes and store the same arrays."""
        if not isinstance(other, Layout):
            return NotImplemented
        (mine, structure), (theirs, other_structure) = jax.tree.flatten(self), jax.tree.flatten(other)
        if structure != other_structure:
            return False
        if any(map(is_traced, (*mine, *theirs))):
            raise ValueError("layouts are compared by their arrays, but these are traced; compare them outside jit")
        return all(np.array_equal(x, y) for x, y in zip(mine, theirs, strict=True))

    def __hash__(self) -> int:
        """No layout is a key: its arrays may be large, and jit takes it as an ordinary argument."""
        raise TypeError(
            f"{type(self).__name__} is a pytree of arrays and has no hash; pass it to jit as an ordinary argument, not "
            "a static one, and use id(layout) or a name as a key of a dict"
        )

    def __repr__(self) -> str:
        return one_line(self)


def checked(name: str, verb: Callable[..., Array]) -> Callable[..., Array]:
    """A verb whose operands have the shapes that it asks for, or a ValueError: never a silent broadcast or clamp."""

    @functools.wraps(verb)
    def call(self, *operands, **options):
        check_verb(self, name, operands)
        return verb(self, *operands, **options)

    return call


for _name in VERBS:
    setattr(Layout, _name, checked(_name, getattr(Layout, _name)))


def register_export(cls: type) -> None:
    """Lets `jax.export` write programs that take this pytree.

    Under "tgnn.NAME", wherever in the library it lives; classes of others under the names of their modules.
    """
    name = f"tgnn.{cls.__name__}" if cls.__module__.split(".")[0] == "tgnn" else f"{cls.__module__}.{cls.__qualname__}"

    def build(static, children):
        tree, values, arrays = object.__new__(cls), iter(static), iter(children)
        for field in dataclasses.fields(cls):
            x = next(values if field.metadata.get("static") else arrays)
            plain = field.name == "offset" and x is None  # an offset of 0 is no leaf
            object.__setattr__(tree, field.name, 0 if plain else x)
        return tree

    try:
        jax.export.register_pytree_node_serialization(
            cls,
            serialized_name=name,
            serialize_auxdata=lambda static: repr(tuple(static)).encode(),
            deserialize_auxdata=lambda data: ast.literal_eval(data.decode()),
            from_children=build,
        )
    except ValueError:
        return  # a class of this name was registered before: in a notebook cell that ran twice


def rows_at(x: Array, index: Array) -> Array:
    """Rows of `x`, any row where the index is out of range; its transpose adds in float32 or wider.

    [n, ...], int [...] -> [..., ...].
    """
    if x.shape[0] == 0:
        return jnp.zeros(jnp.shape(index) + x.shape[1:], x.dtype)
    inside = jnp.clip(index, 0, x.shape[0] - 1)
    wide = x.astype(wide_dtype(x.dtype)) if jnp.issubdtype(x.dtype, jnp.floating) else x
    return wide.at[inside].get(mode="promise_in_bounds").astype(x.dtype)


def is_traced(x: object) -> bool:
    """True for a value that is only known under jit, vmap or grad."""
    return isinstance(x, jax.core.Tracer)
