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
from tgnn.pretrained.files import read_json, read_weights
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
            on Cora (gat_cora_weights.npz). `installed` finds that of a package.
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
        path, arrays = read_weights(alone[0])
        if "features.norm_edges.weight" in arrays:
            return read_proteinmpnn(Tensors(path, arrays, dtype))
        return read_glassllm(config_of(path, arrays), Tensors(path, arrays, dtype))
    settings = read_json(folder / "config.json")
    kind = settings.get("model_type", "anarcii" if ANARCII <= settings.keys() else None)
    if not isinstance(kind, str) or kind not in READERS:
        raise ValueError(
            f"{folder / 'config.json'} has the model_type {kind!r}, but only {', '.join(READERS)} are known; "
            "load a checkpoint of one of these"
        )
    path, arrays = read_weights(folder)
    return READERS[kind](Config(folder / "config.json", settings), Tensors(path, arrays, dtype))
