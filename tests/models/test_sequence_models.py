"""Sparse, Universal, Compressive and other Transformers, memory networks, RNNs: equal to their dense masked forms."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.support.filled import filled
from tgnn import patterns
from tgnn.graphs import Causal, Complete
from tgnn.models.recurrent.seq2seq import begin, init_seq2seq, seq2seq, seq2seq_step
from tgnn.models.sequences.adaptive_span import adaptive_span, head_spans, init_adaptive_span, span_loss
from tgnn.models.sequences.bp_transformer import bp_transformer, init_bp_transformer, partition
from tgnn.models.sequences.compressive_transformer import (
    compressive_transformer,
    init_compressive_transformer,
    init_memories,
)
from tgnn.models.sequences.memory_network import init_memory_network, memory_network
from tgnn.models.sequences.sparse_transformer import init_sparse_transformer, sparse_transformer
from tgnn.models.sequences.transformer_xl import init_past, init_transformer_xl, transformer_xl
from tgnn.models.sequences.universal_transformer import init_universal_transformer, universal_transformer
from tgnn.nn.basic import layer_norm, linear
from tgnn.nn.block import TransformerConfig, feed_forward
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import embed, init_language_model, language_model, unembed

VOCAB = 7
CONFIG = TransformerConfig(VOCAB, model_dim=8, num_layers=2, num_heads=2, hidden_dim=8)
ONE = replace(CONFIG, num_layers=1)
SIZES = [13, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 16))]  # 3 is shorter than any window here
close = partial(chex.assert_trees_all_close, atol=1e-5, rtol=1e-5)


def tokens_of(n):
    return jnp.asarray(np.random.default_rng(n).integers(0, VOCAB, n), jnp.int32)


def outcomes(params, *models):
    """Outputs and gradients of several functions of the same weights, compiled as one program."""

    def loss(params, model):
        outputs = model(params)
        numbers = jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(outputs)])
        return (numbers * jnp.sin(jnp.arange(numbers.size))).sum(), outputs

    @jax.jit
    def run(params):
        return [jax.value_and_grad(partial(loss, model=model), has_aux=True)(params) for model in models]

    return [(outputs, gradients) for (_, outputs), gradients in run(params)]


def dense_stack(params, tokens, attention, encoding):
    """A language model of one block that multiplies n * n weights; see `dense_block`."""
    x = embed(params, tokens, encoding=encoding)
    x = dense_block(jax.tree.map(lambda leaf: leaf[0], params["decoder"]["blocks"]), x, x, attention)
    return unembed(params, layer_norm(params["decoder"]["norm"], x))


def dense_block(block, x, senders, exponentials):
    """The block, written out: `exponentials(part, query, rows) -> [n, n_senders, heads]`, 0 where there is no edge."""
    part = block["attention"]
    query, rows = layer_norm(part["norm_before"], x), layer_norm(part["norm_before"], senders)
    weights = exponentials(part, query, rows)
    total = weights.sum(axis=1, keepdims=True)
    weights, value = weights / jnp.where(total > 0, total, 1), linear(part["value"], rows)
    x = x + linear(part["output"], jnp.einsum("nmh,mhd->nhd", weights, value), in_axes=2)
    return x + feed_forward(block["mlp"], layer_norm(block["mlp"]["norm_before"], x))


def scaled_product(part, query, rows):
    query, key = linear(part["query"], query), linear(part["key"], rows)
    return jnp.einsum("nhd,mhd->nmh", query, key) / np.sqrt(query.shape[-1])


# -- Sparse Transformer --------------------------------------------------------------------------------------------


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

    mine = partial(sparse_transformer, layouts=layouts, tokens=tokens)
    close(*outcomes(params, mine, lambda p: dense_stack(p, tokens, exponentials, sinusoidal)))


def test_heads_must_be_divided_evenly():
    params = filled(init_sparse_transformer, CONFIG)
    with pytest.raises(ValueError, match="2 and 2 heads for 3 layouts"):
        sparse_transformer(params, (Causal(3),) * 3, tokens_of(3))


# -- adaptive span -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_adaptive_span_is_a_mask_times_the_exponentials(n):
    params, tokens = filled(init_adaptive_span, ONE), tokens_of(n)
    options = {"max_span": 6.0, "ramp": 3.0}
    learned = head_spans(jax.tree.map(np.asarray, params["decoder"]["blocks"]["attention"]), 6.0)
    small = patterns.adaptive_span(n, np.asarray(learned), ramp=3.0)

    def exponentials(part, query, rows):
        distance = (np.arange(n)[:, None] - np.arange(n)[None, :])[..., None]
        mask = jnp.clip((3.0 + 6.0 * jax.nn.sigmoid(part["span"])[None, None] - distance) / 3.0, 0, 1)
        return jnp.where(distance < 0, 0, mask) * jnp.exp(scaled_product(part, query, rows))

    whole = patterns.window(n, 8)
    models = [lambda p, g=g: adaptive_span(p, g, tokens, **options) for g in (whole, small)]
    mine, fewer, other = outcomes(params, *models, lambda p: dense_stack(p, tokens, exponentials, sinusoidal))
    close(mine, other)
    close(fewer, mine)
    assert small.left < 8 or n < 8
    if n == 13:
        assert np.abs(mine[1]["decoder"]["blocks"]["attention"]["span"]).min() > 0


def test_the_span_loss_is_the_mean_span():
    params = filled(init_adaptive_span, CONFIG)
    params["decoder"]["blocks"]["attention"]["span"] = jnp.zeros((2, 2))  # as they begin
    loss, gradient = jax.jit(jax.value_and_grad(span_loss))(params, 10.0)
    close(loss, 5.0)
    close(gradient["decoder"]["blocks"]["attention"]["span"], jnp.full((2, 2), 10.0 / 4 / 4))


def test_a_mask_needs_a_ramp():
    with pytest.raises(ValueError, match="ramp is 0"):
        adaptive_span({}, Causal(3), tokens_of(3), max_span=2.0, ramp=0.0)


# -- Transformer-XL ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def xl_params():
    return filled(init_transformer_xl, CONFIG, position_dim=6)


@pytest.fixture(scope="module")
def long_segment(xl_params):
    """A text of 13 tokens, and its logits in one go."""
    tokens = tokens_of(13)
    return tokens, jax.jit(transformer_xl)(xl_params, tokens, init_past(xl_params, 13))[0]


def relative_exponentials(part, query, rows, mask=True):
    """The paper's four terms, with a vector for every distance."""
    n, m = len(query), len(rows)
    distance = m - n + np.arange(n)[:, None] - np.arange(m)[None, :]
    query, key = linear(part["query"], query), linear(part["key"], rows)
    wave = jnp.einsum("nmp,phd->nmhd", sinusoidal(jnp.asarray(distance), 6), part["position"]["kernel"])
    logits = jnp.einsum("nhd,mhd->nmh", query + part["content_bias"][None], key)
    logits = logits + jnp.einsum("nhd,nmhd->nmh", query + part["position_bias"][None], wave)
    return jnp.where((distance[..., None] >= 0) & mask, jnp.exp(logits / np.sqrt(query.shape[-1])), 0)


