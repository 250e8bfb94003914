"""The source's networks: blocks of layer norm, a module on the graph and a perceptron, each added to what came in.

Written on `attend` and `aggregate` as they are. Initial weights are PyTorch's: 1,000 steps of 3e-5 do not go far.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import tgnn
from experiments.heterophily.config import Config
from experiments.heterophily.data import Task
from tgnn.models.layers import stack_layers
from tgnn.nn import rate_when_training
from tgnn.nn.basic import dropout, fold, init_layer_norm, layer_norm, linear
from tgnn.typing import Array, Params


class Network(NamedTuple):
    """A network without its parameters."""

    init: Callable[[Array], Params]  # rng -> params
    apply: Callable[..., Array]  # params, task, rng=None -> logits [n, outputs]


def build(model: str, config: Config, num_features: int, outputs: int) -> Network:
    """A network by name."""
    dim = config.model_dim
    if dim % config.num_heads:
        raise ValueError(f"model_dim is {dim}, no multiple of num_heads {config.num_heads}; choose one")
    init_module, module = MODULES[model]

    def init(rng):
        first, middle, last = jax.random.split(rng, 3)
        blocks = stack_layers(lambda r: init_module(r, dim, config), middle, config.num_layers)
        ends = init_torch(first, num_features, dim), init_torch(last, dim, outputs)
        return {"input": ends[0], "blocks": blocks, "norm": init_layer_norm(dim), "output": ends[1]}

    def apply(params, task: Task, rng=None):
        rate = rate_when_training(rng, config.dropout_rate)
        x = gelu(dropout(fold(rng, 0), linear(params["input"], task.features), rate))

        def block(x, numbered):
            number, block_params = numbered
            return module(block_params, task, x, fold(rng, number), rate, config), None

        x, _ = jax.lax.scan(block, x, (jnp.arange(1, config.num_layers + 1), params["blocks"]))
        return linear(params["output"], layer_norm(params["norm"], x))

    return Network(init, apply)


def init_torch(rng: Array, in_dim: int, out_dim: int) -> Params:
    """A linear map as `torch.nn.Linear` begins: kernel and bias uniform up to `in_dim ** -0.5`."""
    limit, rngs = in_dim**-0.5, jax.random.split(rng)
    draw = lambda r, shape: jax.random.uniform(r, shape, minval=-limit, maxval=limit)  # noqa: E731
    return {"kernel": draw(rngs[0], (in_dim, out_dim)), "bias": draw(rngs[1], (out_dim,))}


def gelu(x: Array) -> Array:
    """With the error function, as in PyTorch."""
    return jax.nn.gelu(x, approximate=False)


def init_perceptron(rng: Array, dim: int, inputs: int = 1) -> Params:
    """From `inputs * dim` features through `dim` to `dim`."""
    rngs = jax.random.split(rng)
    return {"hidden": init_torch(rngs[0], inputs * dim, dim), "output": init_torch(rngs[1], dim, dim)}


def perceptron(params: Params, x: Array, rng: Array | None, rate: float) -> Array:
    """Dropout before the activation and at the end, as in the source."""
    x = gelu(dropout(fold(rng, 0), linear(params["hidden"], x), rate))
    return dropout(fold(rng, 1), linear(params["output"], x), rate)


def init_block(rng: Array, dim: int, config: Config, inputs: int = 1) -> Params:
    """A block of no graph; other modules add to it."""
    return {"norm": init_layer_norm(dim), "perceptron": init_perceptron(rng, dim, inputs)}


def resnet(params: Params, task: Task, x: Array, rng: Array | None, rate: float, config: Config) -> Array:
    """No graph at all."""
    return x + perceptron(params["perceptron"], layer_norm(params["norm"], x), rng, rate)


def gcn(params: Params, task: Task, x: Array, rng: Array | None, rate: float, config: Config) -> Array:
    """Sums over neighbours, by degrees; its linear map is the first of the perceptron."""
    return x + perceptron(params["perceptron"], received(task, layer_norm(params["norm"], x)), rng, rate)


def init_sage(rng: Array, dim: int, config: Config) -> Params:
    """Two inputs: the node and its neighbours."""
    return init_block(rng, dim, config, inputs=2)


def sage(params: Params, task: Task, x: Array, rng: Array | None, rate: float, config: Config) -> Array:
    """A node beside the mean of its neighbours."""
    own = layer_norm(params["norm"], x)
    return x + perceptron(params["perceptron"], jnp.concatenate([own, received(task, own)], axis=1), rng, rate)


def received(task: Task, x: Array) -> Array:
    """Sums with the weights of the task: [n, dim] -> [n, dim]."""
    assert task.weights is not None
    return task.layout.aggregate(task.weights, x[:, None])[:, 0]


def init_gat(rng: Array, dim: int, config: Config, inputs: int = 1) -> Params:
    """A linear map, and from it a number for each head as receiver and as sender."""
    rngs, heads = jax.random.split(rng, 4), config.num_heads
    ends = {"receiver": init_torch(rngs[1], dim, heads), "sender": init_torch(rngs[2], dim, heads)}
    return init_block(rngs[3], dim, config, inputs) | {"linear": init_torch(rngs[0], dim, dim), **ends}


def init_gat_sep(rng: Array, dim: int, config: Config) -> Params:
    """Two inputs of the perceptron."""
    return init_gat(rng, dim, config, inputs=2)


def gat(params: Params, task: Task, x: Array, rng: Array | None, rate: float, config: Config) -> Array:
    """Additive scores; "sep": a node's own features beside what it receives.

    Every head scores all features of the linear map and not only its own, so query and key are one number of a head.
    One of the source's biases is left out: the other adds to it.
    """
    own = linear(params["linear"], layer_norm(params["norm"], x))  # [n, dim]
    ends = (linear({"kernel": params[end]["kernel"]}, own)[..., None] for end in ("receiver", "sender"))
    one = jnp.ones((config.num_heads, 1))
    score = tgnn.Additive(one, one, bias=params["receiver"]["bias"])
    message = attended(task, *ends, split_heads(own, config), score, config).reshape(own.shape)
    sep = params["perceptron"]["hidden"]["kernel"].shape[0] > own.shape[1]
    return x + perceptron(params["perceptron"], jnp.concatenate([own, message], 1) if sep else message, rng, rate)


def init_transformer(rng: Array, dim: int, config: Config) -> Params:
    """Four linear maps with their norm, and a block of a perceptron."""
    *rngs, rest = jax.random.split(rng, 5)
    maps = {name: init_torch(r, dim, dim) for name, r in zip(("query", "key", "value", "mix"), rngs, strict=True)}
    return init_block(rest, dim, config) | maps | {"before": init_layer_norm(dim)}


def transformer(params: Params, task: Task, x: Array, rng: Array | None, rate: float, config: Config) -> Array:
    """A Transformer's block whose attention sees neighbours only."""
    normed = layer_norm(params["before"], x)
    query, key, value = (split_heads(linear(params[name], normed), config) for name in ("query", "key", "value"))
    message = attended(task, query, key, value, tgnn.dot_product, config).reshape(x.shape)
    x = x + dropout(fold(rng, 2), linear(params["mix"], message), rate)
    return resnet(params, task, x, rng, rate, config)


def split_heads(x: Array, config: Config) -> Array:
    """[n, dim] -> [n, heads, head_dim]."""
    return x.reshape(x.shape[0], config.num_heads, -1)


def attended(task: Task, query: Array, key: Array, value: Array, score: Any, config: Config) -> Array:
    """`attend`; rows that its definition gathers for the edges are gathered again for the gradients, not kept."""
    if not config.definition:
        return tgnn.attend(task.layout, query, key, value, score=score)

    @jax.checkpoint
    def again(layout, query, key, value, score):
        return tgnn.attend(layout, query, key, value, score=score, implementation="definition")

    return again(task.layout, query, key, value, score)


MODULES: dict[str, tuple[Callable, Callable]] = {
    "resnet": (init_block, resnet),
    "gcn": (init_block, gcn),
    "sage": (init_sage, sage),
    "gat": (init_gat, gat),
    "gat_sep": (init_gat_sep, gat),
    "transformer": (init_transformer, transformer),
}
