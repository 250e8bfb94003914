"""The leaves of a checkpoint by name: what was saved against what is asked for, and where it is to be placed."""

import ast
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def check_structure(directory: Path, manifest: dict[str, Any], target: Any) -> None:
    """A ValueError where `target` has other leaves, shapes or dtypes than the step of a manifest."""
    folder, saved = directory / str(manifest["step"]), manifest["leaves"]
    wanted = {name: spec(leaf) for name, leaf in named_leaves(target).items()}
    missing, unexpected = sorted(wanted.keys() - saved.keys()), sorted(saved.keys() - wanted.keys())
    if missing or unexpected:
        raise ValueError(
            f"{folder} has another structure than target: missing {_some(missing)}, unexpected {_some(unexpected)}; "
            "restore with the model and optimizer that were saved"
        )
    for name, wanted_spec in wanted.items():
        if saved[name] != wanted_spec:
            shape, dtype = saved[name]
            raise ValueError(
                f"{folder} holds {name} as {dtype}{shape} but target wants {wanted_spec[1]}{wanted_spec[0]}; "
                "restore with the configuration that was saved"
            )


def as_target(leaf: Any) -> Any:
    """What `restore` needs to know of a leaf, when the leaf itself is about to be donated."""
    if not isinstance(leaf, jax.Array):
        return leaf
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=_sharding(leaf))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"


def named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by their path, in the order of the tree; Python numbers become NumPy scalars."""
    named = jax.tree_util.tree_flatten_with_path(tree)[0]
    array_like = jax.Array | np.ndarray | jax.ShapeDtypeStruct
    return {jax.tree_util.keystr(p): x if isinstance(x, array_like) else np.asarray(x) for p, x in named}


def spec(leaf: Any) -> list[Any]:
    """Shape and dtype, as a manifest has them."""
    return [list(leaf.shape), str(leaf.dtype)]


def placed(leaf: Any) -> Any:
    """What orbax needs to know to restore a leaf: an array of the host where the caller has no devices in mind."""
    sharding = _sharding(leaf)
    if sharding is None and not _is_key(leaf):
        return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding or _default_sharding())


def as_placed(leaf: Any, value: Any) -> Any:
    """The restored value as the kind of array that the target's leaf is."""
    if isinstance(leaf, int | float | complex):
        return type(leaf)(value)
    if isinstance(leaf, np.ndarray | np.generic):
        return value
    sharding = _sharding(leaf)
    if sharding is not None:
        return jax.device_put(value, sharding)
    if _is_key(leaf):  # through the host, because what orbax places is bound to its device and meets no other's arrays
        value = value if _is_key(value) else jax.random.wrap_key_data(value, impl=jax.random.key_impl(leaf))
        data = np.asarray(jax.random.key_data(value))
        return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(value))
    return jnp.array(value)


def _sharding(leaf: Any) -> jax.sharding.Sharding | None:
    """Where the caller put a leaf; None where that was left to JAX."""
    if isinstance(leaf, jax.Array) and not leaf.committed:
        return None
    return getattr(leaf, "sharding", None)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _default_sharding() -> jax.sharding.Sharding:
    return jax.sharding.SingleDeviceSharding(jnp.zeros(()).devices().pop())


def part_of(saved: dict[str, list[Any]], prefix: str) -> dict[str, list[Any]]:
    """The leaves below an attribute of the tree, such as `.params`, by the rest of their names."""
    return {
        name.removeprefix(prefix): spec
        for name, spec in saved.items()
        if name.startswith(prefix) and name[len(prefix) : len(prefix) + 1] in ("", "[", ".")
    }


def nested(folder: Path, saved: dict[str, list[Any]]) -> Any:
    """Shapes in nested dicts and lists, as leaves are named: `['layers'][0]['bias']`.

    Raises:
        ValueError: a container is of another kind, or a leaf is a key of random numbers.
    """
    tree: Any = {}
    for name, (shape, dtype) in saved.items():
        keys = re.findall(r"\[(\d+|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")\]", name)
        if "".join(f"[{key}]" for key in keys) != name or dtype.startswith("key<"):
            raise ValueError(
                f"{folder} has weights named {name} of type {dtype}, which are no arrays in dicts and lists; pass "
                "target, weights like those saved"
            )
        leaf = jax.ShapeDtypeStruct(tuple(shape), jnp.dtype(dtype))
        tree = with_leaf(tree, [ast.literal_eval(key) for key in keys], leaf)
    return as_lists(tree)


def with_leaf(tree: dict[Any, Any], keys: list[Any], leaf: Any) -> Any:
    """A dict of dicts with one more leaf."""
    return {**tree, keys[0]: with_leaf(tree.get(keys[0], {}), keys[1:], leaf)} if keys else leaf


def as_lists(tree: Any) -> Any:
    """Dicts of the keys 0, 1, ... as lists."""
    if not isinstance(tree, dict):
        return tree
    values = {key: as_lists(value) for key, value in tree.items()}
    return list(values.values()) if tree and list(tree) == list(range(len(tree))) else values
