import re
import shutil
import signal
import subprocess
import sys
import threading

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.support.training import (
    LABELS,
    OPTIMIZER,
    STEP,
    X,
    assert_same_state,
    batch_at,
    init_params,
    loss_fn,
    new_state,
)
from tgnn.train import checkpoint, schedules
from tgnn.train.metrics_log import read_metrics
from tgnn.training import batch_indices, fit, init_state, make_optimizer, make_step


def assert_other_weights(got, other):
    assert not np.array_equal(got.params["out"], other.params["out"])


@pytest.mark.slow
def test_a_resumed_run_equals_the_straight_run_bit_by_bit(tmp_path):
    straight = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path / "a", log_every=2)
    half = fit(new_state(), STEP, batch_at, num_steps=10, run_dir=tmp_path / "b", log_every=2)
    assert_other_weights(half, straight)
    resumed = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path / "b", log_every=2, resume=True)
    assert_same_state(resumed, straight)
    assert int(resumed.step) == 20
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in "ab"]
    without_time = [[{k: v for k, v in record.items() if k != "seconds"} for record in run] for run in lines]
    assert without_time[0] == without_time[1]
    assert [record["step"] for record in lines[1]] == list(range(2, 21, 2))
    assert all(b["seconds"] >= a["seconds"] for a, b in zip(lines[1], lines[1][1:], strict=False))


def stopped_at(last, how=KeyboardInterrupt):
    """Batches until one that ends the run."""

    def batches(step):
        if step == last:
            raise how
        return batch_at(step)

    return batches


@pytest.mark.slow
@pytest.mark.parametrize(("how", "ahead"), [(KeyboardInterrupt, 0), (RuntimeError, 0), (RuntimeError, 2)])
def test_a_run_that_is_broken_off_is_saved_where_it_was_and_resumes_bit_by_bit(tmp_path, how, ahead):
    straight = fit(new_state(), STEP, batch_at, num_steps=20, quiet=True)
    options = {"num_steps": 20, "run_dir": tmp_path, "save_every": 6, "log_every": 1, "ahead": ahead}
    with pytest.raises(how) as error:
        fit(new_state(), STEP, stopped_at(15, how), **options)
    if how is KeyboardInterrupt:
        assert str(error.value) == f"stopped before the end; {tmp_path} holds step 15; go on with resume=True"
    metrics, saves = tmp_path / "metrics.jsonl", tmp_path / "checkpoints"
    assert checkpoint.latest_step(saves) == 15
    with metrics.open("a") as file:
        file.write('{"step": 16, "lo')
    (saves / "15" / "manifest.json").unlink()  # and the newest is damaged
    resumed = fit(new_state(), STEP, batch_at, **options, resume=True)
    assert_same_state(resumed, straight)
    assert [record["step"] for record in read_metrics(metrics)] == list(range(1, 21))
    assert checkpoint.latest_step(saves) == 20


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_are_made_beside_the_steps_where_that_is_asked_for(ahead):
    threads = {}

    def batches(step):
        threads[step] = threading.current_thread().name
        return batch_at(step)

    done = fit(new_state(), STEP, batches, num_steps=4, ahead=ahead)
    assert_same_state(done, fit(new_state(), STEP, batch_at, num_steps=4))
    assert list(threads) == [0, 1, 2, 3]
    assert all(name.startswith("prefetch") == bool(ahead) for name in threads.values())


def test_a_checkpoint_named_n_holds_n_updates(tmp_path):
    fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path, save_every=2)
    state = new_state()
    for step in range(2):
        state, _ = STEP(state, batch_at(step))
    assert_same_state(checkpoint.restore(tmp_path / "checkpoints", new_state(), step=2)[0], state)


def test_a_finished_run_resumes_to_itself_and_a_new_one_does_not_overwrite_it(tmp_path):
    done = fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path)
    again = fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path, resume=True)
    assert_same_state(again, done)
    with pytest.raises(ValueError, match="holds a run at step 3; pass resume=True"):
        fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path)


