"""Errors that name the argument, what was expected, what came, and the remedy."""

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.core
import numpy as np

from tgnn.typing import Array, ArrayLike, DTypeLike

if TYPE_CHECKING:
    from tgnn.graphs.layout import Layout


def check_size(name: str, size: object, minimum: int = 0) -> int:
    """A static size as a Python int, or a ValueError."""
    try:
        value = operator.index(size)
    except TypeError:
        raise ValueError(f"{name} must be an integer known before jit, got {size!r}; pass a Python int") from None
    if isinstance(size, bool) or value < minimum:
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {size!r}")
    return value


def widen_index(x: Array | np.ndarray | np.generic) -> Any:
    """Integers in a type that holds every size: int2 to uint32 become int32 (beyond it: -1), others stay.

    Comparing `ids < 256` in uint8, or storing 256 in it, wraps around. What int32 cannot hold is no index of anything.

    >>> widen_index(np.array([65, 255], np.uint8)).dtype
    dtype('int32')
    """
    dtype = np.dtype(x.dtype)
    has_wide = jax.dtypes.canonicalize_dtype(np.int64).itemsize == 8  # jax_enable_x64
    if not is_integer(dtype) or dtype == np.int32 or (dtype.itemsize == 8 and has_wide):
        return x
    if np.can_cast(dtype, np.int32):
        return x.astype(np.int32)
    xp = np if isinstance(x, np.ndarray | np.generic) else jax.numpy
    limit = np.iinfo(np.int32)
    beyond = xp.greater(x, limit.max)
    if np.issubdtype(dtype, np.signedinteger):
        beyond = xp.logical_or(beyond, xp.less(x, limit.min))
    return xp.where(beyond, np.int32(-1), xp.where(beyond, 0, x).astype(np.int32))  # -1 is no uint32


def is_integer(dtype: DTypeLike) -> bool:
    """Whether a dtype is one of integers; NumPy by itself does not count JAX's of 2 and 4 bits among them."""
    return bool(jax.numpy.issubdtype(dtype, jax.numpy.integer))


