"""Hears every call of `attend` while a function runs, so that its weights are had without a second forward pass.

While somebody hears, loops run as Python loops and jitted functions as plain ones: each call of each layer is then a
call of Python, which leaves its weights on a tape. `jax.vmap` around a call gives what it leaves an axis in front. A
function of which it is not known how often it runs, such as the body of `jax.lax.while_loop` under jit, is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive, get_opaque_trace_state
from jax.interpreters import batching

from tgnn.typing import Array


class Note(NamedTuple):
    """One call of `attend`.

    Attributes:
        layout: who attended to whom.
        weights: `[*edge_shape, heads]`. Arrays of both have an axis in front for each `jax.vmap` around the call.
        name: of the parts of the model around the call, such as "decoder/cross".
        layer: an object that the calls of one layer share, where its heads attend in several; or None.
        heads: which heads of that layer these are; empty for all.
        axes: how many axes of `jax.vmap` are in front.
    """

    layout: Any
    weights: Array
    name: str
    layer: Any
    heads: tuple[int, ...]
    axes: int


@dataclass(eq=False)
class Tape:
    """What was heard, and the trace in which it is written down: inside of `jax.vmap` arrays belong to another."""

    state: Any = field(default_factory=get_opaque_trace_state)
    notes: list[Note] = field(default_factory=list)


TAPE: ContextVar[Tape | None] = ContextVar("tape", default=None)
SCOPE: ContextVar[tuple[str, ...]] = ContextVar("scope", default=())
SHARE: ContextVar[tuple[Any, tuple[int, ...]]] = ContextVar("share", default=(None, ()))


@contextmanager
def within(variable: ContextVar, value: Any) -> Iterator[None]:
    """A variable with another value for a while."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def is_recording() -> bool:
    """Whether somebody hears."""
    return TAPE.get() is not None


def scope(name: str) -> AbstractContextManager[None]:
    """Calls inside have this part of the model in their names."""
    return within(SCOPE, (*SCOPE.get(), name))


def share(layer: Any, heads: Sequence[int]) -> AbstractContextManager[None]:
    """The call inside is that of some heads of a layer; calls with one object, one after the other, are one layer."""
    return within(SHARE, (layer, tuple(heads)))


def checkpointed(function: Callable, **options: Any) -> Callable:
    """`jax.checkpoint`, but for those who hear: they need no backward pass."""
    return function if is_recording() else jax.checkpoint(function, **options)


def record(function: Callable, *args: Any, **kwargs: Any) -> tuple[Any, list[list[Note]]]:
    """Runs a function and hears its calls of `attend`.

    Returns:
        What the function returns, and the layers of attention in the order in which they ran: the notes of each.

    Raises:
        ValueError: for attention inside of what JAX traces apart, such as a branch under jit.
    """
    tape = Tape()
    with within(TAPE, tape), jax.disable_jit():
        output = function(*args, **kwargs)
    layers: list[list[Note]] = []
    for note in tape.notes:
        if layers and is_of_layer(layers[-1], note):
            layers[-1].append(note)
        else:
            layers.append([note])
    return output, layers


def is_of_layer(notes: list[Note], new: Note) -> bool:
    """Whether a call brings further heads of the layer of these."""
    known = {head for note in notes for head in note.heads}
    return new.layer is not None and notes[-1].layer is new.layer and not known & set(new.heads)


def leave(layout: Any, weights: Array) -> None:
    """Leaves the weights of a call of `attend` to who hears."""
    leaves, structure = jax.tree.flatten((layout, weights))
    tape: Any = TAPE.get()  # there is one: see `is_recording`
    name, layer = "/".join(SCOPE.get()), SHARE.get()

    def write(arrays: Sequence[Array]) -> None:
        outside = structure.unflatten(arrays)
        tape.notes.append(Note(*outside, name, *layer, axes=outside[1].ndim - weights.ndim))

    send(tape, write, [jnp.asarray(x) for x in leaves])


def send(tape: Any, write: Callable, arrays: list[Array]) -> None:
    """Gives arrays to `write`, in the trace of the tape."""
    if get_opaque_trace_state() == tape.state:
        write(arrays)
    else:  # inside of jax.vmap: JAX brings them outside, one vmap after the other
        heard.bind(*map(jax.lax.stop_gradient, arrays), tape=tape, write=write)


# Its own arguments; whichever rule JAX asks for, the arrays are sent on.
heard: Primitive = Primitive("attention_weights_heard")
heard.multiple_results = True


@heard.def_impl
def _heard_outside(*arrays, tape, write):
    write(arrays)
    return list(arrays)


@heard.def_abstract_eval
def _heard_apart(*_, tape, write):
    raise ValueError(
        "the function attends inside of what JAX traces apart, such as jax.checkpoint, jax.lax.cond or jax.grad, so "
        "that its weights cannot be read; pass remat=False, or read the function without it"
    )


def _heard_under_vmap(arrays, axes, *, tape, write):
    size = next(x.shape[axis] for x, axis in zip(arrays, axes, strict=True) if axis is not None)
    moved = [
        jnp.broadcast_to(x[None], (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(arrays, axes, strict=True)
    ]
    send(tape, write, moved)
    return moved, [0] * len(moved)


batching.primitive_batchers[heard] = _heard_under_vmap
