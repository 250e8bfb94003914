"""The command line of the experiments: presets, defaults, seeds, exit statuses and the results file."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.common import command, programs
from experiments.speed import run as speed


@dataclass(frozen=True)
class Config:
    hidden_dim: int  # of all layers


@dataclass(frozen=True)
class WithModel(command.Options):
    model: str = "gat"
    """Model to train."""


PRESETS = {"smoke": Config(2), "cpu": Config(3)}


def run(config, options):
    return {"accuracy": [config.hidden_dim / (1 + seed) for seed in options.all_seeds]}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TGNN_DATA_DIR", raising=False)


def test_runs_the_preset_over_its_seeds_and_writes_the_results():
    record = command.main("demo", PRESETS, run, argv=["--preset", "smoke", "--seeds", "2", "--seed", "1"])
    assert record["metrics"]["accuracy"]["values"] == [1.0, 2 / 3]
    written = json.loads(Path("runs/demo/smoke.json").read_text())
    assert (written["experiment"], written["config"]) == ("demo", {"hidden_dim": 2})
    assert written["metrics"] == record["metrics"]


def test_without_options_the_cpu_preset_runs_once_from_seed_zero():
    assert command.main("demo", PRESETS, run, argv=[])["metrics"]["accuracy"]["values"] == [3.0]


def test_options_reach_the_experiment():
    seen = []
    Path("d").mkdir()
    argv = ["--data-dir", "d", "--run-dir", "r", "--resume", "--json", "out/x.json", "--model", "gcn"]
    command.main("demo", PRESETS, lambda _, options: seen.append(options) or {}, options_type=WithModel, argv=argv)
    assert seen == [WithModel("cpu", 1, 0, Path("d"), Path("r"), True, Path("out/x.json"), model="gcn")]
    assert Path("out/x.json").exists()


def test_the_data_folder_comes_from_the_environment_unless_given(monkeypatch):
    monkeypatch.setenv("TGNN_DATA_DIR", "there")
    Path("there").mkdir()
    Path("here").mkdir()
    assert command.complete("demo", command.Options()).data_dir == Path("there")
    assert command.complete("demo", command.Options(data_dir=Path("here"))).data_dir == Path("here")


def test_results_of_different_models_are_different_files():
    assert command.complete("demo", WithModel(model="gcn")).json == Path("runs/demo/cpu-gcn.json")


def test_the_results_say_what_was_chosen():
    command.main("demo", PRESETS, run, options_type=WithModel, argv=["--model", "gcn"])
    assert json.loads(Path("runs/demo/cpu-gcn.json").read_text())["config"] == {"hidden_dim": 3, "model": "gcn"}


@pytest.mark.parametrize(
    "argv, words",
    [
        (["--preset", "huge"], "unknown preset 'huge'; choose one of smoke, cpu"),
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--seed", "-1"], "--seed must be at least 0, got -1"),
        (["--data-dir", "/missing"], "is '/missing', which is no folder"),
    ],
)
def test_a_mistake_exits_with_two_and_says_what_would_be_right(argv, words, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main("demo", PRESETS, run, argv=argv)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()


def test_every_field_of_a_preset_can_be_set_and_its_files_say_so(capsys):
    argv = ["--preset", "smoke", "--config.hidden-dim", "7"]
    record = command.main("demo", PRESETS, run, argv=argv)
    assert (record["preset"], record["config"], record["metrics"]["accuracy"]["mean"]) == (
        "smoke",
        {"hidden_dim": 7},
        7,
    )
    assert Path("runs/demo/smoke-hidden_dim=7.json").exists()
    with pytest.raises(SystemExit) as stop:
        command.main("demo", PRESETS, run, argv=["--config.hidden-dim", "wide"])
    assert stop.value.code == 2 and "wide" in capsys.readouterr().err


def test_help_shows_the_sizes_of_the_preset_that_is_named(capsys):
    for argv, size in ((["--help"], 3), (["--preset=smoke", "--help"], 2)):
        with pytest.raises(SystemExit):
            command.main("demo", PRESETS, run, argv=argv)
        assert f"of all layers (default: {size})" in " ".join(capsys.readouterr().out.split())


@dataclass(frozen=True)
class Nested:
    inner: Config
    names: tuple[str, ...] = ("a/b",)


def test_changes_are_named_in_parts_and_give_names_of_files():
    before = Nested(Config(2))
    assert command.changes(before, before) == ()
    found = command.changes(before, Nested(Config(3), ("../x", "y")))
    assert found == ("inner.hidden_dim=3", "names=('../x', 'y')")
    assert command.stem(command.Options(changes=found)) == "cpu-inner.hidden_dim=3,names=..x,y"
    long = command.stem(command.Options(changes=("names=" + "x" * 300,)))
    assert len(long) < 30 and long != command.stem(command.Options(changes=("names=" + "y" * 300,)))


def test_programs_are_kept_where_the_user_says_and_by_nobody_who_measures(monkeypatch, tmp_path):
    kept = []
    monkeypatch.setattr(programs.jax.config, "update", lambda *setting: kept.append(setting))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    command.main("demo", PRESETS, run, argv=[])
    assert ("jax_compilation_cache_dir", str(tmp_path / "tgnn" / "programs")) in kept
    kept.clear()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    command.main("demo", PRESETS, run, argv=[])
    assert "jax_compilation_cache_dir" not in dict(kept)
    assert not speed.Options.keeps_programs


def test_an_unknown_option_exits_with_two():
    with pytest.raises(SystemExit) as stop:
        command.main("demo", PRESETS, run, argv=["--no-such-option"])
    assert stop.value.code == 2


def test_help_names_every_option_and_the_presets(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main("demo", PRESETS, run, argv=["--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    options = ["--preset", "--seeds", "--seed", "--data-dir", "--run-dir", "--resume", "--json"]
    assert [option for option in [*options, "Presets: smoke, cpu."] if option not in shown] == []


def test_an_error_of_the_experiment_itself_is_not_taken_for_a_mistake_on_the_command_line():
    def fail(config, options):
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        command.main("demo", PRESETS, fail, argv=[])


def test_missing_data_ends_with_one_line_and_other_missing_files_with_a_traceback(tmp_path, capsys):
    def run(config, options):
        raise FileNotFoundError("cora is not in this folder; go online")

    argv = ["--run-dir", str(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        command.main("x", {"cpu": object()}, run, argv=argv)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "python -m experiments.x: cora is not in this folder; go online\n"
    with pytest.raises(FileNotFoundError):
        command.main("x", {"cpu": object()}, lambda config, options: open(tmp_path / "none"), argv=argv)