def test_another_structure_is_refused_before_a_step_is_taken(tmp_path):
    fit(new_state(), STEP, batch_at, num_steps=1, run_dir=tmp_path)
    with pytest.raises(ValueError, match="has another structure than target: missing nothing, unexpected"):
        fit(new_state(optax.sgd(0.1)), pytest.fail, batch_at, num_steps=2, run_dir=tmp_path, resume=True)


@pytest.mark.slow
def test_one_batch_is_learnt_by_heart():
    optimizer = make_optimizer(3e-2)
    step = make_step(lambda params, batch, rng: loss_fn(params, batch, jax.random.key(0)), optimizer)
    state = fit(new_state(optimizer), step, lambda _: (X[:7], LABELS[:7]), num_steps=150)
    _, metrics = step(state, (X[:7], LABELS[:7]))
    assert metrics["accuracy"] == 1 and metrics["loss"] < 0.02


@pytest.mark.slow
def test_the_step_is_traced_once():
    step = make_step(chex.assert_max_traces(loss_fn, n=1), OPTIMIZER)
    chex.clear_trace_counter()
    fit(new_state(), step, batch_at, num_steps=5)


def test_evaluation_runs_every_k_steps_and_at_the_end(tmp_path):
    seen = []

    def evaluate(state):
        seen.append(int(state.step))
        return {"validation_accuracy": jnp.float32(0.5), "per_class": np.array([0.5, np.nan])}

    fit(new_state(), STEP, batch_at, num_steps=8, evaluate=evaluate, evaluate_every=3, log_every=4, run_dir=tmp_path)
    assert seen == [3, 6, 8]
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record["step"] for record in records] == [3, 4, 6, 8]
    assert ["validation_accuracy" in record for record in records] == [True, False, True, True]
    assert records[0]["per_class"] == [0.5, None] and "loss" in records[0]


