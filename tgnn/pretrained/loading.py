"""From a folder to parameters and a model: the config says which architecture, its reader does the rest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from tgnn.datasets.files.download import local_path
from tgnn.pretrained.albert import read_albert
from tgnn.pretrained.anarcii import read_anarcii
from tgnn.pretrained.bert import read_bert
from tgnn.pretrained.encoder_decoder import EncoderDecoder
from tgnn.pretrained.fairseq import read_fairseq, settings_of
from tgnn.pretrained.files import read_json, read_torch, read_weights
from tgnn.pretrained.gat import Gat, read_gat
from tgnn.pretrained.glassllm import config_of, read_glassllm
from tgnn.pretrained.gpt2 import read_gpt2
from tgnn.pretrained.llama import read_llama
from tgnn.pretrained.model import Model
from tgnn.pretrained.proteinmpnn import ProteinMPNN, read_proteinmpnn
from tgnn.pretrained.tensors import Config, Tensors
from tgnn.typing import Params

READERS: dict[str, Callable[[Config, Tensors], tuple[Params, Any]]] = {
    "bert": read_bert,
    "roberta": read_bert,
    "albert": read_albert,
    "gpt2": read_gpt2,
    "llama": read_llama,
    "anarcii": read_anarcii,
}
ANARCII = {"INPUT_DIM", "OUTPUT_DIM", "HID_DIM", "HEADS", "LAYERS"}  # its config has no model_type


def load(folder: str | Path, *, dtype: Any = jnp.float32) -> tuple[Params, Model | EncoderDecoder | ProteinMPNN | Gat]:
    """A trained network as parameters of this library's own blocks, and a function of them.

    Args:
        folder: one with a config.json and the weights as model.safetensors (needs `tgnn[hf]`; also in several files),
            weights.npz or pytorch_model.bin, of which nothing is executed; or one .npz file of glassllm, which holds
            its config, or of ProteinMPNN (v_48_020.npz), which has none; or that of the GAT that its authors trained
            on Cora (gat_cora_weights.npz); or one torch file of a RoBERTa of fairseq (checkpoint_vh.pt of Sapiens).
            `installed` finds that of a package.
        dtype: of the parameters, and so of what is computed.

    Returns:
        `(params, model)`: `model(params, token_ids)`, see `Model`, or `model(params, source_ids, target_ids)`, see
        `EncoderDecoder`, or `model(params, coordinates, residue_index, sequence)`, see `ProteinMPNN`, or
        `model(params, graph, x)`, see `Gat`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, the architecture is unknown, or a tensor is missing, of another shape than the
            config says, or not finite. Numbers that were changed to other finite numbers are seen by the checksums of
            npz and torch files only; safetensors has none, but `installed` compares a package with its record.
    """
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"dtype must be floating point, got {dtype}; weights are real numbers")
    folder = local_path("folder", folder)
    if (folder / "gat_cora_weights.npz").is_file():
        return read_gat(folder, dtype)
    alone = [folder] if folder.is_file() else list(folder.glob("v_*.npz"))  # those of ProteinMPNN have no config
    if len(alone) == 1 and not (folder / "config.json").is_file():
        if alone[0].suffix == ".pt":
            config, arrays = settings_of(alone[0], read_torch(alone[0]))
            return read_fairseq(config, Tensors(alone[0], arrays, dtype))
        path, arrays = read_weights(alone[0])
        if "features.norm_edges.weight" in arrays:
            return read_proteinmpnn(Tensors(path, arrays, dtype))
        return read_glassllm(config_of(path, arrays), Tensors(path, arrays, dtype))
    settings = read_json(folder / "config.json")
    kind = settings.get("model_type", "anarcii" if ANARCII <= settings.keys() else None)
    weights = read_weights(folder) if kind is None else None
    kind = kind if weights is None else kind_of(weights[1])
    if not isinstance(kind, str) or kind not in READERS:
        raise ValueError(
            f"{folder / 'config.json'} has the model_type {kind!r}, but only {', '.join(READERS)} are known; "
            "load a checkpoint of one of these"
        )
    path, arrays = read_weights(folder) if weights is None else weights
    config = Config(folder / "config.json", settings | {"model_type": kind})
    return READERS[kind](config, Tensors(path, arrays, dtype))


def kind_of(arrays: dict[str, Any]) -> str | None:
    """The architecture that the names of tensors tell, where a config of 2019 does not."""
    for kind in ("bert", "roberta", "albert"):
        if any(name.startswith(f"{kind}.") for name in arrays):
            return kind
    # Without a prefix BERT's names are RoBERTa's, but RoBERTa has no second type of text.
    types = arrays.get("embeddings.token_type_embeddings.weight")
    is_bert = "encoder.layer.0.attention.self.query.weight" in arrays and len(types if types is not None else ()) == 2
    return "bert" if is_bert else "albert" if any(".albert_layer_groups." in name for name in arrays) else None
