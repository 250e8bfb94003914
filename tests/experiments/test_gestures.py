"""The experiment gestures: who drew what, drawings with few points, and a grid that goes on where it was left."""

import json

import numpy as np
import pytest

from experiments.common import training
from experiments.gestures import data, report, run
from experiments.sketches.data import Points
from tgnn.datasets.gestures import Gestures


def gestures():
    """Two strokes, one with a point on a straight line; one stroke of two points."""
    points = np.array([[0, 0], [50, 0], [255, 0], [0, 255], [255, 255], [0, 0], [0, 255]], np.uint8)
    ends, people = np.array([0, 0, 1, 0, 1, 0, 1], bool), np.array([3, 7], np.int32)
    return Gestures(
        points, ends, np.array([5, 2], np.int32), np.array([1, 0], np.int32), people, people * 0, ("a", "b")
    )


def test_simplified_drawings_keep_their_strokes_and_labels():
    few = data.simplified(gestures())
    assert few.points.tolist() == [[0, 0], [255, 0], [0, 255], [255, 255], [0, 0], [0, 255]]
    assert few.stroke_end.tolist() == [False, True] * 3 and few.n_point.tolist() == [4, 2]
    assert few.labels.tolist() == [1, 0] and few.subjects.tolist() == [3, 7]


def test_fewer_people_are_some_of_more_and_seeds_choose_others():
    drawers = np.repeat([10, 20, 30, 40], 3)
    row = np.zeros((12, 1), np.int32)
    people = data.People(Points(np.zeros((12, 1, 2), np.float32), row, row, drawers), drawers, {})
    found = [set(people.some(count, seed=1).labels.tolist()) for count in (1, 2, 4)]
    assert [len(each) for each in found] == [1, 2, 4] and found[0] < found[1] < found[2]
    assert len({frozenset(people.some(1, seed).labels.tolist()) for seed in range(9)}) > 1


def test_leads_are_of_the_same_seeds(tmp_path):
    cell = {"validation_top1": [0.5, 0.6, 0.7], "drawings": [480.0] * 3}
    metrics = {f"complete-1/{name}": values for name, values in cell.items()}
    metrics |= {"multi_graph-1/validation_top1": [0.52, 0.61, 0.73], "multi_graph-1/drawings": [480.0] * 3}
    assert report.leads(metrics)[1][:2] == ["1", "+2.0 ± 1.0"]
    assert "| complete-1 | 480 | 0.6 ± 0.1 |" in report.tables(metrics)
    assert report.draw(metrics, tmp_path / "figure.png").stat().st_size > 0


def test_nobody_who_is_scored_is_learnt_from(data_dir):
    root = data_dir("gestures_mmg").parent
    people = data.load("gestures", 40, 1, root)
    assert len(people.names) == 13 and len(people.train.labels) == 390 and len(people.others["validation"].labels) == 90
    assert (people.train.stroke[:, 0] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["gestures", "omniglot"])
def test_a_smoke_run_is_recorded_and_goes_on_with_the_cells_that_are_done(dataset, data_dir, tmp_path, monkeypatch):
    root = str(data_dir({"gestures": "gestures_mmg", "omniglot": "omniglot_strokes"}[dataset]).parent)
    argv = ["--preset", "smoke", "--dataset", dataset, "--data-dir", root, "--run-dir", str(tmp_path)]
    run.main(argv)
    file = tmp_path / f"smoke-{dataset}.json"
    record = json.loads(file.read_text())
    assert "multi_graph-1/validation_top1" in record["metrics"] and file.with_suffix(".png").is_file()
    monkeypatch.setattr(training, "fit", lambda *args: None)  # whoever trains fails
    run.main([*argv, "--resume"])
    assert json.loads(file.read_text())["metrics"] == record["metrics"]