def test_nothing_is_printed_where_the_output_is_not_a_terminal(capsys):
    fit(new_state(), STEP, batch_at, num_steps=2)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_unless_quiet(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    fit(new_state(), STEP, batch_at, num_steps=2, quiet=True)
    assert capsys.readouterr().err == ""
    fit(new_state(), STEP, batch_at, num_steps=2)
    assert "training" in capsys.readouterr().err


def steps_saved(run_dir):
    return sorted(int(path.name) for path in (run_dir / "checkpoints").glob("[0-9]*"))


def in_turn(monkeypatch, now, seconds):
    """A clock of one's own, on which every save takes some seconds, while which training waits."""
    monkeypatch.setattr("tgnn.train.saving.time.monotonic", lambda: now[0])
    begin = checkpoint.begin

    def begin_and_finish(*args, **kwargs):
        writing = begin(*args, **kwargs)
        now[0] += seconds
        writing.finish()
        writing.in_background = lambda: writing  # it has ended
        return writing

    monkeypatch.setattr("tgnn.train.saving.checkpoint.begin", begin_and_finish)


def timed(now, seconds):
    """Batches that take some seconds each."""

    def batches(step):
        now[0] += seconds
        return batch_at(step)

    return batches


def test_a_run_is_saved_every_minute_without_being_asked(tmp_path, monkeypatch):
    now = [0.0]
    in_turn(monkeypatch, now, 0.0)
    fit(new_state(), STEP, timed(now, 25.0), num_steps=7, run_dir=tmp_path)
    assert steps_saved(tmp_path) == [3, 6, 7]


@pytest.mark.parametrize(
    ("save_seconds", "one_takes", "num_steps", "saved"),
    [(2, 0.0, 6, [2, 4, 6]), (float("inf"), 0.0, 6, [6]), (0, 1.0, 12, [1, 10, 12])],
)
def test_the_time_between_saves_can_be_chosen_but_saving_never_takes_most_of_it(
    tmp_path, monkeypatch, save_seconds, one_takes, num_steps, saved
):
    now = [0.0]
    in_turn(monkeypatch, now, one_takes)
    fit(new_state(), STEP, timed(now, 1.0), num_steps=num_steps, run_dir=tmp_path, save_seconds=save_seconds)
    assert steps_saved(tmp_path) == saved


def test_resuming_where_nothing_was_saved_says_so_and_overwrites_nothing(tmp_path, caplog):
    (tmp_path / "metrics.jsonl").write_text('{"step": 10, "loss": 5.0}\n')
    fit(new_state(), STEP, batch_at, num_steps=2, run_dir=tmp_path, resume=True)
    assert f"{tmp_path} holds no checkpoint, starting at 0" in caplog.text
    assert read_metrics(tmp_path / "metrics.jsonl.old-1") == [{"step": 10, "loss": 5.0}]
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [2]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run_at_4(tmp_path):
    fit(new_state(), STEP, batch_at, num_steps=4, save_every=2, run_dir=tmp_path, config={"rate": 1e-2}, log_every=1)
    return tmp_path


def with_rate(rate):
    optimizer = make_optimizer(schedules.warmup_cosine(rate, 4, 20), weight_decay=0.01)
    return {"state": lambda: new_state(optimizer), "step": make_step(loss_fn, optimizer)}


def other_batches(size=4, seed=3, x=X):
    def batches(step):
        indices = batch_indices(step, len(x), size, seed=seed)
        return x[indices], LABELS[indices]

    return {"batch_at": batches}


def other_weights():
    return init_state(jax.random.key(7), init_params(1), OPTIMIZER)


OTHERS = {
    "learning rate": (lambda: with_rate(1.1e-2), "change of the weights in its first step was"),
    "batch size": (lambda: other_batches(size=5), "whose first batch was another"),
    "order of the data": (lambda: other_batches(seed=4), "whose first batch was another"),
    "data": (lambda: other_batches(x=X + 1), "whose first batch was another"),
    "seed": (lambda: {"state": lambda: new_state(seed=8)}, "with another rng"),
    "weights": (
        lambda: {"state": lambda: init_state(jax.random.key(7), init_params(1), OPTIMIZER)},
        "in its first step",
    ),
    "config": (lambda: {"config": {"rate": 2e-2}}, "rate was 0.01, is 0.02"),
    "fewer steps": (lambda: {"num_steps": 3}, "num_steps is 3, but .* holds a run at step 4"),
}


@pytest.mark.parametrize(("change", "message"), OTHERS.values(), ids=OTHERS.keys())
def test_resuming_something_else_is_refused_and_leaves_everything_as_it_was(run_at_4, change, message):
    before = contents(run_at_4)
    given = {"state": new_state, "step": STEP, "batch_at": batch_at, "num_steps": 6} | change()
    with pytest.raises(ValueError, match=message):
        fit(given.pop("state")(), **given, run_dir=run_at_4, resume=True)
    assert contents(run_at_4) == before
    resumed = fit(new_state(), STEP, batch_at, num_steps=6, run_dir=run_at_4, resume=True, config={"rate": 1e-2})
    assert_same_state(resumed, fit(new_state(), STEP, batch_at, num_steps=6))


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_whose_checkpoints_are_all_damaged_is_an_error_that_deletes_nothing(run_at_4, resume):
    for step in "24":
        (run_at_4 / "checkpoints" / step / "manifest.json").write_text("{}")
    before = contents(run_at_4)
    with pytest.raises(ValueError, match=r"no intact checkpoint; found steps \[4, 2\]"):
        fit(new_state(), STEP, batch_at, num_steps=6, run_dir=run_at_4, resume=resume)
    assert contents(run_at_4) == before


@pytest.mark.slow
def test_a_folder_serves_one_run_at_a_time_and_is_free_again_after_it(tmp_path):
    def nested(state):
        with pytest.raises(ValueError, match="is in use by process .*; wait until it ends, or choose another folder"):
            fit(new_state(), STEP, batch_at, num_steps=2, run_dir=tmp_path, resume=True)
        return {}

    fit(new_state(), STEP, batch_at, num_steps=2, run_dir=tmp_path, evaluate=nested)
    fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path, resume=True)


