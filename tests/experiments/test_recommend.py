"""The recommender experiment: what is held out, what is learned from, and whether a small graph is learned."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common.training import Trainer
from experiments.recommend import data, run
from experiments.recommend.config import PRESETS
from experiments.recommend.data import Choices, Pairs, hold_out
from experiments.recommend.drawing import draw, make_pool
from experiments.recommend.models import build, make_filter, two_steps
from experiments.recommend.task import make_task, ranker

RNG = np.random.default_rng(0)
USERS, ITEMS = 24, 31
TASTE = (np.arange(USERS)[:, None] % 3) == (np.arange(ITEMS)[None] % 3)
MATRIX = RNG.random((USERS, ITEMS)) < np.where(TASTE, 0.6, 0.05)
PAIRS = Pairs(*(x.astype(np.int32) for x in np.nonzero(MATRIX)))
SMALL = Choices(*hold_out(PAIRS, 0.3), "validation", USERS, ITEMS)
CONFIG = replace(PRESETS["smoke"], num_steps=40, batch_size=32, max_pairs=None, top=5, l2=1e-3, learning_rate=0.03)
RECALL = "validation_recall@5"


def test_a_share_of_each_users_pairs_is_held_out_and_no_user_loses_all():
    few = Pairs(np.append(PAIRS.users, [USERS]).astype(np.int32), np.append(PAIRS.items, [0]).astype(np.int32))
    train, held = hold_out(few, 0.9)
    learned, found = ({*zip(*pairs, strict=True)} for pairs in (train, held))
    assert learned | found == {*zip(*few, strict=True)} and not learned & found
    count = np.bincount(few.users)
    expected = np.minimum((0.9 * count + 0.5).astype(int), count - 1)
    np.testing.assert_array_equal(np.bincount(held.users, minlength=USERS + 1), expected)


def test_the_filter_is_two_products_of_the_normalised_matrix():
    train = np.zeros((USERS, ITEMS))
    train[SMALL.train.users, SMALL.train.items] = 1
    degrees = [np.maximum(train.sum(axis), 1) for axis in (1, 0)]
    normalised = train / np.sqrt(degrees[0][:, None] * degrees[1])
    users = np.array([3, 0, 7])
    found = jax.jit(two_steps)(users, make_filter(SMALL))
    np.testing.assert_allclose(found, (train @ normalised.T @ normalised)[users], rtol=1e-5, atol=1e-6)


def test_ranks_are_of_all_items_that_are_not_in_train():
    """Recall of a table of scores, against a loop."""
    table = RNG.normal(size=(USERS, ITEMS)).astype(np.float32)
    train, wanted = (
        {u: {int(i) for v, i in zip(*pairs, strict=True) if v == u} for u in range(USERS)}
        for pairs in (SMALL.train, SMALL.scored)
    )
    recalls = []
    for user in range(USERS):
        if wanted[user]:
            first = [i for i in np.argsort(-table[user]) if int(i) not in train[user]][:5]
            recalls.append(len(wanted[user] & {int(i) for i in first}) / len(wanted[user]))
    found = ranker(SMALL, CONFIG)(table_of, jnp.asarray(table))
    np.testing.assert_allclose(found[RECALL], np.mean(recalls), rtol=1e-6)


def table_of(users, table):
    return table[users]


def test_batches_are_functions_of_seed_and_step_and_hold_no_training_pair_as_a_negative():
    task = make_task(build("mf", CONFIG, USERS + ITEMS), CONFIG, SMALL)
    first, again, other = (task.batches(seed)(step)[0] for seed, step in ((0, 3), (0, 3), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    train = {*zip(*SMALL.train, strict=True)}
    for step in range(5):
        users, chosen, others = task.batches(0)(step)[0]
        assert {*zip(users, chosen - USERS, strict=True)} <= train
        assert not {*zip(users, others - USERS, strict=True)} & train


def test_the_device_draws_training_pairs_and_every_other_item_equally_often():
    size, train = 20_000, {*zip(*SMALL.train, strict=True)}
    users, chosen, others = np.asarray(
        jax.jit(draw, static_argnums=(2, 3, 4))(jax.random.key(0), make_pool(SMALL), size, USERS, ITEMS)
    )
    assert {*zip(users, chosen - USERS, strict=True)} == train
    drawn, count = np.unique(np.stack([users, others - USERS]), axis=1, return_counts=True)
    assert not {*zip(*drawn, strict=True)} & train
    pairs_of, free = np.bincount(SMALL.train.users, minlength=USERS), ITEMS - np.bincount(SMALL.train.users)
    expected = size * (pairs_of / pairs_of.sum() / free)[drawn[0]]
    assert drawn.shape[1] == free.sum() and (abs(count - expected) < 6 * np.sqrt(expected)).all()


def test_nobody_who_has_every_item_is_drawn_for():
    pairs = Pairs(np.zeros(3, np.int32), np.arange(3, dtype=np.int32))
    with pytest.raises(ValueError, match="every item"):
        make_pool(Choices(pairs, pairs, "test", 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lightgcn", "attention", "mf", "pinsage"])
def test_every_network_learns_the_taste_of_three_groups(name, tmp_path):
    config = replace(CONFIG, on_device=name == "mf")
    task = make_task(build(name, config, USERS + ITEMS), config, SMALL)
    before = task.score(task.init(jax.random.key(0)))[RECALL]
    params, metrics = Trainer(task).train(0, tmp_path, {}, resume=False)
    assert metrics[RECALL] > max(before, 0.35)  # 5 of about 25 items at random are a fifth
    assert task.score(params)[RECALL] == metrics[RECALL]


def test_a_step_needs_no_matrix_of_users_and_items():
    users, items = 3000, 5000
    pairs = Pairs(np.arange(6000, dtype=np.int32) % users, np.arange(6000, dtype=np.int32) % items)
    choices = Choices(pairs, pairs[:1], "validation", users, items)
    network = build("lightgcn", CONFIG, users + items)
    params = jax.eval_shape(network.init, jax.random.key(0))
    task = make_task(network, CONFIG, choices)
    batch = task.batches(0)(0)
    program = jax.jit(jax.grad(lambda p, b: task.loss(p, b, None)[0])).lower(params, batch).compile()
    edges, nodes = 2 * len(pairs.users), users + items
    assert program.memory_analysis().temp_size_in_bytes < 40 * CONFIG.model_dim * (edges + nodes) < users * items * 4


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lightgcn", "pinsage", "filter"])
def test_a_smoke_run_is_recorded(model, data_dir, tmp_path):
    root, file = data_dir("lastfm").parent, tmp_path / "result.json"
    argv = ["--preset", "smoke", "--model", model, "--data-dir", str(root), "--run-dir", str(tmp_path)]
    run.main([*argv, "--json", str(file)])
    record = json.loads(file.read_text())
    assert 0 <= record["metrics"]["validation_recall@20"]["mean"] <= 1
    assert record["config"]["scored"] == "validation"


def test_the_published_test_is_scored_where_it_is_and_nothing_of_it_is_learned(data_dir):
    choices = data.load("lastfm", data_dir=data_dir("lastfm").parent, holdout=False)
    assert choices.part == "test" and (len(choices.train.users), len(choices.scored.users)) == (42_135, 10_533)
    assert not {*zip(*choices.train, strict=True)} & {*zip(*choices.scored, strict=True)}


def test_mistakes_end_with_two_in_one_line(capsys, tmp_path, data_dir):
    root = str(data_dir("lastfm").parent)
    for argv, message in (
        (["--model", "lightgnc"], "attention"),
        (["--model", "filter", "--seeds", "2", "--data-dir", root, "--run-dir", str(tmp_path)], "learns nothing"),
    ):
        with pytest.raises(SystemExit) as stop:
            run.main(argv)
        assert stop.value.code == 2 and message in capsys.readouterr().err
