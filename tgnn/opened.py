"""Functions as pytrees: the real numbers that a function holds are leaves, so that other weights need no other program.

A step such as `lambda cache, tokens: decode_step(params, cache, tokens)` holds its weights. Were they part of a
program, each update of the weights would need a program of its own, which would keep them alive.
"""

import functools
import inspect
import types
from collections.abc import Iterable
from typing import Any, Self

import jax
import jax.numpy as jnp


@jax.tree_util.register_pytree_node_class
class Bound:
    """A `functools.partial`."""

    def __init__(self, *parts: Any):
        self.parts = parts  # the function, its arguments, its keywords

    def tree_flatten(self) -> tuple[tuple[Any, ...], None]:
        """Parts, no static data."""
        return self.parts, None

    @classmethod
    def tree_unflatten(cls, _: None, parts: Iterable[Any]) -> Self:
        """From its parts."""
        return cls(*parts)

    def closed(self) -> functools.partial[Any]:
        """As it was."""
        function, args, keywords = closed(self.parts)
        return functools.partial(function, *args, **keywords)


@jax.tree_util.register_pytree_node_class
class Closure:
    """A function that reads variables of the one in which it was made."""

    def __init__(self, shell: "Shell", cells: tuple[Any, ...]):
        self.shell: Shell = shell
        self.cells: tuple[Any, ...] = cells

    def tree_flatten(self) -> tuple[tuple["Shell", tuple[Any, ...]], None]:
        """Shell and variables, no static data."""
        return (self.shell, self.cells), None

    @classmethod
    def tree_unflatten(cls, _: None, parts: Iterable[Any]) -> Self:
        """From its parts."""
        return cls(*parts)

    def closed(self) -> types.FunctionType:
        """The same code with these variables."""
        old = self.shell.function
        cells = tuple(types.CellType(x) for x in closed(self.cells))
        new = types.FunctionType(old.__code__, old.__globals__, old.__name__, old.__defaults__, cells)
        new.__kwdefaults__ = old.__kwdefaults__
        return new


class Shell:
    """A function, whose variables stand elsewhere."""

    def __init__(self, function: types.FunctionType):
        self.function = function


class Known:
    """An array of other things than real numbers, such as a graph: it stays known, since code may ask for it."""

    def __init__(self, x: Any):
        self.x = x

    def closed(self) -> Any:
        """As it was."""
        return self.x


OPENED = Bound | Closure | Known


def opened(tree: Any, depth: int = 8) -> Any:
    """A pytree with the functions in it opened, where they hold real numbers.

    >>> weights = jnp.ones(2)
    >>> len(jax.tree.leaves(opened(functools.partial(jnp.dot, weights))))
    2
    """
    return jax.tree.map(lambda x: opened_function(x, depth), tree)


def opened_function(x: Any, depth: int) -> Any:
    """One leaf of a pytree, opened if it is a function that holds real numbers."""
    if not depth:
        return x
    if type(x) is functools.partial:
        new = Bound(*opened(keep_known((x.func, x.args, x.keywords)), depth - 1))
    elif inspect.isfunction(x) and x.__closure__ and not hasattr(x, "__wrapped__"):
        try:
            cells = tuple(cell.cell_contents for cell in x.__closure__)
        except ValueError:  # a function that calls itself before it is bound
            return x
        new = Closure(Shell(x), opened(keep_known(cells), depth - 1))
    else:
        return x
    return new if any(map(is_real, jax.tree.leaves(new))) else x


def closed(tree: Any) -> Any:
    """What `opened` was given."""
    return jax.tree.map(
        lambda x: x.closed() if isinstance(x, OPENED) else x, tree, is_leaf=lambda x: isinstance(x, OPENED)
    )


def keep_known(tree: Any) -> Any:
    """Hides arrays other than real numbers."""
    return jax.tree.map(lambda x: Known(x) if hasattr(x, "dtype") and not is_real(x) else x, tree)


def is_real(x: Any) -> bool:
    """Whether x is an array of real numbers, or a key of random ones."""
    kinds = jnp.floating, jax.dtypes.prng_key
    return hasattr(x, "dtype") and hasattr(x, "shape") and any(jnp.issubdtype(x.dtype, kind) for kind in kinds)