@pytest.mark.parametrize("run_dir", ["gs://bucket/run", "s3://bucket/run"])
def test_a_remote_folder_is_refused_before_the_first_step(tmp_path, monkeypatch, run_dir):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="run_dir must be local, got"):
        fit(new_state(), pytest.fail, batch_at, num_steps=2, run_dir=run_dir)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_or_is_full_is_refused_before_the_first_step(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written .*; choose another folder"):
        fit(new_state(), pytest.fail, batch_at, num_steps=2, run_dir=tmp_path / "file" / "run")
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr("tgnn.train.folder.shutil.disk_usage", lambda folder: full)
    with pytest.raises(ValueError, match="0.0 MB left, but one checkpoint takes .* MB; free space"):
        fit(new_state(), pytest.fail, batch_at, num_steps=2, run_dir=tmp_path / "run")


def poisoned(good):
    """Batches of which only some are finite."""

    def batches(step):
        x, labels = batch_at(step)
        return (x if good(step) else np.full_like(x, np.nan)), labels

    return batches


@pytest.mark.slow
@pytest.mark.nans
def test_a_run_of_skipped_batches_stops_and_names_step_batch_and_tensors(tmp_path):
    with pytest.raises(ValueError) as error:
        fit(new_state(), STEP, poisoned(lambda step: step < 5), num_steps=400, run_dir=tmp_path)
    assert str(error.value) == (
        "25 batches in a row were skipped: not finite in step 30 (batch 29) was first the batch [0], then the loss, "
        "the gradient of ['hidden'], the gradient of ['out'] and 6 more; look at this batch"
    )
    assert checkpoint.latest_step(tmp_path / "checkpoints") >= 30


@pytest.mark.nans
def test_how_many_are_skipped_in_a_row_can_be_chosen_and_good_batches_start_anew(caplog):
    batches = poisoned(lambda step: step % 3 == 0)
    with pytest.raises(ValueError, match="2 batches in a row were skipped: not finite in step 3 "):
        fit(new_state(), STEP, batches, num_steps=20, stop_after_skipped=2)
    state = fit(new_state(), STEP, batches, num_steps=20, stop_after_skipped=3)
    assert state.skipped == 13 and "13 batches were skipped" in caplog.text


@pytest.mark.nans
def test_a_stop_names_the_tensor_that_was_bad_before_all_others():
    bad = new_state()
    bad.params["out"] = bad.params["out"].at[2, 1].set(jnp.nan)
    with pytest.raises(ValueError, match=r"was first the given .params\['out'\], then .*; start from weights"):
        fit(bad, STEP, batch_at, num_steps=40, stop_after_skipped=2)
    step = make_step(lambda params, batch, rng: (jnp.sqrt(-jnp.abs(params["out"]).sum()), {}), OPTIMIZER)
    with pytest.raises(ValueError, match=r"was first the loss, then the gradient of \['out'\].*; lower the learning"):
        fit(new_state(), step, batch_at, num_steps=40)
    once = iter([batch_at(0)] * 3)  # no batch can be had a second time
    with pytest.raises(ValueError, match=r"not finite in step 2 \(batch 1\) was first the loss"):
        fit(new_state(), step, lambda _: next(once), num_steps=40, stop_after_skipped=2)


@pytest.mark.nans
def test_a_short_run_that_skips_every_batch_is_an_error_unless_patience_is_endless():
    with pytest.raises(ValueError, match="all 4 batches were skipped: not finite in step 4 "):
        fit(new_state(), STEP, poisoned(lambda step: False), num_steps=4)
    assert fit(new_state(), STEP, poisoned(lambda step: False), num_steps=30, stop_after_skipped=0).skipped == 30


@pytest.mark.nans
def test_what_is_skipped_is_in_the_metrics_and_beside_the_bar(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    fit(new_state(), STEP, poisoned(lambda step: step != 1), num_steps=3, run_dir=tmp_path, log_every=1)
    assert [record["skipped"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [0, 1, 1]
    assert "1 skipped" in capsys.readouterr().err


@pytest.mark.parametrize("integer", [np.int64, np.uint8, jnp.int32])
def test_numpys_and_jaxs_integers_are_integers(tmp_path, integer):
    counts = {"num_steps": integer(4), "log_every": integer(2), "save_every": integer(2), "evaluate_every": integer(2)}
    fit(new_state(), STEP, batch_at, run_dir=tmp_path, **counts)
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [2, 4]
    assert checkpoint.latest_step(tmp_path / "checkpoints") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log_every": -1}, "log_every must be an integer of at least 0, got -1"),
        ({"save_every": 2.0}, "save_every must be an integer"),
        ({"num_steps": 5.0}, "num_steps must be an integer"),
        ({"save_seconds": float("nan")}, "save_seconds must be 0 or more"),
        ({"resume": True}, "resume needs run_dir"),
        ({"stop_after_skipped": -1}, "stop_after_skipped must be"),
    ],
)
def test_bad_arguments_are_a_clear_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit(new_state(), STEP, batch_at, **({"num_steps": 1} | arguments))


RUN = """
import sys, time
from tests.support.training import STEP, batch_at, new_state
from tgnn.training import fit
def slow(step):
    print(step, flush=True)
    time.sleep(float(sys.argv[2]))
    return batch_at(step)
fit(new_state(), STEP, slow, num_steps=20, run_dir=sys.argv[1], save_every=1, log_every=1, resume=True, quiet=True)
"""


def started(run_dir, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(run_dir), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while int(process.stdout.readline()) < 3:
        pass
    return process


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_process_leaves_a_run_that_goes_on_bit_by_bit_and_no_lock(tmp_path, kill):
    process = started(tmp_path, 0.3)
    with pytest.raises(ValueError, match=f"is in use by process {process.pid} on "):
        fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path, resume=True)
    process.send_signal(kill)
    error = process.communicate()[1]
    assert process.returncode != 0
    if kill != signal.SIGKILL:
        said = r"KeyboardInterrupt: stopped before the end; .* holds step \d+; go on with resume=True\n$"
        assert re.search(said, error)
    # step 3 was being saved in the background, which SIGKILL alone does not wait for
    assert checkpoint.latest_step(tmp_path / "checkpoints") >= (2 if kill == signal.SIGKILL else 3)
    resumed = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path, log_every=1, resume=True)
    assert_same_state(resumed, fit(new_state(), STEP, batch_at, num_steps=20))
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, 21))


