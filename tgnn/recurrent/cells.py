"""RNN, GRU, LSTM and Tree-LSTM: recurrent cells on any directed acyclic graph.

On `tgnn.patterns.chain(n)` each is the ordinary recurrent network; on a tree whose children send to their parents
(`tgnn.patterns.constituency`, `dependency(..., direction="up")`) `lstm` is the child-sum Tree-LSTM and `nary_lstm`
the N-ary one. Batches are disjoint unions, or `jax.vmap` over the inputs of one schedule. A call outside jit is one
program, which further calls share.

    layout = tgnn.patterns.chain(n)
    params = init_lstm(rng, in_dim, hidden_dim)
    hidden, cell = lstm(params, layout, x)
"""

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.nn.basic import linear
from tgnn.recurrent.gates import LSTMState, checked, init_gates, remember, run, zero_state
from tgnn.recurrent.levels import Levels
from tgnn.typing import Array, Graph, Params


def init_rnn(rng: Array, in_dim: int, hidden_dim: int) -> Params:
    """Initialises a simple recurrent cell: `{"input": linear [in_dim, 1, hidden_dim], "state": {"kernel"}}`."""
    return init_gates(rng, in_dim, hidden_dim, 1)


def rnn(params: Params, graph: Graph | Levels, x: Array, given: Array | None = None) -> Array:
    """Elman's network: hidden = tanh(W x + b + U sum of the senders' hidden states).

    Args:
        params: of `init_rnn`.
        graph: a directed acyclic layout (concrete), or its `schedule`, which may be traced.
        x: [n_node, in_dim].
        given: [n_given, hidden_dim], the states of senders that are no nodes, such as the start of a chain.

    Returns:
        [n_node, hidden_dim].

    Raises:
        ValueError: for sizes that disagree with the graph.

    Reference: Elman, Finding Structure in Time, Cognitive Science 14, 1990.
    """
    return run_rnn(params, checked(params, graph, x, given), x, given)


@compiled
def run_rnn(params: Params, plan: Levels, x: Array, given: Array | None) -> Array:
    """The equation of `rnn`."""

    def cell(gates, hidden):  # [width, 1, hidden_dim], [width, arity, hidden_dim]
        return jnp.tanh(gates[:, 0] + linear(params["state"], hidden.sum(axis=1))[:, 0])

    return run(params, plan, x, given, cell, zero_state(params, x))


def init_gru(rng: Array, in_dim: int, hidden_dim: int) -> Params:
    """Initialises a GRU: gates reset, update and candidate; the candidate's recurrent part has a bias of its own."""
    params = init_gates(rng, in_dim, hidden_dim, 3)
    return {"input": params["input"], "state": params["state"] | {"bias": jnp.zeros(hidden_dim)}}


def gru(params: Params, graph: Graph | Levels, x: Array, given: Array | None = None) -> Array:
    """Gated recurrent units; several senders act through the sum of their hidden states.

    r, z = sigmoid(W x + b + U h);  candidate = tanh(W x + b + r * (U h + b'));  hidden = (1 - z) * candidate + z * h

    Args:
        params: of `init_gru`.
        graph: as for `rnn`.
        x: [n_node, in_dim].
        given: [n_given, hidden_dim].

    Returns:
        [n_node, hidden_dim].

    Raises:
        ValueError: for sizes that disagree with the graph.

    Reference: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, arXiv:1406.1078; the reset gate
        stands after the matrix product, as in cuDNN, PyTorch and flax.
    """
    return run_gru(params, checked(params, graph, x, given), x, given)


@compiled
def run_gru(params: Params, plan: Levels, x: Array, given: Array | None) -> Array:
    """The equations of `gru`."""
    kernel, bias = {"kernel": params["state"]["kernel"]}, params["state"]["bias"]

    def cell(gates, hidden):  # [width, 3, hidden_dim], [width, arity, hidden_dim]
        hidden = hidden.sum(axis=1)
        recurrent = linear(kernel, hidden)  # [width, 3, hidden_dim]
        reset = jax.nn.sigmoid(gates[:, 0] + recurrent[:, 0])
        update = jax.nn.sigmoid(gates[:, 1] + recurrent[:, 1])
        own = recurrent[:, 2] + jnp.broadcast_to(bias.astype(hidden.dtype), hidden.shape)
        return (1 - update) * jnp.tanh(gates[:, 2] + reset * own) + update * hidden

    return run(params, plan, x, given, cell, zero_state(params, x))


def init_lstm(rng: Array, in_dim: int, hidden_dim: int, *, forget_bias: float = 1.0) -> Params:
    """Initialises an LSTM or child-sum Tree-LSTM: gates input, forget, candidate, output.

    Args:
        rng: a key.
        in_dim: size of the inputs.
        hidden_dim: size of the states.
        forget_bias: first bias of the forget gate; 1 lets a fresh network remember.

    Returns:
        `{"input": {"kernel": [in_dim, 4, hidden_dim], "bias": [4, hidden_dim]},
        "state": {"kernel": [hidden_dim, 4, hidden_dim]}}`: Glorot uniform for each gate, orthogonal for the states.
    """
    params = init_gates(rng, in_dim, hidden_dim, 4)
    params["input"]["bias"] = params["input"]["bias"].at[1].set(forget_bias)
    return params


def lstm(params: Params, graph: Graph | Levels, x: Array, given: LSTMState | None = None) -> LSTMState:
    """Long short-term memory along a chain, the child-sum Tree-LSTM on a tree: one forget gate per sender.

    i, o = sigmoid(W x + b + U h);  g = tanh(W x + b + U h), h the sum of the senders' hidden states
    f_k = sigmoid(W x + b + U hidden_k);  cell = i * g + sum_k f_k * cell_k;  hidden = o * tanh(cell)

    Args:
        params: of `init_lstm`.
        graph: as for `rnn`.
        x: [n_node, in_dim].
        given: states [n_given, hidden_dim] of senders that are no nodes.

    Returns:
        `LSTMState`, [n_node, hidden_dim] each. The order of the senders does not matter.

    Raises:
        ValueError: for sizes that disagree with the graph.

    Reference: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; Tai, Socher and Manning, Improved Semantic
        Representations From Tree-Structured Long Short-Term Memory Networks, arXiv:1503.00075, equations 2 to 8.

    >>> from tgnn.patterns import chain
    >>> params = init_lstm(jax.random.key(0), 2, 3)
    >>> lstm(params, chain(5), jnp.ones((5, 2))).hidden.shape
    (5, 3)
    """
    return run_lstm(params, checked(params, graph, x, given), x, given)


@compiled
def run_lstm(params: Params, plan: Levels, x: Array, given: LSTMState | None) -> LSTMState:
    """The equations of `lstm`."""
    kernel = params["state"]["kernel"]  # [hidden_dim, 4, hidden_dim]
    forget_kernel, sum_kernel = {"kernel": kernel[:, 1]}, {"kernel": kernel[:, jnp.array([0, 2, 3])]}

    def cell(gates, senders):  # [width, 4, hidden_dim], [width, arity, hidden_dim] each
        recurrent = linear(sum_kernel, senders.hidden.sum(axis=1))  # [width, 3, hidden_dim]
        # One gate for each sender: [width, arity, hidden_dim].
        forget = jax.nn.sigmoid(gates[:, None, 1] + linear(forget_kernel, senders.hidden))
        kept = (forget * senders.cell).sum(axis=1)
        return remember(gates, recurrent, kept)

    return run(params, plan, x, given, cell, LSTMState(*[zero_state(params, x)] * 2))