def as_index(name: str, x: Any) -> Any:
    """Integers of any type as an array in which sizes can be compared, or a ValueError; NumPy's stay NumPy's."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x) if np.size(x) else np.asarray(x, np.int32)  # an empty list would be float
    if not is_integer(x.dtype):
        raise ValueError(f"{name} must be integers, got {x.dtype}; convert them with {name}.astype(int)")
    if x.size and not isinstance(x, jax.core.Tracer) and jax.dtypes.canonicalize_dtype(x.dtype).itemsize == 4:
        known, limit = np.asarray(x), np.iinfo(np.int32)  # not jax.numpy, which would trace even a constant under jit
        least, most = int(known.min()), int(known.max())
        if least < limit.min or most > limit.max:  # JAX would cut them to 32 bits
            raise ValueError(
                f"{name} must fit into int32, got {least} to {most}; renumber them, or enable jax_enable_x64"
            )
    return widen_index(x)


def check_numbers(name: str, x: Any) -> Any:
    """`x`, or a ValueError for an array of strings, objects or dates, which JAX refuses in words of its own."""
    if isinstance(x, np.ndarray) and x.dtype.kind in "SUOTMm":
        raise ValueError(
            f"{name} must be numbers, got {x.dtype}; convert with {name}.astype(float), or number what has names by "
            f"np.unique({name}, return_inverse=True)"
        )
    return x


def check_floating(name: str, x: Any) -> None:
    """An array of real numbers: weights and statistics would be cut off to the type of integers."""
    if not hasattr(x, "dtype"):
        raise ValueError(f"{name} must be an array, got {type(x).__name__}; use jnp.asarray({name})")
    if not jax.numpy.issubdtype(x.dtype, jax.numpy.floating):
        raise ValueError(
            f"{name} must be floating point, got {x.dtype}, to which real numbers would be cut off; use {name} * 1.0"
        )


def check_dropout(dropout_rate: float, rng: Array | None, name: str = "dropout_rate") -> float:
    """A rate in [0, 1) as a Python float, with a key where it is not 0: what is asked for is never silently off."""
    if not 0.0 <= dropout_rate < 1.0:
        raise ValueError(f"{name} must be in [0, 1), got {dropout_rate}; use 0.0 for no dropout")
    if dropout_rate > 0.0 and rng is None:
        raise ValueError(f"{name} is {dropout_rate} but rng is None; pass a PRNG key, or {name}=0.0 to evaluate")
    return float(dropout_rate)


def check_indices(name: str, indices: ArrayLike, limit: int, mask: np.ndarray | None = None) -> np.ndarray:
    """Concrete indices in [0, limit) as a one-dimensional NumPy array, or a ValueError that shows the first bad one."""
    if isinstance(indices, jax.core.Tracer):
        raise ValueError(
            f"{name} is a traced array, but building this layout needs concrete indices; build it outside jit, "
            "or use EdgeList.from_graph inside"
        )
    indices = np.asarray(indices)
    if indices.size == 0:
        indices = indices.reshape(-1).astype(np.int32)
    if indices.ndim != 1 or not is_integer(indices.dtype):
        raise ValueError(
            f"{name} must be a one-dimensional array of integers, got {indices.dtype} of shape {indices.shape}; "
            f"{_remedy_of_indices(indices)}"
        )
    bad = (indices < 0) | (indices >= limit)
    if mask is not None:
        bad &= mask
    if bad.any():
        position = int(bad.argmax())
        raise ValueError(
            f"{name}[{position}] is {indices[position]}, expected an index in [0, {limit}); "
            "renumber the nodes, or raise the number of nodes"
        )
    return indices


def _remedy_of_indices(indices: np.ndarray) -> str:
    if indices.dtype.kind in "USO":
        return "number the names: names, numbers = np.unique(names, return_inverse=True)"
    if indices.ndim != 1 and is_integer(indices.dtype):
        return "an edge_index [2, n_edge] is taken by EdgeList.from_edge_index, or as two rows: (*edge_index, ...)"
    return "cast it, or take np.flatnonzero of a mask"


def check_mask(name: str, mask: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """A concrete bool array of the given shape, or a ValueError."""
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"{name} must be a bool array of shape {shape} (True = keep), got {mask.dtype} of shape {mask.shape}"
        )
    return mask


def check_segments(name: str, segments: ArrayLike, size: int) -> Array:
    """Integer segment ids of the given length (-1 = padding) as int32, or a ValueError."""
    segments = segments if isinstance(segments, jax.Array) else np.asarray(segments)
    segments = segments if segments.size else segments.astype(np.int32)  # an empty list is float
    if segments.shape != (size,) or not is_integer(segments.dtype):
        raise ValueError(
            f"{name} must be integers of shape [{size}] (-1 = padding), got {segments.dtype} of shape "
            f"{segments.shape}; give one id per node, and use jax.vmap for a batch"
        )
    if segments.size and not np.can_cast(segments.dtype, np.int32) and not isinstance(segments, jax.core.Tracer):
        least, most, limit = int(np.asarray(segments).min()), int(np.asarray(segments).max()), np.iinfo(np.int32)
        if least < limit.min or most > limit.max:
            raise ValueError(
                f"{name} must fit into int32, got {least} to {most}; renumber them, for example with "
                f"np.unique({name}, return_inverse=True)[1]"
            )
    with jax.ensure_compile_time_eval():  # what is known before jit stays known; small dtypes overflow beside padding
        return jax.numpy.asarray(widen_index(segments)).astype(np.int32)


def check_call(
    layout: "Layout",
    query: Array,
    key: Array,
    value: Array | None,
    scale: float | Array | None,
    dropout_rate: float,
    rng: Array | None,
    edges: Array | None = None,
    edge_value: Array | None = None,
    implementation: str | None = None,
    origin: Sequence[Array | int] = (0, 0, 0),
) -> None:
    """The shapes of a call of `attend`, against the layout and each other."""
    check_origin(origin)
    check_key(rng)
    check_implementation(implementation)
    for name, x in (("edges", edges), ("edge_value", edge_value)):
        if x is not None:
            check_edges(layout, name, x)
    check_nodes(layout, query, key, value)
    heads = query.shape[1]
    if edge_value is not None and value is not None:
        check_tail(layout, "edge_value", edge_value, (heads, value.shape[2]))
    if scale is not None and np.shape(scale) not in ((), (heads,)):
        raise ValueError(
            f"scale must be a number or one per head, [{heads}], got shape {np.shape(scale)}; "
            "what differs from edge to edge belongs into bias, or into query and key"
        )
    check_dropout(dropout_rate, rng)


def check_implementation(implementation: str | None) -> None:
    """A way to compute attention, by its name."""
    if implementation not in (None, "definition", "fused"):
        raise ValueError(f'implementation must be None, "definition" or "fused", got {implementation!r}')


def check_nodes(layout: "Layout", query: Array, key: Array, value: Array | None) -> None:
    """Floating-point rows of the nodes of the layout, whose heads fit together."""
    for name, x in {"query": query, "key": key, "value": value}.items():
        if x is None:  # where only weights are asked for
            continue
        if x.ndim != 3:
            raise ValueError(
                f"{name} must have shape [nodes, heads, dim], got {x.shape}; use jax.vmap for a batch axis"
            )
        if not jax.numpy.issubdtype(x.dtype, jax.numpy.floating):
            raise ValueError(f"{name} must be floating point, got {x.dtype}; cast it with astype")
        expected, side = (layout.n_receivers, "receivers") if name == "query" else (layout.n_senders, "senders")
        if x.shape[0] != expected:
            raise ValueError(
                f"{name} has {x.shape[0]} rows, but the layout has {expected} {side}; "
                "pad the rows, or build the layout for this many nodes"
            )
    heads, key_heads = query.shape[1], key.shape[1]
    if query.shape[2] != key.shape[2]:
        raise ValueError(
            f"query has head_dim {query.shape[2]} but key has {key.shape[2]}; project both to the same size"
        )
    if value is not None and value.shape[1] != key_heads:
        raise ValueError(f"value has {value.shape[1]} heads but key has {key_heads}; they share their heads")
    if key_heads == 0 or heads % key_heads:
        raise ValueError(
            f"query has {heads} heads, which is no multiple of the {key_heads} heads of key; choose a divisor"
        )


def check_edges(layout: "Layout", name: str, x: ArrayLike) -> None:
    """The first axes of an array per edge: a row for each edge of a list, else the slots, or 1 for all of an axis."""
    shape = layout.edge_shape
    if fits_slots(np.shape(check_numbers(name, x)), shape):
        return
    raise ValueError(
        f"{name} must have shape [{', '.join(map(str, shape))}, ...] (edges of the {type(layout).__name__}, in the "
        f"caller's order), got {np.shape(x)}; {_remedy_of_slots(layout)}"
    )


def _remedy_of_slots(layout: "Layout") -> str:
    """How an array comes into the slots of a layout."""
    if len(layout.edge_shape) == 1:
        return "give a row for each of its edges, in their order"
    return "layout.arrange(values, senders, receivers) makes it from values per edge"


def check_verb(layout: "Layout", name: str, operands: Sequence[Any]) -> None:
    """The shapes that a verb of a layout asks for."""
    kind = f"{type(layout).__name__}.{name}"
    rows = {
        "from_receivers": ("x", "n_receivers", 1),
        "from_senders": ("x", "n_senders", 1),
        "score": ("query", "n_receivers", 3, "key", "n_senders", 3),
        "aggregate": ("weights", None, 0, "value", "n_senders", 3),
    }.get(name, ("x", None, 0))
    for x, argument, side, axes in zip(operands, rows[::3], rows[1::3], rows[2::3], strict=False):
        if not hasattr(x, "shape"):
            raise ValueError(f"{argument} of {kind} must be an array, got {type(x).__name__}; use jnp.asarray")
        if side is None:
            check_slots(layout, argument, kind, x, axes=1 if name == "aggregate" else None)
        elif len(x.shape) < axes or (axes > 1 and len(x.shape) > axes) or x.shape[0] != getattr(layout, side):
            shape = f"[{getattr(layout, side)}, {'heads, dim' if axes == 3 else '...'}]"
            raise ValueError(
                f"{argument} of {kind} must have shape {shape} (one row for each of {side}), got {tuple(x.shape)}; "
                "give one row for each node, and heads an axis: x[:, None] for one"
            )
    if name == "score" and operands[0].shape[1:] != operands[1].shape[1:]:
        raise ValueError(
            f"query and key of {kind} must agree in heads and head_dim, got {tuple(operands[0].shape)} and "
            f"{tuple(operands[1].shape)}; project both to one size"
        )
    if name == "aggregate" and operands[0].shape[-1] != operands[1].shape[1]:
        raise ValueError(
            f"value of {kind} has {operands[1].shape[1]} heads but weights have {operands[0].shape[-1]}; give both the "
            "same number, for example value[:, None] for weights of one head"
        )


def check_slots(layout: "Layout", argument: str, kind: str, x: Array, axes: int | None) -> None:
    """The first axes of an array in the slots of a layout, and how many follow."""
    shape = layout.edge_shape
    if not fits_slots(x.shape, shape) or (axes is not None and len(x.shape) != len(shape) + axes):
        tail = "heads" if axes else "..."
        raise ValueError(
            f"{argument} of {kind} must have shape [{', '.join(map(str, shape))}, {tail}] (one entry for each edge), "
            f"got {tuple(x.shape)}; {_remedy_of_slots(layout)}"
        )


def fits_slots(found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether the first axes are those of the slots: a row for each edge of a list, else also 1 for all of an axis."""
    found = tuple(found[: len(shape)])
    return found == shape or (len(shape) > 1 and len(found) == len(shape) and all(map(fits_axis, found, shape)))


