import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tgnn.train import checkpoint, losses, schedules
from tgnn.train.metrics_log import MetricsLog, read_metrics
from tgnn.training import batch_indices, fit, init_state, make_optimizer, make_step

N, DIM, CLASSES = 13, 5, 3
DATA = np.random.default_rng(0)
X = DATA.normal(size=(N, DIM)).astype(np.float32)
LABELS = DATA.integers(0, CLASSES, N)


def init_params(seed=0):
    first, second = jax.random.split(jax.random.key(seed))
    return {"hidden": jax.random.normal(first, (DIM, 17)), "out": jax.random.normal(second, (17, CLASSES))}


def loss_fn(params, batch, rng):
    x, labels = batch
    hidden = jnp.tanh(x @ params["hidden"])
    keep = jax.random.bernoulli(rng, 0.8, hidden.shape)
    logits = jnp.where(keep, hidden / 0.8, 0) @ params["out"]
    return losses.cross_entropy(logits, labels), {"accuracy": losses.accuracy(logits, labels)}


def batch_at(step):
    indices = batch_indices(step, N, 4, seed=3)
    return X[indices], LABELS[indices]


OPTIMIZER = make_optimizer(schedules.warmup_cosine(1e-2, 4, 20), weight_decay=0.01)
STEP = make_step(loss_fn, OPTIMIZER)


def new_state(optimizer=OPTIMIZER):
    return init_state(jax.random.key(7), init_params(), optimizer)


def assert_same_state(got, expected):
    unwrap = lambda state: state._replace(rng=jax.random.key_data(state.rng))  # noqa: E731
    chex.assert_trees_all_equal(unwrap(got), unwrap(expected))


def assert_other_weights(got, other):
    assert not np.array_equal(got.params["out"], other.params["out"])


def test_a_resumed_run_equals_the_straight_run_bit_by_bit(tmp_path):
    straight = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path / "a", log_every=2)
    half = fit(new_state(), STEP, batch_at, num_steps=10, run_dir=tmp_path / "b", log_every=2)
    assert_other_weights(half, straight)
    resumed = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path / "b", log_every=2, resume=True)
    assert_same_state(resumed, straight)
    assert int(resumed.step) == 20
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in "ab"]
    without_time = [[{k: v for k, v in record.items() if k != "seconds"} for record in run] for run in lines]
    assert without_time[0] == without_time[1]
    assert [record["step"] for record in lines[1]] == list(range(2, 21, 2))
    assert all(b["seconds"] >= a["seconds"] for a, b in zip(lines[1], lines[1][1:], strict=False))


def test_a_run_killed_between_checkpoints_with_a_damaged_last_one_resumes_bit_by_bit(tmp_path):
    straight = fit(new_state(), STEP, batch_at, num_steps=20, quiet=True)

    def killed_at(step):
        if step == 15:
            raise KeyboardInterrupt
        return batch_at(step)

    with pytest.raises(KeyboardInterrupt):
        fit(new_state(), STEP, killed_at, num_steps=20, run_dir=tmp_path, save_every=6, log_every=1)
    metrics, saves = tmp_path / "metrics.jsonl", tmp_path / "checkpoints"
    with metrics.open("a") as file:
        file.write('{"step": 16, "lo')
    (saves / "12" / "manifest.json").unlink()
    resumed = fit(new_state(), STEP, batch_at, num_steps=20, run_dir=tmp_path, save_every=6, log_every=1, resume=True)
    assert_same_state(resumed, straight)
    assert [record["step"] for record in read_metrics(metrics)] == list(range(1, 21))
    assert checkpoint.latest_step(saves) == 20


def test_a_checkpoint_named_n_holds_n_updates(tmp_path):
    fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path, save_every=2)
    state = new_state()
    for step in range(2):
        state, _ = STEP(state, batch_at(step))
    assert_same_state(checkpoint.restore(tmp_path / "checkpoints", new_state(), step=2)[0], state)


def test_a_finished_run_resumes_to_itself_and_a_new_one_does_not_overwrite_it(tmp_path):
    done = fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path)
    again = fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path, resume=True)
    assert_same_state(again, done)
    with pytest.raises(ValueError, match="holds a run at step 3; pass resume=True"):
        fit(new_state(), STEP, batch_at, num_steps=3, run_dir=tmp_path)


