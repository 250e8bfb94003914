"""The loop around the training step: it logs, evaluates, saves, resumes, and stops with a reason."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from tgnn.errors import check_size
from tgnn.train.folder import Lock, local_path
from tgnn.train.interrupts import Interrupts
from tgnn.train.prefetching import prefetch
from tgnn.train.report import Report
from tgnn.train.saving import NoSaves, Saves
from tgnn.train.skipped import SkipWatch
from tgnn.train.step import Metrics, Step, TrainState


def fit(
    state: TrainState,
    step: Step,
    batch_at: Callable[[int], Any],
    *,
    num_steps: int,
    evaluate: Callable[[TrainState], Metrics] | None = None,
    evaluate_every: int = 0,
    run_dir: str | os.PathLike[str] | None = None,
    log_every: int = 10,
    save_every: int = 0,
    save_seconds: float = 60.0,
    keep: int = 3,
    best: str | None = None,
    resume: bool = False,
    config: Any = None,
    stop_after_skipped: int = 25,
    ahead: int = 0,
    records: list[dict[str, Any]] | None = None,
    quiet: bool = False,
) -> TrainState:
    """Trains until the state has seen `num_steps` batches.

    With a `run_dir`, whatever ends the run early costs a minute of training at most: the state is saved as time goes
    by, while training goes on, and once more on an error, on SIGTERM and on Ctrl-C (between two steps; a second Ctrl-C
    stops at once). `resume` goes on from there, and only with the same run: the config, the key, the first batch and
    what the first step does are kept with each checkpoint and compared before anything is written. For that the first
    step is done once more, on the `state` given; to go on with other settings, `checkpoint.restore` the state and fit
    it into a new folder.

    Args:
        state: donated; use only the one returned.
        step: what `make_step` made.
        batch_at: step number -> batch. Being a function of the step, the position in the data is in every checkpoint.
        num_steps: length of the whole run, counted from step 0 also when it resumes.
        evaluate: state -> metrics, at the end and every `evaluate_every` steps. The next step donates the state, so
            copy what should outlive the call.
        evaluate_every: steps between evaluations; 0 means at the end only, like the next one.
        run_dir: a local folder that gets `metrics.jsonl` and `checkpoints/`, for one run at a time; None writes
            nothing. The processes of one run (`tgnn.sharding.join`) share its disk, and the first writes all but their
            own parts of the checkpoints.
        log_every: steps between lines of metrics. Reading metrics waits for the device, so 1 is slower.
        save_every: steps between checkpoints, beside those by time; the end is always saved.
        save_seconds: time between checkpoints, or nine times what saving one takes if that is longer; infinity for none
            by time.
        keep: how many checkpoints stay, the last ones.
        best: name of one of `evaluate`'s metrics: the state of its highest value is saved and stays as well
            (`checkpoint.best_step`).
        resume: start from the newest intact checkpoint in `run_dir`; says so if there is none and starts anew.
        config: what decides about the run, as a dict or dataclass of plain values.
        stop_after_skipped: so many batches in a row that are skipped because something is not finite end the run, as
            does a run that skips them all; 0 never does.
        ahead: so many batches are made in a thread beside the steps (`prefetch`), in the same order; 0 makes each when
            it is needed.
        records: a list that gets the lines of metrics of this call as dicts, for a notebook without a `run_dir`:
            `tgnn.plot.learning_curves(records)`.
        quiet: shows nothing. Else there is a bar on a terminal, a line that changes in a notebook, and elsewhere, as in
            a log, a line on the error stream every 30 seconds and for each evaluation: loss, steps a second, time left.

    Returns:
        The state at `num_steps`.

    Raises:
        ValueError: a count is no integer or negative; `resume` lacks a `run_dir`; `run_dir` is remote, cannot be
            written, is used by another process, holds a run that is not resumed, one of other settings or data, one
            that is longer, or damaged checkpoints only; or too many batches were skipped.
        OSError: the disk is full; the checkpoints before are as they were.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; it says how to go on.

    >>> import jax, jax.numpy as jnp, optax
    >>> from tgnn.training import init_state, make_step
    >>> optimizer = optax.sgd(0.25)
    >>> step = make_step(lambda params, batch, rng: (jnp.square(params - batch), {}), optimizer)
    >>> state = init_state(jax.random.key(0), jnp.float32(8.0), optimizer)
    >>> records = []
    >>> float(fit(state, step, lambda step: jnp.float32(0.0), num_steps=3, log_every=1, records=records).params)
    1.0
    >>> [record["loss"] for record in records]
    [64.0, 16.0, 4.0]
    """
    num_steps, log_every = check_size("num_steps", num_steps), check_size("log_every", log_every)
    evaluate_every, save_every = check_size("evaluate_every", evaluate_every), check_size("save_every", save_every)
    patience, keep = check_size("stop_after_skipped", stop_after_skipped), check_size("keep", keep, 1)
    ahead = check_size("ahead", ahead)
    if not callable(batch_at):
        got = type(batch_at).__name__
        raise ValueError(f"batch_at must be a function step -> batch, got {got}; pass lambda step: batches[step]")
    if records is not None and not isinstance(records, list):
        raise ValueError(f"records must be a list that gets the lines, or None, got {type(records).__name__}; pass []")
    if best is not None and evaluate is None:
        raise ValueError(f"best is {best!r}, but there is no evaluate that gives it; pass both or neither")
    if not save_seconds >= 0:
        raise ValueError(f"save_seconds must be 0 or more, got {save_seconds}; float('inf') saves by steps only")
    if int(state.step) > num_steps:
        raise ValueError(f"num_steps is {num_steps}, but the state has seen {int(state.step)} batches; raise it")
    with _opened(run_dir, resume) as folder:
        saves = NoSaves() if folder is None else Saves(folder, config, save_every, save_seconds, keep, best)
        state, step = saves.begin(state, step, batch_at, num_steps, resume)
        watch, start = SkipWatch(state, patience, batch_at), int(state.step)
        first = jax.process_index() == 0
        with (
            Report(folder if first else None, records, start, num_steps, quiet or not first) as report,
            Interrupts() as interrupts,
            _batches(batch_at, start, num_steps, ahead) as batches,
        ):
            try:
                for done, batch in enumerate(batches, start + 1):
                    state, metrics = step(state, batch)
                    metrics = watch.see(done, metrics, state)
                    record, found = metrics if _is_due(done, log_every, num_steps) else {}, {}
                    if evaluate is not None and _is_due(done, evaluate_every, num_steps):
                        record, found = metrics, evaluate(state)
                    if record:
                        report.write(done, record, found)
                    saves.offer(done, state, done == num_steps, found)
                    interrupts.check(done)
                watch.finish(state)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(f"stopped before the end; {saves.rescue(state)}") from None
            except Exception:
                if jax.process_count() == 1:  # else the others may be anywhere, and a save needs them all
                    saves.rescue(state)
                raise
    return state


def _is_due(done: int, every: int, num_steps: int) -> bool:
    return done == num_steps or (every > 0 and done % every == 0)


@contextlib.contextmanager
def _batches(batch_at: Callable[[int], Any], start: int, num_steps: int, ahead: int) -> Iterator[Iterator[Any]]:
    """The batches from `start` on."""
    if not ahead:
        yield map(batch_at, range(start, num_steps))
        return
    with contextlib.closing(prefetch(batch_at, range(start, num_steps), ahead=ahead)) as batches:
        yield batches


@contextlib.contextmanager
def _opened(run_dir: str | os.PathLike[str] | None, resume: bool) -> Iterator[Path | None]:
    """The folder of the run, kept for this process."""
    if run_dir is None:
        if resume:
            raise ValueError("resume needs run_dir, the folder of the run to continue; got None")
        yield None
    else:
        folder = local_path("run_dir", run_dir)
        with Lock(folder) if jax.process_index() == 0 else contextlib.nullcontext():
            yield folder