@pytest.mark.parametrize("n", SIZES)
def test_transformer_xl_is_the_papers_four_terms(n):
    params = filled(init_transformer_xl, ONE, position_dim=6)
    tokens, past = tokens_of(n), init_past(params, 3)
    dense = partial(dense_stack, tokens=tokens, attention=relative_exponentials, encoding=None)
    close(*outcomes(params, lambda p: transformer_xl(p, tokens, past)[0], dense))


@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_cached_past_equals_one_long_segment(xl_params, long_segment, n):
    tokens, long = long_segment
    run, past, logits = jax.jit(transformer_xl), init_past(xl_params, 13), []
    for start in range(0, 13, n):
        part_logits, past = run(xl_params, jnp.pad(tokens[start : start + n], (0, max(start + n - 13, 0))), past)
        logits.append(part_logits)
    close(jnp.concatenate(logits)[:13], long)


@pytest.mark.slow
def test_a_short_memory_suffices_for_a_short_span(xl_params):
    tokens, run = tokens_of(13), jax.jit(partial(transformer_xl, span=4))
    long, _ = run(xl_params, tokens, init_past(xl_params, 4))
    past, logits = init_past(xl_params, 4), []
    for part in (tokens[:5], tokens[5:12], tokens[12:]):
        part_logits, past = run(xl_params, part, past)
        logits.append(part_logits)
    close(jnp.concatenate(logits), long)


@pytest.mark.slow
def test_no_gradient_reaches_the_segment_before(xl_params):
    def loss(params):
        _, past = transformer_xl(params, tokens_of(4), init_past(params, 4))
        return past.hidden.sum()

    assert all(not leaf.any() for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(xl_params)))


# -- Compressive Transformer ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compressive_params():
    return filled(init_compressive_transformer, CONFIG, rate=2, position_dim=6)


