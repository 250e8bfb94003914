"""The experiment translate: pieces of words, graphs of sentences in rows, decoding, BLEU, and whole runs."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

pytest.importorskip("tokenizers")
pytest.importorskip("sacrebleu")

import tgnn
from experiments.common import cells, results
from experiments.common.training import newest, num_parameters, restore
from experiments.translate import data, figures, graphs, model, report, run, scoring, task
from experiments.translate.config import PRESETS, Config
from experiments.translate.toy import toy
from experiments.translate.vocabulary import END, START, UNKNOWN, Vocabulary
from tgnn.patterns.partition import spans

SMOKE = dataclasses.replace(PRESETS["smoke"], train_sentences=60, rows=2)
NAMES = list(graphs.GRAPHS)


@pytest.fixture(scope="module")
def corpus():
    return data.load(SMOKE, None)


@pytest.fixture(scope="module")
def params():
    return model.init(jax.random.key(3), SMOKE)


# -- texts ---------------------------------------------------------------------------------------------------------


def test_the_same_texts_give_the_same_pieces_and_these_their_words_again(corpus):
    texts = corpus.texts["train"]
    again = Vocabulary(texts.english + texts.german, SMOKE.vocab_size)
    assert again.tokenizer.to_str() == corpus.vocabulary.tokenizer.to_str()
    for sentence, ids in zip(texts.german, again.ids(texts.german), strict=True):
        assert again.sentence([*ids, END, 5]) == sentence


@pytest.mark.slow
def test_multi30k_fits_into_rows_and_no_piece_is_unknown(data_dir):
    config = PRESETS["quick"]
    corpus = data.load(config, data_dir("multi30k").parent)
    assert {split: len(part) for split, part in corpus.pairs.items()} == {
        "train": 29_000,
        "validation": 1014,
        "test": 1000,
    }
    for part in corpus.pairs.values():
        assert data.packing(part, config.slots).sizes.max() <= config.slots
        assert not any((side == UNKNOWN).any() for pair in part for side in pair)


def test_the_toy_language_says_the_verb_last():
    assert toy(3, 0) != toy(3, 1)
    english, german = (side[0].split() for side in dataclasses.astuple(toy(3, 0)))
    assert german[-2] in ("sieht", "hört", "findet", "mag") and len(english) == len(german)


def test_bleu_is_of_the_words_as_they_stand():
    assert scoring.bleu(["a b c d e", "x"], ["a b c d e", "x"]) == pytest.approx(100)
    assert 0 < scoring.bleu(["a b c d e f"], ["a b c d e g"]) < 100
    assert "tok:none" in scoring.signature() and "case:lc" in scoring.signature()


# -- graphs --------------------------------------------------------------------------------------------------------


def test_the_edges_of_a_sentence():
    def senders(name):
        return [np.flatnonzero(row[:6]).tolist() for row in graphs.edges(name, 6, SMOKE)[:6]]

    everybody = list(range(6))
    assert senders("complete") == [everybody] * 6
    assert senders("window")[0] == [0, 1, 2, 3] and senders("chain")[2] == [1, 2, 3] and senders("alone")[2] == [2]
    pieces = graphs.edges("partition", 6, SMOKE) | np.pad(graphs.edges("window", 6, SMOKE), (0, 6))
    np.testing.assert_array_equal(graphs.edges("union", 6, SMOKE), pieces)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [1, 13])
def test_every_token_sees_itself_and_spans_stand_in_their_middle(name, n):
    edges = graphs.edges(name, n, SMOKE)
    assert edges.shape in {(n, n), (len(spans(n)),) * 2} and edges[np.arange(n), np.arange(n)].all()
    places = graphs.places(n, len(edges))
    assert places[:n].tolist() == list(range(n)) and places.max() == n - 1
    assert len(edges) == n or places[-1] == (n - 1) // 2  # the root


def test_edges_per_token_are_those_of_a_corpus():
    assert graphs.edges_per_token("complete", np.array([2, 4]), SMOKE) == (4 + 16) / 6
    assert graphs.edges_per_token("alone", np.array([2, 4]), SMOKE) == 1


def test_all_graphs_see_the_same_sentences_in_the_same_slots(corpus):
    batches = [data.Batches(corpus.pairs["train"], name, SMOKE, seed=1)(7) for name in NAMES]
    for one in batches[1:]:
        np.testing.assert_array_equal(one.targets, batches[0].targets)
        np.testing.assert_array_equal(one.source[:, : SMOKE.slots], batches[0].source[:, : SMOKE.slots])


def test_a_row_is_a_disjoint_union_and_the_target_sees_no_spans(corpus):
    pairs = corpus.pairs["train"][:2]
    config = dataclasses.replace(SMOKE, slots=48)
    batch = data.lay_out(pairs, [[0, 1], []], 48, "union", config)
    n, m = (len(pair.source) for pair in pairs)
    assert batch.source.shape == (2, 96) and (batch.source_segments[0] >= 0).sum() == n + m
    assert (batch.source_segments[:, 48:] == -1).all() and (batch.source_positions[0, 48:] >= 0).any()
    one, two = (graphs.edges("union", k, config) for k in (n, m))
    assert batch.edges[0].sum() == one.sum() + two.sum() and not batch.edges[1].any()
    assert not batch.edges[0, :n, n : n + m].any() and (batch.edges[0, n : n + m, n : n + m] == two[:m, :m]).all()
    assert batch.given[0, 0] == START and batch.targets[0, len(pairs[0].target)] == END


def test_every_sentence_comes_once_in_batches_of_one_shape(corpus):
    found = list(data.in_turn(corpus.pairs["validation"], "chain", SMOKE))
    assert len({batch.edges.shape for batch in found}) == 1
    said = sum(int((batch.target_positions == 0).sum()) for batch in found)
    assert said == len(corpus.pairs["validation"])


# -- the model -----------------------------------------------------------------------------------------------------


def test_all_graphs_have_the_same_weights_and_one_table():
    whole = num_parameters(lambda rng: model.init(rng, SMOKE))
    assert whole == num_parameters(lambda rng: model.init_transformer(rng, SMOKE.model)) - 120 * 16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["complete", "union", "sinusoidal"])
def test_the_loss_of_a_packed_batch_is_that_of_its_sentences_one_by_one(name, corpus, params):
    pairs, variant = corpus.pairs["train"][:4], model.VARIANTS[name]
    config = dataclasses.replace(SMOKE, slots=64)
    loss = jax.jit(lambda batch: model.make_loss(config, variant)(params, batch, None)[0])
    together = loss(data.lay_out(pairs, [[0, 1], [2], [3], []], 64, variant.graph, config))
    alone = [loss(data.lay_out(pairs, [[i], [], [], []], 64, variant.graph, config)) for i in range(4)]
    count = [len(pair.target) + 1 for pair in pairs]
    np.testing.assert_allclose(together, np.average(alone, weights=count), rtol=1e-5)


@pytest.mark.slow
def test_a_matrix_of_all_pairs_is_the_complete_graph(corpus, params):
    batch = data.lay_out(corpus.pairs["train"], [[0]], SMOKE.slots, "complete", SMOKE)
    row, n = data.Batch(*(part[0] for part in batch)), len(corpus.pairs["train"][0].source)
    shared, source = model.shared(params), corpus.pairs["train"][0].source
    ours = model.encode_source(shared, tgnn.Dense(row.edges), row.source, encoding=None)
    theirs = model.encode_source(shared, tgnn.Complete(n), source, encoding=None)
    np.testing.assert_allclose(ours[:n], theirs, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["partition", "sinusoidal"])
def test_decoding_repeats_the_most_probable_pieces_of_the_whole_model(name, corpus, params):
    variant, source = model.VARIANTS[name], corpus.pairs["test"][0].source
    batch = task.alone([source], variant.graph, SMOKE)
    options = {"variant": variant, "max_length": 11, "length_penalty": 1.0}
    tokens = np.asarray(model.decode(params, batch, beam_size=1, **options))[0]
    said = tokens[: list(tokens).index(END) if END in tokens else 10]
    batch = data.lay_out([data.Pair(source, said)], [[0]], SMOKE.slots, variant.graph, SMOKE)
    expected = model.row_logits(params, data.Batch(*(part[0] for part in batch)), variant).argmax(-1)
    np.testing.assert_array_equal(tokens[: len(said) + 1], expected[: len(said) + 1])


@pytest.mark.slow
def test_sentences_are_translated_in_the_order_in_which_they_were_asked(corpus, params):
    sources = [pair.source for pair in corpus.pairs["test"][:5]]
    options = {"name": "chain", "config": SMOKE, "vocabulary": corpus.vocabulary, "batch_size": 2}
    together = task.say(params, sources, **options)
    assert together == task.say(params, sources[::-1], **options)[::-1]
    with pytest.raises(ValueError, match="has 30 pieces but the model reads 24 at most; cut it in two"):
        task.say(params, [np.zeros(30, np.int32)], **options)


@pytest.mark.slow
def test_cross_attention_is_shared_out_over_the_source(corpus, params):
    pair = corpus.pairs["test"][0]
    weights = figures.cross_attention(params, pair, "union", SMOKE)
    assert weights.shape == (1, 2, len(pair.target) + 1, len(pair.source))
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)


# -- what is reported ----------------------------------------------------------------------------------------------


def test_differences_are_taken_seed_by_seed(tmp_path):
    names = ("validation_nats", "test_bleu_beam")
    metrics = {f"complete/{name}": [30.0, 32.0] for name in names} | {f"chain/{name}": [29.0, 31.5] for name in names}
    header, line = report.gains(metrics)
    assert line[:2] == ["chain", "-0.750 ± 0.35"] and len(header) == len(line)
    assert report.draw(metrics, tmp_path / "figure.png").stat().st_size > 0
    assert report.gains({"chain/validation_nats": [1.0]}) == [header]


def test_the_readme_holds_what_was_measured():
    folder = Path(results.__file__).parents[1] / "translate"
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text == cells.written(text, "translate"), "run: python -m experiments.common.cells translate"
    assert scoring.signature().rpartition("|")[0] in text
    for path in (folder / "results").glob("*.json"):
        assert path.stat().st_size < 150_000 and '"/' not in path.read_text(encoding="utf-8")


# -- whole runs ----------------------------------------------------------------------------------------------------

ARGUMENTS = ["--preset", "smoke", "--graph", "union", "sinusoidal", "--config.test-sentences", "6"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a finished smoke run."""
    folder = tmp_path_factory.mktemp("translate")
    run.main([*ARGUMENTS, "--run-dir", str(folder)])
    return folder


