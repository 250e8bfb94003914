"""Dataclasses as pytrees of their own type."""

import dataclasses
from typing import Any, TypeVar

import jax

Class = TypeVar("Class", bound=type)


def register(cls: Class) -> Class:
    """Makes a dataclass a pytree: fields made by `jax.tree.static` are a part of its structure, the others children.

    As `jax.tree_util.register_dataclass`, but for two things. There structures of two classes with equal fields are
    equal (in jax 0.10 to 0.12), so that a jitted function now and then ran the program of the other class, without a
    word. And an `offset` of 0 is no leaf here: a plain graph stays known as one where it is an argument of a jitted
    function, and the kernels that need to know are chosen. Any other offset may be traced, so that decoding never
    compiles again.
    """
    fields = {field.name: field.metadata.get("static", False) for field in dataclasses.fields(cls)}
    statics, children = ([name for name, is_static in fields.items() if is_static is kind] for kind in (True, False))
    keys = [jax.tree_util.GetAttrKey(name) for name in children]
    place = children.index("offset") if "offset" in children else None

    def flatten(tree: Any) -> tuple[list[Any], tuple[Any, ...]]:
        found = [getattr(tree, name) for name in children]
        if place is not None and isinstance(found[place], int) and found[place] == 0:
            found[place] = None
        return found, tuple(getattr(tree, name) for name in statics)

    def flatten_with_keys(tree: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        found, known = flatten(tree)
        return list(zip(keys, found, strict=True)), known

    def unflatten(known: tuple[Any, ...], found: Any) -> Any:
        given = dict(zip(statics, known, strict=True)) | dict(zip(children, found, strict=True))
        if place is not None and given["offset"] is None:
            given["offset"] = 0
        return cls(**given)

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
    return cls
