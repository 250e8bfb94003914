"""Eager calls compile once: a public function runs as one program, kept for every structure of its arguments.

JAX keeps programs by the identity of Python functions, and a `scan` in a fresh closure is compiled again at each eager
call. `compiled` keeps one jitted function for equal structures instead: arrays are its arguments, all else is a key.
A user's function is a key too, together with everything that it reads (`steady`), but for the weights that it holds,
which are arguments (`opened`): one that reads what may change unseen, such as an object, is compiled anew each time,
and given back.
"""

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.core
import jax.numpy

from tgnn.errors import check_numbers
from tgnn.opened import Known, Shell, closed, opened
from tgnn.typing import Array

P = ParamSpec("P")
R = TypeVar("R")

MOST = 128  # programs that are kept; the one that was used longest ago is given back first
LIBRARIES = "tgnn", "jax", "jaxlib", "jraph", "flax", "optax", "numpy", "functools", "operator", "math"


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, jitted over the arrays among its arguments; a function of the library, whose checks come before."""
    names = tuple(inspect.signature(function).parameters)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, x in (*zip(names, args, strict=False), *kwargs.items()):
            check_numbers(name, x)
        if isinstance(jax.numpy.zeros(()), jax.core.Tracer):  # under jit, where even a constant is traced
            return function(*args, **kwargs)  # what is known stays known
        try:
            return run_kept(function, opened((args, kwargs)))
        except NEEDS_NUMBERS:  # a user's function asks for the weights that it holds: they are part of the program
            return run_kept(function, (args, kwargs))

    return call


NEEDS_NUMBERS = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def run_kept(function: Callable, arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
    """The program for the structure of the arguments, run on their arrays."""
    arrays, others, treedef = parted(arguments)
    where = platform(arrays)
    try:
        key = tuple((type(x), steady(x)) for x in others)
        program = kept(function, treedef, key, where, Others(others))
    except (Unsteady, TypeError):  # or something has no hash
        program = fresh(function, treedef, others)
    if where == jax.default_backend():
        return program(arrays)
    with jax.default_device(jax.local_devices(backend=where)[0]):
        return program(arrays)


def platform(arrays: Iterable[Any] = ()) -> str:
    """What programs on these arrays are compiled for: "cpu", "gpu" or "tpu".

    That of the arrays which were put on a device; else of `jax.default_device`, which a caller may have set; else
    JAX's own default. Under jit arrays tell no device.
    """
    for x in arrays:
        if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer) and getattr(x, "committed", False):
            return next(iter(x.devices())).platform
    device: Any = jax.config.jax_default_device  # pyright: ignore
    if device is None:
        return jax.default_backend()
    return device.platform if hasattr(device, "platform") else jax.local_devices(backend=str(device))[0].platform


JITTED = type(jax.jit(lambda: None))  # keeps programs of its own, whatever it reads
ARRAY = object()  # stands where an array was


class Others(tuple[Any, ...]):
    """What is no array: not compared, since its key is."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Others)

    def __hash__(self) -> int:
        return 0


@functools.lru_cache(maxsize=MOST)
def kept(function: Callable, treedef: Any, key: tuple[Any, ...], where: str, others: Others) -> Callable:
    """One jitted function for each key and platform: what runs where is decided when it is traced."""
    return fresh(function, treedef, tuple(others))


def fresh(function: Callable, treedef: Any, others: tuple[Any, ...]) -> Callable:
    """`function` of its arrays, jitted."""

    def run(arrays):
        args, kwargs = joined(treedef, others, arrays)
        return function(*args, **kwargs)

    run.__name__ = getattr(function, "__name__", "run")  # the name of the program in profiles
    return jax.jit(run)


def program(function: Callable) -> Callable:
    """A user's `function`, jitted for a loop that calls it often; the weights that it holds are arguments.

    As constants they would be a part of the program, and XLA would compute with them for minutes.
    """
    arrays, others, treedef = parted(opened(function))
    run = jax.jit(lambda arrays, *operands: joined(treedef, others, arrays)(*operands))
    return lambda *operands: run(arrays, *operands)


def parted(tree: Any) -> tuple[list[Array], tuple[Any, ...], Any]:
    """The arrays of a pytree, its other leaves with `ARRAY` where one was, and its structure."""
    leaves, treedef = jax.tree.flatten(tree)
    return [x for x in leaves if is_array(x)], tuple(ARRAY if is_array(x) else x for x in leaves), treedef


def joined(treedef: Any, others: tuple[Any, ...], arrays: Iterable[Array]) -> Any:
    """What `parted` took apart, its functions closed again."""
    arrays = iter(arrays)
    return closed(treedef.unflatten([next(arrays) if x is ARRAY else x for x in others]))


def is_array(x: object) -> bool:
    """Whether a leaf is an array, or stands for one."""
    return hasattr(x, "dtype") and hasattr(x, "shape")


class Unsteady(Exception):
    """A function reads something that may change without its knowledge."""


class Same:
    """Equal only where it is the same object, which it keeps alive."""

    def __init__(self, x: object):
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def steady(x: Any, depth: int = 8) -> Any:
    """A key that is equal only while `x` means the same, or `Unsteady`.

    >>> scale = 2.0
    >>> steady(lambda x: scale * x) == steady(lambda x: x)
    False
    """
    if x is None or x is ARRAY or isinstance(x, bool | int | float | complex | str | bytes):
        return type(x), x
    if isinstance(x, jax.Array | types.ModuleType | types.BuiltinFunctionType | type | JITTED):
        return Same(x)  # immutable, or taken to be
    if isinstance(x, Known):
        return steady(x.x, depth)
    if isinstance(x, Shell):
        return steady_code(x.function, depth)
    if not depth or isinstance(x, jax.core.Tracer):
        raise Unsteady
    if isinstance(x, functools.partial):
        return tuple(steady(y, depth - 1) for y in (x.func, *x.args, *x.keywords, *x.keywords.values()))
    if inspect.isfunction(x) or (callable(x) and hasattr(x, "__wrapped__")):
        return steady_function(x, depth)
    if (getattr(type(x), "__module__", "") or "").split(".")[0] in LIBRARIES and is_hashable(x):
        return x
    leaves, treedef = jax.tree.flatten(x)
    if len(leaves) == 1 and leaves[0] is x:
        raise Unsteady
    return treedef, tuple(steady(leaf, depth - 1) for leaf in leaves)


def steady_function(function: Callable, depth: int) -> Any:
    """The code of a function with all that it reads: cells, globals, defaults. Those of libraries are taken as is."""
    inner = inspect.unwrap(function)
    if not inspect.isfunction(inner):
        raise Unsteady
    local = "<locals>" in inner.__qualname__
    if inner.__module__ and inner.__module__.split(".")[0] in LIBRARIES and not local:
        return Same(function)
    if inner is not function:
        raise Unsteady
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # a function that calls itself before it is bound
        raise Unsteady from None
    return steady_code(function, depth), tuple(steady(x, depth - 1) for x in cells)


def steady_code(function: Callable, depth: int) -> Any:
    """The code of a function with the globals and defaults that it reads."""
    names = global_names(function.__code__)
    read = [function.__globals__[name] for name in sorted(names) if name in function.__globals__]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return function.__code__, tuple(steady(x, depth - 1) for x in (*read, *defaults))


def global_names(code: types.CodeType) -> set[str]:
    """The names that code and the functions within it may read from their module."""
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType))
    return set(code.co_names).union(*map(global_names, inner))


def is_hashable(x: object) -> bool:
    """Whether `x` can be a key."""
    try:
        hash(x)
    except TypeError:
        return False
    return True
