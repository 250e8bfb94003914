"""Checkpoints: orbax writes the arrays, a manifest of sha256 sums proves later that they are still the same.

    directory/
        120/manifest.json     what was saved, of which run, and the sums; itself summed
        120/arrays/...        orbax
        120.old-1/            a damaged one that a later save of that step put aside; never read, never deleted
        .partial-130/         a save in progress, or what a crash left of one; never read
        .lock                 one process writes a directory at a time

A bit flip in an orbax file is restored silently with wrong values, so every file is verified before it is read. A
step becomes visible by one rename after everything in it is written.
"""

import hashlib
import json
import logging
import os
import shutil
import textwrap
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from tgnn.errors import check_size
from tgnn.train.folder import Lock, local_path, set_aside
from tgnn.train.identity import check_config, plain
from tgnn.train.leaves import as_placed, check_structure, named_leaves, placed, spec

_LOG = logging.getLogger(__name__)
_PARTIAL = ".partial-"


def save(directory: str | os.PathLike, step: int, tree: Any, *, keep: int = 3, config: Any = None) -> Path:
    """Writes a pytree as the checkpoint of a step, all of it or nothing.

    Args:
        directory: a local folder that holds one folder per step; made if missing.
        step: 0 or more; by convention the number of updates that the tree has seen.
        tree: arrays (typed PRNG keys included), NumPy arrays and Python numbers in any pytree.
        keep: this step and the `keep - 1` before it stay; older ones are deleted. At least 2 allows a fallback.
        config: what made the tree, as a dict or dataclass of plain values; `restore` compares it.

    Returns:
        The folder of the step.

    Raises:
        ValueError: `step` or `keep` is no integer or out of range, the directory is remote, cannot be written or is
            being written by another process, or the step is already saved and intact.
        OSError: the disk is full or fails; the steps before are as they were.

    >>> import tempfile
    >>> import jax.numpy as jnp
    >>> directory = tempfile.mkdtemp()
    >>> _ = save(directory, 10, {"kernel": jnp.ones(3)}, config={"learning_rate": 0.1})
    >>> restore(directory, {"kernel": jnp.zeros(3)})
    ({'kernel': Array([1., 1., 1.], dtype=float32)}, 10)
    """
    step, keep = check_size("step", step), check_size("keep", keep, 1)
    directory, config = local_path("directory", directory), plain(config)
    final, partial = directory / str(step), directory / f"{_PARTIAL}{step}"
    with Lock(directory):
        if _manifest(final) is not None:
            raise ValueError(f"{final} already holds a checkpoint; save a later step, or resume from it")
        for leftover in directory.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        try:
            _write(partial, step, tree, config)
        except Exception as error:
            shutil.rmtree(partial, ignore_errors=True)
            reason = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
            raise OSError(f"{final} was not written ({reason}); free space and save again") from None
        if final.exists():
            set_aside(final)  # damaged, or it would have been intact above
        partial.rename(final)
        for old in [s for s in _steps(directory) if s < step and _claims(directory / str(s))][keep - 1 :]:
            shutil.rmtree(directory / str(old))
    return final


def restore(
    directory: str | os.PathLike, target: Any, *, step: int | None = None, config: Any = None
) -> tuple[Any, int]:
    """Reads the newest intact checkpoint into the structure of `target`.

    Args:
        directory: what `save` was given.
        target: a pytree like the one saved; its leaves give shape, dtype and placement, not values, so
            `jax.eval_shape(init, ...)` serves as well. What is placed nowhere in particular goes to the default
            device, whatever devices it was saved from.
        step: this step and no other; None takes the newest one whose files are all intact (and logs what it skipped).
        config: refuse a checkpoint that was saved with another one; None takes any.

    Returns:
        The restored tree and its step.

    Raises:
        ValueError: no checkpoint is intact, `target` has other leaves, shapes or dtypes than the one saved, or the
            config differs.
    """
    directory = local_path("directory", directory)
    step, manifest = find(directory, step)
    check_config(str(directory / str(step)), manifest["config"], plain(config))
    return read(directory, manifest, target), step


def latest_step(directory: str | os.PathLike) -> int | None:
    """The newest intact step of a directory, or None; reads every byte of that checkpoint to verify it."""
    directory = local_path("directory", directory)
    return next((s for s in _steps(directory) if _manifest(directory / str(s)) is not None), None)


def find(directory: Path, step: int | None = None) -> tuple[int, dict]:
    """The newest intact step, or the given one, and its manifest; a ValueError if there is none."""
    for candidate in _steps(directory) if step is None else [check_size("step", step)]:
        manifest = _manifest(directory / str(candidate))
        if manifest is not None:
            return candidate, manifest
        _LOG.warning("%s is incomplete or damaged; trying the step before it", directory / str(candidate))
    wanted = "checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(
        f"{directory} holds no intact {wanted}; found steps {_steps(directory)}; "
        "name the folder of a run, or start one in an empty folder"
    )


def is_empty(directory: Path) -> bool:
    """Whether there is no step at all, not even a damaged one."""
    return not _steps(directory)


def read(directory: Path, manifest: dict, target: Any) -> Any:
    """The tree of a step that `find` found, in the structure of `target`."""
    folder, wanted = directory / str(manifest["step"]), named_leaves(target)
    check_structure(directory, manifest, target)
    places = {name: placed(leaf) for name, leaf in wanted.items()}
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = checkpointer.restore(folder / "arrays", {n: leaf for n, leaf in places.items() if leaf.size})
    leaves, structure = jax.tree.flatten(target)
    restored = []
    for leaf, (name, place) in zip(leaves, places.items(), strict=True):
        value = arrays[name] if place.size else np.zeros(place.shape, place.dtype)
        restored.append(as_placed(leaf, value))
    return jax.tree.unflatten(structure, restored)


def _steps(directory: Path) -> list[int]:
    """Steps that have a folder, newest first, damaged ones included."""
    if not directory.is_dir():
        return []
    names = [path.name for path in directory.iterdir() if path.is_dir()]
    return sorted((int(name) for name in names if name.isdecimal() and name == str(int(name))), reverse=True)


def _claims(folder: Path) -> bool:
    """Whether a folder has a manifest of its own step; cheap, as the files are not read."""
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["content"]["step"] == int(folder.name)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(folder: Path, step: int, tree: Any, config: Any) -> None:
    leaves = named_leaves(tree)
    arrays = {name: leaf for name, leaf in leaves.items() if leaf.size}  # orbax refuses arrays without elements
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "arrays", arrays)
    content = {
        "step": step,
        "config": config,
        "leaves": {name: spec(leaf) for name, leaf in leaves.items()},
        "files": {path: _sha256(folder / path) for path in _files(folder)},
    }
    text = json.dumps({"content": content, "sha256": _content_sum(content)}, indent=1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def _manifest(folder: Path) -> dict | None:
    """The manifest of a step if it is of this step and every file that it names is intact, else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        content = manifest["content"]
        intact = (
            manifest["sha256"] == _content_sum(content)
            and content["step"] == int(folder.name)  # else folders were exchanged
            and all(_sha256(folder / path) == digest for path, digest in content["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {"config": None, **content} if intact else None  # older ones know of no config


def _content_sum(content: dict) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
