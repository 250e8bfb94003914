"""One run on one process or two: the same losses, and each goes on from the other's checkpoint."""

import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from experiments import launch
from experiments.common import processes
from experiments.digits import run as digits
from experiments.language import run as language
from experiments.quickstart import config as quickstart
from experiments.sampling import run as sampling

# What the command line does, but for a number of steps of its own.
PROGRAM = """
import json, sys
from pathlib import Path
from experiments.common import processes
from experiments.common.training import Trainer
from experiments.language import data
from experiments.language.config import PRESETS
from experiments.language.models import make
from experiments.language.task import make_task
folder, steps, together, resume = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "together", "--resume" in sys.argv
if together:
    processes.join()
config = PRESETS["smoke"]
text = data.load(None, config, None, None)
model, config = make("lstm", config, len(text.vocabulary))
trainer = Trainer(make_task(model, config, text)._replace(num_steps=steps), together)
_, metrics = trainer.train(0, Path(folder), {}, resume)
print(json.dumps(metrics))
"""


# With molecules that are at hand instead of ZINC-250k.
PRETRAINING = """
import sys
from experiments.pretraining import run
from tgnn.datasets import esol, zinc250k
lines = esol.load(sys.argv[1]).smiles
zinc250k.load = lambda data_dir=None: zinc250k.Zinc250k(lines)
run.main(["--preset", "smoke", "--model", "gin", "--data-dir", sys.argv[1], "--run-dir", *sys.argv[2:]])
"""

# With one network on the digits.
QUICKSTART = """
import sys
from experiments.digits import run as digits
from experiments.quickstart import run
digits.METHODS = {name: digits.METHODS[name] for name in ("logistic_regression", "gcn")}
run.main(["--preset", "smoke", "--seeds", "3", "--run-dir", *sys.argv[1:]])
"""


def run(program, *arguments, together):
    """What one process says, or the first of two."""
    told = launch.environments(2) if together else [{}]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, env={**environment, **x}, **options) for x in told]
    said = [process.communicate(timeout=600) for process in started]
    for process, (_, error) in zip(started, said, strict=True):
        assert process.returncode == 0, error[-3000:]
    if together:
        assert "2 processes, 2 devices" in said[0][0]
        assert "validation" not in said[1][0]  # the second is silent, but for JAX
    return said[0][0]


