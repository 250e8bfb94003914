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
from tgnn.recurrent.gates import LSTMState as LSTMState
from tgnn.recurrent.gates import checked, init_gates, run, zero_state
from tgnn.recurrent.levels import Levels as Levels
from tgnn.recurrent.levels import schedule as schedule
from tgnn.recurrent.lstms import init_lstm as init_lstm
from tgnn.recurrent.lstms import init_nary_lstm as init_nary_lstm
from tgnn.recurrent.lstms import lstm as lstm
from tgnn.recurrent.lstms import nary_lstm as nary_lstm
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

    >>> import jax, tgnn
    >>> params = tgnn.recurrent.init_rnn(jax.random.key(0), 4, 8)
    >>> tgnn.recurrent.rnn(params, tgnn.patterns.chain(5), jax.numpy.ones((5, 4))).shape
    (5, 8)
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

    >>> import jax, tgnn
    >>> params = tgnn.recurrent.init_gru(jax.random.key(0), 4, 8)
    >>> tgnn.recurrent.gru(params, tgnn.patterns.chain(5), jax.numpy.ones((5, 4))).shape
    (5, 8)
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
