"""What a folder of one run holds, so that a run goes on with nothing but itself and overwrites nothing."""

import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

from experiments.common.failures import Mistake
from experiments.common.saving import CHECKPOINTS
from experiments.common.seeds import plain
from tgnn.train import checkpoint

Tree = TypeVar("Tree")


def claim(folder: Path, config: Any, resume: bool, *, dry: bool = False) -> None:
    """Makes the folder that of a run with this config, or of one that goes on; `dry` only looks whether that may be.

    Metrics of a run that left no checkpoint are moved aside, since the new one writes its own.

    Raises:
        Mistake: it holds a run that is not to be resumed, that is damaged, or that has another config.
    """
    saved = checkpoint.latest_step(folder / CHECKPOINTS)
    if saved is None and steps(folder / CHECKPOINTS):
        raise Mistake(f"{folder} holds damaged checkpoints only; choose another --run-dir, or delete them")
    if saved is not None and not resume:
        raise Mistake(
            f"{folder} holds a run at step {saved}; add --resume to go on with it, or choose another --run-dir"
        )
    about, path = plain(config), folder / "config.json"
    if saved is not None and path.exists():
        differs = differences(json.loads(path.read_text(encoding="utf-8")), about)
        if differs:
            raise Mistake(
                f"{folder} holds a run with another {', '.join(differs)}; go on with the same command line, or choose "
                "another --run-dir"
            )
    if dry:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if saved is None:
        if resume:
            print(f"{folder}: no checkpoint, starting at 0", flush=True)
        set_aside(folder / "metrics.jsonl")
        path.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """The names of the entries in which two configs differ."""
    if old == new:
        return []
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [name or "config"]
    keys = dict.fromkeys([*old, *new])
    return [found for key in keys for found in differences(old.get(key), new.get(key), str(key))]


def set_aside(path: Path) -> None:
    """Renames a file that exists to the first free name: metrics.jsonl becomes metrics-1.jsonl."""
    if not path.exists() or not path.stat().st_size:
        return
    number = 1
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    path.rename(other)
    print(f"the metrics of the run before are kept in {other}", flush=True)


def best_at(folder: Path, fresh: Tree, resume: bool) -> Tree:
    """The best weights that a run had found by its last checkpoint, or the fresh ones."""
    reached = (checkpoint.latest_step(folder / CHECKPOINTS) if resume else None) or 0
    for step in steps(folder / "best"):
        if step > reached:  # found after the checkpoint from which the run goes on: it will be found again
            shutil.rmtree(folder / "best" / str(step))
    if checkpoint.latest_step(folder / "best") is None:
        return fresh
    return checkpoint.restore(folder / "best", fresh)[0]


def steps(directory: Path) -> list[int]:
    """The steps that have a folder, intact or not."""
    return [int(path.name) for path in directory.glob("*") if path.is_dir() and path.name.isdecimal()]