def check_tail(layout: "Layout", name: str, x: ArrayLike, *tails: tuple[int, ...], shared: bool = False) -> None:
    """The axes that follow those of the edges: one of `tails`, or 1 in an axis before the last, or any if `shared`."""
    found = tuple(np.shape(x)[len(layout.edge_shape) :])
    for tail in tails:
        last = shared or found[-1:] == tail[-1:]
        if last and len(found) == len(tail) and all(map(fits_axis, found, tail)):
            return
    edges = ", ".join(map(str, layout.edge_shape))
    expected = " or ".join(f"[{', '.join([edges, *map(str, tail)])}]" for tail in tails)
    hint = " (one number for each edge is a bias)" if name == "edges" else ""
    raise ValueError(f"{name} must have shape {expected}, got {np.shape(x)}; give every edge all of its numbers{hint}")


def check_pairs(senders: ArrayLike, receivers: ArrayLike, values: ArrayLike | None = None) -> None:
    """Equal lengths of what is given pair by pair."""
    shapes = [np.shape(senders), np.shape(receivers)]
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or (values is not None and np.shape(values)[:1] != shapes[0]):
        given = "" if values is None else f" and values {np.shape(values)}"
        raise ValueError(
            f"senders must have shape [n_pair] like receivers, got {shapes[0]} and {shapes[1]}{given}; "
            "give one entry for each pair"
        )