@pytest.mark.slow
def test_the_compressive_transformer_is_its_dense_form(compressive_params):
    """Three segments of 4; 6 recent rows, of which 2 leave in the second segment and 4 in the third."""
    segments = [tokens_of(12)[i : i + 4] for i in (0, 4, 8)]
    before = init_memories(compressive_params, 6, 3)
    run = jax.jit(compressive_transformer)
    for tokens in segments[:2]:
        memories_before, before = before, run(compressive_params, tokens, before).memories
    assert memories_before.recent_live.tolist() == [False, False, True, True, True, True]
    assert before.compressed_live.tolist() == [False, False, True] and before.recent_live.all()
    live = np.append(np.r_[before.compressed_live, before.recent_live], np.ones(4, bool))

    def dense(params):
        x, compressed = embed(params, segments[2], encoding=None), []
        for i in range(2):
            block = jax.tree.map(lambda leaf, i=i: leaf[i], params["decoder"]["blocks"])
            senders = jnp.concatenate([before.compressed[i], before.recent[i], x])
            pairs = before.recent[i, :4].reshape(2, 16)
            rows = pairs @ block["compression"]["kernel"].reshape(16, 8) + block["compression"]["bias"][None]
            compressed.append(jnp.concatenate([before.compressed[i], rows])[2:])
            x = dense_block(block, x, senders, partial(relative_exponentials, mask=live[None, :, None]))
        memory = jax.lax.stop_gradient(jnp.stack(compressed))
        return unembed(params, layer_norm(params["decoder"]["norm"], x)), memory

    def mine(params):
        output = compressive_transformer(params, segments[2], before)
        return output.logits, output.memories.compressed

    close(*outcomes(compressive_params, mine, dense))


@pytest.mark.slow
def test_nothing_compressed_is_transformer_xl(compressive_params):
    tokens, empty = tokens_of(8), init_memories(compressive_params, 5, 0)
    output = jax.jit(compressive_transformer)(compressive_params, tokens, empty)
    close(output.logits, jax.jit(transformer_xl)(compressive_params, tokens, init_past(compressive_params, 5))[0])


@pytest.mark.slow
def test_reconstruction_trains_the_compression_alone(compressive_params):
    before = init_memories(compressive_params, 4, 2)
    first = jax.jit(compressive_transformer)(compressive_params, tokens_of(4), before)
    assert first.reconstruction == 0  # nothing has left the memory yet

    def loss(params):
        return compressive_transformer(params, tokens_of(4), first.memories).reconstruction

    gradients = jax.jit(jax.grad(loss))(compressive_params)
    compression = gradients["decoder"]["blocks"].pop("compression")
    assert all(leaf.any() for leaf in jax.tree.leaves(compression))
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients))


def test_a_segment_is_a_multiple_of_the_rate(compressive_params):
    with pytest.raises(ValueError, match="tokens has 3 rows, but 2 of them become one"):
        compressive_transformer(compressive_params, tokens_of(3), init_memories(compressive_params, 4, 2))


# -- Universal Transformer -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("halting", [True, False])
def test_the_universal_transformer_is_a_loop(halting):
    params = filled(init_universal_transformer, CONFIG, halting=halting)
    tokens, n = tokens_of(7), 7

    def exponentials(part, query, rows):
        return jnp.where(np.tri(n, dtype=bool)[..., None], jnp.exp(scaled_product(part, query, rows)), 0)

    def loop(params):
        x, result, total, steps = embed(params, tokens, encoding=None), 0.0, np.zeros(n), np.zeros(n)
        for t in range(4):
            running = total < 1
            chance = jax.nn.sigmoid(linear(params["halting"], x)[:, 0]) if halting else jnp.full(n, float(t == 3))
            halts = running & ((total + chance > 0.99) | (t == 3))
            weight = jnp.where(halts, 1 - total, jnp.where(running, chance, 0))
            place = sinusoidal(jnp.arange(n), 8) + sinusoidal(jnp.full(n, t), 8)
            seen = dense_block(params["block"], x + place, x + place, exponentials)
            x = jnp.where(running[:, None], seen, x)
            result, total = result + weight[:, None] * x, jnp.where(halts, 1.0, total + weight)
            steps = steps + running + (jnp.where(halts, weight, 0) if halting else 0)
        return unembed(params, layer_norm(params["norm"], result)), steps

    run = partial(universal_transformer, num_steps=4)
    close(*outcomes(params, lambda p: run(p, Causal(n), tokens), loop))


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_nodes_that_halt_at_once_take_one_step(n):
    params = init_universal_transformer(jax.random.key(3), CONFIG, halting=True)
    params["halting"]["bias"] = jnp.array([30.0])
    many, steps = universal_transformer(params, Causal(n), tokens_of(n), num_steps=5)
    params.pop("halting")
    one, _ = universal_transformer(params, Causal(n), tokens_of(n), num_steps=1)
    close(many, one)
    close(steps, jnp.full(n, 2.0))  # one step, and a remainder of 1


