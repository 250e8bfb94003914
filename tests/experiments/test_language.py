"""The experiment language: batches, widths, and a whole run of every model."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common import training
from experiments.common.training import Trainer, num_parameters
from experiments.language import data, run, task
from experiments.language.config import PRESETS
from experiments.language.message_passing import all_networks, distances
from experiments.language.models import MODELS, POSITIONS, make, mean_edges, placed
from tgnn import patterns
from tgnn.datasets.text import from_text
from tgnn.graphs import Causal, Window
from tgnn.nn.positions import sinusoidal

SMOKE = PRESETS["smoke"]
TEXT = " ".join(f"{number:b} and {number:x}," for number in range(600))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "numbers.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


# -- batches -------------------------------------------------------------------------------------------------------


def test_batches_are_excerpts_and_a_function_of_the_step():
    tokens = np.arange(97, dtype=np.int32)
    batches = data.Excerpts(tokens, SMOKE, seed=1, read_on=False)
    assert batches(5).shape == (4, 17)
    np.testing.assert_array_equal(np.diff(batches(5)), 1)
    np.testing.assert_array_equal(batches(5), data.Excerpts(tokens, SMOKE, seed=1, read_on=False)(5))
    assert (batches(5) != batches(6)).any()


def test_rows_read_on_where_they_stopped():
    batches = data.Excerpts(np.arange(5000, dtype=np.int32), SMOKE, seed=1, read_on=True)
    for step in range(3):
        going_on = batches(step)[:, -1] == batches(step + 1)[:, 0]
        assert going_on.sum() >= 3  # all but a row at the end of the text


def test_windows_hold_every_target_once_and_each_row_reads_on():
    found = data.windows(np.arange(103, dtype=np.int32), 5, 4)
    assert found.shape == (5, 4, 6)
    assert sorted(found[..., 1:].ravel()) == list(range(1, 101))
    np.testing.assert_array_equal(found[1:, :, 0], found[:-1, :, -1])
    assert data.windows(np.arange(12, dtype=np.int32), 5, 4).shape == (1, 2, 6)  # a short text has fewer rows


def test_a_text_shorter_than_a_sequence_is_refused(tmp_path):
    (tmp_path / "short.txt").write_text("to be or not to be" * 9, encoding="utf-8")
    with pytest.raises(ValueError, match="leaves 17 characters for validation"):
        data.load(tmp_path / "short.txt", run.resized(SMOKE, 32))


def test_a_longer_context_takes_fewer_rows():
    assert [run.resized(SMOKE, n).batch_size for n in (0, 32, 1000)] == [4, 2, 1]
    with pytest.raises(ValueError, match="--context-length must be at least 1"):
        run.resized(SMOKE, -1)


# -- models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in ("lstm", "dynamic_conv") else pytest.mark.slow) for n in MODELS]
)
def test_every_model_has_about_the_weights_of_the_transformer(name):
    budget = num_parameters(make("transformer", PRESETS["rank"], 65)[0].init)
    assert abs(num_parameters(make(name, PRESETS["rank"], 65)[0].init) / budget - 1) < 0.08


@pytest.mark.slow
@pytest.mark.parametrize("layout", [patterns.causal(13), patterns.window(13, 4), patterns.strided_parts(13, 4)[1]])
def test_edges_are_counted_without_being_listed(layout):
    assert mean_edges(layout) == np.asarray(layout.adjacency()).sum() / 13


def test_a_long_context_costs_no_matrix_of_all_pairs(monkeypatch):
    def refuse(self):
        raise AssertionError(f"{self} is listed")

    monkeypatch.setattr(Causal, "live", property(refuse))
    monkeypatch.setattr(Window, "live", property(refuse))
    model, config = make("window", run.resized(PRESETS["rank"], 65_536), 65)
    assert config.model_dim == 64 and 16.9 < model.edges_per_token < 17
    assert make("transformer", run.resized(PRESETS["rank"], 65_536), 65)[0].edges_per_token == 65_537 / 2


@pytest.mark.parametrize("name", ["light_conv", "dynamic_conv"])
def test_a_context_shorter_than_the_kernel_is_enough(name):
    model, config = make(name, run.resized(SMOKE, 3), 7)
    assert config.window > 3
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert jax.eval_shape(lambda p: model.apply(p, jnp.zeros(3, int), ()).logits, params).shape == (3, 7)


def test_positions_are_those_that_a_model_takes():
    assert placed("lstm", SMOKE).positions == "own" and placed("window", SMOKE).positions == "learned"
    with pytest.raises(ValueError, match="gcn_window takes positions learned, none, got 'rotary'"):
        placed("gcn_window", dataclasses.replace(SMOKE, positions="rotary"))


@pytest.mark.parametrize("layout", [patterns.window(9, 3), patterns.causal(9)])
def test_edges_of_one_length_have_one_distance(layout):
    far = np.asarray(jax.jit(distances)(layout))
    reach = np.broadcast_to(layout.receiver_index - layout.sender_index, layout.edge_shape)
    live = np.broadcast_to(layout.live, layout.edge_shape)
    np.testing.assert_allclose(far[live], np.asarray(sinusoidal(np.arange(9), far.shape[-1]))[reach[live]], atol=1e-6)
    assert not far[~live].any()


def test_an_unknown_model_is_refused(file, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--preset", "smoke", "--model", "gru", "--file", str(file), "--run-dir", str(tmp_path)])
    assert stop.value.code == 2
    assert "unknown model 'gru'; choose one of transformer" in capsys.readouterr().err


# Each with what tells it distances, where it can be told; MoNet with degrees too, which must not count receivers.
PLACES = [(name, positions[-1]) for name, positions in POSITIONS.items() if name != "reformer"]
PLACES += [("monet_causal", "learned"), ("monet_window", "learned")]


@pytest.mark.slow
@pytest.mark.parametrize("name, positions", PLACES)
def test_no_character_sees_a_later_one(name, positions):
    """The Reformer's buckets are cut into chunks, and how full they are depends on what comes later."""
    model, config = make(name, dataclasses.replace(SMOKE, positions=positions), 7)
    params = jax.jit(model.init)(jax.random.key(0))
    apply = jax.jit(lambda params, tokens: model.apply(params, tokens, model.init_state()).logits)
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, 7, config.context), jnp.int32)
    changed = tokens.at[9:].set((tokens[9:] + 1) % 7)
    before, after = (np.asarray(apply(params, x)) for x in (tokens, changed))
    np.testing.assert_allclose(after[:9], before[:9], atol=1e-5)
    assert np.abs(after[9:] - before[9:]).max() > 1e-3


