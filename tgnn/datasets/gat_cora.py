"""The weights that the authors of GAT trained on Cora: 84.4 % test accuracy.

Two layers: 8 heads of 8, then 1 head of 7. Of one layer, with h the row-normalised words of the papers:

    logits_ij = LeakyReLU_0.2((W h_i) . receiver + receiver_bias + (W h_j) . sender + sender_bias)
    output_i  = sum over j in N(i) and i itself of softmax(logits)_ij W h_j + bias

ELU after the first layer, whose heads are concatenated.

Source: github.com/PetarV-/GAT, `pre_trained/cora`, converted from the TensorFlow checkpoint to npz. Licence: MIT.
Citation: Veličković et al., "Graph Attention Networks", ICLR 2018, arXiv:1710.10903.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.checks import as_float32
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.files.download import local_path, require

_FILE = "gat_cora_weights.npz"


class GatLayer(NamedTuple):
    """Weights of one layer, float32.

    Attributes:
        kernel: [heads, input_dim, head_dim].
        receiver: [heads, head_dim], the half of the attention vector that meets the receiver (`attn_self`).
        receiver_bias: [heads].
        sender: [heads, head_dim], the half that meets the sender (`attn_neigh`).
        sender_bias: [heads].
        bias: [heads, head_dim].
    """

    kernel: np.ndarray
    receiver: np.ndarray
    receiver_bias: np.ndarray
    sender: np.ndarray
    sender_bias: np.ndarray
    bias: np.ndarray


def load(folder: str | Path | None = None, data_dir: str | Path | None = None) -> tuple[GatLayer, GatLayer]:
    """The two layers, from `folder`, or else from `gat_cora_pretrained/` in the search folders.

    The file in the search folders is verified; one in `folder` may hold other weights of the same shapes.

    Raises:
        FileNotFoundError: there is no gat_cora_weights.npz.
        ValueError: it is damaged, its shapes are not those of the published model, or a weight is not finite.
    """
    if folder is None:
        remedy = "it is converted from a TensorFlow checkpoint and not public: put the file into TGNN_DATA_DIR"
        path = require(f"gat_cora_pretrained/{_FILE}", remedy, data_dir)
    else:
        path = local_path("folder", folder) / _FILE
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist; pass the folder that holds {_FILE}")
    arrays = read_npz(path)
    return _layer(path, arrays, "layer1", 8, 1433, 8), _layer(path, arrays, "layer2", 1, 64, 7)


def _layer(path: Path, arrays: dict[str, np.ndarray], name: str, heads: int, input_dim: int, head_dim: int) -> GatLayer:
    shapes = {
        "kernel": (heads, input_dim, head_dim),
        "attn_self_kernel": (heads, head_dim),
        "attn_self_bias": (heads,),
        "attn_neigh_kernel": (heads, head_dim),
        "attn_neigh_bias": (heads,),
        "bias": (heads, head_dim),
    }
    for part, shape in shapes.items():
        got = arrays[f"{name}/{part}"].shape if f"{name}/{part}" in arrays else None
        if got != shape:
            raise ValueError(
                f"{path} has {name}/{part} of shape {got}, expected {shape}; get the published weights again"
            )
    remedy = "get the published weights again"
    return GatLayer(*(as_float32(str(path), f"{name}/{part}", arrays[f"{name}/{part}"], remedy) for part in shapes))
