"""The heterophily experiment: ten splits trained as one, chosen without a look at test labels, on every layout."""

import json
from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common import seeds
from experiments.heterophily import data, run
from experiments.heterophily.config import PRESETS
from experiments.heterophily.models import MODULES, build
from experiments.heterophily.train import score
from tgnn.datasets.heterophilous import Heterophilous

N, FEATURES = 29, 5
CONFIG = replace(PRESETS["smoke"], splits_at_once=3, model_dim=8, num_steps=6, block=2, learning_rate=1e-2)


def small_graph(num_classes: int = 2) -> Heterophilous:
    """Nodes that hear mostly those of another class; the last one hears nobody. Ten random splits."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, num_classes, N).astype(np.int32)
    linked = np.triu(rng.random((N, N)) < np.where(labels[:, None] == labels[None], 0.05, 0.3), 1)
    linked[:, -1] = False
    receivers, senders = (x.astype(np.int32) for x in np.nonzero(linked | linked.T))
    features = rng.normal(size=(N, FEATURES)).astype(np.float32)
    part = rng.permuted(np.repeat(np.arange(N)[:, None] % 3, data.SPLITS, axis=1), axis=0)  # [n, splits]
    return Heterophilous(features, senders, receivers, labels, part == 0, part == 1, part == 2, num_classes)


SMALL = small_graph()


def trained(graph: data.Graph, tmp_path, at_once: int = 3, number: int = 3):
    """The metrics of seeds 0, 1, ..., `at_once` of them at a time, without those of time."""
    measure = run.trainer(CONFIG, run.Options(preset="smoke", run_dir=tmp_path), graph)
    parts = [measure(chunk) for chunk in seeds.chunks(range(number), at_once)]
    return {key: sum((part[key] for part in parts), []) for key in parts[0] if "seconds" not in key}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Three splits in one program."""
    return trained(data.prepare(SMALL, "gcn"), tmp_path_factory.mktemp("together"))


@pytest.mark.slow
def test_splits_that_are_trained_together_equal_each_alone(together, tmp_path):
    alone = trained(data.prepare(SMALL, "gcn"), tmp_path, at_once=1)
    assert len(set(together["validation_roc_auc"])) > 1  # they are different splits
    chex.assert_trees_all_close(alone, together, rtol=1e-5)


@pytest.mark.slow
def test_selection_never_sees_test_labels(together, tmp_path):
    graph = data.prepare(SMALL, "gcn")
    test = graph.splits.test[0]  # of the first split
    labels = jnp.where(test, 1 - graph.task.labels, graph.task.labels)
    fooled = trained(graph._replace(task=graph.task._replace(labels=labels)), tmp_path, number=1)
    assert fooled["test_roc_auc"][0] == pytest.approx(1 - together["test_roc_auc"][0], abs=1e-5)
    for name in ("validation_roc_auc", "step"):
        assert fooled[name][0] == pytest.approx(together[name][0], rel=1e-5)


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_numbers_of_an_undisturbed_one(monkeypatch, tmp_path):
    monkeypatch.setattr(data.heterophilous, "load", lambda name, data_dir: SMALL)
    config = replace(CONFIG, splits_at_once=1, num_steps=2, num_layers=1)
    whole, trainer = {}, run.trainer
    for name, dies in (("whole", False), ("killed", True)):
        options = run.Options(preset="smoke", model="resnet", seeds=2, run_dir=tmp_path / name)
        if dies:
            monkeypatch.setattr(run, "trainer", lambda *args: dying(trainer(*args)))
            with pytest.raises(KeyboardInterrupt):
                run.run(config, options)
            monkeypatch.setattr(run, "trainer", trainer)
            options = replace(options, resume=True)
        whole[name] = run.run(config, options).metrics
    for name in ("test_roc_auc", "validation_roc_auc", "step"):
        assert whole["killed"][name] == whole["whole"][name]


def dying(measure):
    """Measures the first splits, and is killed at those after them."""

    def measure_once(chunk):
        if chunk[0]:
            raise KeyboardInterrupt
        return measure(chunk)

    return measure_once