def test_one_batch_is_learnt_by_heart():
    optimizer = make_optimizer(3e-2)
    step = make_step(lambda params, batch, rng: loss_fn(params, batch, jax.random.key(0)), optimizer)
    state = fit(new_state(optimizer), step, lambda _: (X[:7], LABELS[:7]), num_steps=150)
    _, metrics = step(state, (X[:7], LABELS[:7]))
    assert metrics["accuracy"] == 1 and metrics["loss"] < 0.02


@pytest.mark.nans
def test_batches_with_a_gradient_that_is_not_finite_are_skipped_for_ever_and_counted():
    optimizer = optax.sgd(0.1)
    step = make_step(lambda params, batch, rng: (jnp.mean(batch[0] @ params["hidden"]), {}), optimizer)
    state = init_state(jax.random.key(0), init_params(), optimizer)
    for count, poison in enumerate([np.nan, np.inf, -np.inf] * 3, start=1):  # longer than any patience
        x, labels = batch_at(count)
        x[1, 2] = poison
        state, metrics = step(state, (x, labels))
        assert metrics["skipped"] == count
    chex.assert_trees_all_equal(state.params, init_params())
    assert int(state.step) == 9
    state, metrics = step(state, batch_at(0))
    assert metrics["skipped"] == 9
    assert not np.array_equal(state.params["hidden"], init_params()["hidden"])


@pytest.mark.nans
def test_a_loss_that_is_not_finite_changes_neither_weights_nor_moments():
    # a constant NaN added to the loss leaves its gradient finite
    step = make_step(lambda params, batch, rng: (params["out"].sum() + jnp.nan, {}), OPTIMIZER)
    state = new_state()
    before = jax.tree.map(np.array, (state.params, state.opt_state))
    state, _ = step(state, batch_at(0))
    chex.assert_trees_all_equal((state.params, state.opt_state), before)
    assert int(state.skipped) == 1 and int(state.step) == 1


def test_a_batch_without_live_labels_changes_no_weight_of_plain_gradient_descent():
    optimizer = optax.sgd(1.0)
    state, metrics = make_step(loss_fn, optimizer)(new_state(optimizer), (X[:4], np.full(4, -1)))
    assert metrics["loss"] == 0 and metrics["gradient_norm"] == 0 and metrics["skipped"] == 0
    chex.assert_trees_all_equal(state.params, init_params())


def test_rng_differs_in_every_step_and_repeats_in_a_second_run():
    optimizer = optax.sgd(0.0)
    step = make_step(lambda params, batch, rng: (params["hidden"].sum(), {"draw": jax.random.bits(rng)}), optimizer)

    def draws():
        state, values = new_state(optimizer), []
        for _ in range(5):
            state, metrics = step(state, None)
            values.append(int(metrics["draw"]))
        return values

    assert len(set(draws())) == 5
    assert draws() == draws()


@pytest.mark.nans  # JAX_DEBUG_NANS switches donation off, to be able to run a step again
def test_the_state_is_donated_and_the_callers_own_arrays_survive():
    params, rng = init_params(), jax.random.key(7)
    state = init_state(rng, params, OPTIMIZER)
    new, _ = STEP(state, batch_at(0))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((state.params, state.opt_state, state.step)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, rng, new)))
    chex.assert_trees_all_equal(params, init_params())
    jax.random.bits(rng)


def test_the_step_is_traced_once():
    step = make_step(chex.assert_max_traces(loss_fn, n=1), OPTIMIZER)
    chex.clear_trace_counter()
    fit(new_state(), step, batch_at, num_steps=5)