# -- a whole run ---------------------------------------------------------------------------------------------------


NETWORKS = {name for name, _, _ in all_networks()}  # all of one recipe


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in MODELS if n not in NETWORKS - {"gcn_window", "gatv2_causal"}])
def test_a_run_learns_and_leaves_a_model_that_writes(name, file, tmp_path, capsys):
    arguments = ["--model", name, "--run-dir", str(tmp_path)]
    run.main(["--preset", "smoke", "--file", str(file), *arguments])
    metrics = json.loads((tmp_path / f"smoke-{name}.json").read_text())["metrics"]
    vocabulary = from_text(TEXT).vocabulary
    assert metrics["validation_nats"]["mean"] < np.log(len(vocabulary))
    np.testing.assert_allclose(metrics["validation_bits"]["mean"], metrics["validation_nats"]["mean"] / np.log(2))
    capsys.readouterr()
    run.main([*arguments, "--prompt", "10 and", "--length", "20"])
    written = capsys.readouterr().out.rstrip("\n")
    assert written.startswith("10 and") and len(written) == 26 and set(written) <= set(vocabulary)


@pytest.mark.slow
def test_a_run_that_remembers_resumes_where_it_was(file, tmp_path, monkeypatch, capsys):
    arguments = ["--preset", "smoke", "--file", str(file), "--model", "lstm", "--run-dir"]
    run.main([*arguments, str(tmp_path / "whole")])
    batch_at = data.Excerpts.__call__

    def killed(self, step):
        if step == 13:
            raise KeyboardInterrupt
        return batch_at(self, step)

    monkeypatch.setattr(data.Excerpts, "__call__", killed)
    with pytest.raises(SystemExit) as stop:
        run.main([*arguments, str(tmp_path / "resumed")])
    assert stop.value.code == 130 and "holds step 13; go on with --resume" in capsys.readouterr().err
    monkeypatch.setattr(data.Excerpts, "__call__", batch_at)
    run.main([*arguments, str(tmp_path / "resumed"), "--resume"])
    nats = [
        json.loads((tmp_path / folder / "smoke-lstm.json").read_text())["metrics"]["validation_nats"]["mean"]
        for folder in ("whole", "resumed")
    ]
    assert nats[0] == nats[1]