@pytest.mark.parametrize("folder", [False, True])
def test_records_are_the_lines_of_the_file(folder, tmp_path):
    records, options = [], {"run_dir": tmp_path} if folder else {}
    looks = {"evaluate": lambda state: {"found": np.float32(0.5)}, "evaluate_every": 3}
    fit(new_state(), STEP, batch_at, num_steps=5, log_every=2, quiet=True, records=records, **looks, **options)
    assert [record["step"] for record in records] == [2, 3, 4, 5]
    assert [record.get("found") for record in records] == [None, 0.5, None, 0.5]
    assert all(isinstance(record["loss"], float) for record in records)
    if folder:
        lines = read_metrics(tmp_path / "metrics.jsonl")
        assert [line | {"seconds": 0} for line in lines] == [record | {"seconds": 0} for record in records]
    with pytest.raises(ValueError, match="records must be a list"):
        fit(new_state(), STEP, batch_at, num_steps=5, records=())


FULL = """
import pathlib, resource, sys, time
from tests.support.training import STEP, batch_at, new_state
from tgnn.training import fit
def limited(step):
    if step == 3:
        while not pathlib.Path(sys.argv[1], "checkpoints", "2").exists():
            time.sleep(0.01)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    return batch_at(step)
try:
    fit(new_state(), STEP, limited, num_steps=6, run_dir=sys.argv[1], save_every=2, quiet=True)
except OSError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_disk_that_takes_no_more_is_one_sentence_and_the_run_goes_on_once_it_does(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"/.*/4 was not written \(.+\); free space and save again\n", done.stdout)
    assert steps_saved(tmp_path) == [2]
    resumed = fit(new_state(), STEP, batch_at, num_steps=6, run_dir=tmp_path, resume=True)
    assert_same_state(resumed, fit(new_state(), STEP, batch_at, num_steps=6))


def test_batches_in_a_list_are_told_to_be_a_function():
    optimizer = optax.sgd(0.1)
    step = make_step(lambda params, batch, rng: (jnp.square(params), {}), optimizer)
    with pytest.raises(ValueError, match="batch_at must be a function step -> batch, got list"):
        fit(init_state(jax.random.key(0), jnp.float32(1.0), optimizer), step, [1.0], num_steps=1)
