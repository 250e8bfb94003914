"""RNN, GRU, LSTM and Tree-LSTM: recurrent cells on any directed acyclic graph.

On `tgnn.patterns.chain(n)` each is the ordinary recurrent network; on a tree whose children send to their parents
(`tgnn.patterns.constituency`, `dependency(..., direction="up")`) `lstm` is the child-sum Tree-LSTM and `nary_lstm`
the N-ary one. Batches are disjoint unions, or `jax.vmap` over the inputs of one schedule.

    layout = tgnn.patterns.chain(n)
    params = init_lstm(rng, in_dim, hidden_dim)
    hidden, cell = lstm(params, layout, x)
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.graphs import Layout
from tgnn.nn.basic import init_linear, linear
from tgnn.recurrent.levels import Levels as Levels
from tgnn.recurrent.levels import as_levels
from tgnn.recurrent.levels import schedule as schedule
from tgnn.recurrent.propagation import propagate
from tgnn.typing import Array, Params


class LSTMState(NamedTuple):
    """The state of each node: hidden (its output) and cell (its memory), [n_node, hidden_dim] each."""

    hidden: Array
    cell: Array


def init_rnn(rng: Array, in_dim: int, hidden_dim: int) -> Params:
    """Initialises a simple recurrent cell: `{"input": linear [in_dim, 1, hidden_dim], "state": {"kernel"}}`."""
    return init_gates(rng, in_dim, hidden_dim, 1)


def rnn(params: Params, graph: Layout | Levels, x: Array, given: Array | None = None) -> Array:
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

    def cell(gates, hidden):
        return jnp.tanh(gates[:, 0] + linear(params["state"], hidden.sum(axis=1))[:, 0])

    return run(params, graph, x, given, cell, zero_state(params, x))


def init_gru(rng: Array, in_dim: int, hidden_dim: int) -> Params:
    """Initialises a GRU: gates reset, update and candidate; the candidate's recurrent part has a bias of its own."""
    params = init_gates(rng, in_dim, hidden_dim, 3)
    return {"input": params["input"], "state": params["state"] | {"bias": jnp.zeros(hidden_dim)}}


def gru(params: Params, graph: Layout | Levels, x: Array, given: Array | None = None) -> Array:
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

    Reference: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, arXiv 1406.1078; the reset gate
    stands after the matrix product, as in cuDNN, PyTorch and flax.
    """
    kernel, bias = {"kernel": params["state"]["kernel"]}, params["state"]["bias"]

    def cell(gates, hidden):
        hidden = hidden.sum(axis=1)
        recurrent = linear(kernel, hidden)
        reset = jax.nn.sigmoid(gates[:, 0] + recurrent[:, 0])
        update = jax.nn.sigmoid(gates[:, 1] + recurrent[:, 1])
        own = recurrent[:, 2] + jnp.broadcast_to(bias.astype(hidden.dtype), hidden.shape)
        return (1 - update) * jnp.tanh(gates[:, 2] + reset * own) + update * hidden

    return run(params, graph, x, given, cell, zero_state(params, x))


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


def lstm(params: Params, graph: Layout | Levels, x: Array, given: LSTMState | None = None) -> LSTMState:
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
    Representations From Tree-Structured Long Short-Term Memory Networks, arXiv 1503.00075, equations 2 to 8.

    >>> from tgnn.patterns import chain
    >>> params = init_lstm(jax.random.key(0), 2, 3)
    >>> lstm(params, chain(5), jnp.ones((5, 2))).hidden.shape
    (5, 3)
    """
    kernel = params["state"]["kernel"]
    forget_kernel, sum_kernel = {"kernel": kernel[:, 1]}, {"kernel": kernel[:, jnp.array([0, 2, 3])]}

    def cell(gates, senders):
        recurrent = linear(sum_kernel, senders.hidden.sum(axis=1))
        forget = jax.nn.sigmoid(gates[:, None, 1] + linear(forget_kernel, senders.hidden))
        kept = (forget * senders.cell).sum(axis=1)
        return remember(gates, recurrent, kept)

    return run(params, graph, x, given, cell, LSTMState(*[zero_state(params, x)] * 2))


def init_nary_lstm(rng: Array, in_dim: int, hidden_dim: int, arity: int = 2, *, forget_bias: float = 1.0) -> Params:
    """Initialises an N-ary Tree-LSTM, whose senders have matrices of their own.

    Args:
      rng: a key.
      in_dim: size of the inputs.
      hidden_dim: size of the states.
      arity: most senders of a node.
      forget_bias: first bias of the forget gates.

    Returns:
      As `init_lstm`, with `"state": {"kernel": [arity, hidden_dim, 3 + arity, hidden_dim]}`: what each sender adds to
      the gates input, candidate, output and to the forget gate of every sender.
    """
    input_rng, state_rng = jax.random.split(rng)
    params = init_lstm(input_rng, in_dim, hidden_dim, forget_bias=forget_bias)
    draw = jax.nn.initializers.orthogonal(column_axis=-1)
    blocks = [draw(key, (hidden_dim, hidden_dim)) for key in jax.random.split(state_rng, arity * (3 + arity))]
    kernel = jnp.stack(blocks).reshape(arity, 3 + arity, hidden_dim, hidden_dim)
    return {"input": params["input"], "state": {"kernel": jnp.swapaxes(kernel, 1, 2)}}


