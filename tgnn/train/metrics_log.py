"""Metrics as JSON lines, one line per record, continued where a resumed run left off."""

import contextlib
import json
import os
import time
from typing import Any, TextIO

import numpy as np

from tgnn.errors import check_size
from tgnn.train.folder import local_path, set_aside


class MetricsLog:
    """Appends records to a file of JSON lines; a context manager.

    A run that was interrupted has often logged steps after its last checkpoint, and its last line may be cut in two.
    Opening the log at a step drops both, so that a resumed file reads like that of a run without interruption. Where
    nothing of an earlier file would be left, it is another run's, and is renamed instead.

    Args:
        path: the file; its folder is made if missing.
        step: number of updates already done; records of later steps are dropped.

    Raises:
        ValueError: the path is remote or no file, `step` is no integer, or a line of the file is not a record.

    >>> import tempfile
    >>> path = f"{tempfile.mkdtemp()}/metrics.jsonl"
    >>> with MetricsLog(path, step=0) as log:
    ...     log.write(10, {"loss": np.float32(0.5)})
    >>> read_metrics(path)[0]["loss"]
    0.5
    """

    def __init__(self, path: str | os.PathLike[str], step: int):
        path, step = local_path("path", path), check_size("step", step)
        if path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
            raise ValueError(f"path must be a file or not exist yet, got {path}; name a file of its own")
        path.parent.mkdir(parents=True, exist_ok=True)
        records = read_metrics(path) if path.exists() else []
        kept = [record for record in records if record["step"] <= step]
        if records and not kept:
            set_aside(path)
        fresh = path.with_name(path.name + ".partial")
        fresh.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        fresh.replace(path)
        self._start = time.perf_counter() - (kept[-1].get("seconds", 0.0) if kept else 0.0)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, step: int, metrics: dict[str, Any]) -> None:
        """Appends one record: the step, the seconds of training so far, and the metrics (non-finite ones as null)."""
        record = make_record(step, time.perf_counter() - self._start, metrics)
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
        except OSError as error:
            raise OSError(f"{self._file.name} cannot be written ({error.strerror}); free space and resume") from None

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):  # a full disk was reported by `write`
            self._file.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_record(step: int, seconds: float, metrics: dict[str, Any]) -> dict[str, Any]:
    """What a line holds: plain numbers, None for those that are not finite."""
    record = {"step": check_size("step", step), "seconds": round(seconds, 3)}
    return record | {name: _plain(np.asarray(value)) for name, value in metrics.items()}


def read_metrics(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The records of a file of metrics, oldest first; an unfinished last line is left out.

    Raises:
        ValueError: the path is remote, or a line other than the last is not a record.
    """
    lines = local_path("path", path).read_text(encoding="utf-8").split("\n")
    records = []
    for number, line in enumerate(lines[:-1], start=1):  # text after the last line break is an unfinished line
        try:
            records.append(json.loads(line))
            records[-1]["step"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} line {number} is not a record of metrics; delete or move the file") from error
    return records


def _plain(value: np.ndarray) -> Any:
    if value.ndim:
        return [_plain(item) for item in value]
    item = value.item()
    return None if isinstance(item, float) and not np.isfinite(item) else item
