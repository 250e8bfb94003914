"""The Sparse Transformer is its dense form, with a graph for each part of the heads."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tests.support.sequence_models import CONFIG, ONE, SIZES, close, dense_stack, outcomes, scaled_product, tokens_of
from tgnn import patterns
from tgnn.graphs import Causal
from tgnn.models.sequences.sparse_transformer import init_sparse_transformer, sparse_transformer
from tgnn.nn.block import transformer_block
from tgnn.nn.positions import rotary, sinusoidal
from tgnn.nn.transformer import language_model


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["strided", "fixed", "merged"])
def test_sparse_transformer_is_its_dense_form(kind, n):
    params, tokens = filled(init_sparse_transformer, ONE), tokens_of(n)
    graphs = {"strided": patterns.strided_parts, "fixed": patterns.fixed_parts}
    graphs["merged"] = lambda n, stride: (patterns.strided(n, stride),)
    layouts = graphs[kind](n, 4)
    masks = np.stack([layout.adjacency() for layout in layouts], axis=-1)  # a head, or both, on each graph

    def exponentials(part, query, rows):
        return jnp.where(masks, jnp.exp(scaled_product(part, query, rows)), 0)

    mine = partial(sparse_transformer, graphs=layouts, tokens=tokens)
    close(*outcomes(params, mine, lambda p: dense_stack(p, tokens, exponentials, sinusoidal)))


def test_heads_must_be_divided_evenly():
    params = filled(init_sparse_transformer, CONFIG)
    with pytest.raises(ValueError, match="2 and 2 heads for 3 graphs"):
        sparse_transformer(params, (Causal(3),) * 3, tokens_of(3))


@pytest.mark.slow
def test_rotations_are_those_of_the_transformer():
    params, tokens, past = filled(init_sparse_transformer, CONFIG), tokens_of(9), Causal(9)
    mine = partial(sparse_transformer, graphs=(past, past), tokens=tokens, encoding=None, rotate=rotary)
    block = partial(transformer_block, rotate=rotary)
    close(*outcomes(params, mine, lambda p: language_model(p, past, tokens, encoding=None, block=block)))
