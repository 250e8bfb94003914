"""Where the progress of a run shows: the file of metrics and the bar, each only where wanted."""

from pathlib import Path
from typing import Any

from tgnn.train.metrics_log import MetricsLog


class Report:
    """Both at once; a context manager.

    Args:
        run_dir: gets `metrics.jsonl`; None writes nothing.
        start: number of steps that are done.
        num_steps: length of the run.
        quiet: no bar; there is none either where the output is not a terminal.
    """

    def __init__(self, run_dir: Path | None, start: int, num_steps: int, quiet: bool):
        from rich import console, progress  # here, because applying a model needs no terminal

        self._log = None if run_dir is None else MetricsLog(run_dir / "metrics.jsonl", start)
        terminal = console.Console(stderr=True)
        columns = (*progress.Progress.get_default_columns(), progress.TextColumn("{task.fields[status]}"))
        self._bar = progress.Progress(*columns, console=terminal, disable=quiet or not terminal.is_terminal)
        self._task = self._bar.add_task("training", total=num_steps, completed=start, status="")

    def write(self, done: int, metrics: dict[str, Any]) -> None:
        """Shows the metrics of a step, and appends them to the file."""
        if self._log is not None:
            self._log.write(done, metrics)
        loss = f"loss {float(metrics['loss']):.4f}" if "loss" in metrics else ""
        skipped = f", {int(metrics['skipped'])} skipped" if int(metrics.get("skipped", 0)) else ""
        self._bar.update(self._task, completed=done, status=loss + skipped)

    def __enter__(self) -> "Report":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:  # else some versions print an empty line
            self._bar.stop()
        if self._log is not None:
            self._log.close()