def loss_and_gradient(model: str, layout: str, config):
    graph = data.prepare(SMALL, model, layout)
    network = build(model, config, FEATURES, 1)
    loss = lambda p, task: jnp.square(network.apply(p, task)).sum()  # noqa: E731
    return jax.jit(jax.value_and_grad(loss))(network.init(jax.random.key(0)), graph.task)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gcn", "gat"])
def test_layouts_agree_with_gradients(model):
    """Of the model with given weights and of the one with scores; the rest is these and perceptrons."""
    config = replace(CONFIG, num_layers=1)
    expected = loss_and_gradient(model, "table", config)
    for layout, definition in (("matrix", False), ("list", True)):
        found = loss_and_gradient(model, layout, replace(config, definition=definition))
        chex.assert_trees_all_close(found, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_layouts_hold_the_same_edges_and_loops_are_where_a_node_has_no_part_of_its_own():
    for model, loops in (("gcn", N), ("sage", 0), ("gat", N), ("gat_sep", 0), ("transformer", N)):
        for layout in ("list", "table", "matrix"):
            assert data.prepare(SMALL, model, layout).task.layout.count_edges() == len(SMALL.senders) + loops


@pytest.mark.slow
def test_gat_sep_is_its_equations():
    """One module in NumPy, float64; the last node hears nobody, and receives zeros."""
    graph = data.prepare(SMALL, "gat_sep")
    params = MODULES["gat_sep"][0](jax.random.key(1), 8, CONFIG)
    x = np.random.default_rng(1).normal(size=(N, 8)).astype(np.float32)
    module = jax.jit(lambda p, x: MODULES["gat_sep"][1](p, graph.task, x, None, 0.0, CONFIG))
    found = module(params, x)
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    normed = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    own = normed @ p["linear"]["kernel"] + p["linear"]["bias"]
    logits = (own @ p["receiver"]["kernel"] + p["receiver"]["bias"])[:, None] + (own @ p["sender"]["kernel"])[None]
    linked = np.zeros((N, N), bool)
    linked[SMALL.receivers, SMALL.senders] = True
    exp = np.exp(np.where(logits > 0, logits, 0.2 * logits)) * linked[..., None]  # [receiver, sender, head]
    weights = exp / np.maximum(exp.sum(1, keepdims=True), 1e-300)
    received = np.einsum("nmh,mhd->nhd", weights, own.reshape(N, CONFIG.num_heads, -1)).reshape(N, 8)
    hidden = np.concatenate([own, received], 1) @ p["perceptron"]["hidden"]["kernel"]
    hidden = np.asarray(jax.nn.gelu(hidden + p["perceptron"]["hidden"]["bias"], approximate=False))
    expected = x + hidden @ p["perceptron"]["output"]["kernel"] + p["perceptron"]["output"]["bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not received[-1].any()


def test_more_than_two_classes_are_scored_by_accuracy():
    graph = data.prepare(small_graph(3), "resnet")
    logits, mask = jax.nn.one_hot(graph.task.labels, 3), graph.splits.test[0]
    assert graph.metric == "accuracy" and float(score(logits, graph.task.labels, mask)) == 1
    wrong = logits.at[np.flatnonzero(mask)[0]].multiply(-1)
    assert float(score(wrong, graph.task.labels, mask)) == pytest.approx(1 - 1 / int(mask.sum()))


@pytest.mark.slow
def test_a_smoke_run_is_recorded(data_dir, tmp_path):
    file = tmp_path / "result.json"
    root = str(data_dir("heterophilous").parent)
    argv = ["--preset", "smoke", "--seeds", "2", "--data-dir", root, "--run-dir", str(tmp_path), "--json", str(file)]
    run.main(argv)
    record = json.loads(file.read_text())
    assert 0 <= record["metrics"]["test_roc_auc"]["mean"] <= 1 and len(record["metrics"]["step"]["values"]) == 2
    assert list(tmp_path.glob("*.png"))


def test_mistakes_end_with_two_in_one_line(capsys, tmp_path):
    for argv, message in (
        (["--model", "gta"], "gat_sep"),
        (["--preset", "smoke", "--config.block", "3", "--run-dir", str(tmp_path)], "multiple of block"),
    ):
        with pytest.raises(SystemExit) as stop:
            run.main(argv)
        assert stop.value.code == 2 and message in capsys.readouterr().err
