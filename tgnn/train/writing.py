"""A save in progress: orbax writes the arrays, also of many hosts and while training goes on; the manifest comes last.

Orbax's CheckpointManager stands above the same checkpointer. It is not used here, because a step of it becomes visible
before its sums can be written, it takes every folder of a number for a step, and it deletes by their count: a damaged
step would push out the last intact one.
"""

import logging
import shutil
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import multihost

from tgnn.train import manifest
from tgnn.train.folder import Lock, set_aside
from tgnn.train.leaves import named_leaves, spec

_LOG = logging.getLogger(__name__)
PARTIAL = ".partial-"


class Writing:
    """One step on its way to the disk; what was given may change or be donated once this is made.

    Of many processes the first locks the folder, and writes all but the arrays; each writes its own of those.

    Args:
        directory: made if missing; locked until the save has ended.
        step: the name of its folder.
        tree: arrays.
        about: what else the manifest says: config and score.
        keep: so many steps stay, this one and those before it.
        keep_best: so many stay for their score.
    """

    def __init__(self, directory: Path, step: int, tree: Any, about: dict[str, Any], keep: int, keep_best: int):
        self._final, self._partial = directory / str(step), directory / f"{PARTIAL}{step}"
        self._keep, self._keep_best = keep, keep_best
        self._first, self._alone = jax.process_index() == 0, jax.process_count() == 1
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.started: float = time.monotonic()
        self.ended: float = 0.0
        self._lock = Lock(directory) if self._first else None
        try:
            if self._first and manifest.read(self._final) is not None:
                raise ValueError(f"{self._final} already holds a checkpoint; save a later step, or resume from it")
            self._begin(step, tree, about)
        except BaseException:
            self._release()
            raise

    @property
    def in_progress(self) -> bool:
        """Whether it still goes on in the background."""
        return self._thread is not None and self._thread.is_alive()

    def in_background(self) -> "Writing":
        """Goes on beside the caller; of many processes not, as their training must not wait for each other's disks."""
        if not self._alone:
            self._run()
            return self
        self._thread = threading.Thread(target=self._run, name=f"tgnn-save-{self._final.name}")
        self._thread.start()
        return self

    def finish(self) -> Path:
        """Waits until the step is there.

        Raises:
            OSError: it could not be written; the steps before are as they were.
        """
        if self._thread is not None:
            self._thread.join()
        elif not self.ended:
            self._run()
        if self._error is not None:
            raise self._error
        return self._final

    def _begin(self, step: int, tree: Any, about: dict[str, Any]) -> None:
        if self._first:
            for leftover in self._partial.parent.glob(f"{PARTIAL}*"):
                shutil.rmtree(leftover)
        leaves = named_leaves(tree)
        arrays = {name: leaf for name, leaf in leaves.items() if leaf.size}  # orbax refuses those without elements
        self._about = {"step": step, **about, "leaves": {name: spec(leaf) for name, leaf in leaves.items()}}
        self._checkpointer = ocp.StandardCheckpointer()
        try:
            self._checkpointer.save(self._partial / "arrays", arrays)  # which copies them before it returns
        except Exception as error:
            self._clean()
            raise self._words(error) from None

    def _run(self) -> None:
        try:
            self._checkpointer.close()  # which waits for it
            if self._first:
                manifest.write(self._partial, self._about)
                if self._final.exists():
                    set_aside(self._final)  # damaged, or it would have been intact when this began
                self._partial.rename(self._final)
                prune(self._final, self._keep, self._keep_best)
        except Exception as error:
            self._clean()
            self._error = self._words(error)
        except BaseException as error:
            self._error = error
        finally:
            self._release()
            self.ended = time.monotonic()
        if not self._alone:
            multihost.sync_global_processes(f"tgnn-saved-{self._final.name}")

    def _clean(self) -> None:
        if self._first:
            shutil.rmtree(self._partial, ignore_errors=True)

    def _words(self, error: Exception) -> OSError:
        reason = textwrap.shorten(str(error) or type(error).__name__, 200, placeholder=" ...")
        return OSError(f"{self._final} was not written ({reason}); free space and save again")

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.__exit__()


def prune(newest: Path, keep: int, keep_best: int) -> None:
    """Deletes the steps before the newest, but for the last `keep` and the best `keep_best`.

    A folder whose manifest cannot be read neither counts nor goes: what it holds may be all that is left of a step.
    """
    directory, last = newest.parent, int(newest.name)
    claims = {step: manifest.claimed(directory / str(step)) for step in steps_in(directory) if step <= last}
    scores = {step: said["score"] for step, said in claims.items() if said and said.get("score") is not None}
    spared = {*[step for step, said in claims.items() if said][:keep], *best_of(scores)[:keep_best]}
    for step, said in claims.items():
        if said and step not in spared:
            shutil.rmtree(directory / str(step))


def best_of(scores: dict[int, float]) -> list[int]:
    """Steps from the best score to the worst; the earlier of equal ones first, as the later brought nothing."""
    return sorted(scores, key=lambda step: (-scores[step], step))


def steps_in(directory: Path) -> list[int]:
    """Steps that have a folder, newest first, damaged ones included."""
    if not directory.is_dir():
        return []
    names = [path.name for path in directory.iterdir() if path.is_dir()]
    return sorted((int(name) for name in names if name.isdecimal() and name == str(int(name))), reverse=True)
