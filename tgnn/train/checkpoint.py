"""Checkpoints: orbax writes the arrays, a manifest of sha256 sums proves later that they are still the same.

    directory/
        120/manifest.json     what was saved, of which run, by which versions, and the sums; itself summed
        120/arrays/...        orbax
        120.old-1/            a damaged one that a later save of that step put aside; never read, never deleted
        .partial-130/         a save in progress, or what a crash left of one; never read
        .lock                 one process writes a directory at a time

A bit flip in an orbax file is restored silently with wrong values, so every file is verified before it is read. A
step becomes visible by one rename after everything in it is written.
"""

import logging
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from tgnn.errors import check_size
from tgnn.train import manifest
from tgnn.train.folder import local_path
from tgnn.train.identity import check_config, plain
from tgnn.train.leaves import as_placed, check_structure, named_leaves, nested, part_of, placed
from tgnn.train.writing import Writing, best_of, steps_in

_LOG = logging.getLogger(__name__)


def save(
    directory: str | os.PathLike[str],
    step: int,
    tree: Any,
    *,
    keep: int = 3,
    config: Any = None,
    score: float | None = None,
    keep_best: int = 1,
) -> Path:
    """Writes a pytree as the checkpoint of a step, all of it or nothing.

    Of many processes (`jax.distributed`) each calls it with its own shards, and all with one directory of a disk that
    they share.

    Args:
        directory: a local folder that holds one folder per step; made if missing.
        step: 0 or more; by convention the number of updates that the tree has seen.
        tree: arrays (typed PRNG keys included), NumPy arrays and Python numbers in any pytree.
        keep: this step and the `keep - 1` before it stay; older ones are deleted. At least 2 allows a fallback.
        config: what made the tree, as a dict or dataclass of plain values; `restore` compares it.
        score: how good the tree is, the higher the better; None, like NaN, is no score.
        keep_best: the steps of the highest scores, so many, stay as well.

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
    return begin(directory, step, tree, keep=keep, config=config, score=score, keep_best=keep_best).finish()


def begin(
    directory: str | os.PathLike[str],
    step: int,
    tree: Any,
    *,
    keep: int = 3,
    config: Any = None,
    score: float | None = None,
    keep_best: int = 1,
) -> Writing:
    """`save` up to where the tree may change: arrays are copied; `finish()` of what is returned ends it."""
    step, keep = check_size("step", step), check_size("keep", keep, 1)
    keep_best, directory = check_size("keep_best", keep_best), local_path("directory", directory)
    score = None if score is None or np.isnan(score) else float(score)
    return Writing(directory, step, tree, {"config": plain(config), "score": score}, keep, keep_best)


def restore(
    directory: str | os.PathLike[str], target: Any, *, step: int | None = None, config: Any = None
) -> tuple[Any, int]:
    """Reads the newest intact checkpoint into the structure of `target`.

    Args:
        directory: what `save` was given.
        target: a pytree like the one saved; its leaves give shape, dtype and placement, not values, so
            `jax.eval_shape(init, ...)` serves as well. Shardings may be others than those saved, of more or fewer
            devices. What is placed nowhere in particular goes to the default device, wherever it was saved from.
        step: this step and no other, such as `best_step(directory)`; None takes the newest one whose files are all
            intact (and logs what it skipped).
        config: refuse a checkpoint that was saved with another one; None takes any.

    Returns:
        The restored tree and its step.

    Raises:
        ValueError: no checkpoint is intact, `target` has other leaves, shapes or dtypes than the one saved, the
            config differs, or a newer tgnn wrote it.
    """
    directory = local_path("directory", directory)
    step, content = find(directory, step)
    check_config(str(directory / str(step)), content["config"], plain(config))
    return read(directory, content, target), step


def restore_params(
    directory: str | os.PathLike[str], target: Any = None, *, step: int | None = None, config: Any = None
) -> tuple[Any, int]:
    """Reads the weights alone of a checkpoint of a `TrainState`, to use the model: no optimizer, no more memory.

    Args:
        directory: what `save` was given: `checkpoints/` of a run.
        target: weights like those saved, as for `restore`; None makes nested dicts and lists as the checkpoint names
            them, which is what the models of this library have.
        step: as for `restore`.
        config: as for `restore`.

    Returns:
        The weights and their step.

    Raises:
        ValueError: as for `restore`; or nothing saved is named `.params`, or `target` is needed, as there are
            containers other than dicts and lists.

    >>> import tempfile
    >>> import jax.numpy as jnp, optax
    >>> from tgnn.training import init_state
    >>> directory = tempfile.mkdtemp()
    >>> _ = save(directory, 7, init_state(jax.random.key(0), {"layers": [{"bias": jnp.ones(2)}]}, optax.adam(0.1)))
    >>> restore_params(directory)
    ({'layers': [{'bias': Array([1., 1.], dtype=float32)}]}, 7)
    """
    directory = local_path("directory", directory)
    step, content = find(directory, step)
    check_config(str(directory / str(step)), content["config"], plain(config))
    saved = part_of(content["leaves"], ".params")
    if not saved:
        raise ValueError(f"{directory / str(step)} holds no .params; use restore, with a target like the tree saved")
    target = nested(directory / str(step), saved) if target is None else target
    return read(directory, {**content, "leaves": saved}, target, ".params"), step


def latest_step(directory: str | os.PathLike[str]) -> int | None:
    """The newest intact step of a directory, or None; reads every byte of that checkpoint to verify it."""
    directory = local_path("directory", directory)
    return next((s for s in steps_in(directory) if manifest.read(directory / str(s)) is not None), None)


def best_step(directory: str | os.PathLike[str]) -> int | None:
    """The intact step that was saved with the highest score, the first of equal ones; None where none has a score."""
    directory = local_path("directory", directory)
    return next(iter(scores(directory)), None)


def scores(directory: Path) -> dict[int, float]:
    """The scores of the intact steps that have one, from the best to the worst; reads every byte of them."""
    contents = {step: manifest.read(directory / str(step)) for step in steps_in(directory)}
    found = {step: said["score"] for step, said in contents.items() if said and said["score"] is not None}
    return {step: found[step] for step in best_of(found)}


def find(directory: Path, step: int | None = None) -> tuple[int, dict[str, Any]]:
    """The newest intact step, or the given one, and its manifest; a ValueError if there is none."""
    for candidate in steps_in(directory) if step is None else [check_size("step", step)]:
        content = manifest.read(directory / str(candidate))
        if content is not None:
            return candidate, content
        _LOG.warning("%s is incomplete or damaged; trying the step before it", directory / str(candidate))
    wanted = "checkpoint" if step is None else f"checkpoint of step {step}"
    raise ValueError(
        f"{directory} holds no intact {wanted}; found steps {steps_in(directory)}; "
        "name the folder of a run, or start one in an empty folder"
    )


def is_empty(directory: Path) -> bool:
    """Whether there is no step at all, not even a damaged one."""
    return not steps_in(directory)


def read(directory: Path, content: dict[str, Any], target: Any, prefix: str = "") -> Any:
    """The tree of a step that `find` found, or the part of it whose names begin so, in the structure of `target`."""
    folder = directory / str(content["step"])
    check_structure(directory, content, target)
    places = {name: placed(leaf) for name, leaf in named_leaves(target).items()}
    wanted = {prefix + name: leaf for name, leaf in places.items() if leaf.size}
    arguments = ocp.args.PyTreeRestore(
        item=wanted, restore_args=ocp.checkpoint_utils.construct_restore_args(wanted), partial_restore=True
    )
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        arrays = checkpointer.restore(folder / "arrays", args=arguments) if wanted else {}
    leaves, structure = jax.tree.flatten(target)
    restored = []
    for leaf, (name, place) in zip(leaves, places.items(), strict=True):
        value = arrays[prefix + name] if place.size else np.zeros(place.shape, place.dtype)
        restored.append(as_placed(leaf, value))
    return jax.tree.unflatten(structure, restored)
