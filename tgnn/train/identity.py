"""What tells one run from another: whether a checkpoint may go on is decided before anything is written."""

import dataclasses
import enum
import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_TOLERANCE = 0.02  # of numbers that other devices and other numbers of threads round otherwise


def plain(config: Any) -> Any:
    """A config as JSON keeps it: dataclasses and mappings as dicts, arrays and tuples as lists; or a ValueError.

    >>> plain({"widths": (8, 16), "rate": np.float32(0.5)})
    {'widths': [8, 16], 'rate': 0.5}
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        config = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {str(name): plain(value) for name, value in config.items()}
    if isinstance(config, list | tuple | set | frozenset):
        return [plain(value) for value in (sorted(config) if isinstance(config, set | frozenset) else config)]
    if isinstance(config, os.PathLike):
        return os.fspath(config)
    if isinstance(config, np.ndarray | np.generic | jax.Array):
        return plain(np.asarray(config).tolist())
    if isinstance(config, enum.Enum):
        return config.name
    if config is None or isinstance(config, bool | int | str):
        return config
    if isinstance(config, float):
        return config if math.isfinite(config) else repr(config)
    raise ValueError(
        f"config holds {config!r} of type {type(config).__name__}; give numbers, strings, lists, dicts or dataclasses"
    )


def check_config(where: str, saved: Any, given: Any) -> None:
    """A ValueError that names what differs; a checkpoint that was saved without a config takes any."""
    if saved is None or given is None:
        return
    different = list(_differences("", saved, given))
    if different:
        shown = "; ".join(different[:5]) + (f"; and {len(different) - 5} more" if len(different) > 5 else "")
        raise ValueError(
            f"{where} is of a run with another config: {shown}; resume with the config of that run, "
            "or choose another folder"
        )


def _differences(name: str, saved: Any, given: Any):
    if isinstance(saved, dict) and isinstance(given, dict):
        for key in [*saved, *(key for key in given if key not in saved)]:
            inner = f"{name}.{key}" if name else key
            yield from _differences(inner, saved.get(key, "missing"), given.get(key, "missing"))
    elif json.dumps(saved) != json.dumps(given):
        yield f"{name or 'config'} was {saved}, is {given}"


def describe_batch(batch: Any) -> list[dict[str, Any]]:
    """Shapes, types and contents of a batch, of a few bytes."""
    return [_describe(np.asarray(_bits(leaf))) for leaf in jax.tree.leaves(batch)]


def is_same_batch(saved: list[dict[str, Any]], given: list[dict[str, Any]]) -> bool:
    """Whether two descriptions are of one batch, whatever device computed its floating-point numbers."""
    if len(saved) != len(given):
        return False
    for a, b in zip(saved, given, strict=True):
        if any(a[name] != b[name] for name in ("shape", "dtype", "sum")) or len(a["moments"]) != len(b["moments"]):
            return False
        if not np.allclose(a["moments"], b["moments"], rtol=0, atol=1e-3 * max(map(abs, a["moments"]), default=0)):
            return False
    return True


def check_begin(where: str, saved: dict[str, Any], given: dict[str, Any]) -> None:
    """A ValueError where a run began with another key or another batch than the one that was saved."""
    if saved["rng"] != given["rng"]:
        raise ValueError(f"{where} is of a run with another rng; resume with the seed of that run")
    if not is_same_batch(saved["batch"], given["batch"]):
        raise ValueError(
            f"{where} is of a run whose first batch was another; resume with the data, batch size and seed of that "
            "run, or choose another folder"
        )


def describe_step(before: list[Any], after: list[Any], metrics: dict[str, Any]) -> dict[str, float]:
    """What one update did: its loss, its gradient, and by how much it changed the weights."""
    change = sum(float(np.sum(np.abs(b - a) ** 2)) for a, b in zip(before, after, strict=True))
    found = {name: float(metrics[name]) for name in ("loss", "gradient_norm") if name in metrics}
    return {name: value for name, value in (found | {"change": math.sqrt(change)}).items() if math.isfinite(value)}


def check_step(where: str, saved: dict[str, float], given: dict[str, float]) -> None:
    """A ValueError where the first update of a run is not that of the run that was saved."""
    for name in sorted(saved.keys() & given.keys()):
        if not math.isclose(saved[name], given[name], rel_tol=_TOLERANCE, abs_tol=1e-12):
            what = {"change": "change of the weights", "gradient_norm": "norm of the gradient"}.get(name, name)
            raise ValueError(
                f"{where} is of another run: the {what} in its first step was {saved[name]:.6g}, that of this one is "
                f"{given[name]:.6g}; resume with the rate, model and data of that run, or choose another folder"
            )


def numbers(tree: Any) -> list[np.ndarray]:
    """Copies on the host of the floating-point leaves, in double precision."""
    leaves = (leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact))
    return [np.array(leaf).astype(np.complex128 if np.iscomplexobj(leaf) else np.float64) for leaf in leaves]


def key_bits(rng: Any) -> list[int]:
    """A key as integers."""
    return np.asarray(_bits(rng)).reshape(-1).tolist()


def _describe(leaf: np.ndarray) -> dict:
    real = jnp.issubdtype(leaf.dtype, jnp.floating)
    described = {"shape": list(leaf.shape), "dtype": str(leaf.dtype), "sum": "", "moments": []}
    if real and leaf.size:
        wide = leaf.astype(np.float64)
        wide = wide[np.isfinite(wide)]
        described["moments"] = [float(wide.mean()), float(np.abs(wide).mean())] if wide.size else []
    elif leaf.dtype != object:
        described["sum"] = hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
    return described


def _bits(leaf: Any) -> Any:
    is_key = jnp.issubdtype(getattr(leaf, "dtype", np.float32), jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf
