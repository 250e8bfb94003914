"""Shapes, sizes and arguments of the models of sequences; dropout; memory."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tests.support.sequence_models import (
    CONFIG,
    KEY,
    ONE,
    VOCAB,
    tokens_of,
)
from tgnn.graphs import Causal, Complete
from tgnn.models.recurrent.seq2seq import init_seq2seq, seq2seq
from tgnn.models.sequences.adaptive_span import adaptive_span, init_adaptive_span
from tgnn.models.sequences.bp_transformer import bp_transformer, init_bp_transformer, partition
from tgnn.models.sequences.compressive_transformer import (
    compressive_transformer,
    init_compressive_transformer,
    init_compressive_transformer_state,
)
from tgnn.models.sequences.light_conv import init_light_conv, light_conv
from tgnn.models.sequences.memory_network import init_memory_network, memory_network
from tgnn.models.sequences.reformer import Hashing, init_reformer, reformer
from tgnn.models.sequences.sparse_transformer import sparse_transformer
from tgnn.models.sequences.transformer_xl import init_transformer_xl, init_transformer_xl_state, transformer_xl
from tgnn.models.sequences.universal_transformer import init_universal_transformer, universal_transformer
from tgnn.nn.transformer import init_language_model, language_model


@pytest.fixture(scope="module")
def xl_params():
    return filled(init_transformer_xl, CONFIG, position_dim=6)


@pytest.fixture(scope="module")
def compressive_params():
    return filled(init_compressive_transformer, CONFIG, rate=2, position_dim=6)


def make_reformer(**kwargs):
    return init_reformer(jax.random.key(1), CONFIG, **kwargs)


BP_PARAMS = partial(init_bp_transformer, jax.random.key(2), CONFIG, max_length=32, k=2)


def test_more_tokens_than_learned_positions_are_refused_under_jit():
    params = init_language_model(KEY, replace(ONE, max_length=4))
    run = jax.jit(language_model)
    with pytest.raises(ValueError, match="tokens has 6 rows, but params have learned positions for 4"):
        run(params, Causal(6), tokens_of(6))
    packed = jax.eval_shape(run, params, Causal(6), tokens_of(6), positions=jnp.arange(6) % 3)
    assert packed.shape == (6, VOCAB)


def on_tokens(xl_params, compressive_params):
    """Models as functions of tokens `[4]`, by name."""
    plain, rnn = init_language_model(KEY, ONE), init_seq2seq(KEY, VOCAB, VOCAB, 6)
    universal, tree = init_universal_transformer(KEY, ONE), partition([4])
    bp, hops = init_bp_transformer(KEY, ONE, max_length=4), init_memory_network(KEY, VOCAB, 8)
    return {
        "language model": lambda x: language_model(plain, Causal(4), x),
        "universal": lambda x: universal_transformer(universal, Causal(4), x, num_steps=2),
        "xl": lambda x: transformer_xl(xl_params, x, init_transformer_xl_state(xl_params, 2)),
        "compressive": lambda x: compressive_transformer(
            compressive_params, x, init_compressive_transformer_state(compressive_params, 4, 2)
        ),
        "bp": lambda x: bp_transformer(bp, tree, x),
        "source": lambda x: seq2seq(rnn, x, tokens_of(3)),
        "target": lambda x: seq2seq(rnn, tokens_of(3), x),
        "memory": lambda x: memory_network(hops, Complete(4), x if x.ndim else x[None]),  # which wants [n, words]
    }


@pytest.mark.slow
def test_tokens_of_another_shape_are_refused(xl_params, compressive_params):
    for name, model in on_tokens(xl_params, compressive_params).items():
        for shape in ((), (2, 4), (4, 4)) if name != "memory" else ((), (4,), (4, 1, 1)):
            with pytest.raises(ValueError, match=r"must have shape \[n.*use jax.vmap for a batch axis"):
                jax.eval_shape(model, jax.ShapeDtypeStruct(shape, "int32"))


def spans_of(max_span):
    return adaptive_span(init_adaptive_span(KEY, ONE), Causal(3), tokens_of(3), max_span=max_span)


def steps_of(num_steps):
    return universal_transformer(init_universal_transformer(KEY, ONE), Causal(3), tokens_of(3), num_steps=num_steps)


BAD = {
    "negative steps": (lambda: steps_of(-1), "num_steps must be an integer of at least 1, got -1"),
    "half a step": (lambda: steps_of(2.5), "num_steps must be an integer known before jit, got 2.5"),
    "no number": (lambda: spans_of(float("nan")), "max_span is nan but must be finite and at least 0"),
    "negative span": (lambda: spans_of(-4.0), "max_span is -4.0 but must be finite and at least 0"),
    "no rate": (lambda: init_compressive_transformer(KEY, ONE, rate=0), "rate must be .* at least 1, got 0"),
    "no age": (lambda: init_memory_network(KEY, VOCAB, 8, max_age=0), "max_age must be .* at least 1, got 0"),
    "no hop": (lambda: init_memory_network(KEY, VOCAB, 8, num_hops=0), "num_hops must be .* at least 1, got 0"),
    "no distance": (lambda: init_transformer_xl(KEY, ONE, position_dim=0), "position_dim must be .* at least 2, got 0"),
    "a layout": (
        lambda: sparse_transformer(init_language_model(KEY, ONE), Causal(3), tokens_of(3)),
        "a tuple of gr",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_arguments_are_refused(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(call)


def test_a_memory_has_no_negative_length(xl_params, compressive_params):
    with pytest.raises(ValueError, match="length must be an integer of at least 0, got -1"):
        init_transformer_xl_state(xl_params, -1)
    with pytest.raises(ValueError, match="n_recent must be an integer of at least 0, got -1"):
        init_compressive_transformer_state(compressive_params, -1, 2)


@pytest.mark.slow
def test_an_empty_segment_is_no_token():
    params = init_language_model(jax.random.key(0), CONFIG)
    assert language_model(params, Causal(0), tokens_of(0)).shape == (0, VOCAB)
    params = init_transformer_xl(jax.random.key(1), CONFIG)
    assert transformer_xl(params, tokens_of(0), init_transformer_xl_state(params, 2))[0].shape == (0, VOCAB)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reformer", "bp_transformer", "light_conv"])
def test_memory_of_a_step_grows_like_the_length(name):
    rng = jax.random.key(6)
    models = {
        "reformer": (reformer, init_reformer(rng, CONFIG, bucket_sizes=(8, 8)), lambda n: Hashing(32)),
        "bp_transformer": (
            bp_transformer,
            init_bp_transformer(rng, CONFIG, max_length=2**14, k=2),
            lambda n: partition([n], 2, causal=True),
        ),
        "light_conv": (light_conv, init_light_conv(rng, CONFIG, 9, dynamic=True), lambda n: tgnn.Window(n, 8, 0)),
    }
    model, params, graph_of = models[name]

    def temporary(n):
        step = jax.jit(jax.grad(lambda params, graph, tokens: (model(params, graph, tokens) ** 2).sum()))
        memory = step.lower(params, graph_of(n), jnp.zeros(n, jnp.int32)).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    assert temporary(2**14) < 5 * temporary(2**12)  # n log n for the partition; n * n would be 16


@pytest.mark.slow
def test_dropout_changes_the_logits_and_keeps_them_finite():
    tokens, rng = tokens_of(13), jax.random.key(5)
    cases = [
        (reformer, make_reformer(), Hashing(4)),
        (bp_transformer, BP_PARAMS(), partition([13], 2)),
        (light_conv, init_light_conv(rng, CONFIG, 3), tgnn.Window(13, 2, 0)),
    ]
    for model, params, graph in cases:
        dropped = jax.jit(partial(model, dropout_rate=0.3))(params, graph, tokens, rng=rng)
        plain = jax.jit(model)(params, graph, tokens)
        assert np.isfinite(dropped).all() and np.abs(dropped - plain).max() > 1e-3


BAD_GRAPHS = {
    "odd buckets": (lambda: make_reformer(bucket_sizes=(3,)), r"bucket_sizes must be even numbers.*got \(3,\)"),
    "no buckets": (lambda: make_reformer(bucket_sizes=()), "bucket_sizes must be even numbers"),
    "empty sequence": (lambda: partition([3, 0]), "lengths must be at least 1, got 0"),
    "few nodes": (lambda: partition([3], n_node=4), "the sequences have 3 tokens and 6 nodes"),
    "few edges": (lambda: partition([3], n_edge=4), "pad_to is 4"),
    "short trees": (lambda: partition([3, 9], max_length=8), "max_length must be an integer of at least 9, got 8"),
    "no length": (lambda: init_bp_transformer(KEY, CONFIG, max_length=0), "max_length must be .* at least 1, got 0"),
    "no k": (lambda: init_bp_transformer(KEY, CONFIG, max_length=8, k=0), "k must be .* at least 1, got 0"),
    "no partition": (lambda: bp_transformer(BP_PARAMS(), tgnn.Causal(3), tokens_of(3)), "graph must be a Partition"),
    "no rounds": (lambda: make_reformer(num_rounds=0), "num_rounds must be an integer of at least 1, got 0"),
    "fewer rounds": (lambda: make_reformer(num_rounds=-1), "num_rounds must be an integer of at least 1, got -1"),
    "no hashing": (lambda: reformer({}, tgnn.Causal(5), tokens_of(5)), "graph must be a Hashing.*got Causal"),
    "no width": (lambda: init_light_conv(KEY, CONFIG, 0), "width must be an integer of at least 1, got 0"),
    "less width": (lambda: init_light_conv(KEY, CONFIG, -1), "width must be an integer of at least 1, got -1"),
}


@pytest.mark.parametrize("case", BAD_GRAPHS)
def test_graphs_that_do_not_fit_are_refused(case):
    call, message = BAD_GRAPHS[case]
    with pytest.raises(ValueError, match=message):
        call()
