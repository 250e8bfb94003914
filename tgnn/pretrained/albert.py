"""ALBERT: BERT whose layers share their blocks, with an embedding that is narrower than the model.

Reference: Lan et al., ALBERT, arXiv:1909.11942.
"""

from tgnn.pretrained.bert import encoder_model, read_attention, read_embeddings
from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors
from tgnn.typing import Params


def read_albert(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a checkpoint of ALBERT; the blocks are those of its groups."""
    tensors = tensors.under("albert.", "")
    dim, narrow = config.size("hidden_size"), config.size("embedding_size", 128)
    num_layers, num_groups = config.size("num_hidden_layers"), config.size("num_hidden_groups", 1)
    config.choice("inner_group_num", 1, (1,))
    config.choice("position_embedding_type", "absolute", ("absolute",))
    if num_groups > num_layers:
        raise ValueError(f"{config.path} has {num_groups} groups of {num_layers} layers; get the published file")
    params = read_embeddings(config, tensors.under("embeddings."), narrow)
    encoder = tensors.under("encoder.")
    params["projection"] = encoder.linear("embedding_hidden_mapping_in", narrow, dim)
    groups = [encoder.under(f"albert_layer_groups.{i}.albert_layers.0.") for i in range(num_groups)]
    params["encoder"] = {"blocks": [read_shared_block(config, group, dim) for group in groups]}
    layers = tuple(int(i / (num_layers / num_groups)) for i in range(num_layers))  # as the original rounds
    return params, encoder_model("albert", config, layers)


def read_shared_block(config: Config, tensors: Tensors, dim: int) -> Params:
    """The block of a group."""
    hidden = config.size("intermediate_size")
    attention = read_attention(config, tensors.under("attention."), tensors, "attention.dense", dim)
    mlp = {"up": tensors.linear("ffn", dim, hidden), "down": tensors.linear("ffn_output", hidden, dim)}
    return {
        "attention": attention | {"norm_after": tensors.norm("attention.LayerNorm", dim)},
        "mlp": mlp | {"norm_after": tensors.norm("full_layer_layer_norm", dim)},
    }
