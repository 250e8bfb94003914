"""What goes wrong outside an experiment ends in one line that says how to go on, before or without any loss."""

import errno
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.common import command, failures


@dataclass(frozen=True)
class Config:
    hidden_dim: int = 3


PRESETS = {"cpu": Config()}


def end_of(run, argv, capsys):
    """The exit status and the lines on the error stream."""
    with pytest.raises(SystemExit) as stop:
        command.main("x", PRESETS, run, argv=argv)
    return stop.value.code, capsys.readouterr().err.splitlines()


def never(config, options):
    raise AssertionError("the run began")


def test_places_that_cannot_be_written_are_found_out_before_the_run(tmp_path, capsys):
    (tmp_path / "file").touch()
    folder = str(tmp_path / "run")
    for argv, words in [
        (["--run-dir", str(tmp_path / "file" / "below")], "--run-dir needs a place"),
        (["--run-dir", folder, "--json", str(tmp_path / "file" / "x.json")], "--json needs a place"),
        (["--run-dir", folder, "--json", str(tmp_path)], "--json must be a file"),
    ]:
        status, lines = end_of(never, argv, capsys)
        assert status == 2 and len(lines) == 1 and words in lines[0]


def test_a_full_disk_is_found_out_before_the_run(tmp_path, monkeypatch, capsys):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(failures.tempfile, "NamedTemporaryFile", lambda **_: Full())
    status, (line,) = end_of(never, ["--run-dir", str(tmp_path)], capsys)
    assert status == 2 and "No space left on device" in line and "choose another" in line


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted; go on with --resume"),
        (failures.Interrupted("interrupted at step 7"), 130, "interrupted at step 7; go on with --resume"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/a/b"),
            1,
            "/a/b cannot be written (No space left on device)",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/a"), 1, "/a cannot be written (Permission denied)"),
        (RuntimeError("RESOURCE_EXHAUSTED: x: No space left on device"), 1, "cannot be written (No space left"),
    ],
)
def test_ctrl_c_and_a_full_disk_end_in_one_line_that_says_how_to_go_on(error, status, words, tmp_path, capsys):
    def run(config, options):
        raise error

    found, (line,) = end_of(run, ["--run-dir", str(tmp_path)], capsys)
    assert found == status and words in line and "go on with --resume" in line


def test_a_cause_counts_as_much_as_the_error_that_it_led_to(tmp_path, capsys):
    def run(config, options):
        try:
            raise OSError(errno.EROFS, "Read-only file system", "/a")
        except OSError as error:
            raise ValueError("a checkpoint failed") from error

    assert end_of(run, ["--run-dir", str(tmp_path)], capsys)[0] == 1


def test_results_that_cannot_be_written_are_shown(tmp_path, monkeypatch, capsys):
    def full(path, record):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command.results, "write", full)
    with pytest.raises(SystemExit) as stop:
        command.main("x", PRESETS, lambda *_: {"accuracy": [0.25]}, argv=["--run-dir", str(tmp_path)])
    shown = capsys.readouterr()
    assert stop.value.code == 1 and "{'accuracy': [0.25]}" in shown.out and "cannot be written" in shown.err


def test_an_experiment_without_checkpoints_refuses_to_resume(tmp_path, capsys):
    class Quick(command.Options):
        keeps_checkpoints = False

    with pytest.raises(SystemExit) as stop:
        command.main("x", PRESETS, never, options_type=Quick, argv=["--resume", "--run-dir", str(tmp_path)])
    assert stop.value.code == 2 and "--resume: x keeps no checkpoints" in capsys.readouterr().err


def test_results_hold_preset_seed_threads_and_what_the_run_made_of_the_config(tmp_path):
    def run(config, options):
        return command.Outcome({"accuracy": [0.5]}, {"hidden_dim": 3, "widths": [5, 7]})

    command.main("x", PRESETS, run, argv=["--seed", "4", "--run-dir", str(tmp_path)])
    record = json.loads((Path(tmp_path) / "cpu.json").read_text())
    assert (record["preset"], record["seed"]) == ("cpu", 4) and record["threads"] >= 1
    assert record["config"] == {"hidden_dim": 3, "widths": [5, 7]}