def nary_lstm(params: Params, graph: Layout | Levels, x: Array, given: LSTMState | None = None) -> LSTMState:
    """The N-ary Tree-LSTM: senders are told apart by their place, and each forget gate sees all of them.

    i, o = sigmoid(W x + b + sum_l U_l hidden_l);  g = tanh(W x + b + sum_l U_l hidden_l)
    f_k = sigmoid(W x + b + sum_l U_kl hidden_l);  cell = i * g + sum_k f_k * cell_k;  hidden = o * tanh(cell)

    Args:
      params: of `init_nary_lstm`.
      graph: as for `rnn`; no node has more than `arity` senders. A layout's caller's order numbers the senders of a
        node; `schedule(..., slots=...)` numbers them otherwise.
      x: [n_node, in_dim].
      given: as for `lstm`.

    Returns:
      `LSTMState`, [n_node, hidden_dim] each.

    Raises:
      ValueError: for sizes that disagree with the graph, or nodes with too many senders.

    Reference: Tai, Socher and Manning, arXiv 1503.00075, equations 9 to 14. With an arity of 1 on a chain: the LSTM.
    """
    plan, kernel = as_levels(graph), params["state"]["kernel"]
    arity = kernel.shape[0]
    if plan.senders.shape[-1] > arity:
        raise ValueError(
            f"graph has nodes with {plan.senders.shape[-1]} senders, but params tell {arity} apart; "
            "initialise them with that arity, or use lstm"
        )

    def cell(gates, senders):
        hidden = jnp.pad(senders.hidden, ((0, 0), (0, arity - senders.hidden.shape[1]), (0, 0)))
        memory = jnp.pad(senders.cell, ((0, 0), (0, arity - senders.cell.shape[1]), (0, 0)))
        recurrent = linear({"kernel": kernel}, hidden, in_axes=2)
        forget = jax.nn.sigmoid(gates[:, None, 1] + recurrent[:, 3:])
        kept = (forget * memory).sum(axis=1)
        return remember(gates, recurrent, kept)

    return run(params, plan, x, given, cell, LSTMState(*[zero_state(params, x)] * 2))


def remember(gates: Array, recurrent: Array, kept: Array) -> LSTMState:
    """The new memory and what it shows; `recurrent` adds to the gates input, candidate and output."""
    input_gate, output_gate = (jax.nn.sigmoid(gates[:, a] + recurrent[:, b]) for a, b in ((0, 0), (3, 2)))
    memory = input_gate * jnp.tanh(gates[:, 2] + recurrent[:, 1]) + kept
    return LSTMState(output_gate * jnp.tanh(memory), memory)


def init_gates(rng: Array, in_dim: int, hidden_dim: int, gates: int) -> Params:
    """Input kernel [in_dim, gates, hidden_dim] with bias, state kernel [hidden_dim, gates, hidden_dim] without."""
    input_rng, state_rng = jax.random.split(rng)
    parts = [init_linear(key, in_dim, hidden_dim) for key in jax.random.split(input_rng, gates)]
    draw = jax.nn.initializers.orthogonal(column_axis=-1)
    states = [draw(key, (hidden_dim, hidden_dim)) for key in jax.random.split(state_rng, gates)]
    kernel = jnp.stack([part["kernel"] for part in parts], axis=1)
    bias = jnp.stack([part["bias"] for part in parts])
    return {"input": {"kernel": kernel, "bias": bias}, "state": {"kernel": jnp.stack(states, axis=1)}}


def zero_state(params: Params, x: Array) -> Array:
    """The state of a sender that does not exist."""
    return jnp.zeros(params["input"]["kernel"].shape[-1], x.dtype)


def run(params: Params, graph, x: Array, given, cell, zero):
    """Checks the sizes; projects the inputs of all steps at once; propagates."""
    plan = as_levels(graph)
    if x.ndim != 2 or x.shape[0] != plan.n_node:
        raise ValueError(f"x has shape {x.shape}, but the graph has {plan.n_node} nodes; pass [n_node, in_dim]")
    for state in jax.tree.leaves(given):
        expected = (plan.n_given, *zero_state(params, x).shape)
        if state.shape != expected:
            raise ValueError(f"given has shape {state.shape}, but must be {expected}: one state per given sender")
    if given is None and plan.n_given:
        raise ValueError(f"given is missing, but {plan.n_given} senders of the graph are no nodes; pass their states")
    return propagate(cell, plan, x, zero, given, prepare=lambda rows: linear(params["input"], rows))