@pytest.mark.slow
def test_a_finished_run_is_not_overwritten_and_an_unknown_character_is_refused(file, tmp_path, capsys):
    arguments = ["--preset", "smoke", "--file", str(file), "--run-dir", str(tmp_path)]
    run.main(arguments)
    for more, words in ([], "holds a run"), (["--prompt", "?"], "not in the vocabulary"):
        with pytest.raises(SystemExit):
            run.main([*arguments, *more])
        assert words in capsys.readouterr().err


def test_a_second_text_is_scored_as_test(file, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("and " * 9, encoding="utf-8")
    text = data.load(file, SMOKE, test=other)
    assert list(text.scored) == ["validation", "test"] and len(text.scored["test"]) == 36
    other.write_text("ünd " * 9, encoding="utf-8")
    with pytest.raises(ValueError, match="not in the vocabulary"):
        data.load(file, SMOKE, test=other)
    with pytest.raises(ValueError, match="--test-file .* is not a file"):
        data.load(file, SMOKE, test=tmp_path / "none.txt")


@pytest.mark.slow
@pytest.mark.nans
def test_a_batch_that_spoils_the_memory_changes_neither_the_weights_nor_the_memory(file):
    text = data.load(file, SMOKE)
    model, config = make("lstm", SMOKE, len(text.vocabulary))

    def spoilt(params, tokens, state, *, rng=None):
        output = model.apply(params, tokens, state, rng=rng)
        bad = tokens[0] == 0  # the loss does not see it before the next batch
        return output._replace(state=jax.tree.map(lambda leaf: jnp.where(bad, jnp.nan, leaf), output.state))

    made = task.make_task(model._replace(apply=spoilt), config, text)
    trainer = Trainer(made)
    state = training.initial(made.init, made.optimizer, made.carry)
    tokens = jnp.ones((config.batch_size, config.context + 1), jnp.int32)
    state, _ = trainer.step(state, tokens)
    before = jax.tree.map(np.array, (state.params, state.carry))
    state, metrics = trainer.step(state, tokens.at[0, 0].set(0))
    assert int(metrics["skipped"]) == 1 and int(state.step) == 2
    jax.tree.map(np.testing.assert_array_equal, (state.params, state.carry), before)
    state, metrics = trainer.step(state, tokens)
    assert int(metrics["skipped"]) == 1 and np.isfinite(metrics["loss"])


@pytest.mark.parametrize("name", ["transformer", "transformer_xl", "compressive"])
def test_blocks_may_be_asked_for_as_a_list(name):
    config = dataclasses.replace(PRESETS["smoke"], num_layers=2, stacked=False)
    model = MODELS[name](config, 7)
    tokens = jnp.zeros((2, config.context), jnp.int32)
    run = lambda params: task.apply_rows(model, params, task.memories(model, 2), tokens).logits.shape  # noqa: E731
    assert run(model.init(jax.random.key(0))) == (2, config.context, 7)