# -- end-to-end memory network -------------------------------------------------------------------------------------


def test_the_memory_network_is_three_products_a_hop():
    params = filled(init_memory_network, VOCAB, 8, num_hops=2, max_age=3)
    memory, query = tokens_of(15).reshape(5, 3).at[:2, 2].set(-1), tokens_of(6).reshape(3, 2)

    def dense(params):
        tables, age = params["tables"], np.clip(np.arange(3)[:, None] + 4 - np.arange(5)[None, :], 0, 2)

        def bag(table, ids):
            return jnp.where((ids >= 0)[..., None], table[ids], 0).sum(1)

        state = bag(tables[0], query)
        for k in range(2):
            logits = state @ bag(tables[k], memory).T + params["recency"][k][age]
            state = state @ params["hop"]["kernel"] + jax.nn.softmax(logits, axis=1) @ bag(tables[k + 1], memory)
            state = jnp.concatenate([state[:, :4], jax.nn.relu(state[:, 4:])], axis=1)
        return state @ tables[2].T

    close(*outcomes(params, lambda p: memory_network(p, Complete(3, 5), memory, query, offset=4), dense))


def test_a_memory_network_writes_a_language_from_the_past_alone():
    params = filled(init_memory_network, VOCAB, 8, num_hops=2, max_age=4)
    run = jax.jit(lambda tokens: memory_network(params, patterns.window(9, 3), tokens[:, None]))
    tokens = tokens_of(9)
    close(run(tokens.at[5:].set(0))[:5], run(tokens)[:5])


# -- recurrent sequence to sequence --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attention", ["additive", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("multiplicative", "none"))]
)
def test_decoding_one_by_one_is_decoding_all_and_padding_is_nothing(attention):
    params = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention)
    source, target = tokens_of(5), tokens_of(4)

    @jax.jit
    def both(params):
        def step(decoding, token):
            row, decoding = seq2seq_step(params, decoding, token[None])
            return decoding, row[0]

        padded = jnp.append(source, jnp.full(3, -1))
        return seq2seq(params, source, target), jax.lax.scan(step, begin(params, padded), target)[1]

    close(*both(params))


def gru_loop(part, x, state):
    """The equations, one row after the other."""
    states = []
    for row in x:
        mine = jnp.einsum("i,igo->go", row, part["input"]["kernel"]) + part["input"]["bias"]
        given = jnp.einsum("i,igo->go", state, part["state"]["kernel"])
        reset, update = jax.nn.sigmoid(mine[0] + given[0]), jax.nn.sigmoid(mine[1] + given[1])
        state = (1 - update) * jnp.tanh(mine[2] + reset * (given[2] + part["state"]["bias"])) + update * state
        states.append(state)
    return jnp.stack(states)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["additive", "multiplicative"])
def test_the_attentive_rnn_is_its_equations(attention):
    params = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention)
    source, target = tokens_of(5), tokens_of(4)

    def written_out(params):
        parts = params["source"]
        x, zero = parts["embedding"]["table"][source] * 6**0.5, jnp.zeros(6)
        forward = gru_loop(parts["forward"], x, zero)
        backward = gru_loop(parts["backward"], x[::-1], zero)[::-1]
        memory, state = jnp.concatenate([forward, backward], axis=1), jnp.concatenate([forward[-1], backward[0]])
        state, key = jnp.tanh(linear(params["start"], state)), linear(params["key"], memory)[:, 0]

        def look(state):
            if attention == "multiplicative":
                return jax.nn.softmax(key @ state) @ memory
            active = jnp.tanh(key + linear(params["query"], state))
            return jax.nn.softmax(active @ params["vector"][0]) @ memory

        logits = []
        for x in params["embedding"]["table"][target] * 6**0.5:
            seen = look(state)
            x = jnp.append(x, seen) if attention == "additive" else x
            state = gru_loop(params["decoder"], x[None], state)[0]
            seen = seen if attention == "additive" else look(state)
            hidden = jnp.tanh(linear(params["combine"], jnp.append(state, seen)))
            logits.append(linear(params["output"], hidden))
        return jnp.stack(logits)

    close(*outcomes(params, lambda p: seq2seq(p, source, target), written_out))


