"""Small checkpoints of random numbers, written as HuggingFace's library writes them: names, shapes and config."""

import json

import numpy as np

BERT = {
    "model_type": "bert",
    "vocab_size": 29,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 14,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}
ROBERTA = BERT | {"model_type": "roberta", "type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
ALBERT = BERT | {"model_type": "albert", "embedding_size": 8, "num_hidden_groups": 1, "inner_group_num": 1}

GPT2 = {
    "model_type": "gpt2",
    "vocab_size": 29,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 16,
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
}
LLAMA = {
    "model_type": "llama",
    "vocab_size": 29,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 14,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 500.0,
    "max_position_embeddings": 16,
    "tie_word_embeddings": False,
}


def linear(name, in_dim, out_dim, bias=True):
    return {f"{name}.weight": (out_dim, in_dim)} | ({f"{name}.bias": (out_dim,)} if bias else {})


def norm(name, dim, bias=True):
    return {f"{name}.weight": (dim,)} | ({f"{name}.bias": (dim,)} if bias else {})


def embeddings(config, dim):
    rows = {"word": "vocab_size", "position": "max_position_embeddings", "token_type": "type_vocab_size"}
    tables = {f"embeddings.{name}_embeddings.weight": (config[size], dim) for name, size in rows.items()}
    return tables | norm("embeddings.LayerNorm", dim)


def bert_shapes(config):
    dim, hidden = config["hidden_size"], config["intermediate_size"]
    shapes = embeddings(config, dim)
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= linear(f"{name}.{part}", dim, dim)
        shapes |= norm(f"{name}.attention.output.LayerNorm", dim) | norm(f"{name}.output.LayerNorm", dim)
        shapes |= linear(f"{name}.intermediate.dense", dim, hidden) | linear(f"{name}.output.dense", hidden, dim)
    return shapes


def albert_shapes(config):
    dim, hidden, narrow = config["hidden_size"], config["intermediate_size"], config["embedding_size"]
    shapes = embeddings(config, narrow) | linear("encoder.embedding_hidden_mapping_in", narrow, dim)
    for i in range(config["num_hidden_groups"]):
        name = f"encoder.albert_layer_groups.{i}.albert_layers.0"
        for part in ("query", "key", "value", "dense"):
            shapes |= linear(f"{name}.attention.{part}", dim, dim)
        shapes |= norm(f"{name}.attention.LayerNorm", dim) | norm(f"{name}.full_layer_layer_norm", dim)
        shapes |= linear(f"{name}.ffn", dim, hidden) | linear(f"{name}.ffn_output", hidden, dim)
    return shapes


def gpt2_shapes(config):
    dim = config["n_embd"]
    shapes = {"wte.weight": (config["vocab_size"], dim), "wpe.weight": (config["n_positions"], dim)}
    shapes |= norm("ln_f", dim)
    maps = {
        "attn.c_attn": (dim, 3 * dim),
        "attn.c_proj": (dim, dim),
        "mlp.c_fc": (dim, 4 * dim),
        "mlp.c_proj": (4 * dim, dim),
    }
    for i in range(config["n_layer"]):
        shapes |= norm(f"h.{i}.ln_1", dim) | norm(f"h.{i}.ln_2", dim)
        for name, (in_dim, out_dim) in maps.items():  # stored from inputs to outputs
            shapes |= linear(f"h.{i}.{name}", out_dim, in_dim) | {f"h.{i}.{name}.bias": (out_dim,)}
    return shapes


def llama_shapes(config):
    dim, hidden, head_dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    wide, narrow = config["num_attention_heads"] * head_dim, config["num_key_value_heads"] * head_dim
    shapes = {"embed_tokens.weight": (config["vocab_size"], dim)} | norm("norm", dim, bias=False)
    maps = {"q": (dim, wide), "k": (dim, narrow), "v": (dim, narrow), "o": (wide, dim)}
    for i in range(config["num_hidden_layers"]):
        name = f"layers.{i}"
        for part, sizes in maps.items():
            shapes |= linear(f"{name}.self_attn.{part}_proj", *sizes, bias=False)
        for part, sizes in {"gate": (dim, hidden), "up": (dim, hidden), "down": (hidden, dim)}.items():
            shapes |= linear(f"{name}.mlp.{part}_proj", *sizes, bias=False)
        for part in ("input_layernorm", "post_attention_layernorm"):
            shapes |= norm(f"{name}.{part}", dim, bias=False)
    return shapes


SHAPES = {
    "bert": bert_shapes,
    "roberta": bert_shapes,
    "albert": albert_shapes,
    "gpt2": gpt2_shapes,
    "llama": llama_shapes,
}


def random_tensors(config):
    """Numbers of a size at which every part of the network matters."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in SHAPES[config["model_type"]](config).items():
        x = 0.5 * rng.normal(size=shape)
        tensors[name] = (x + (1 if len(shape) == 1 and name.endswith("weight") else 0)).astype(np.float32)
    return tensors


def write_checkpoint(folder, config, tensors=None, prefix="", **more):
    """Writes config.json and weights.npz with more tensors, and gives those without the prefix."""
    tensors = random_tensors(config) if tensors is None else tensors
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    np.savez(folder / "weights.npz", **{prefix + name: x for name, x in tensors.items()}, **more)
    return tensors
