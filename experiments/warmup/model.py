"""The arrangements, each a few words of the library's config, and the gradients of its layers before the first step."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.warmup.config import Arrangement, Config
from tgnn import patterns
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, Params

PARTS: dict[Arrangement, dict[str, Any]] = {
    "post": {"norm_first": False},
    "pre": {},
    "sandwich": {"sandwich": True},
    "gated": {"gru_bias": 2.0},
    "dlcl": {"mixed": True},
}


class Model(NamedTuple):
    """A language model, and its loss on excerpts."""

    init: Callable[[Array], Params]
    loss: Callable[[Params, Array], Array]  # (params, [rows, context + 1]) -> nats a character


def make(config: Config, arrangement: Arrangement, vocab_size: int, num_layers: int | None = None) -> Model:
    """nanoGPT's Transformer, as in `experiments.language`, in an arrangement.

    Args:
        config: sizes.
        arrangement: of norms, sums and layers.
        vocab_size: characters.
        num_layers: default the config's.
    """
    depth = {} if num_layers is None else {"num_layers": num_layers}
    sizes = config.text.transformer(vocab_size, **PARTS[arrangement] | depth)
    graph = patterns.causal(config.context)

    def loss(params: Params, tokens: Array) -> Array:
        logits = jax.vmap(lambda row: language_model(params, graph, row))(tokens[:, :-1])
        return cross_entropy(logits, tokens[:, 1:])

    return Model(lambda rng: init_language_model(rng, sizes), loss)


def gradient_norms(model: Model, rng: Array, tokens: Array) -> Array:
    """The norm of the gradient of each block's last map, W² in the theory, of weights that nobody has trained.

    Args:
        model: of any depth.
        rng: of the weights.
        tokens: ints `[rows, context + 1]`.

    Returns:
        `[num_layers]`.

    Reference: Xiong et al., On Layer Normalization in the Transformer Architecture, arXiv:2002.04745, theorem 1.
    """
    gradient = jax.grad(model.loss)(model.init(rng), tokens)
    kernel = gradient["decoder"]["blocks"]["mlp"]["down"]["kernel"]  # [num_layers, hidden_dim, model_dim]
    return jnp.sqrt(jnp.square(kernel).sum((1, 2)))
