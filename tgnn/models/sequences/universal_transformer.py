"""Universal Transformer: one block, again and again; a node may halt when it has thought enough."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.models.cards import Choice
from tgnn.nn.basic import dropout, fold, init_embedding, init_linear, linear
from tgnn.nn.block import TransformerConfig, init_block, init_norm, transformer_block
from tgnn.nn.positions import sinusoidal
from tgnn.nn.stack import normed
from tgnn.nn.transformer import embed, unembed
from tgnn.typing import Array, Graph, Params


class Pondered(NamedTuple):
    """The nodes after the last step."""

    x: Array  # [n, model_dim]
    steps: Array  # [n]: the paper's ponder time, steps taken plus remainder; its mean times a number joins the loss


def init_universal_transformer(rng: Array, config: TransformerConfig, *, halting: bool = False) -> Params:
    """Initialises a language model of one block: `{"embedding", "block", ["norm"], ["halting"], ["output"]}`.

    Args:
        rng: a key.
        config: sizes and parts; `num_layers`, `max_length` and `mixed` are not used.
        halting: whether nodes halt by themselves.

    Returns:
        Parameters for any number of steps.
    """
    table_rng, block_rng, halting_rng, output_rng = jax.random.split(rng, 4)
    params = {
        "embedding": init_embedding(table_rng, config.vocab_size, config.model_dim),
        "block": init_block(block_rng, config),
    }
    if config.norm_first:
        params["norm"] = init_norm(config)
    if halting:
        params["halting"] = init_linear(halting_rng, config.model_dim, 1)
    if not config.tied:
        params["output"] = init_linear(output_rng, config.model_dim, config.vocab_size, use_bias=config.use_bias)
    return params


def universal_transformer(
    params: Params,
    graph: Graph,
    tokens: Array,
    *,
    num_steps: int,
    positions: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> tuple[Array, Array]:
    """Logits of the next token after steps of one block.

    Args:
        params: what `init_universal_transformer` made.
        graph: edges between the tokens, such as `Causal(n)`.
        tokens: ints `[n]`.
        num_steps: how often the block runs, at most; at least 1.
        positions: ints `[n]`; default row numbers.
        dropout_rate: of the embeddings and the block.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        Logits `[n, vocab_size]`, and the ponder time `[n]` of `ponder`.

    Raises:
        ValueError: `num_steps` is no integer of at least 1, or there is a rate above 0 without a key.

    Reference: Dehghani, Gouws, Vinyals, Uszkoreit and Kaiser, Universal Transformers, arXiv:1807.03819; the map of
        every node is two linear layers, and norms stand before the parts unless the config says otherwise.

    >>> import jax, tgnn
    >>> config = tgnn.nn.transformer.TransformerConfig(50, model_dim=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> params = tgnn.models.init_universal_transformer(jax.random.key(0), config)
    >>> tokens = jax.numpy.arange(6)
    >>> tgnn.models.universal_transformer(params, tgnn.Causal(6), tokens, num_steps=2)[0].shape
    (6, 50)
    """
    dropout_rate = check_dropout(dropout_rate, rng)
    x = dropout(fold(rng, 0), embed(params, tokens, encoding=None), dropout_rate)
    block = partial(transformer_block, implementation=implementation)
    options = {"num_steps": num_steps, "positions": positions, "dropout_rate": dropout_rate, "rng": rng}
    pondered = ponder(params, graph, x, block=block, **options)
    return unembed(params, normed(params, "norm", pondered.x)), pondered.steps


def ponder(
    params: Params,
    graph: Graph,
    x: Array,
    *,
    num_steps: int,
    positions: Array | None = None,
    block: Callable[..., Array] = transformer_block,
    threshold: float = 0.99,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Pondered:
    """Runs the block `num_steps` times, every time after adding where and when it is; nodes halt if they can.

    With `"halting"` in the parameters a node halts in the step in which its probabilities of halting add up to
    `threshold`, and in the last one; its result is the mean of its states, weighted by these probabilities, the last
    weight being what is missing to 1. Others still see its state, which no longer changes.

    Args:
        params: `{"block", ["halting"]}`.
        graph: edges between the nodes.
        x: `[n, model_dim]`.
        num_steps: how often the block runs, at most; at least 1.
        positions: ints `[n]`; default row numbers.
        block: `transformer_block`, perhaps with some keywords bound.
        threshold: of halting, below 1.
        dropout_rate: of the block.
        rng: key of the dropout.

    Returns:
        `Pondered`; all nodes take `num_steps` steps where they cannot halt.

    Raises:
        ValueError: `num_steps` is no integer of at least 1, or there is a rate above 0 without a key.

    Reference: arXiv:1807.03819, section 2.1 and appendix C; Graves, Adaptive Computation Time, arXiv:1603.08983.
    """
    dropout_rate, num_steps = check_dropout(dropout_rate, rng), check_size("num_steps", num_steps, minimum=1)
    return _run(params, graph, x, positions, rng, num_steps, block, threshold, dropout_rate)


@compiled
def _run(params, graph, x, positions, rng, num_steps, block, threshold, dropout_rate):
    n, dim = x.shape
    places = sinusoidal(jnp.arange(n) if positions is None else positions, dim).astype(x.dtype)

    def think(x, step):
        now = jnp.broadcast_to(sinusoidal(step[None], dim).astype(x.dtype), x.shape)
        return block(params["block"], graph, x + places + now, dropout_rate=dropout_rate, rng=fold(rng, 1 + step))

    def plain(x, step):
        return think(x, step), None

    def halting(carry, step):
        x, result, total, steps = carry
        running = total < 1.0
        chance = jax.nn.sigmoid(linear(params["halting"], x)[:, 0].astype(jnp.float32))
        halts = running & ((total + chance > threshold) | (step == num_steps - 1))
        weight = jnp.where(halts, 1 - total, jnp.where(running, chance, 0))
        x = jnp.where(running[:, None], think(x, step), x)
        result = result + weight.astype(x.dtype)[:, None] * x
        steps = steps + running + jnp.where(halts, weight, 0)
        return (x, result, jnp.where(halts, 1.0, total + weight), steps), None

    if "halting" not in params:
        x, _ = jax.lax.scan(plain, x, jnp.arange(num_steps))
        return Pondered(x, jnp.full(n, float(num_steps)))
    start = x, jnp.zeros_like(x), jnp.zeros(n), jnp.zeros(n)
    (_, result, _, steps), _ = jax.lax.scan(halting, start, jnp.arange(num_steps))
    return Pondered(result, steps)


CHOICES = (
    Choice(
        "Universal Transformer",
        "any, the same in every step",
        "dot product in `transformer_block`",
        "softmax",
        "arXiv:1807.03819",
    ),
)
