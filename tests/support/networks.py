"""Small networks of every kind in `tgnn.pretrained`, and one call of each, for the verbs that edit them all alike."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import tgnn
from tests.support.checkpoints import ALBERT, BERT, GPT2, LLAMA, write_checkpoint
from tgnn import models, pretrained
from tgnn.nn.transformer import Layouts, TransformerConfig, init_transformer
from tgnn.pretrained.model import Model

IDS = np.array([[2, 7, 1, 8, 28, 1, 8], [5, 3, 9, 4, 0, 0, 0]])
MASK = np.arange(7)[None] < np.array([7, 4])[:, None]
N = 7
CONFIGS = {"bert": BERT, "albert": ALBERT, "gpt2": GPT2, "llama": LLAMA}


class Network(NamedTuple):
    """Parameters, a model, and what it says of one input with the keywords `layout` and `gates`."""

    params: Any
    model: Any
    call: Any  # (params, model, **options) -> Array
    graph: Any  # its own edges


def text_network(folder, kind, dtype=jnp.float32) -> Network:
    extra = {"lm_head.weight": np.random.default_rng(3).normal(size=(29, 12))} if kind == "llama" else {}
    write_checkpoint(folder, CONFIGS[kind], **extra)
    params, model = pretrained.load(folder, dtype=dtype)

    def call(params, model, **options):
        return jnp.where(MASK[None, ..., None], model(params, IDS, mask=MASK, **options).hidden, 0)

    return Network(params, model, call, model.graph(N))


def encoder_decoder(dtype=jnp.float32) -> Network:
    config = TransformerConfig(
        vocab_size=29, model_dim=12, num_heads=3, hidden_dim=11, max_length=16, norm_first=False, stacked=False
    )
    params = jax.tree.map(lambda x: x.astype(dtype), init_transformer(jax.random.key(0), config))
    sides = (Model(name, (0, 1), 29, 16, name == "decoder", "relu", "layer", 1e-5) for name in ("encoder", "decoder"))
    model = pretrained.EncoderDecoder("small", *sides, padding_id=0)
    target = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])

    def call(params, model, **options):
        return model(params, IDS, target, mask=MASK, **options).logits

    return Network(params, model, call, model.graph(N, 4))


def gat_network(dtype=jnp.float32, output_heads=2) -> Network:
    params = models.init_gat(jax.random.key(1), (5, 3, 2), num_heads=4, num_output_heads=output_heads)
    keys = jax.random.split(jax.random.key(2), len(params))
    params = [x | {"bias": jax.random.normal(k, x["bias"].shape)} for x, k in zip(params, keys, strict=True)]
    params = jax.tree.map(lambda x: x.astype(dtype), params)
    rng = np.random.default_rng(0)
    mask = rng.random((N, N)) < 0.6
    receivers, senders = np.nonzero(mask | np.eye(N, dtype=bool))
    graph = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N)
    x = jnp.asarray(rng.normal(size=(N, 5)), dtype)
    return Network(params, pretrained.Gat(), lambda p, m, **options: m(p, graph, x, **options), graph)


def protein_network(dtype=jnp.float32) -> Network:
    """Three neighbours of each of seven residues; weights are random."""
    rng = np.random.default_rng(4)
    dim, vocab = 8, 21

    def linear(*size):
        return {"kernel": jnp.asarray(rng.normal(size=size) * 0.3, dtype), "bias": jnp.zeros(size[-1], dtype)}

    def norm():
        return {"scale": jnp.ones(dim, dtype), "bias": jnp.zeros(dim, dtype)}

    def messages(inputs):
        return {"maps": [linear(inputs * dim, dim), linear(dim, dim), linear(dim, dim)], "norm_after": norm()}

    def block(inputs):
        return {
            "messages": messages(inputs),
            "mlp": {"up": linear(dim, 9), "down": linear(9, dim), "norm_after": norm()},
        }

    params = {
        "steps": linear(66, 16),
        "edges": {"kernel": linear(416, dim)["kernel"]},
        "edge_norm": norm(),
        "edge_projection": linear(dim, dim),
        "residues": {"table": linear(vocab, dim)["kernel"]},
        "encoder": [block(3) | {"edges": messages(3)} for _ in range(3)],
        "decoder": [block(4) for _ in range(3)],
        "output": linear(dim, vocab),
    }
    model = pretrained.ProteinMPNN(num_neighbors=4)
    backbone = np.cumsum(rng.normal(size=(N, 1, 3)), 0) * 3 + rng.normal(size=(N, 4, 3))
    sequence = rng.integers(0, 21, N)

    def call(params, model, **options):
        return model(params, backbone, np.arange(N), sequence, **options).log_probabilities

    return Network(params, model, call, model.graph(jnp.asarray(backbone, dtype)))


def network(kind, folder, dtype=jnp.float32) -> Network:
    """The one of this name."""
    others = {"encoder_decoder": encoder_decoder, "gat": gat_network, "protein": protein_network}
    return others[kind](dtype) if kind in others else text_network(folder, kind, dtype)


def parts(x, kind, which=slice(None)):
    """The same for each kind of attention of an encoder–decoder, else as it is."""
    return Layouts(x, x, x) if kind == "encoder_decoder" else x