def test_gradient_norm_is_reported_before_clipping_and_wide():
    optimizer = make_optimizer(1.0, clip_norm=0.5, b1=0.0, b2=0.0, eps=1e8)  # eps makes Adam a scaled plain step
    slope = jnp.array([3.0, 4.0])
    step = make_step(lambda params, batch, rng: (params @ slope, {}), optimizer)
    state, metrics = step(init_state(jax.random.key(0), jnp.zeros(2), optimizer), None)
    assert metrics["gradient_norm"] == 5
    np.testing.assert_allclose(state.params * 1e8, -slope / 10, rtol=1e-5)
    optimizer = make_optimizer(1.0, clip_norm=None)
    step = make_step(lambda params, batch, rng: (params.sum(), {}), optimizer)
    _, metrics = step(init_state(jax.random.key(0), jnp.zeros(2**18, jnp.bfloat16), optimizer), None)
    assert metrics["gradient_norm"] == 512 and metrics["gradient_norm"].dtype == jnp.float32


def test_weight_decay_obeys_its_mask():
    optimizer = make_optimizer(0.1, weight_decay=0.5, decay_mask=lambda params: {"kernel": True, "bias": False})
    params = {"kernel": jnp.ones(3), "bias": jnp.ones(3)}
    step = make_step(lambda params, batch, rng: (0.0 * params["kernel"].sum(), {}), optimizer)
    state, _ = step(init_state(jax.random.key(0), params, optimizer), None)
    np.testing.assert_allclose(state.params["kernel"], 0.95, rtol=1e-6)
    np.testing.assert_array_equal(state.params["bias"], 1)


def test_evaluation_runs_every_k_steps_and_at_the_end(tmp_path):
    seen = []

    def evaluate(state):
        seen.append(int(state.step))
        return {"validation_accuracy": jnp.float32(0.5), "per_class": np.array([0.5, np.nan])}

    fit(new_state(), STEP, batch_at, num_steps=8, evaluate=evaluate, evaluate_every=3, log_every=4, run_dir=tmp_path)
    assert seen == [3, 6, 8]
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record["step"] for record in records] == [3, 4, 6, 8]
    assert ["validation_accuracy" in record for record in records] == [True, False, True, True]
    assert records[0]["per_class"] == [0.5, None] and "loss" in records[0]


def test_nothing_is_printed_where_the_output_is_not_a_terminal(capsys):
    fit(new_state(), STEP, batch_at, num_steps=2)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_bar_unless_quiet(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    fit(new_state(), STEP, batch_at, num_steps=2, quiet=True)
    assert capsys.readouterr().err == ""
    fit(new_state(), STEP, batch_at, num_steps=2)
    assert "training" in capsys.readouterr().err


def test_metrics_are_strict_json_and_a_bad_line_is_a_clear_error(tmp_path):
    path = tmp_path / "new" / "metrics.jsonl"
    with MetricsLog(path, 0) as log:
        log.write(1, {"loss": jnp.nan, "count": np.int32(3), "half": jnp.bfloat16(0.5), "name": "x"})
    record = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert (record["loss"], record["count"], record["half"], record["name"]) == (None, 3, 0.5, "x")
    path.write_text("not a record\n")
    with pytest.raises(ValueError, match="line 1 is not a record"):
        MetricsLog(path, 0)


def test_an_epoch_sees_every_example_once_and_epochs_differ():
    epochs = [
        np.concatenate([batch_indices(step, 12, 3, seed=0) for step in range(e * 4, e * 4 + 4)]) for e in range(3)
    ]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(12))
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    assert not np.array_equal(batch_indices(0, 12, 3, seed=0), batch_indices(0, 12, 3, seed=1))
    np.testing.assert_array_equal(batch_indices(9, 13, 4, seed=5), batch_indices(9, 13, 4, seed=5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_state(0, init_params(), OPTIMIZER), "rng must be a typed key"),
        (lambda: init_state(jax.random.PRNGKey(0), init_params(), OPTIMIZER), "rng must be a typed key"),
        (lambda: make_optimizer(0.1, clip_norm=0.0), "clip_norm"),
        (lambda: make_optimizer(0.1, weight_decay=-1.0), "weight_decay"),
        (lambda: batch_indices(0, 3, 4, seed=0), "batch_size"),
        (lambda: fit(new_state(), STEP, batch_at, num_steps=1, log_every=-1), "log_every"),
        (lambda: fit(new_state(), STEP, batch_at, num_steps=1, resume=True), "resume needs run_dir"),
    ],
)
def test_bad_arguments_are_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
