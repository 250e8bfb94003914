"""ANARCII with its published weights against the torch modules that it is made of, where torch is installed."""

import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.published import relative_error
from tgnn import pretrained
from tgnn.nn.transformer import Layouts
from tgnn.pretrained.files import read_weights

TRASTUZUMAB = (
    "EVQLVESGGGLVQPGGSLRLSCAASGFNIKDTYIHWVRQAPGKGLEWVARIYPTNGYTRY"
    "ADSVKGRFTISADTSKNTAYLQMNSLRAEDTAVYYCSRWGGDGFYAMDYWGQGTLVTVSS"
)
START, END = 1, 2


@pytest.fixture(scope="module")
def folder():
    path = Path(os.environ.get("TGNN_DATA_DIR", "")) / "anarcii_antibody"
    if not (path / "weights.npz").is_file():
        pytest.skip("needs the data set 'anarcii_antibody' in TGNN_DATA_DIR")
    return path


@pytest.fixture(scope="module")
def pairs(folder):
    """Two antibodies, one cut short, and random numbers."""
    rng = np.random.default_rng(0)
    words = json.loads((folder / "config.json").read_text())["vocabulary_of_the_sequence"]
    source = np.array([[START, *map(words.index, TRASTUZUMAB), END]] * 2)
    source[1, 92:] = 0
    target = rng.integers(4, 136, (2, 90))
    target[1, 80:] = 0
    return source, target


def torch_reference(folder, source, target):
    """Memory and logits in float64, from torch's own layers."""
    return torch_network(folder, source, target)[:2]


def torch_weights(folder, source, target):
    """The attention weights of each graph and layer, in float64, from torch's own layers."""
    return torch_network(folder, source, target)[2]


def torch_network(folder, source, target):
    """Memory, logits and weights in float64, from torch's own layers."""
    torch = pytest.importorskip("torch", reason="needs torch for the original's modules")
    tensors = {name: torch.tensor(x, dtype=torch.float64) for name, x in read_weights(folder)[1].items()}

    def embedded(side, ids):
        positions = tensors[f"{side}.pos_embedding.weight"][: ids.shape[1]]
        return tensors[f"{side}.tok_embedding.weight"][torch.tensor(ids)] * 128**0.5 + positions

    def layers(kind, side):
        names = {
            "self_attention": "self_attn",
            "encoder_attention": "multihead_attn",
            "positionwise_feedforward.fc_1": "linear1",
            "positionwise_feedforward.fc_2": "linear2",
            "self_attn_layer_norm": "norm1",
            "enc_attn_layer_norm": "norm2",
            "ff_layer_norm": "norm3" if side == "decoder" else "norm2",
        }
        for i in range(2):
            layer, state = kind(128, 4, 512, 0.0, "relu", batch_first=True, dtype=torch.float64), {}
            for name, x in tensors.items():
                if name.startswith(f"{side}.layers.{i}."):
                    name = name.removeprefix(f"{side}.layers.{i}.").replace(".multihead_attn.", ".")
                    old = next(old for old in names if name.startswith(old))
                    state[name.replace(old, names[old])] = x
            layer.load_state_dict(state)
            yield layer.train()  # evaluation has another, fused path; without dropout both are alike

    weights = {}

    def record(attention, name):
        """Asks a torch attention for its weights, and keeps them."""
        forward = attention.forward

        def recording(*args, **options):
            out, weights[name] = forward(*args, **options | {"need_weights": True, "average_attn_weights": False})
            return out, None

        attention.forward = recording

    padded = torch.tensor(source == 0)
    with torch.no_grad():
        memory = embedded("encoder", source)
        for i, layer in enumerate(layers(torch.nn.TransformerEncoderLayer, "encoder")):
            record(layer.self_attn, ("source", i))
            memory = layer(memory, src_key_padding_mask=padded)
        x = embedded("decoder", target)
        future = ~torch.tril(torch.ones((target.shape[1],) * 2, dtype=torch.bool))
        masks = {"tgt_key_padding_mask": torch.tensor(target == 0), "memory_key_padding_mask": padded}
        for i, layer in enumerate(layers(torch.nn.TransformerDecoderLayer, "decoder")):
            record(layer.self_attn, ("target", i))
            record(layer.multihead_attn, ("cross", i))
            x = layer(x, memory, tgt_mask=future, **masks)
        logits = x @ tensors["decoder.fc_out.weight"].T + tensors["decoder.fc_out.bias"]
    return memory.numpy(), logits.numpy(), {name: x.numpy() for name, x in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_anarcii_is_the_published_network(folder, pairs, implementation):
    memory, logits = torch_reference(folder, *pairs)
    found = pretrained.load(folder)
    out = found[1](found[0], *pairs, implementation=implementation)
    assert relative_error(out.memory, memory) < 1e-5
    assert relative_error(out.logits, logits) < 1e-5
    with jax.enable_x64(True):
        params, model = pretrained.load(folder, dtype=jnp.float64)
        assert relative_error(model(params, *pairs, implementation=implementation).logits, logits) < 1e-10


@pytest.mark.slow
def test_the_weights_of_all_three_graphs_are_those_of_the_published_network(folder, pairs):
    expected, (source, target) = torch_weights(folder, *pairs), pairs
    with jax.enable_x64(True):  # float32 is 1.4e-5 away in the target's second layer: random numbers are no numbering
        params, model = pretrained.load(folder, dtype=jnp.float64)
        for (part, layer), weights in expected.items():
            found = pretrained.attention(params, model, source, target, part=part, layer=layer)
            assert relative_error(found, weights) < 1e-10
    params, model = pretrained.load(folder)
    one = pretrained.attention(params, model, source, part="source", layer=1, head=2)
    np.testing.assert_allclose(one, expected["source", 1][:, 2], rtol=1e-4, atol=1e-6)
    band = tgnn.Dense(jnp.asarray(np.abs(np.arange(90)[:, None] - np.arange(source.shape[1])) <= 5))
    options = {"layout": Layouts(None, None, band), "part": "cross", "layer": 0}
    assert (np.asarray(pretrained.attention(params, model, source, target, **options))[:, :, ~band.mask] == 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "sideways", "layer": 0}, "part must be one of source, target, cross, got 'sideways'"),
        ({"part": None, "layer": 0}, "part must be one of"),
        ({"part": "cross", "layer": 0, "target_ids": None}, "needs the target's tokens"),
        ({"part": "target", "layer": 2}, "layer is 2 but there are 2"),
        ({"part": "source", "layer": 0, "head": 4}, "head is 4 but there are 4"),
    ],
)
def test_graphs_of_an_encoder_decoder_that_do_not_exist_are_refused(folder, pairs, options, message):
    params, model = pretrained.load(folder)
    options = {"target_ids": pairs[1]} | options
    with pytest.raises(ValueError, match=message):
        pretrained.attention(params, model, pairs[0], **options)