def test_attention_is_of_three_kinds():
    with pytest.raises(ValueError, match='attention must be "additive"'):
        init_seq2seq(jax.random.key(5), VOCAB, VOCAB, 6, attention="bahdanau")


# -- shapes and arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attention", ["additive", pytest.param("none", marks=pytest.mark.slow)])
def test_an_empty_source_is_one_of_padding(attention):
    params, target = filled(init_seq2seq, VOCAB, VOCAB, 6, attention=attention), tokens_of(3)
    run = jax.jit(seq2seq)
    close(run(params, tokens_of(0), target), run(params, jnp.full(2, -1), target))


def test_an_empty_segment_leaves_the_memories_as_they_are(compressive_params):
    run = jax.jit(compressive_transformer)
    memories = run(compressive_params, tokens_of(4), init_memories(compressive_params, 4, 2)).memories
    output = run(compressive_params, tokens_of(0), memories)
    assert output.logits.shape == (0, VOCAB) and output.reconstruction == 0
    chex.assert_trees_all_equal(output.memories, memories)


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
        "xl": lambda x: transformer_xl(xl_params, x, init_past(xl_params, 2)),
        "compressive": lambda x: compressive_transformer(
            compressive_params, x, init_memories(compressive_params, 4, 2)
        ),
        "bp": lambda x: bp_transformer(bp, tree, x),
        "source": lambda x: seq2seq(rnn, x, tokens_of(3)),
        "target": lambda x: seq2seq(rnn, tokens_of(3), x),
        "memory": lambda x: memory_network(hops, Complete(4), x if x.ndim else x[None]),  # which wants [n, words]
    }


def test_tokens_of_another_shape_are_refused(xl_params, compressive_params):
    for name, model in on_tokens(xl_params, compressive_params).items():
        for shape in ((), (2, 4), (4, 4)) if name != "memory" else ((), (4,), (4, 1, 1)):
            with pytest.raises(ValueError, match=r"must have shape \[n.*use jax.vmap for a batch axis"):
                jax.eval_shape(model, jax.ShapeDtypeStruct(shape, "int32"))


def spans_of(max_span):
    return adaptive_span(init_adaptive_span(KEY, ONE), Causal(3), tokens_of(3), max_span=max_span)


def steps_of(num_steps):
    return universal_transformer(init_universal_transformer(KEY, ONE), Causal(3), tokens_of(3), num_steps=num_steps)


KEY = jax.random.key(0)
BAD = {
    "negative steps": (lambda: steps_of(-1), "num_steps must be an integer of at least 1, got -1"),
    "half a step": (lambda: steps_of(2.5), "num_steps must be an integer known before jit, got 2.5"),
    "no number": (lambda: spans_of(float("nan")), "max_span is nan but must be finite and at least 0"),
    "negative span": (lambda: spans_of(-4.0), "max_span is -4.0 but must be finite and at least 0"),
    "no rate": (lambda: init_compressive_transformer(KEY, ONE, rate=0), "rate must be .* at least 1, got 0"),
    "no age": (lambda: init_memory_network(KEY, VOCAB, 8, max_age=0), "max_age must be .* at least 1, got 0"),
    "no hop": (lambda: init_memory_network(KEY, VOCAB, 8, num_hops=0), "num_hops must be .* at least 1, got 0"),
    "no distance": (lambda: init_transformer_xl(KEY, ONE, position_dim=0), "position_dim must be .* at least 2, got 0"),
    "a layout": (lambda: sparse_transformer(init_language_model(KEY, ONE), Causal(3), tokens_of(3)), "a tuple of lay"),
}


@pytest.mark.parametrize("case", BAD)
def test_impossible_arguments_are_refused(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(call)


def test_a_memory_has_no_negative_length(xl_params, compressive_params):
    with pytest.raises(ValueError, match="length must be an integer of at least 0, got -1"):
        init_past(xl_params, -1)
    with pytest.raises(ValueError, match="n_recent must be an integer of at least 0, got -1"):
        init_memories(compressive_params, -1, 2)


@pytest.mark.slow
def test_an_empty_segment_is_no_token():
    params = init_language_model(jax.random.key(0), CONFIG)
    assert language_model(params, Causal(0), tokens_of(0)).shape == (0, VOCAB)
    params = init_transformer_xl(jax.random.key(1), CONFIG)
    assert transformer_xl(params, tokens_of(0), init_past(params, 2))[0].shape == (0, VOCAB)
