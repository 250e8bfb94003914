"""The experiment sketches: graphs of strokes, and a comparison in which only the graphs differ."""

import json

import chex
import jax
import numpy as np
import pytest

from experiments.sketches import data, graphs, run
from experiments.sketches.config import PRESETS, RELATIONS
from experiments.sketches.model import classify, hits, init_classifier
from tgnn.datasets.quickdraw import Drawings

SMOKE = PRESETS["smoke"]


def drawings():
    """A stroke of 3 points and one of 2; a stroke of 4 points."""
    points = np.arange(18, dtype=np.uint8).reshape(9, 2) * 10
    ends = np.array([0, 0, 1, 0, 1, 0, 0, 0, 1], bool)
    return Drawings(points, ends, np.array([5, 4], np.int32), np.array([1, 0], np.int32), None, None, ("a", "b"))


def test_points_know_their_stroke_and_whether_they_begin_or_end_it():
    points = data.points_of(drawings(), 6)
    assert points.flags.tolist() == [[0, 1, 2, 0, 2, -1], [0, 1, 1, 2, -1, -1]]
    assert points.stroke.tolist() == [[0, 0, 0, 1, 1, -1], [0, 0, 0, 0, -1, -1]]
    assert points.coordinates[0, 1].tolist() == pytest.approx([20 / 127.5 - 1, 30 / 127.5 - 1])
    cut = data.points_of(drawings(), 4)
    chex.assert_trees_all_equal(cut.stroke, points.stroke[:, :4])
    assert (data.take(points, np.array([1])).labels == [0]).all()


def test_graphs_of_a_drawing():
    stroke = data.points_of(drawings(), 6).stroke[0]
    pairs = {
        name: {(i, j) for i, j in zip(*np.nonzero(np.asarray(relation(stroke))), strict=True) if i < j}
        for name, relation in graphs.RELATIONS.items()
    }
    assert pairs["one_hop"] == {(0, 1), (1, 2), (3, 4)}
    assert pairs["two_hop"] == {(0, 1), (1, 2), (0, 2), (3, 4)}
    assert pairs["strokes"] == {(2, 3), (0, 4)}
    assert len(pairs["complete"]) == 10
    for relation in graphs.RELATIONS.values():
        mask = np.asarray(relation(stroke))
        assert (mask == mask.T).all() and mask.diagonal().tolist() == [True] * 5 + [False]


def test_the_comparison_changes_nothing_but_the_graphs():
    def shapes(names):
        return jax.eval_shape(lambda rng: init_classifier(rng, PRESETS["cpu"], len(names), 100), jax.random.key(0))

    assert len({str(shapes(names)) for names in RELATIONS.values()}) == 1
    assert RELATIONS["multi_graph"] == ("one_hop", "two_hop", "strokes") and set(RELATIONS["complete"]) == {"complete"}


@pytest.mark.slow
def test_padding_changes_no_logit_and_graphs_do():
    params = init_classifier(jax.random.key(0), SMOKE, 3, 5)
    short, long = data.points_of(drawings(), 5), data.points_of(drawings(), 11)

    def evaluate(points, names):
        return jax.jit(lambda params, points: classify(params, points, names))(params, points)

    logits = evaluate(short, RELATIONS["multi_graph"])
    chex.assert_trees_all_close(evaluate(long, RELATIONS["multi_graph"]), logits, atol=1e-5)
    assert not np.allclose(evaluate(short, RELATIONS["complete"]), logits, atol=1e-3)


def test_distortion_is_one_linear_map_and_one_shift_for_each_drawing():
    points = data.points_of(drawings(), 6)
    distorted = data.distort(points, 0.1, seed=3)
    real = points.stroke >= 0
    assert (distorted.coordinates[~real] == 0).all()
    for before, after, own in zip(points.coordinates, distorted.coordinates, real, strict=True):
        affine = np.hstack([before[own], np.ones((own.sum(), 1))])
        solution = np.linalg.lstsq(affine, after[own], rcond=None)[0]
        np.testing.assert_allclose(affine @ solution, after[own], atol=1e-5)
        assert np.abs(after[own] - before[own]).max() > 1e-3
    chex.assert_trees_all_equal(distorted, data.distort(points, 0.1, seed=3))
    chex.assert_trees_all_equal(distorted.stroke, points.stroke)
    assert not np.allclose(distorted.coordinates, data.distort(points, 0.1, seed=4).coordinates)
    chex.assert_trees_all_close(data.distort(points, 0.0, seed=3), points, atol=1e-6)


@pytest.mark.slow
def test_without_numbers_the_complete_graph_sees_a_set_and_the_strokes_an_order():
    params = init_classifier(jax.random.key(0), SMOKE, 3, 5)
    points = data.points_of(drawings(), 6)
    # Middle points 1 and 2 of the second drawing, a stroke of four, change places: their flags are alike.
    order = np.array([0, 2, 1, 3, 4, 5])
    moved = points._replace(coordinates=points.coordinates[:, order])

    def difference(names, numbered):
        run = jax.jit(lambda points: classify(params, points, names, numbered=numbered))
        return float(np.abs(run(points) - run(moved))[1].max())

    assert difference(RELATIONS["complete"], False) < 1e-5
    assert difference(RELATIONS["complete"], True) > 1e-4
    assert difference(RELATIONS["multi_graph"], False) > 1e-4


@pytest.mark.slow
def test_the_first_five_count_as_such_and_padding_does_not_count():
    logits = np.tile(np.arange(6.0), (3, 1))
    labels = np.array([5, 1, -1])
    assert float(hits(logits, labels, 1)) == 0.5 and float(hits(logits, labels, 5)) == 1.0


@pytest.mark.slow
def test_a_smoke_run_is_recorded(data_dir, tmp_path):
    file = tmp_path / "result.json"
    root = str(data_dir("quickdraw_small").parent)
    run.main(["--preset", "smoke", "--data-dir", root, "--run-dir", str(tmp_path), "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    assert 0 <= metrics["validation_top1"]["mean"] <= metrics["validation_top5"]["mean"] == 1.0  # of five classes
    assert (tmp_path / "graphs.png").exists() and (tmp_path / "smoke-multi_graph-seed0" / "learning.png").exists()


def test_an_unknown_graph_ends_with_two_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--model", "three_hop"])
    assert stop.value.code == 2
    assert "two_hop" in capsys.readouterr().err
