"""The experiment deception: the lexicon, rows of sentences, the mass, and whole runs."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.deception import data, run
from experiments.deception.config import PRESETS
from experiments.deception.model import classify, init

CONFIG = PRESETS["smoke"]
EXAMPLES = [data.Example(np.array([*range(2, 2 + n), data.END], np.int32), n % 2) for n in (1, 3, 40, 30, 5)]


def test_telling_words_are_those_that_only_one_class_has():
    texts = ["a good film", "a good day", "a bad film", "a bad day", "a good one", "a bad one"]
    train = [data.Sentence(tuple(text.split()), int("good" in text)) for text in texts]
    assert data.telling(train, min_count=2, least_odds=2.0) == ["bad", "good"]
    assert data.telling(train, min_count=4, least_odds=1.0) == ["a"]


def test_rows_hold_every_sentence_once():
    batch = data.bins(CONFIG).in_turn(EXAMPLES)[0]
    assert sorted(batch.labels[batch.labels >= 0].tolist()) == sorted(x.label for x in EXAMPLES)
    for row, segment in zip(*np.nonzero(batch.labels >= 0), strict=True):
        tokens = batch.tokens[row][batch.segments[row] == segment]
        assert any(np.array_equal(tokens, x.tokens) and x.label == batch.labels[row, segment] for x in EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["words", "transformer"])
def test_a_sentence_says_in_a_row_what_it_says_alone(name):
    params = init(jax.random.key(0), name, CONFIG, 50)
    lexicon = jnp.arange(50) % 2 == 0
    tokens = jnp.concatenate([x.tokens for x in EXAMPLES[:2]])
    both = classify(params, CONFIG, lexicon, tokens, jnp.array([0] * 2 + [1] * 4), 2, None)
    alone = classify(params, CONFIG, lexicon, tokens[2:], jnp.zeros(4, int), 1, None)
    np.testing.assert_allclose(both.logits[1], alone.logits[0], atol=1e-5)
    np.testing.assert_allclose(both.mass[1], alone.mass[0], atol=1e-6)
    every = classify(params, CONFIG, jnp.ones(50, bool), tokens[2:], jnp.zeros(4, int), 1, None)
    np.testing.assert_allclose(every.mass, 1, rtol=1e-6)


@pytest.mark.slow
def test_deception_runs(data_dir, tmp_path):
    data_dir("sst_trees")
    arguments = ["--preset", "smoke", "--model", "words", "--seeds", "1", "--run-dir", str(tmp_path)]
    run.main(arguments)
    record = json.loads((tmp_path / "smoke-words.json").read_text())
    metrics = {name: summary["mean"] for name, summary in record["metrics"].items()}
    assert 0 < metrics["mass_penalty_1"] < 1 and 0 <= metrics["accuracy_removed"] <= 1
    run.main([*arguments, "--resume"])
    again = json.loads((tmp_path / "smoke-words.json").read_text())
    assert again["metrics"] == record["metrics"]
