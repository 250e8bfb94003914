"""The experiment digits: its graph, which labels it shows, and that the graph helps."""

import json

import numpy as np
import pytest

pytest.importorskip("sklearn")

from experiments.digits import data, run
from experiments.digits.config import PRESETS


@pytest.fixture(scope="module")
def digits():
    return data.load(num_neighbors=3)


def test_the_graph_joins_each_digit_to_its_nearest_in_both_directions(digits):
    adjacency = np.asarray(digits.layout.adjacency())
    assert (adjacency == adjacency.T).all() and adjacency.diagonal().all()
    n = len(digits.classes)
    assert 4 * n < adjacency.sum() <= 7 * n  # 3 neighbours and the node itself, at most doubled
    for node in (0, 101, 1777):
        distance = np.linalg.norm(digits.pixels - digits.pixels[node][None], axis=1)
        assert adjacency[node, np.argsort(distance)[1:4]].all()


def test_labels_are_shown_for_as_many_of_each_class_as_asked(digits):
    labels = data.reveal(digits.classes, 5, seed=1)
    shown = labels >= 0
    assert np.bincount(labels[shown]).tolist() == [5] * 10
    assert (labels[shown] == digits.classes[shown]).all()
    assert (labels != data.reveal(digits.classes, 5, seed=2)).any()


@pytest.mark.slow
def test_hidden_labels_change_nothing_but_the_score(digits):
    config = PRESETS["smoke"]
    labels = np.stack([data.reveal(digits.classes, config.labels_per_class, seed=0)])
    permuted = digits._replace(classes=np.where(labels[0] < 0, (digits.classes + 1) % 10, digits.classes))
    values, _ = run.train_gcn(config, digits, labels, [0])
    shifted, _ = run.train_gcn(config, permuted, labels, [0])
    assert values[0] > 0.5
    assert values[0] + shifted[0] <= 1  # the same predictions cannot be right about both


@pytest.mark.slow
def test_a_run_reports_every_method(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run.main(["--preset", "smoke", "--seeds", "2"])
    record = json.loads((tmp_path / "runs/digits/smoke.json").read_text())
    names = ["logistic_regression_accuracy", "gcn_accuracy", "gat_accuracy", "gcn_margin", "gat_margin"]
    assert list(record["metrics"]) == names
    assert all(len(summary["values"]) == 2 for summary in record["metrics"].values())


@pytest.mark.slow
def test_gcn_and_gat_beat_logistic_regression_by_a_clear_margin_over_ten_seeds():
    scores = run.compare(PRESETS["cpu"], data.load(PRESETS["cpu"].num_neighbors), range(10))
    found = run.metrics(scores)
    for name in ("gcn", "gat"):
        margin = np.asarray(found[f"{name}_margin"])
        assert margin.mean() > 0.04
        assert margin.mean() > 3 * margin.std(ddof=1) / np.sqrt(10)  # three standard errors above nothing
