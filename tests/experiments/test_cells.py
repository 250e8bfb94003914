"""Grids of small language models: what a cell is, what is compared, and whole runs of the two experiments."""

import dataclasses
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common import cells, command, results
from experiments.common.training import initial, num_parameters
from experiments.feed_forward import config as feed_forward_config
from experiments.feed_forward import models as feed_forward_models
from experiments.feed_forward import report as feed_forward_report
from experiments.feed_forward import run as feed_forward_run
from experiments.heads import config as heads_config
from experiments.heads import run as heads_run
from experiments.heads.models import OTHERS, make, parts
from experiments.language import grid
from experiments.language.data import Text
from experiments.language.task import make_task
from tgnn import patterns
from tgnn.nn.transformer import TransformerConfig
from tgnn.train.step import make_carrying_step

SMALL = heads_config.SMALL
SMOKE = heads_config.PRESETS["smoke"].language
VOCAB = 65


# -- common --------------------------------------------------------------------------------------------------------


def test_metrics_are_rows_of_cells_without_the_runs_that_chose_a_rate():
    metrics = {"a-1/x": [1.0, 3.0], "a-1/rates/x": [9.0], "b/x": [5.0]}
    assert cells.points(cells.reported(metrics)) == {"a-1": {"x": [1.0, 3.0]}, "b": {"x": [5.0]}}
    lines = cells.rows(cells.reported(metrics), {"x": "loss", "y": "none"})
    assert lines == [["", "loss", "none"], ["a-1", "2 ± 1.4", ""], ["b", "5", ""]]
    assert cells.markdown(lines).splitlines()[1:3] == ["| --- | --- | --- |", "| a-1 | 2 ± 1.4 |  |"]


def test_a_cell_takes_the_best_rate_and_a_run_that_diverged_is_the_worst(monkeypatch, tmp_path):
    losses, seen = {1e-3: 2.5, 1e-2: 2.1, 1e-1: float("nan")}, []

    def train(lanes):
        seen.extend(lanes)
        return {"validation_nats": [losses[rate] for _, rate in lanes], "processor_seconds": [1.0] * len(lanes)}

    monkeypatch.setattr(grid, "train_at_once", lambda *args: train)
    text = Text(np.zeros(3, np.int32), {}, "a")
    options = grid.Options(preset="smoke", seeds=4, run_dir=tmp_path)
    cell = lambda: grid.Cell(None, SMOKE, {"fact": 3.0})  # noqa: E731  # pyright: ignore
    metrics = grid.run_grid({"c": cell}, text, options, tuple(losses))
    assert metrics["c/learning_rate"] == [1e-2] * 4 and metrics["c/validation_nats"] == [2.1] * 4
    assert metrics["c/fact"] == [3.0] * 4
    with pytest.raises(command.Mistake, match="--cells d: there is no such cell; choose of c"):
        grid.run_grid({"c": cell}, text, dataclasses.replace(options, cells=("d",)), (1.0,))
    assert [seed for seed, _ in seen] == [grid.RATE_SEED] * 3 + [0, 1, 2, 3]


@pytest.mark.slow
def test_runs_that_train_at_once_are_each_alone_and_as_adamw_says():
    tokens = np.random.default_rng(0).integers(0, 7, 400).astype(np.int32)
    text = Text(tokens[:300], {"validation": tokens[300:]}, "abcdefg")
    model, config, _ = make("softmax", 2, SMOKE, 7)
    lanes = (0, 1e-2), (1, 1e-3)
    together = grid.train_at_once(model, config, text)(lanes)
    seed, rate = lanes[1]
    task = make_task(model, dataclasses.replace(config, learning_rate=rate), text)
    step, state = make_carrying_step(task.loss, task.optimizer), initial(task.init, task.optimizer, seed=seed)
    for i in range(config.num_steps):
        state, _ = step(state, task.batches(grid.BATCHES)(i))
    np.testing.assert_allclose(together["validation_nats"][1], task.score(state.params)["validation_nats"], rtol=1e-4)
    assert together["validation_nats"][0] != together["validation_nats"][1]


