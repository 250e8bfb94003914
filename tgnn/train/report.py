"""Where the progress of a run shows: the file of metrics, a list, and where its output goes, each where wanted."""

import time
from pathlib import Path
from typing import Any

from tgnn.train.metrics_log import MetricsLog, make_record
from tgnn.train.progress import in_words, start_progress


class Report:
    """Both at once; a context manager.

    Args:
        run_dir: gets `metrics.jsonl`; None writes nothing.
        records: gets the same lines as dicts, of this call alone; None keeps nothing.
        start: number of steps that are done.
        num_steps: length of the run.
        quiet: shows nothing.
    """

    def __init__(self, run_dir: Path | None, records: list[dict] | None, start: int, num_steps: int, quiet: bool):
        self._log = None if run_dir is None else MetricsLog(run_dir / "metrics.jsonl", start)
        self._records, self._started = records, time.perf_counter()
        self._progress = start_progress(start, num_steps, quiet)

    def write(self, done: int, metrics: dict[str, Any], found: dict[str, Any]) -> None:
        """Shows the metrics of a step and what an evaluation has found, and appends both to the file."""
        if self._log is not None:
            self._log.write(done, metrics | found)
        if self._records is not None:
            self._records.append(make_record(done, time.perf_counter() - self._started, metrics | found))
        loss = f"loss {float(metrics['loss']):.4f}" if "loss" in metrics else ""
        skipped = f", {int(metrics['skipped'])} skipped" if int(metrics.get("skipped", 0)) else ""
        self._progress.show(done, loss + skipped, in_words(found))

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.close()
        if self._log is not None:
            self._log.close()
