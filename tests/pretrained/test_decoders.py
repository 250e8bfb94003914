"""GPT-2 and Llama against NumPy float64, glassllm against itself, and continuing a text against running it whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support import published
from tests.support.checkpoints import GPT2, LLAMA, write_checkpoint
from tests.support.published import relative_error
from tgnn import pretrained

IDS = np.array([[2, 7, 1, 8, 28, 1, 8], [5, 3, 9, 4, 0, 0, 0]])
LENGTHS = 7, 4


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    tensors = published.wide(write_checkpoint(folder, GPT2, prefix="transformer."))
    return *pretrained.load(folder), lambda ids: published.gpt2(tensors, GPT2, ids)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    output = np.random.default_rng(1).normal(size=(29, 12)).astype(np.float32)
    tensors = published.wide(write_checkpoint(folder, LLAMA, prefix="model.", **{"lm_head.weight": output}))
    return *pretrained.load(folder), lambda ids: published.llama(tensors, LLAMA, ids, output.astype(np.float64))


@pytest.fixture(scope="module")
def glassllm():
    package = pytest.importorskip("glassllm", reason="needs the package: pip install --no-deps glassllm==0.1.0")
    path = pretrained.installed("glassllm", "weights/en.npz")
    return *pretrained.load(path), package.model.GlassLM.load(path)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_decoder_is_the_published_equations(name, implementation, request):
    params, model, reference = request.getfixturevalue(name)
    mask = np.arange(7)[None] < np.array(LENGTHS)[:, None]
    out = model(params, IDS, mask=mask, implementation=implementation)
    for b, n in enumerate(LENGTHS):  # what is padded stands after all that could see it
        hidden, logits = reference(IDS[b, :n])
        for i, x in enumerate(hidden):
            assert relative_error(out.hidden[i, b, :n], x) < 1e-5
        assert relative_error(out.logits[b, :n], logits) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_continuation_is_that_of_the_whole_text(name, request):
    params, model, reference = request.getfixturevalue(name)
    prompts = np.where(np.arange(7)[None] < np.array(LENGTHS)[:, None], IDS, -1)
    found = np.asarray(pretrained.generate(params, model, prompts, max_length=5))
    for b, n in enumerate(LENGTHS):
        ids = IDS[b, :n]
        for token in found[b]:
            assert token == reference(ids)[1][-1].argmax()
            ids = np.append(ids, token)


@pytest.mark.slow
def test_drawn_tokens_at_a_low_temperature_are_the_most_probable_ones(gpt2):
    params, model, _ = gpt2
    best = pretrained.generate(params, model, IDS[:, :4], max_length=3)
    drawn = pretrained.generate(params, model, IDS[:, :4], max_length=3, temperature=1e-6, rng=jax.random.key(0))
    np.testing.assert_array_equal(drawn, best)


@pytest.mark.slow
def test_numbers_of_numpy_are_numbers(gpt2):
    params, model, _ = gpt2
    own = {"max_length": 2, "temperature": 0.5, "top_k": 3, "rng": jax.random.key(0)}
    theirs = own | {"temperature": np.float32(0.5), "top_k": np.int64(3)}
    found = [pretrained.generate(params, model, IDS[:, :4], **options) for options in (own, theirs)]
    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_drawn_tokens_of_the_smallest_nucleus_are_the_most_probable_ones(gpt2):
    params, model, _ = gpt2
    best = pretrained.generate(params, model, IDS[:, :4], max_length=3)
    options = {"temperature": 1.0, "rng": jax.random.key(0)}
    np.testing.assert_array_equal(
        pretrained.generate(params, model, IDS[:, :4], max_length=3, top_p=1e-6, **options), best
    )


@pytest.mark.slow
def test_attention_of_a_decoder_sees_the_past_only(llama):
    params, model, _ = llama
    weights = pretrained.attention(params, model, IDS, layer=1)
    assert weights.shape == (2, 6, 7, 7)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert jnp.abs(jnp.triu(weights, 1)).max() == 0
    one = pretrained.attention(params, model, IDS, layer=1, head=4)  # of the second group of queries
    np.testing.assert_allclose(one, weights[:, 4], atol=1e-6)


@pytest.mark.slow
def test_a_narrower_past_is_a_window(llama):
    params, model, _ = llama
    layout = tgnn.Window(7, 2, 0)
    weights = pretrained.attention(params, model, IDS, layer=0, layout=layout)
    np.testing.assert_array_equal((np.asarray(weights) > 0).any((0, 1)), layout.adjacency())


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_glassllm_is_the_published_network(glassllm, implementation):
    params, model, original = glassllm
    ids = np.random.default_rng(0).integers(0, model.vocab_size, (2, model.max_length))
    found = model(params, ids, implementation=implementation)
    assert relative_error(found.logits, original.forward(ids).data) < 1e-5


@pytest.mark.slow
def test_glassllm_continues_as_the_published_network(glassllm):
    params, model, original = glassllm
    ids = np.random.default_rng(0).integers(0, model.vocab_size, (2, 20))
    found = pretrained.generate(params, model, ids, max_length=60)
    for b in range(2):
        assert found[b].tolist() == [step.token for step in original.generate(ids[b], 60, greedy=True)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 10}, "17 tokens, but 16 fit"),
        ({"max_length": 0}, "max_length must be"),
        ({"max_length": 2, "temperature": 1.0}, "PRNG key"),
        ({"max_length": 2, "top_p": 0.0}, "top_p must be above 0"),
        ({"max_length": 2, "top_k": 0}, "top_k must be an integer of at least 1"),
        ({"max_length": 2, "mask": np.zeros((2, 7), bool)}, "prompt without tokens"),
    ],
)
def test_what_cannot_be_continued_is_refused(gpt2, options, message):
    params, model, _ = gpt2
    with pytest.raises(ValueError, match=message):
        pretrained.generate(params, model, IDS, **options)
