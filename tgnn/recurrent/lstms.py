"""Long short-term memory on chains and trees: the child-sum Tree-LSTM, and the N-ary one, which tells senders apart."""

import jax
import jax.numpy as jnp

from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.nn.basic import linear
from tgnn.recurrent.gates import LSTMState, checked, init_gates, remember, run, zero_state
from tgnn.recurrent.levels import Levels
from tgnn.typing import Array, Graph, Params


def init_lstm(rng: Array, in_dim: int, hidden_dim: int, *, forget_bias: float = 1.0) -> Params:
    """Initialises an LSTM or child-sum Tree-LSTM: gates input, forget, candidate, output.

    Args:
        rng: a key.
        in_dim: size of the inputs.
        hidden_dim: size of the states.
        forget_bias: first bias of the forget gate; 1 lets a fresh network remember.

    Returns:
        A dict of `input`, `{"kernel": [in_dim, 4, hidden_dim], "bias": [4, hidden_dim]}`, Glorot uniform for each gate;
        and `state`, `{"kernel": [hidden_dim, 4, hidden_dim]}`, orthogonal.
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
    check_size("arity", arity, minimum=1)
    input_rng, state_rng = jax.random.split(rng)
    params = init_lstm(input_rng, in_dim, hidden_dim, forget_bias=forget_bias)
    draw = jax.nn.initializers.orthogonal(column_axis=-1)
    blocks = [draw(key, (hidden_dim, hidden_dim)) for key in jax.random.split(state_rng, arity * (3 + arity))]
    kernel = jnp.stack(blocks).reshape(arity, 3 + arity, hidden_dim, hidden_dim)
    # [arity, 3 + arity, hidden_dim, hidden_dim] -> [arity, hidden_dim, 3 + arity, hidden_dim]
    return {"input": params["input"], "state": {"kernel": jnp.swapaxes(kernel, 1, 2)}}


def nary_lstm(params: Params, graph: Graph | Levels, x: Array, given: LSTMState | None = None) -> LSTMState:
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

    Reference: Tai, Socher and Manning, arXiv:1503.00075, equations 9 to 14. With an arity of 1 on a chain: the LSTM.

    >>> import jax, tgnn
    >>> params = tgnn.recurrent.init_nary_lstm(jax.random.key(0), 4, 8)
    >>> tree = tgnn.EdgeList.from_edges([0, 1], [2, 2], n_receivers=3)
    >>> levels = tgnn.recurrent.schedule(tree, slots=[0, 1], arity=2)
    >>> tgnn.recurrent.nary_lstm(params, levels, jax.numpy.ones((3, 4))).hidden.shape
    (3, 8)
    """
    plan, arity = checked(params, graph, x, given), params["state"]["kernel"].shape[0]
    if plan.senders.shape[-1] > arity:
        raise ValueError(
            f"graph has nodes with {plan.senders.shape[-1]} senders, but params tell {arity} apart; "
            "initialise them with that arity, or use lstm"
        )

    return run_nary_lstm(params, plan, x, given)


@compiled
def run_nary_lstm(params: Params, plan: Levels, x: Array, given: LSTMState | None) -> LSTMState:
    """The equations of `nary_lstm`."""
    kernel = params["state"]["kernel"]
    arity = kernel.shape[0]

    def cell(gates, senders):  # [width, 4, hidden_dim], [width, most senders of a node, hidden_dim] each
        hidden = jnp.pad(senders.hidden, ((0, 0), (0, arity - senders.hidden.shape[1]), (0, 0)))
        memory = jnp.pad(senders.cell, ((0, 0), (0, arity - senders.cell.shape[1]), (0, 0)))
        recurrent = linear({"kernel": kernel}, hidden, in_axes=2)  # [width, 3 + arity, hidden_dim]
        forget = jax.nn.sigmoid(gates[:, None, 1] + recurrent[:, 3:])
        kept = (forget * memory).sum(axis=1)
        return remember(gates, recurrent, kept)

    return run(params, plan, x, given, cell, LSTMState(*[zero_state(params, x)] * 2))
