"""A reader of pickles that makes plain data only, within bounds.

A pickle is a program: `pickle.load` calls whatever function the file names, sets whatever attributes it says, and in a
few hundred bytes can ask for gigabytes. Here a file may name only what a table allows; what it calls are the functions
of that table; of the opcodes those remain that build numbers, texts, lists, tuples and dicts; keys are scalars, so
that hashing one is no work; and what is copied is counted.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

MAX_ITEMS = 1 << 24  # of what a pickle holds, an item counted as often as it is met; the largest here has 10 ** 5
_FLAT = (int, float, str, bytes, bool, type(None))


class ForbiddenError(pickle.UnpicklingError):
    """A pickle asks for something that is not allowed."""


class Budget:
    """Bytes that may still be made beyond those in the file."""

    def __init__(self, max_bytes: int):
        self.left: int = max_bytes

    def spend(self, size: int) -> None:
        """Counts bytes.

        Raises:
            ForbiddenError: they are too many.
        """
        self.left -= size
        if self.left < 0:
            raise ForbiddenError("more memory than any file here takes")


class Restricted(pickle._Unpickler):  # the one in Python: its memo is a dict, and its opcodes can be left out
    """Reads one pickle.

    Args:
        file: the pickle, read no further than its end.
        allowed: what the file may name, by module and name. What is callable is called as `function(budget, *args)`.
        budget: of bytes.
        persistent: what a persistent id stands for; default: there are none.
    """

    stack: list[Any]  # of the base, whose stubs leave these three out
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self,
        file: BinaryIO,
        allowed: Mapping[tuple[str, str], Any],
        budget: Budget,
        persistent: Callable[[Any], Any] | None = None,
    ):
        super().__init__(file, encoding="latin1")
        self.allowed: Mapping[tuple[str, str], Any] = allowed
        self.budget: Budget = budget
        self.persistent: Callable[[Any], Any] | None = persistent

    def find_class(self, module: str, name: str) -> Any:
        """What the table has under a name."""
        if (module, name) not in self.allowed:
            raise ForbiddenError(f"{module}.{name}")
        return self.allowed[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """What stands outside of the pickle."""
        if self.persistent is None:
            raise ForbiddenError("a persistent id")
        return self.persistent(pid)

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack[-1]
        if not isinstance(arguments, tuple) or not any(function is known for known in self.allowed.values()):
            raise ForbiddenError(f"a call of {type(function).__name__}")
        self.stack[-1] = function(self.budget, *arguments)

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, dict):
            return  # attributes of a subclass of dict, such as a version: not data
        if not isinstance(made, Stateful):
            raise ForbiddenError(f"a state for {type(made).__name__}")
        made.set_state(self.budget, state)

    def _setitems(self, items: list) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise ForbiddenError(f"items for {type(target).__name__}")
        target.update(make_dict(self.budget, list(zip(items[::2], items[1::2], strict=True))))

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._setitems([key, value])

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append(make_dict(self.budget, list(zip(items[::2], items[1::2], strict=True))))

    def _append(self) -> None:
        self._extend([self.stack.pop()])

    def _extend(self, items: list) -> None:
        if type(self.stack[-1]) is not list:
            raise ForbiddenError(f"items for {type(self.stack[-1]).__name__}")
        self.stack[-1].extend(items)

    def _unknown(self) -> None:
        raise ForbiddenError("an opcode that plain data have no use for")

    def _take_items(self) -> None:
        self._setitems(self.pop_mark())

    def _take_list(self) -> None:
        self._extend(self.pop_mark())

    _own: Any = dict.fromkeys(pickle.REDUCE + pickle.NEWOBJ, _reduce)
    _own |= {pickle.BUILD[0]: _build, pickle.DICT[0]: _dict}
    _own |= {pickle.SETITEM[0]: _setitem, pickle.SETITEMS[0]: _take_items}
    _own |= {pickle.APPEND[0]: _append, pickle.APPENDS[0]: _take_list}
    _own |= dict.fromkeys(pickle.INST + pickle.OBJ + pickle.NEWOBJ_EX + pickle.EXT1 + pickle.EXT2, _unknown)
    _own |= dict.fromkeys(pickle.EXT4 + pickle.EMPTY_SET + pickle.ADDITEMS + pickle.FROZENSET, _unknown)
    _own |= dict.fromkeys(pickle.BYTEARRAY8 + pickle.NEXT_BUFFER + pickle.READONLY_BUFFER, _unknown)
    dispatch: Any = pickle._Unpickler.dispatch | _own


class Stateful:
    """What stands for an object while a pickle is read."""

    def set_state(self, budget: Budget, state: Any) -> None:
        """Takes the state that the pickle gives it."""
        raise ForbiddenError(f"a state for {type(self).__name__}")

    def inner(self) -> Any:
        """What it holds that may hold other such objects."""
        return None

    def finish(self, inner: Any) -> Any:
        """What it stands for, made with `inner` in its final form."""
        raise ForbiddenError(f"a bare {type(self).__name__.strip('_')}")


def make_dict(budget: Budget, pairs: Any = ()) -> dict[Any, Any]:
    """A dict of pairs; stands for `dict`, `OrderedDict` and `defaultdict`, whose factory is left out."""
    if not isinstance(pairs, (list, tuple)):
        pairs = ()
    made = {}
    for key, value in pairs:
        if not isinstance(key, _FLAT) and not (isinstance(key, tuple) and all(isinstance(k, _FLAT) for k in key)):
            raise ForbiddenError(f"a key of type {type(key).__name__}")
        made[key] = value
    budget.spend(16 * len(made))
    return made


def plain(x: Any) -> Any:
    """Lists, tuples, dicts and arrays with what `Stateful` objects stand for in their places.

    What is met twice is made once, so that a file which doubles itself costs no more than its length.

    Raises:
        ForbiddenError: something holds itself, or there are more than `MAX_ITEMS` items.
    """
    known: dict[int, tuple[Any, int] | None] = {}  # by identity: the result and its number of items, None while open

    def visit(x: Any) -> tuple[Any, int]:
        if isinstance(x, _FLAT):
            return x, 1
        if id(x) not in known:
            known[id(x)] = None
            known[id(x)] = made = build(x)
            if made[1] > MAX_ITEMS:
                raise ForbiddenError(f"more than {MAX_ITEMS} items")
        found = known[id(x)]
        if found is None:
            raise ForbiddenError("a list that holds itself")
        return found

    def build(x: Any) -> tuple[Any, int]:
        if isinstance(x, (list, tuple)):
            found = [visit(item) for item in x]
            return type(x)(item for item, _ in found), 1 + sum(n for _, n in found)
        if isinstance(x, dict):
            pairs = {key: visit(item) for key, item in x.items()}
            return {key: item for key, (item, _) in pairs.items()}, 1 + sum(n for _, n in pairs.values())
        if isinstance(x, np.ndarray):
            return _array(x, visit)
        if not isinstance(x, Stateful):
            raise ForbiddenError(f"a bare {getattr(x, '__name__', type(x).__name__).strip('_')}")
        inner, n = visit(x.inner())
        made = x.finish(inner)
        return made, n + _weight(made)

    return visit(x)[0]


def _array(x: np.ndarray, visit: Callable[[Any], tuple[Any, int]]) -> tuple[np.ndarray, int]:
    if not x.dtype.hasobject:
        return x, _weight(x)
    made, total = np.empty(x.shape, object), 1
    for i, item in enumerate(x.flat):
        made.flat[i], n = visit(item)
        total += n
    return made, total


def _weight(x: Any) -> int:
    """Items that an array counts for."""
    return 1 + getattr(x, "nbytes", 0) // 64