@pytest.mark.slow
def test_a_run_leaves_results_figures_and_a_model(trained, capsys):
    record = json.loads((trained / "smoke-test_sentences=6.json").read_text())
    assert {"union/test_bleu_beam", "sinusoidal/validation_nats"} <= set(record["metrics"])
    for name in ("learning.png", "alignment.png", "metrics.jsonl", "config.json"):
        assert (trained / "union" / "smoke-test_sentences=6-seed0" / name).stat().st_size > 100
    run.main(["--translate", "a red dog sees a cat .", "--run-dir", str(trained)])
    assert capsys.readouterr().out.strip()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(trained, tmp_path, monkeypatch):
    whole = data.Batches.__call__

    def killed(self, step):
        if step == 13 and self.graph == "complete":  # in the second cell
            raise KeyboardInterrupt
        return whole(self, step)

    arguments = [*ARGUMENTS, "--run-dir", str(tmp_path)]
    monkeypatch.setattr(data.Batches, "__call__", killed)
    with pytest.raises(SystemExit) as stop:
        run.main(arguments)
    assert stop.value.code == 130
    monkeypatch.setattr(data.Batches, "__call__", whole)
    run.main([*arguments, "--resume"])
    folder, about = newest(tmp_path, "*/*")
    assert about.pop("graph") == "sinusoidal"
    parts = (lambda rng: model.init(rng, Config(**about))), task.optimizer(Config(**about))
    resumed, uninterrupted = (restore(each, *parts) for each in (folder, newest(trained, "*/*")[0]))
    jax.tree.map(np.testing.assert_array_equal, resumed, uninterrupted)


def test_an_unknown_graph_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--preset", "smoke", "--graph", "star", "--run-dir", str(tmp_path)])
    assert stop.value.code == 2
    assert "--graph star: there is no such graph; choose of complete, window" in capsys.readouterr().err


def test_translating_without_a_model_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--translate", "a dog", "--run-dir", str(tmp_path)])
    assert stop.value.code == 2
    assert "holds no trained model" in capsys.readouterr().err
