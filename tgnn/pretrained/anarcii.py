"""ANARCII: numbers the residues of antibodies with the Transformer of 2017: post-LN, ReLU, source to target.

Key biases are left out: they add the same number to the logits of all senders of a receiver, so that no weight depends
on them. Those of the cross-attention are as large as 97, and their products would round float32 logits of the next
token to 1e-3, where the original is 2e-4 away from itself in float64; without them 1e-5 holds.

Reference: Greenshields-Watson et al., ANARCII, 2025; Vaswani et al., Attention Is All You Need, arXiv:1706.03762.
"""

from tgnn.pretrained.encoder_decoder import EncoderDecoder
from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, joined_attention
from tgnn.typing import Params


def read_anarcii(config: Config, tensors: Tensors) -> tuple[Params, EncoderDecoder]:
    """The parameters and the model of a checkpoint of ANARCII."""
    padding = config.choice("SRC_PAD_IDX", 0, (0,)), config.choice("TRG_PAD_IDX", 0, (0,))
    sides = ("encoder", config.size("INPUT_DIM")), ("decoder", config.size("OUTPUT_DIM"))
    (source, encoder), (params, decoder) = (read_side(config, tensors.under(f"{x}."), x, size) for x, size in sides)
    dim = config.size("HID_DIM")
    params |= {"source": source, "output": tensors.linear("decoder.fc_out", dim, decoder.vocab_size)}
    return params, EncoderDecoder("anarcii", encoder, decoder, padding[0])


def read_side(config: Config, tensors: Tensors, name: str, vocab_size: int) -> tuple[Params, Model]:
    """One stack with its tables. The embedding holds the scale with which the original multiplies it at each use."""
    dim, num_layers = config.size("HID_DIM"), config.size("LAYERS")
    rows = tensors.shape("pos_embedding.weight")[0]
    table = tensors.table("tok_embedding.weight", vocab_size, dim)["table"]
    params: Params = {
        "embedding": {"table": table * dim**0.5},
        "positions": tensors.table("pos_embedding.weight", rows, dim),
        name: {"blocks": [read_block(config, tensors.under(f"layers.{i}."), dim, name) for i in range(num_layers)]},
    }
    return params, Model(
        architecture=f"anarcii {name}",
        layers=tuple(range(num_layers)),
        vocab_size=vocab_size,
        max_length=rows,
        is_causal=name == "decoder",
        activation="relu",
        norm="layer",
        epsilon=1e-5,
    )


def read_block(config: Config, tensors: Tensors, dim: int, side: str) -> Params:
    """One block; a decoder's also attends to the memory."""
    heads, hidden = config.size("HEADS"), tensors.shape("positionwise_feedforward.fc_1.bias")[0]
    config.head_dim(heads, dim)

    def attention(name: str, norm: str) -> Params:
        part = tensors.under(f"{name}.multihead_attn.")
        kernel, bias = part.take("in_proj_weight", 3 * dim, dim).T, part.take("in_proj_bias", 3 * dim)
        joined: Params = joined_attention({"kernel": kernel, "bias": bias}, part.linear("out_proj", dim, dim), heads)
        return joined | {"key": {"kernel": joined["key"]["kernel"]}, "norm_after": tensors.norm(norm, dim)}

    block = {
        "attention": attention("self_attention", "self_attn_layer_norm"),
        "mlp": {
            "up": tensors.linear("positionwise_feedforward.fc_1", dim, hidden),
            "down": tensors.linear("positionwise_feedforward.fc_2", hidden, dim),
            "norm_after": tensors.norm("ff_layer_norm", dim),
        },
    }
    return block if side == "encoder" else block | {"cross": attention("encoder_attention", "enc_attn_layer_norm")}
