"""The citation experiment: the authors' weights, early stopping, and test labels that only the score sees."""

import json
from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.citation import data, run
from experiments.citation.config import RECIPES, Recipe, recipe
from experiments.citation.models import DIRECT, build
from experiments.citation.stopping import begin, select
from experiments.citation.train import fit, make_optimizer
from experiments.common import seeds
from tgnn.datasets.planetoid import Planetoid
from tgnn.datasets.sparse import SparseRows

N, WORDS, CLASSES = 43, 29, 3
SHORT = Recipe(hidden_dim=5, dropout_rate=0.3, learning_rate=0.03, l2=1e-3, num_epochs=500, stop="either", patience=3)


def small_graph():
    """Papers that use some words of their class more often and cite it more often; the last two are isolated."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, N).astype(np.int32)
    words = rng.random((N, WORDS)) < np.where(np.arange(WORDS) % CLASSES == labels[:, None], 0.5, 0.1)
    words[-1] = False
    same = labels[:, None] == labels[None]
    cites = np.triu(rng.random((N, N)) < np.where(same, 0.2, 0.02), 1)
    cites[:, -2:] = False
    receivers, senders = np.nonzero(cites | cites.T)
    rows, columns = np.nonzero(words)
    features = SparseRows(np.searchsorted(rows, np.arange(N + 1)), columns, np.ones(len(rows), np.float32), (N, WORDS))
    labels[-2] = -1
    parts = np.split(np.arange(N - 2), [12, 27])
    return Planetoid(features, senders, receivers, labels, *parts, CLASSES)


SMALL = data.prepare(small_graph(), self_loops=True)


@pytest.mark.slow
def test_the_authors_gat_weights_give_their_accuracy(data_dir, tmp_path):
    root = data_dir("planetoid_cora").parent
    file = tmp_path / "result.json"
    run.main(["--pretrained", str(data_dir("gat_cora_pretrained")), "--data-dir", str(root), "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    assert {name: round(metric["mean"], 10) for name, metric in metrics.items()} == {
        "test_accuracy": 0.844,
        "validation_accuracy": 0.818,
        "train_accuracy": round(138 / 140, 10),
    }


def train(at_once, name, chosen, graph, num_seeds):
    """The metrics of seeds 0, 1, ..., `at_once` of them at a time."""
    measure = run.trainer(name, chosen, graph)
    parts = [measure(chunk) for chunk in seeds.chunks(range(num_seeds), at_once)]
    return {key: [value for part in parts for value in part[key]] for key in parts[0]}


@pytest.fixture(scope="module")
def honest():
    """The metrics of three seeds trained together."""
    return train(3, "gcn", SHORT, SMALL, 3)


@pytest.mark.slow
def test_model_selection_never_sees_test_labels(honest):
    other = SMALL._replace(test_labels=jnp.where(SMALL.test_labels < 0, -1, (SMALL.test_labels + 1) % CLASSES))
    fooled = train(3, "gcn", SHORT, other, 3)
    assert honest["test_accuracy"] != fooled["test_accuracy"]
    for name in ("validation_accuracy", "epochs"):
        assert honest[name] == fooled[name]


def test_the_three_parts_of_the_labels_are_disjoint_and_unlabelled_papers_are_in_none():
    parts = np.stack([SMALL.task.train_labels, SMALL.task.validation_labels, SMALL.test_labels]) >= 0
    assert (parts.sum(axis=0)[:-2] == 1).all() and not parts[:, -2:].any()
    assert parts.sum(axis=1).tolist() == [12, 15, 14]


@pytest.mark.slow
def test_words_of_a_paper_sum_to_one_and_a_paper_without_words_is_zero():
    total = SMALL.task.words @ jnp.ones((WORDS, 1))
    chex.assert_trees_all_close(total[:, 0], jnp.ones(N).at[N - 1].set(0.0), rtol=1e-6)


@pytest.mark.slow
def test_seeds_trained_together_stop_where_they_stop_alone(honest):
    alone = train(1, "gcn", SHORT, SMALL, 3)
    for name in ("test_accuracy", "validation_accuracy", "epochs"):
        assert honest[name] == alone[name]
    assert len(set(honest["epochs"])) > 1 and max(honest["epochs"]) < SHORT.num_epochs


@pytest.mark.slow
def test_the_kept_parameters_are_those_of_the_best_epoch_and_training_learns():
    model = build("gcn", replace(SHORT, dropout_rate=0.0), SMALL.task.layout, WORDS, CLASSES)
    state = jax.jit(lambda rng: fit(rng, SMALL.task, model, replace(SHORT, stop="accuracy", patience=30)))(
        jax.random.key(3)
    )
    logits = np.asarray(model.apply(state.best.params, SMALL.task.layout, SMALL.task.words))
    assert data.accuracy(logits, SMALL.task.validation_labels) == pytest.approx(float(state.best.accuracy), abs=1e-6)
    assert data.accuracy(logits, SMALL.task.train_labels) > 0.9
    assert 0 < state.best.epoch <= state.epoch - state.best.waited


LOSSES = [1.0, 0.9, 0.95, 0.9, 0.8, 0.85, 0.85, 0.9]
ACCURACIES = [0.5, 0.6, 0.7, 0.6, 0.6, 0.7, 0.6, 0.6]


@pytest.mark.parametrize(
    "rule, kept, waited",
    # "either" keeps epoch 2 (both at their best), for epoch 5's accuracy is below epoch 3's; epoch 6 ties, and resets
    [("last", 8, 0), ("loss", 5, 3), ("accuracy", 6, 2), ("either", 2, 2)],
)
def test_each_stopping_rule_keeps_its_epoch(rule, kept, waited):
    best = begin(jnp.float32(0))
    for epoch, scores in enumerate(zip(LOSSES, ACCURACIES, strict=True), start=1):
        best = select(rule, best, jnp.float32(epoch), jnp.int32(epoch), *map(jnp.float32, scores))
    assert (int(best.epoch), float(best.params), int(best.waited)) == (kept, kept, waited)


def test_the_l2_term_is_part_of_the_loss():
    params = [{"kernel": jnp.asarray([2.0]), "bias": jnp.asarray([3.0])}, {"kernel": jnp.asarray([5.0])}]
    gradient = jax.tree.map(lambda x: 0.1 * x, params)
    adam = optax.adam(SHORT.learning_rate)
    for first_only in (False, True):
        chosen = replace(SHORT, l2_first_kernels_only=first_only)
        optimizer = make_optimizer(chosen)

        def decayed(path, g, p, first_only=first_only):
            first_kernel = path[0].idx == 0 and path[-1].key == "kernel"
            return g + SHORT.l2 * p * (first_kernel or not first_only)

        total = jax.tree_util.tree_map_with_path(decayed, gradient, params)
        expected, _ = adam.update(total, adam.init(params), params)
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        chex.assert_trees_all_close(updates, expected, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x != "gcn" else x for x in RECIPES if x != "graphormer"]
)
def test_every_model_learns_the_small_graph(name):
    rate = 0.03 if name in DIRECT else 0.003  # blocks with norms take smaller steps
    chosen = replace(recipe(name, "cora"), num_epochs=80, dropout_rate=0.1, learning_rate=rate, l2=1e-4)
    graph = data.prepare(small_graph(), self_loops=chosen.self_loops)
    metrics = train(2, name, chosen, graph, 2)
    assert min(metrics["test_accuracy"]) > 0.6  # chance is a third


@pytest.mark.slow
def test_graphormer_fits_the_training_papers():
    """It has to learn first what a neighbour is, for which a dozen labels are too few."""
    chosen = replace(recipe("graphormer", "cora"), num_epochs=40, dropout_rate=0.0, learning_rate=0.003, stop="last")
    model = build("graphormer", chosen, SMALL.task.layout, WORDS, CLASSES)
    state = jax.jit(lambda rng: fit(rng, SMALL.task, model, chosen))(jax.random.key(0))
    logits = np.asarray(model.apply(state.best.params, SMALL.task.layout, SMALL.task.words))
    assert data.accuracy(logits, SMALL.task.train_labels) == 1.0


def test_attention_on_citeseer_stops_on_accuracy_and_nothing_else_changes():
    assert recipe("gat", "citeseer") == replace(recipe("gat", "cora"), stop="accuracy")
    assert recipe("gcn", "citeseer") == recipe("gcn", "cora")


def test_the_authors_weights_are_of_one_model_and_data_set(capsys, tmp_path):
    for more in (["--dataset", "citeseer"], ["--model", "gcn"], ["--seeds", "5"]):
        with pytest.raises(SystemExit):
            run.main(["--pretrained", str(tmp_path), "--run-dir", str(tmp_path), *more])
        assert "leave out --model, --dataset and --seeds" in capsys.readouterr().err


def test_an_unknown_model_ends_with_two_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--model", "gnc"])
    assert stop.value.code == 2
    assert "graph_sage" in capsys.readouterr().err