@pytest.mark.slow
def test_anarcii_numbers_trastuzumab(folder, pairs):
    params, model = pretrained.load(folder)
    words = json.loads((folder / "config.json").read_text())["vocabulary_of_the_numbers"]
    source = pairs[0][:1]
    found = pretrained.translate(params, model, source, start=START, end=END, max_length=source.shape[1])
    found = [words[i] for i in found[0].tolist()]
    assert found[:10] == ["H", *map(str, range(1, 10))]
    assert found[10:12] == ["11", "12"] and found[120] == "128" and set(found[121:]) <= {"<EOS>"}
    # token by token is the whole at once
    target = np.array([[START, *(words.index(word) for word in found[:20])]])
    best = model(params, source, target).logits[0].argmax(-1)
    assert [words[i] for i in best[:20].tolist()] == found[:20]


@pytest.mark.slow
def test_each_of_the_three_graphs_may_be_replaced(folder, pairs):
    params, model = pretrained.load(folder)
    source, target = (x[:1, :9] for x in pairs)
    own = model(params, source, target)
    band = tgnn.Dense(jnp.asarray(np.abs(np.arange(9)[:, None] - np.arange(9)) <= 3))
    for layouts in (Layouts(band, None, None), Layouts(None, band, None), Layouts(None, None, {1: band})):
        found = model(params, source, target, layout=layouts)
        assert jnp.abs(found.logits - own.logits).max() > 1e-2
        assert bool(jnp.array_equal(found.memory, own.memory)) == (layouts.source is None)
    every = Layouts(tgnn.Complete(9), tgnn.Causal(9), tgnn.Complete(9, 9))
    np.testing.assert_array_equal(model(params, source, target, layout=every).logits, own.logits)


def test_a_target_out_of_range_is_refused(folder, pairs):
    params, model = pretrained.load(folder)
    with pytest.raises(ValueError, match="target_ids go from 4 to 136"):
        model(params, pairs[0], np.full((2, 3), 4) + [[0, 132, 0]])