def losses(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.mark.slow
def test_two_processes_train_as_one_and_each_goes_on_from_the_others_checkpoint(tmp_path, data_dir):
    data_dir("tinyshakespeare")

    def train(folder, steps, who, *resume):
        said = run(PROGRAM, folder, steps, who, *resume, together=who == "together")
        return json.loads(said.splitlines()[-1])

    alone = train(tmp_path / "alone", 20, "alone")
    for first, second in (("alone", "together"), ("together", "alone")):
        folder = tmp_path / first
        for steps, who, resume in ((10, first, []), (20, second, ["--resume"])):
            folder = tmp_path / f"{first}-{second}"
            found = train(folder, steps, who, *resume)
        np.testing.assert_allclose(losses(folder), losses(tmp_path / "alone"), rtol=1e-5)
        assert found["validation_nats"] == pytest.approx(alone["validation_nats"], rel=1e-5)


@pytest.mark.slow
def test_one_command_starts_all_and_the_first_writes(tmp_path, data_dir):
    data_dir("tinyshakespeare")
    options = ["language", "--preset", "smoke", "--run-dir", str(tmp_path / "run")]
    command = [sys.executable, "-m", "experiments.launch", "2", *options]
    how = {"env": {**os.environ, "JAX_PLATFORMS": "cpu"}, "capture_output": True, "text": True, "timeout": 600}
    done = subprocess.run(command, **how)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("results: ") == 1 and "2 processes, 2 devices" in done.stdout
    again = subprocess.run(command, **how)
    assert again.returncode == 2 and "add --resume" in again.stderr


def test_bad_commands_and_settings_are_sentences(monkeypatch, capsys):
    assert launch.main(["two", "language"]) == 2 and launch.main(["2"]) == 2
    assert "PROCESSES NAME" in capsys.readouterr().err
    monkeypatch.setenv("JAX_NUM_PROCESSES", "2")
    with pytest.raises(SystemExit) as stop:
        language.main(["--distributed"])
    assert stop.value.code == 2 and "must all be set" in capsys.readouterr().err
    monkeypatch.delenv("JAX_NUM_PROCESSES")
    with pytest.raises(SystemExit):
        sampling.main(["--distributed"])
    assert "sampling runs in one process" in capsys.readouterr().err


def metrics(folder):
    """What a run found, in the results that it has written."""
    (path,) = (path for path in folder.glob("*.json") if not path.name.endswith("-speed.json"))
    return {name: found["values"] for name, found in json.loads(path.read_text())["metrics"].items()}


def one_and_two(tmp_path, name, *options):
    """What an experiment finds on one process, and what on two."""
    for count in (1, 2):
        how = ["experiments.launch", "2", name] if count == 2 else [f"experiments.{name}"]
        command = [sys.executable, "-m", *how, "--preset", "smoke", "--run-dir", str(tmp_path / str(count)), *options]
        environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr[-3000:]
        yield metrics(tmp_path / str(count))


@pytest.mark.slow
def test_many_seeds_are_shared_out_and_give_what_one_process_gives(tmp_path, data_dir):
    data_dir("planetoid_cora")
    options = "citation", "--model", "gcn", "--seeds", "5"
    alone, together = one_and_two(tmp_path, *options)
    assert len(alone["test_accuracy"]) == 5 and together["test_accuracy"] == alone["test_accuracy"]
    # The first two chunks were done before: the processes share what is left.
    (path,) = (tmp_path / "2").glob("*.seeds.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    *_, resumed = one_and_two(tmp_path, *options, "--resume")
    assert resumed["test_accuracy"] == alone["test_accuracy"]


@pytest.mark.slow
def test_a_grid_of_cells_shares_the_seeds_of_each(tmp_path, data_dir):
    data_dir("tinyshakespeare")
    options = "--cells", "mean", "--seeds", "3", "--config.rates", "0.01", "0.02"
    alone, together = one_and_two(tmp_path, "heads", *options)
    assert len(alone["mean/validation_nats"]) == 3 and alone["mean/learning_rate"] == together["mean/learning_rate"]
    np.testing.assert_allclose(together["mean/validation_nats"], alone["mean/validation_nats"], rtol=1e-5)


@pytest.mark.slow
def test_the_main_job_shares_the_seeds_of_digits_and_the_words(tmp_path, monkeypatch):
    said = run(QUICKSTART, tmp_path, "--distributed", together=True)
    assert said.count("results: ") == 1
    found = metrics(tmp_path)
    monkeypatch.setattr(digits, "METHODS", {name: digits.METHODS[name] for name in ("logistic_regression", "gcn")})
    seeds = digits.compare(quickstart.PRESETS["smoke"].digits, digits.load(5), range(3))  # the first has one, two are
    for name, score in digits.metrics(seeds).items():  # left for the second
        np.testing.assert_allclose(found[name], score, atol=2 / 1767)  # a digit or two at the border
    assert 0 < found["phoneme_error"][0] < 10
    assert (tmp_path / "digits.png").exists()


@pytest.mark.slow
def test_two_processes_pretrain_and_fine_tune_as_one(tmp_path, data_dir):
    root = data_dir("molecules_delaney").parent
    run(PRETRAINING, root, tmp_path / "1", together=False)
    run(PRETRAINING, root, tmp_path / "2", "--distributed", together=True)
    alone, together = metrics(tmp_path / "1"), metrics(tmp_path / "2")
    for name in ("element_accuracy", "bond_accuracy", "scratch_rmse", "pretrained_rmse"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-3)


def test_what_hears_no_signal_is_killed_in_the_end(monkeypatch):
    monkeypatch.setattr(launch, "PATIENCE", 0.3)
    deaf = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    told = threading.Event()
    both = [subprocess.Popen(command) for command in (deaf, fails)]
    assert launch.wait(both, told) == 1 and both[0].returncode == -signal.SIGKILL
    told.set()
    alone = [subprocess.Popen(deaf)]
    assert launch.wait(alone, told) == 0 and alone[0].returncode == -signal.SIGKILL


def test_a_process_that_fails_does_not_wait_for_the_others(monkeypatch, capfd):
    ended = []
    monkeypatch.setattr(processes.os, "_exit", ended.append)
    for error in (SystemExit(130), RuntimeError("broken")):
        with pytest.raises(type(error)), processes.leaving():  # alone: as ever
            raise error
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    for error in (SystemExit(130), RuntimeError("broken")):
        with processes.leaving():
            raise error
    assert ended == [130, 1] and "RuntimeError: broken" in capfd.readouterr().err


def test_items_are_dealt_in_order_and_each_once(monkeypatch):
    for count in (1, 2, 3, 7):
        shares = []
        for number in range(count):
            monkeypatch.setattr(processes, "share", lambda at=(number, count): at)
            shares.append(list(processes.deal(range(5), True)))
            assert list(processes.deal(range(5), False)) == [0, 1, 2, 3, 4]
        assert sum(shares, []) == [0, 1, 2, 3, 4]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
