"""What a folder of one run holds, so that a run goes on with nothing but itself and overwrites nothing."""

import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

from experiments.common import processes
from experiments.common.failures import Mistake
from tgnn.sharding import is_first
from tgnn.train import checkpoint
from tgnn.train.identity import plain

CHECKPOINTS, BEST = "checkpoints", "best"
Tree = TypeVar("Tree")


def claim(run_dir: Path, config: Any, resume: bool, *, dry: bool = False) -> None:
    """Makes a folder that of a run with this config; `dry` only looks whether that may be.

    `fit` looks too, but at one seed, and when that one's turn has come.

    Raises:
        Mistake: it holds a run that is not to be resumed.
    """
    begun = not checkpoint.is_empty(run_dir / CHECKPOINTS)
    if begun and not resume:
        raise Mistake(f"{run_dir} holds a run; add --resume to go on with it, or choose another --run-dir")
    processes.wait("claim")  # until all have looked
    if dry or begun or not is_first():
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plain(config), indent=2) + "\n"
    (run_dir / "config.json").write_text(text, encoding="utf-8")


def pictures(run_dir: Path, since: float) -> list[Path]:
    """The pictures in and below a folder that were written since a time, by name."""
    found = (path for pattern in ("*.png", "*.svg") for path in run_dir.rglob(pattern))
    return sorted(path for path in found if path.stat().st_mtime >= since)


def best_at(run_dir: Path, fresh: Tree, resume: bool) -> Tree:
    """The best weights that a run had found by its last checkpoint, or the fresh ones."""
    reached = (checkpoint.latest_step(run_dir / CHECKPOINTS) if resume else None) or 0
    for path in (run_dir / BEST).glob("*") if is_first() else ():
        # Found after the checkpoint from which the run goes on: it will be found again.
        if path.name.isdecimal() and int(path.name) > reached:
            shutil.rmtree(path)
    processes.wait("best")
    if checkpoint.latest_step(run_dir / BEST) is None:
        return fresh
    return checkpoint.restore(run_dir / BEST, fresh)[0]
