"""The experiment graph_classification: folds blind to their test graphs, and the two rules that pick an epoch."""

import json
from dataclasses import replace

import chex
import jax
import numpy as np
import pytest

from experiments.common.packing.graphs import Room, room, union
from experiments.graph_classification import run
from experiments.graph_classification.config import Config
from experiments.graph_classification.folds import best_common_epoch, best_validation_epoch, make_folds, train_masks
from experiments.graph_classification.train import make_programs, part_of, train
from tgnn.datasets import tu
from tgnn.datasets.graphs import Graphs
from tgnn.graphs.padding import bucket
from tgnn.train.batches import batch_indices

N = 43


def folds_of(n):
    parts = np.array_split(np.random.default_rng(0).permutation(n), 10)
    return tuple((np.setdiff1d(np.arange(n), part), part) for part in parts)


def rings_and_chains():
    """Rings (class 1) and chains (class 0) of 3 to 8 nodes."""
    rng = np.random.default_rng(1)
    sizes, labels = rng.integers(3, 9, N).astype(np.int32), np.arange(N, dtype=np.int32) % 2
    pairs = [
        [(i, i + 1) for i in range(n - 1)] + [(0, n - 1)] * int(ring) for n, ring in zip(sizes, labels, strict=True)
    ]
    directed = [[p for i, j in graph for p in ((i, j), (j, i))] for graph in pairs]
    senders, receivers = np.array([p for graph in directed for p in graph], np.int32).T
    n_edge = np.array([len(graph) for graph in directed], np.int32)
    graphs = Graphs(
        np.zeros(sizes.sum(), np.int32), np.zeros(n_edge.sum(), np.int32), senders, receivers, sizes, n_edge, labels
    )
    return tu.TU(graphs, folds_of(N), 1, 2)


def test_no_fold_trains_on_what_it_is_scored_on_and_the_parts_cover_everything():
    folds = make_folds(folds_of(N), N)
    masks = train_masks(folds)
    assert masks.shape == (20, N)
    assert not (masks[:10] & folds.test).any() and not (masks[10:] & (folds.test | folds.validation)).any()
    assert (masks[:10] | folds.test).all() and (masks[10:] | folds.test | folds.validation).all()
    assert (folds.test.sum(axis=0) == 1).all() and not (folds.test & folds.validation).any()


def test_the_rules_pick_their_epochs():
    test, validation = np.full((10, 4), 0.5), np.full((10, 4), 0.5)
    test[:, 2] = np.linspace(0.5, 1.0, 10)  # the best epoch on average
    test[0, 3] = 1.0  # the best epoch of fold 0, which the paper's rule must not take
    validation[0, 1], validation[1, 2:] = 0.7, 0.6
    paper, strict = best_common_epoch(test), best_validation_epoch(test, validation)
    assert paper.epochs.tolist() == [3] * 10 and paper.accuracies.tolist() == test[:, 2].tolist()
    assert strict.epochs.tolist() == [2, 3] + [1] * 8
    assert strict.accuracies.tolist() == [0.5, test[1, 2]] + [0.5] * 8


def test_the_folds_of_ptc_are_disjoint(data_dir):
    data = tu.load("PTC", data_dir("tu").parent)
    folds = make_folds(data.folds, len(data.graphs.labels))
    assert folds.test.sum(axis=0).max() == 1 and set(folds.test.sum(axis=1)) == {34}
    few = part_of(data, 100)
    assert len(few.graphs.labels) == 100 and len(set(few.graphs.labels.tolist())) == 2
    assert all(len(train) + len(test) == 100 for train, test in few.folds)
    again = np.flatnonzero(few.folds[3][1] == few.folds[3][1].max())  # the same graph under its new number
    wanted = few.graphs.n_node[few.folds[3][1][again[0]]]
    assert wanted == data.graphs.n_node[3 * few.folds[3][1].max()]


@pytest.mark.slow
def test_a_fold_never_sees_its_test_labels_and_sums_tell_rings_from_chains():
    data = rings_and_chains()
    config = Config(
        hidden_dim=8, num_layers=2, batch_size=N, num_epochs=150, learning_rate=0.02, halve_every=99, dropout_rate=0.0
    )
    folds = make_folds(data.folds, N)
    programs = make_programs(config, "sum", 1)
    honest = train(programs, config, data, folds, seed=3)
    assert honest.test[:, -1].mean() > 0.9
    hidden = folds.test[0]
    other = replace(
        data, graphs=replace(data.graphs, labels=np.where(hidden, 1 - data.graphs.labels, data.graphs.labels))
    )
    fooled = train(programs, config, other, folds, seed=3)
    chex.assert_trees_all_close(fooled.test[0], 1 - honest.test[0], atol=1e-6)
    chex.assert_trees_all_close(fooled.inner_test[0], 1 - honest.inner_test[0], atol=1e-6)
    chex.assert_trees_all_close(fooled.validation[0], honest.validation[0], atol=1e-6)
    assert not np.allclose(fooled.test[1:], honest.test[1:])
    assert jax.tree.leaves(honest)[0].shape == (10, 150)


@pytest.mark.slow
def test_a_smoke_run_reports_both_rules(data_dir, tmp_path):
    file = tmp_path / "result.json"
    root = str(data_dir("tu").parent)
    run.main(["--preset", "smoke", "--data-dir", root, "--run-dir", str(tmp_path), "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    assert 0.2 < metrics["strict_accuracy"]["mean"] <= 1.0
    assert metrics["paper_accuracy"]["mean"] >= metrics["last_accuracy"]["mean"]
    assert (tmp_path / "smoke-gin_sum-PTC-seed0.png").exists()


def test_an_unknown_data_set_ends_with_two_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--dataset", "NO/SUCH", "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "run")])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "NO/SUCH" in lines[0]


@pytest.mark.slow
def test_batches_of_unequal_graphs_share_one_shape():
    graphs = rings_and_chains().graphs
    space = room(graphs, 11)
    shapes = {
        (batch.layout.n_receivers, batch.layout.n_edge)
        for step in range(40)
        for batch in [union(graphs, batch_indices(step, N, 11, seed=3), room=space)]
    }
    assert len(shapes) == 1


def test_a_batch_that_does_not_fit_takes_the_next_bucket():
    graphs = rings_and_chains().graphs
    batch = union(graphs, np.arange(11), room=Room(16, 512))
    assert batch.layout.n_edge == 512 and batch.layout.n_receivers == bucket(int(graphs.n_node[:11].sum()) + 1)