# -- heads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, heads",
    [pytest.param(*c, marks=pytest.mark.slow) for c in (("softmax", 16), ("gaussian", 1), ("mean", 1))]
    + [("dynamic_conv", 16), ("max_offsets", 1)],
)
def test_reductions_have_equal_weights_at_equal_width(name, heads):
    budget = num_parameters(make("softmax", 1, SMALL, VOCAB).model.init)
    model, config, _ = make(name, heads, SMALL, VOCAB)
    assert abs(num_parameters(model.init) / budget - 1) < 0.005 and config.model_dim == SMALL.model_dim


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gaussian", *OTHERS])
def test_a_reduction_reads_its_graph_and_no_more(name):
    """Against all pairs one by one, in float64."""
    n, heads, window, sizes = 9, 2, 4, TransformerConfig(7, model_dim=8, num_layers=1, num_heads=2, use_bias=False)
    config = dataclasses.replace(SMOKE, window=window, context=n)
    init, block = parts(name, config)  # positions are counted in windows, but all of the graph is read
    params = init(jax.random.key(0), sizes)
    part = {key: leaf for key, leaf in params["attention"].items() if key != "norm_before"}
    x = jax.random.normal(jax.random.key(1), (n, 8))
    only = {"attention": part}  # no norm, no feed-forward layer: x and what was received
    found = jax.jit(block)(only, patterns.window(n, window - 1), x) - x
    part, x = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (part, x))
    value, expected = np.einsum("nd,dhk->nhk", x, part["value"]["kernel"]), np.zeros((n, 8))
    for i in range(n):
        near = range(max(i - window + 1, 0), i + 1)
        if name == "gaussian":
            far = np.array([(j - i) / window for j in near])[:, None]
            weights = np.exp(-0.5 * ((far - part["mean"][:, 0]) / np.exp(part["log_width"][:, 0])) ** 2)
            received = np.einsum("jh,jhk->hk", weights / weights.sum(0), value[list(near)])
        else:
            messages = [value[j].ravel() for j in near]
            if "offset" in part:
                messages = [
                    np.maximum(m + part["offset"]["table"][i - j], 0) for m, j in zip(messages, near, strict=True)
                ]
            received = getattr(np, name.removesuffix("_offsets"))(messages, axis=0).reshape(heads, -1)
        expected[i] = np.einsum("hk,hkd->d", received, part["output"]["kernel"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


# -- feed-forward layers -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_widths_depths_and_vectors_have_the_weights_that_they_are_said_to_have():
    config = feed_forward_config.SMALL
    found = {name: make() for name, make in feed_forward_run.grid(feed_forward_config.PRESETS["cpu"], VOCAB).items()}
    weights = {name: num_parameters(cell.model.init) for name, cell in found.items()}
    usual = weights["width-4"]
    assert set(found) >= {"width-0", "width-8", "wide-0", "wide-8", "deep-0", "deep-1", "deep-2", "persistent-8"}
    assert "deep-8" not in found and "persistent-0" not in found
    for name in found:
        kind, _, ratio = name.partition("-")
        if kind in ("wide", "deep"):
            assert abs(weights[name] / usual - 1) < 0.08, name
        if kind == "persistent":  # but for the norm of the layer that is gone
            assert weights[f"width-{ratio}"] - weights[name] == config.num_layers * 2 * config.model_dim
    assert found["deep-0"].config.num_layers == 3 * config.num_layers


def test_without_a_feed_forward_layer_a_block_is_attention_alone():
    model = feed_forward_models.transformer(feed_forward_config.PRESETS["smoke"].language, 7, 0)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert set(params["decoder"]["blocks"]) == {"attention"}
    assert jax.eval_shape(lambda p: model.apply(p, jnp.zeros(16, int), ()).logits, params).shape == (16, 7)


def test_cells_without_the_usual_one_are_reported_too(tmp_path):
    metrics = {"persistent-4/validation_nats": [2.0, 2.2], "persistent-4/num_parameters": [9.0, 9.0]}
    header, line = feed_forward_report.rows(metrics)
    assert line[0] == "persistent-4" and len(line) == len(header)
    assert feed_forward_report.draw(metrics, tmp_path / "figure.png").stat().st_size > 0


# -- whole runs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name, cell", [("heads", "max_offsets"), ("feed_forward", "persistent-4")])
def test_a_smoke_run_is_recorded_and_goes_on_with_the_cells_that_are_done(name, cell, data_dir, tmp_path, monkeypatch):
    root = str(data_dir("tinyshakespeare").parent)
    main, usual = {"heads": (heads_run.main, "softmax-1"), "feed_forward": (feed_forward_run.main, "width-4")}[name]
    argv = ["--preset", "smoke", "--seeds", "2", "--data-dir", root, "--run-dir", str(tmp_path)]
    argv += ["--cells", usual, cell]
    main(argv)
    file = tmp_path / "smoke.json"
    record = json.loads(file.read_text())
    assert len(record["metrics"][f"{cell}/validation_nats"]["values"]) == 2 and (tmp_path / "smoke.png").is_file()
    monkeypatch.setattr(grid, "train_at_once", lambda *args: None)  # whoever trains fails
    main([*argv, "--resume"])
    assert json.loads(file.read_text())["metrics"] == record["metrics"]


@pytest.mark.parametrize("name", ["heads", "feed_forward", "gestures"])
def test_readmes_hold_what_was_measured(name):
    folder = Path(results.__file__).parents[1] / name
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == cells.written(text, name), f"run: python -m experiments.common.cells {name}"
    for path in (folder / "results").glob("*.json"):
        assert path.stat().st_size < 150_000 and '"/' not in path.read_text(encoding="utf-8")
