"""Weights that are asked for are those of the matrices, on every layout, and make no matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.checkpoints import BERT, LLAMA, write_checkpoint
from tgnn import pretrained

IDS = np.array([[2, 7, 1, 8, 28, 1, 8], [5, 3, 9, 4, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0]])
MASK = np.arange(7)[None] < np.array([7, 4, 1])[:, None]
N, K = 7, 40
RNG = np.random.default_rng(0)
PAIRS = [np.unique(RNG.integers(0, N, (2, 30)), axis=1) for _ in range(3)]
ASKED = {
    "layers": RNG.integers(0, 2, K),
    "heads": RNG.integers(0, 3, K),
    "receivers": RNG.integers(0, N, (3, K)),
    "senders": RNG.integers(0, N, (3, K)),
}
EDGES = [tgnn.EdgeList.from_edges(*pairs, n_receivers=N, pad_to=32) for pairs in PAIRS]
LAYOUTS = {
    "own": None,
    "edges": EDGES[0],
    "window": {0: tgnn.Window(N, 1, 1)},
    "blocks": tgnn.Blocks.from_edges(*PAIRS[0], n_receivers=N, block=4),
    "stack": tgnn.stack(EDGES),
    "heads": {(0, 1): EDGES[2], 1: EDGES[1], (1, 0): tgnn.Window(N, 2, 0)},
    "neighbors": [tgnn.Neighbors.from_edges(*PAIRS[1], n_receivers=N), None],
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    write_checkpoint(folder, BERT)
    return pretrained.load(folder)


def check(params, model, layout, mask):
    given = {"mask": mask, "layout": layout}
    every = pretrained.attention(params, model, IDS, layer=None, **given)  # [layers, batch, heads, n, n]
    one = pretrained.attention(params, model, IDS, layer=1, head=2, **given)
    np.testing.assert_allclose(every[1, :, 2], one, atol=1e-6)
    found = pretrained.attention_at(params, model, IDS, **ASKED, **given)
    for text in range(3):
        expected = every[ASKED["layers"], text, ASKED["heads"], ASKED["receivers"][text], ASKED["senders"][text]]
        np.testing.assert_allclose(found[text], expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_chosen_weights_are_those_of_the_matrices(bert, name):
    check(*bert, LAYOUTS[name], MASK)


@pytest.mark.slow
def test_chosen_weights_of_a_decoder_with_rotary_positions(tmp_path):
    write_checkpoint(
        tmp_path, LLAMA | {"num_attention_heads": 3, "num_key_value_heads": 1, "tie_word_embeddings": True}
    )
    check(*pretrained.load(tmp_path), None, None)


@pytest.mark.slow
def test_one_number_stands_for_all_and_what_is_no_edge_has_no_weight(bert):
    senders = np.array([0, 1, -1, 7], np.int8)
    found = pretrained.attention_at(*bert, IDS[:1], layers=1, heads=0, receivers=3, senders=senders)
    expected = pretrained.attention(*bert, IDS[:1], layer=1)[0, 0, 3]
    np.testing.assert_allclose(found[0], [*expected[:2], 0, 0], atol=1e-6)
    assert pretrained.attention_at(*bert, IDS, layers=[], heads=[], receivers=[], senders=[]).shape == (3, 0)


@pytest.mark.slow
def test_some_edges_of_a_long_text_make_no_matrix(tmp_path):
    n = 2048
    write_checkpoint(tmp_path, BERT | {"max_position_embeddings": n})
    params, model = pretrained.load(tmp_path)
    asked = {"layers": 1, "heads": [0, 1], "receivers": [5, 9], "senders": [9, 0]}

    def temporaries(function):
        return jax.jit(function).lower(jnp.zeros((1, n), int)).compile().memory_analysis().temp_size_in_bytes

    some = temporaries(lambda ids: pretrained.attention_at(params, model, ids, **asked))
    assert some < 4 * n * n < temporaries(lambda ids: pretrained.attention(params, model, ids, layer=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": 2}, "layers is 2 but there are 2"),
        ({"layers": -1}, "layers must be an integer of at least 0"),
        ({"heads": [0, 1, 2]}, r"layers, heads, receivers and senders have shapes"),
        ({"senders": np.zeros((2, 2), int)}, r"expected \[k\], or \[3, k\]"),
        ({"receivers": [0.5, 1.0]}, "receivers must be integers"),
    ],
)
def test_bad_places_are_refused(bert, change, message):
    given = {"layers": 0, "heads": 0, "receivers": [0, 1], "senders": [0, 1]} | change
    with pytest.raises(ValueError, match=message):
        pretrained.attention_at(*bert, IDS, **given)
