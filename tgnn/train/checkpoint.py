"""Checkpoints: orbax writes the arrays, a manifest of sha256 sums proves later that they are still the same.

    directory/
        120/manifest.json     what was saved, and the sums; itself summed
        120/arrays/...        orbax
        .partial-130/         a save in progress, or what a crash left of one; never read

A bit flip in an orbax file is restored silently with wrong values, so every file is verified before it is read. A
step becomes visible by one rename after everything in it is written. One process writes a directory at a time.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

_LOG = logging.getLogger(__name__)
_PARTIAL = ".partial-"


def save(directory: str | os.PathLike, step: int, tree: Any, *, keep: int = 3) -> Path:
    """Writes a pytree as the checkpoint of a step, all of it or nothing.

    Args:
        directory: holds one folder per step; made if missing.
        step: 0 or more; by convention the number of updates that the tree has seen.
        tree: arrays (typed PRNG keys included), NumPy arrays and Python numbers in any pytree.
        keep: this step and the `keep - 1` before it stay; older ones are deleted. At least 2 allows a fallback.

    Returns:
        The folder of the step.

    Raises:
        ValueError: `step` is negative, `keep` is less than 1, or the step is already saved and intact.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step must be 0 or more and keep 1 or more, got step {step} and keep {keep}")
    directory = Path(directory).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    final = directory / str(step)
    if _manifest(final) is not None:
        raise ValueError(f"{final} already holds a checkpoint; save a later step, or resume from it")
    for leftover in directory.glob(f"{_PARTIAL}*"):
        shutil.rmtree(leftover)
    partial = directory / f"{_PARTIAL}{step}"
    _write(partial, step, tree)
    if final.exists():  # a damaged one: `_manifest` found it not intact
        shutil.rmtree(final)
    partial.rename(final)
    for old in [s for s in _steps(directory) if s < step][keep - 1 :]:
        shutil.rmtree(directory / str(old))
    return final


def restore(directory: str | os.PathLike, target: Any, *, step: int | None = None) -> tuple[Any, int]:
    """Reads the newest intact checkpoint into the structure of `target`.

    Args:
        directory: what `save` was given.
        target: a pytree like the one saved; its leaves give shape, dtype and placement, not values, so
            `jax.eval_shape(init, ...)` serves as well.
        step: this step and no other; None takes the newest one whose files are all intact (and logs what it skipped).

    Returns:
        The restored tree and its step.

    Raises:
        ValueError: no checkpoint is intact, or `target` has other leaves, shapes or dtypes than the one saved.
    """
    directory = Path(directory).resolve()
    for candidate in _steps(directory) if step is None else [step]:
        folder = directory / str(candidate)
        manifest = _manifest(folder)
        if manifest is not None:
            return _read(folder, manifest, target), candidate
        _LOG.warning("%s is incomplete or damaged; trying the step before it", folder)
    wanted = "checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(f"{directory} holds no intact {wanted}; found steps {_steps(directory)}; start without resuming")


def latest_step(directory: str | os.PathLike) -> int | None:
    """The newest intact step of a directory, or None; reads every byte of that checkpoint to verify it."""
    directory = Path(directory).resolve()
    return next((s for s in _steps(directory) if _manifest(directory / str(s)) is not None), None)


def _steps(directory: Path) -> list[int]:
    """Steps that have a folder, newest first, damaged ones included."""
    if not directory.is_dir():
        return []
    names = [path.name for path in directory.iterdir() if path.is_dir()]
    return sorted((int(name) for name in names if name.isdecimal() and name == str(int(name))), reverse=True)


def _write(folder: Path, step: int, tree: Any) -> None:
    leaves = _named_leaves(tree)
    arrays = {name: leaf for name, leaf in leaves.items() if leaf.size}  # orbax refuses arrays without elements
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "arrays", arrays)
    content = {
        "step": step,
        "leaves": {name: _spec(leaf) for name, leaf in leaves.items()},
        "files": {path: _sha256(folder / path) for path in _files(folder)},
    }
    text = json.dumps({"content": content, "sha256": _content_sum(content)}, indent=1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _read(folder: Path, manifest: dict, target: Any) -> Any:
    wanted = _named_leaves(target)
    _check_structure(folder, manifest["leaves"], {name: _spec(leaf) for name, leaf in wanted.items()})
    placed = {name: _placed(leaf) for name, leaf in wanted.items()}
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = checkpointer.restore(folder / "arrays", {n: leaf for n, leaf in placed.items() if leaf.size})
    leaves, structure = jax.tree.flatten(target)
    restored = []
    for leaf, (name, place) in zip(leaves, placed.items(), strict=True):
        value = arrays[name] if place.size else np.zeros(place.shape, place.dtype)
        if isinstance(place, jax.ShapeDtypeStruct):
            value = jax.device_put(value, place.sharding)
        restored.append(type(leaf)(value) if isinstance(leaf, int | float | complex) else value)
    return jax.tree.unflatten(structure, restored)


def _check_structure(folder: Path, saved: dict, wanted: dict) -> None:
    missing, unexpected = sorted(wanted.keys() - saved.keys()), sorted(saved.keys() - wanted.keys())
    if missing or unexpected:
        raise ValueError(
            f"{folder} has another structure than target: missing {_some(missing)}, unexpected {_some(unexpected)}; "
            "restore with the model and optimizer that were saved"
        )
    for name, spec in wanted.items():
        if saved[name] != spec:
            shape, dtype = saved[name]
            raise ValueError(
                f"{folder} holds {name} as {dtype}{shape} but target wants {spec[1]}{spec[0]}; "
                "restore with the configuration that was saved"
            )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "nothing"


def _named_leaves(tree: Any) -> dict[str, Any]:
    """Leaves by their path, in the order of the tree; Python numbers become NumPy scalars."""
    named = jax.tree_util.tree_flatten_with_path(tree)[0]
    array_like = jax.Array | np.ndarray | jax.ShapeDtypeStruct
    return {jax.tree_util.keystr(p): x if isinstance(x, array_like) else np.asarray(x) for p, x in named}


def _spec(leaf: Any) -> list:
    return [list(leaf.shape), str(leaf.dtype)]


def _placed(leaf: Any) -> Any:
    """What orbax needs to know to restore a leaf: the same kind of array, on the same devices."""
    if isinstance(leaf, np.ndarray):
        return leaf
    sharding = getattr(leaf, "sharding", None) or jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _manifest(folder: Path) -> dict | None:
    """The manifest of a step if it and every file that it names are intact, else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        content = manifest["content"]
        intact = manifest["sha256"] == _content_sum(content) and all(
            _sha256(folder / path) == digest for path, digest in content["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if intact else None


def _content_sum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
