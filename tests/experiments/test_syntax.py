"""The experiment syntax: heads and trees by hand, edges of equal number, and a whole run of a small network."""

import json

import numpy as np
import pytest

import tgnn
from experiments.syntax import edges, reading, run, scores
from experiments.syntax.data import Text, batches
from tests.support.checkpoints import BERT, write_checkpoint
from tgnn.analysis import spanning_tree
from tgnn.datasets import ud_ewt
from tgnn.datasets.ud_ewt import parse_conllu

ROWS = [
    ("The", "DET", 2, "det"),
    ("cats", "NOUN", 4, "nsubj:pass"),
    (",", "PUNCT", 2, "punct"),
    ("slept", "VERB", 0, "root"),
    ("here", "ADV", 4, "advmod"),
]
CONLLU = "".join(f"{i}\t{w}\t_\t{t}\t_\t_\t{h}\t{r}\t_\t_\n" for i, (w, t, h, r) in enumerate(ROWS, 1)) + "\n"
SENTENCE = parse_conllu("text", CONLLU)[0]
TEXT = Text(SENTENCE, np.arange(8, dtype=np.int32), np.array([-1, 0, 1, 1, 2, 3, 4, -1]))
NAMES = ["advmod", "det", "nsubj"]


def test_trees_of_many_matrices_are_those_of_scipy():
    weights = np.random.default_rng(0).random((3, 7, 7)).astype(np.float32)
    for matrix, parents in zip(weights, scores.spanning_trees(weights), strict=True):
        found = sorted(sorted((i, int(parent))) for i, parent in enumerate(parents) if parent >= 0)
        assert found == spanning_tree(tgnn.Complete(7), matrix).tolist()
    assert scores.spanning_trees(np.ones((2, 1, 1))).tolist() == [[-1], [-1]]


def test_a_head_that_attends_to_heads_is_right_and_one_that_is_attended_to_the_other_way():
    to_head = np.zeros((5, 5), np.float32)
    for word, head in enumerate(SENTENCE.heads):
        to_head[word, head] = 0.5
    to_head += 2 * np.eye(5)  # attention to the word itself does not count
    stack = np.stack([to_head, to_head.T])[None]  # one layer of two heads
    counts = scores.count_one(reading.Read(TEXT, stack, to_head, None), NAMES)
    assert counts.total.tolist() == [1, 1, 1]
    assert counts.relations[0, 0, 0].tolist() == [1, 1, 1] == counts.relations[1, 0, 1].tolist()
    assert counts.edges == 3 and counts.trees.tolist() == [3] * 5  # heads, their mean by layer and in all, rollout


def test_offsets_and_the_chain():
    found = scores.count_offsets([TEXT], NAMES, np.array([-1, 1, 2, 10]))
    assert found.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert scores.chain([TEXT]) == 1  # without the comma the sentence is a chain


def test_the_tree_of_tokens_hangs_parts_on_words_and_ends_on_the_root():
    assert edges.parents(TEXT).tolist() == [5, 2, 5, 2, 2, -1, 5, 5]


def test_graphs_have_equally_many_edges():
    rng = np.random.default_rng(0)
    count = {graph: int(edges.edges_of(TEXT, graph, rng).sum()) for graph in edges.GRAPHS}
    assert count["tree"] == count["random_tree"] == count["chain"] == count["star"] == 3 * 8 - 2
    assert count["window"] == 3 * 8 - 3 and count["loops"] == 8
    assert all(edges.edges_of(TEXT, graph, rng)[0].all() for graph in edges.GRAPHS if graph.endswith(edges.ENDS))


def test_batches_hold_every_text_once_beside_rows_that_are_empty():
    parts = list(batches([TEXT, TEXT._replace(ids=np.arange(20, dtype=np.int32)), TEXT], 2))
    assert [(len(batch.texts), batch.ids.shape) for batch in parts] == [(2, (2, 16)), (1, (2, 32))]
    assert parts[1].mask.sum(1).tolist() == [20, 1]


@pytest.fixture
def network(tmp_path):
    """A small BERT with random weights, and words as tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[CLS]", "[SEP]", "[UNK]", *(row[0] for row in ROWS)]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 1), ("[CLS]", 0))
    write_checkpoint(tmp_path / "bert", BERT)
    tokenizer.save(str(tmp_path / "bert" / "tokenizer.json"))
    return tmp_path / "bert"


@pytest.mark.slow
def test_syntax_runs(network, tmp_path, monkeypatch):
    monkeypatch.setattr(ud_ewt, "load", lambda split, data_dir: [SENTENCE] * 5)
    arguments = ["--preset", "smoke", "--seeds", "2", "--network", str(network)]
    run.main([*arguments, "--run-dir", str(tmp_path / "runs")])
    metrics = json.loads((tmp_path / "runs" / "smoke.json").read_text())["metrics"]
    assert metrics["uuas_chain"]["mean"] == 1 and len(metrics["uuas_untrained_best_head"]["values"]) == 2
    assert -1 <= metrics["tree_all_cosine"]["mean"] <= 1 and "obj_head" not in metrics
    for name in ("relations", "trees", "edges"):
        assert (tmp_path / "runs" / f"{name}.png").stat().st_size > 1000


def test_a_network_that_is_missing_is_a_mistake(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run.main(["--preset", "smoke", "--network", "no-such-package-at-all", "--run-dir", str(tmp_path)])
    assert "no-such-package-at-all" in capsys.readouterr().err