def check_origin(origin: Sequence[Array | int]) -> None:
    """Three numbers: of the first receiver, sender and head; or the numbers of all of one kind."""
    if not isinstance(origin, tuple | list) or len(origin) != 3 or any(np.ndim(x) > 1 for x in origin):
        raise ValueError(
            f"origin must be three integers, of the first receiver, sender and head (or [n] for those of all), got "
            f"{origin!r}; use (0, 0, 0) for a call that is no part of another"
        )


def check_key(rng: Array | None) -> None:
    """One PRNG key, old or new style."""
    if rng is None:
        return
    dtype = getattr(rng, "dtype", None)
    typed = dtype is not None and jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key)
    if dtype is None or (np.ndim(rng) != 0 if typed else np.ndim(rng) != 1):
        shape = type(rng).__name__ if dtype is None else f"{dtype} of shape {np.shape(rng)}"
        raise ValueError(f"rng must be one PRNG key, got {shape}; use jax.random.key(seed), or one of a split")


def fits_axis(size: int, expected: int) -> bool:
    """Whether an axis can be broadcast."""
    return size in (1, expected)


def check_rows(layout: "Layout", x: Array) -> None:
    """Features of the senders, [n_senders, ...]."""
    if len(x.shape) == 0 or x.shape[0] != layout.n_senders:
        raise ValueError(
            f"x has shape {x.shape}, but the layout has {layout.n_senders} senders, one row each; "
            "pad the rows, or build the layout for this many nodes; use jax.vmap for a batch axis"
        )


def check_bool(name: str, x: Any) -> None:
    """A mask that is bool, where it is an array at all: pytrees of other things have the structure of layouts too."""
    if hasattr(x, "dtype") and jax.numpy.issubdtype(x.dtype, jax.numpy.number):
        raise ValueError(f"{name} must be bool (True = edge), got {x.dtype}; pass {name} != 0")


def check_logits(layout: "Layout", heads: int, logits: Array) -> Array:
    """What a score gives: one number per edge and head."""
    shape = (*layout.edge_shape, heads)
    if len(logits.shape) != len(shape) or not all(map(fits_axis, logits.shape, shape)):
        raise ValueError(
            f"score gave logits of shape {logits.shape}, expected {shape} or what broadcasts to it; its pair sums over "
            "the last axis, [..., heads, head_dim] -> [..., heads]"
        )
    return logits


def check_bias_function(bias: Callable[..., Any], heads: int) -> None:
    """A callable bias gives one number per head for a pair of indices."""
    index = jax.ShapeDtypeStruct((), np.int32)
    found = jax.tree.map(lambda x: x.shape, jax.eval_shape(bias, index, index))
    if found not in ((heads,), (1,)):
        raise ValueError(
            f"bias(i, j) must give one number per head, shape ({heads},), got {found}; add an axis of heads"
        )


def check_bias(layout: "Layout", bias: Array, heads: int) -> Array:
    """An array of one number per edge and head (or per edge, with a last axis of 1)."""
    shapes = (*layout.edge_shape, heads), (*layout.edge_shape, 1)
    if bias.dtype == bool:
        raise ValueError(
            "bias is a bool array, but it is added to the logits; for a mask pass jnp.where(mask, 0.0, -jnp.inf), or "
            "build the layout from the edges that are left"
        )
    if bias.shape not in shapes:
        raise ValueError(
            f"bias must have shape {shapes[0]} (edges of the {type(layout).__name__}, then heads, or 1 for all), got "
            f"{bias.shape}; " + ("use bias[..., None]" if bias.shape == layout.edge_shape else _remedy_of_slots(layout))
        )
    return bias
