"""Runs of many seeds: what an interrupted one has done is not done again."""

import json
from dataclasses import dataclass, replace

import pytest

from experiments.common import command, seeds


@dataclass(frozen=True)
class Config:
    size: int = 3


def options(tmp_path, **changes):
    return command.complete("x", replace(command.Options(run_dir=tmp_path, seeds=5, seed=2), **changes))


def square(asked):
    def measure(chunk):
        asked.append(tuple(chunk))
        return {"square": [seed**2 for seed in chunk]}

    return measure


def test_an_interrupted_run_resumes_with_the_missing_seeds_only(tmp_path):
    asked = []

    def interrupted(chunk):
        if 4 in chunk:
            raise KeyboardInterrupt
        return square(asked)(chunk)

    with pytest.raises(KeyboardInterrupt):
        seeds.run_seeds(Config(), options(tmp_path), interrupted, at_once=2)
    with (tmp_path / "cpu.seeds.jsonl").open("a") as file:
        file.write("[4, {")  # a line that was being written
    metrics = seeds.run_seeds(Config(), options(tmp_path, resume=True), square(asked), at_once=2)
    assert metrics == {"square": [4, 9, 16, 25, 36]}
    assert asked == [(2, 3), (4, 5), (6,)]


def test_finished_seeds_are_not_lost_and_more_may_be_asked_for(tmp_path):
    asked = []
    for changes in ({}, {"resume": True}, {"resume": True, "seeds": 7}):
        seeds.run_seeds(Config(), options(tmp_path, **changes), square(asked), at_once=9)
        before = [path.read_text() for path in tmp_path.iterdir()]
        with pytest.raises(command.Mistake, match="holds finished seeds; add --resume to keep them"):
            seeds.run_seeds(Config(), options(tmp_path), square(asked))
        assert before == [path.read_text() for path in tmp_path.iterdir()]
    assert asked == [(2, 3, 4, 5, 6), (7, 8)]


def test_a_run_with_another_config_is_refused_on_the_command_line(tmp_path, capsys):
    def run(config, options):
        return seeds.run_seeds(config, options, square([]))

    presets = {"cpu": Config(), "full": Config(4)}
    argv = ["--run-dir", str(tmp_path), "--seeds", "2"]
    record = command.main("x", presets, run, argv=argv)
    assert record["metrics"]["square"]["values"] == [0, 1]
    (tmp_path / "full.seeds.jsonl").write_text((tmp_path / "cpu.seeds.jsonl").read_text())
    with pytest.raises(SystemExit) as stop:
        command.main("x", presets, run, argv=[*argv, "--resume", "--preset", "full"])
    assert stop.value.code == 2 and "another config" in capsys.readouterr().err
    assert json.loads((tmp_path / "cpu.seeds.jsonl").read_text().splitlines()[0]) == {"size": 3}


def test_a_second_run_beside_the_first_is_refused_and_takes_nothing_from_it(tmp_path):
    path = tmp_path / "cpu.seeds.jsonl"

    def nested(chunk):
        before = path.read_text()
        for config, changes in [(Config(), {}), (Config(4), {}), (Config(), {"resume": True})]:
            with pytest.raises(command.Mistake, match="is in use by process .*; wait until it ends, or choose another"):
                seeds.run_seeds(config, options(tmp_path, **changes), square([]))
        assert path.read_text() == before
        seeds.run_seeds(Config(), options(tmp_path, preset="other", resume=True), square([]))  # files of its own
        return square([])(chunk)

    seeds.run_seeds(Config(), options(tmp_path, seeds=2), nested)
    assert len(path.read_text().splitlines()) == 3
