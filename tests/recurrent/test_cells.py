"""Recurrent networks on graphs: a chain is the ordinary one, a tree is the recursion of the paper."""

import dataclasses

import chex
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tgnn
from tgnn import patterns, recurrent

IN, HIDDEN = 3, 5
CELLS = {
    "rnn": (recurrent.init_rnn, recurrent.rnn),
    "gru": (recurrent.init_gru, recurrent.gru),
    "lstm": (recurrent.init_lstm, recurrent.lstm),
    "nary": (recurrent.init_nary_lstm, recurrent.nary_lstm),
}
# The laws are quick for the richest cell; `make test-all` has all of them.
EACH = pytest.mark.parametrize("name", [pytest.param(x, marks=[] if x == "lstm" else pytest.mark.slow) for x in CELLS])


def make(name, **kwargs):
    """Parameters without zeros, and the function."""
    init, apply = CELLS[name]
    params = init(jax.random.key(1), IN, HIDDEN, **kwargs)
    noise = np.random.default_rng(2)
    params = jax.tree.map(lambda x: x + 0.3 * noise.normal(size=x.shape).astype("f4"), params)
    return params, jax.jit(apply)


def inputs(n, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(n, IN)), "float32")


def hidden(state):
    return state.hidden if isinstance(state, recurrent.LSTMState) else state


def plan(layout, **kwargs):
    return recurrent.schedule(layout, **kwargs)


# -- flax ---------------------------------------------------------------------------------------------------------


def flax_params(name, params):
    """The same weights under flax's names: matrices of the input have the biases in GRUs, those of the states else."""
    into, of_state, bias = params["input"]["kernel"], params["state"]["kernel"], params["input"]["bias"]
    if name == "rnn":
        return {"i": {"kernel": into[:, 0], "bias": bias[0]}, "h": {"kernel": of_state[:, 0]}}
    letters, biased = ("ifgo", "h") if name == "lstm" else ("rzn", "i")
    gates = {}
    for g, letter in enumerate(letters):
        gates["i" + letter], gates["h" + letter] = {"kernel": into[:, g]}, {"kernel": of_state[:, g]}
        gates[biased + letter]["bias"] = bias[g]
    if name == "gru":
        gates["hn"]["bias"] = params["state"]["bias"]
    return gates


FLAX = {"rnn": linen.SimpleCell, "gru": linen.GRUCell, "lstm": linen.LSTMCell}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLAX)
def test_a_chain_is_flaxs_cell_values_and_gradients(name):
    n, (params, _) = 5, make(name)
    cell, x, chain = FLAX[name](HIDDEN), inputs(n), plan(patterns.chain(n))

    def theirs(params, x):
        state, outputs = cell.initialize_carry(jax.random.key(0), (IN,)), []
        for row in x:
            state, output = cell.apply({"params": flax_params(name, params)}, state, row)
            outputs.append(output)
        return jnp.stack(outputs)

    def with_gradients(run):
        def loss(params, x):
            outputs = run(params, x)
            return (outputs**2).sum(), outputs

        return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, x)

    mine = with_gradients(lambda params, x: hidden(CELLS[name][1](params, chain, x)))
    (loss, outputs), gradients = with_gradients(theirs)
    chex.assert_trees_all_close(mine[0], (loss, outputs), atol=2e-6, rtol=2e-6)
    chex.assert_trees_all_close(mine[1], gradients, atol=2e-5, rtol=2e-5)


@pytest.mark.slow
def test_sequences_of_unequal_length_are_flaxs():
    params, lengths = make("lstm")[0], [4, 2, 3]
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, IN)), "float32")
    module = linen.RNN(linen.LSTMCell(HIDDEN), return_carry=True)
    variables = {"params": {"cell": flax_params("lstm", params)}}
    (cell, last), outputs = jax.jit(module.apply)(variables, x, seq_lengths=jnp.array(lengths))
    segments = np.where(np.arange(4)[None] < np.array(lengths)[:, None], np.arange(3)[:, None], -1).ravel()
    state = jax.jit(recurrent.lstm)(params, plan(patterns.chain(12, segments), mask=segments >= 0), x.reshape(12, IN))
    ends = [4 * row + length - 1 for row, length in enumerate(lengths)]
    chex.assert_trees_all_close((state.cell[np.array(ends)], state.hidden[np.array(ends)]), (cell, last), atol=2e-6)
    live = segments >= 0
    chex.assert_trees_all_close(state.hidden[live], outputs.reshape(12, HIDDEN)[live], atol=2e-6)


# -- the papers' recursions, in NumPy and float64 -----------------------------------------------------------------


def recursion(name, params, children, x, np=np):
    """Each node from its children, by recursion: (hidden, cell) of all nodes; in `np`, NumPy or JAX."""
    into, bias = (np.asarray(params["input"][key], x.dtype) for key in ("kernel", "bias"))
    matrices = np.asarray(params["state"]["kernel"], x.dtype)
    states = {}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def visit(node):
        for child in children[node]:
            if child not in states:
                visit(child)
        gates = [x[node] @ into[:, g] + bias[g] for g in range(4)]
        below = [states[child] for child in children[node]]
        if name == "lstm":
            total = sum((h for h, _ in below), np.zeros(HIDDEN))
            i, g, o = (gates[a] + total @ matrices[:, a] for a in (0, 2, 3))
            forgets = [sigmoid(gates[1] + h @ matrices[:, 1]) for h, _ in below]
        else:
            i, g, o = (
                gates[a] + sum(h @ matrices[place, :, b] for place, (h, _) in enumerate(below))
                for b, a in enumerate((0, 2, 3))
            )
            forgets = [
                sigmoid(gates[1] + sum(h @ matrices[place, :, 3 + k] for place, (h, _) in enumerate(below)))
                for k in range(len(below))
            ]
        cell = sigmoid(i) * np.tanh(g) + sum(f * c for f, (_, c) in zip(forgets, below, strict=True))
        states[node] = sigmoid(o) * np.tanh(cell), cell

    for node in range(len(children)):
        if node not in states:
            visit(node)
    return np.array([states[node] for node in range(len(children))]).reshape(-1, 2, HIDDEN)


def random_tree(n, arity, seed):
    """Children of a random forest, numbered at random."""
    rng, children = np.random.default_rng(seed), [[] for _ in range(n)]
    for node in range(1, n):
        parents = [p for p in range(node) if len(children[p]) < arity]
        if rng.random() < 0.9:
            children[rng.choice(parents)].append(node)
    names = rng.permutation(n)
    renamed = [[] for _ in range(n)]
    for node in range(n):
        renamed[names[node]] = [int(names[child]) for child in children[node]]
    return renamed


def tree_layout(children):
    pairs = [(child, parent) for parent, all_of_it in enumerate(children) for child in all_of_it]
    senders, receivers = np.array(pairs, int).reshape(-1, 2).T
    return tgnn.EdgeList.from_edges(senders, receivers, n_receivers=len(children))


@pytest.mark.parametrize("name, arity", [("lstm", 4), ("nary", 2), ("nary", 3)])
@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 23])
def test_tree_lstm_is_the_recursion(name, arity, n):
    params, apply = make(name, **({"arity": arity} if name == "nary" else {}))
    for seed in range(3):
        children, x = random_tree(n, arity, seed), inputs(n, seed)
        schedule = plan(tree_layout(children), n_step=n, width=n, arity=arity)  # one program for all trees
        state = apply(params, schedule, x)
        expected = recursion(name, params, children, np.asarray(x, np.float64))
        np.testing.assert_allclose(np.stack([state.hidden, state.cell], axis=1), expected, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "nary"])
def test_gradients_of_a_tree_lstm_are_those_of_the_recursion(name):
    children, x = [[], [], [0, 1], [], [3, 2], [], [4, 5]], inputs(7)  # leaves on either side
    params, apply = make(name)
    layout = plan(tree_layout(children))

    def loss(params, x, states):
        states = states(params, x)
        return (states * jnp.sin(jnp.arange(states.size).reshape(states.shape))).sum()

    def mine(params, x):
        return jnp.stack(apply(params, layout, x), axis=1)

    def written_out(params, x):
        return recursion(name, params, children, x, np=jnp)

    both = jax.jit(lambda *weights: [jax.grad(loss, (0, 1))(*weights, model) for model in (mine, written_out)])
    gradients, expected = both(params, x)
    chex.assert_trees_all_close(gradients, expected, atol=1e-5, rtol=1e-5)
    assert all(np.abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(expected))


@pytest.mark.slow
def test_nary_lstm_with_one_sender_on_a_chain_is_the_lstm():
    params, apply = make("nary", arity=1)
    chain, x = plan(patterns.chain(6)), inputs(6)
    kernel = params["state"]["kernel"][0][:, jnp.array([0, 3, 1, 2])]  # gates in the order of the LSTM
    plain = {"input": params["input"], "state": {"kernel": kernel}}
    chex.assert_trees_all_close(apply(params, chain, x), make("lstm")[1](plain, chain, x), atol=1e-6)


@pytest.mark.slow
def test_slots_tell_a_single_right_child_from_a_left_one():
    params, apply = make("nary")
    layout, x = tgnn.EdgeList.from_edges([0], [1], n_receivers=2), inputs(2)
    left, right = (apply(params, plan(layout, slots=[slot], arity=2), x).hidden for slot in (0, 1))
    assert np.abs(left - right).max() > 1e-3
    swapped = jax.tree.map(lambda x: x, params)
    kernel = params["state"]["kernel"][::-1]
    swapped["state"] = {"kernel": kernel[:, :, jnp.array([0, 1, 2, 4, 3])]}
    chex.assert_trees_all_close(apply(swapped, plan(layout, slots=[0], arity=2), x).hidden, right, atol=1e-6)


# -- laws ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@EACH
def test_width_and_padding_change_nothing(name):
    params, apply = make(name)
    layout, x = patterns.constituency(7, [[-1, -1]] * 4 + [[0, 1], [2, 3], [4, 5]]), inputs(7)
    expected = apply(params, plan(layout), x)
    for kwargs in ({"width": 1}, {"width": 3, "n_step": 6}):
        chex.assert_trees_all_close(apply(params, plan(layout, **kwargs), x), expected, atol=1e-6)


@pytest.mark.slow
@EACH
def test_a_scan_that_carries_one_step_equals_one_that_carries_all_nodes(name):
    params, _ = make(name)
    schedule, x = plan(patterns.chain(9, np.arange(9) // 4, reverse=True)), inputs(9)
    assert schedule.columns is not None

    def loss(params, x, schedule):
        state = CELLS[name][1](params, schedule, x)
        return (hidden(state) ** 2).sum(), state

    gradient = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
    expected = gradient(params, x, dataclasses.replace(schedule, columns=None))
    chex.assert_trees_all_close(gradient(params, x, schedule), expected, atol=2e-6)


@pytest.mark.slow
@EACH
def test_padding_nodes_are_harmless_whatever_they_hold(name):
    params, apply = make(name)
    x, segments = inputs(9), np.array([0, 0, 0, 1, 1, 1, 1, -1, -1])
    schedule = plan(patterns.chain(9, segments), mask=segments >= 0)
    expected = apply(params, plan(patterns.chain(7, segments[:7])), x[:7])
    poisoned = x.at[7].set(jnp.nan).at[8].set(jnp.inf)

    def loss(params, x, schedule):
        return sum((leaf**2).sum() for leaf in jax.tree.leaves(apply(params, schedule, x)))

    state = apply(params, schedule, poisoned)
    chex.assert_trees_all_close(jax.tree.map(lambda x: x[:7], state), expected, atol=1e-6)
    assert all((np.asarray(leaf[7:]) == 0).all() for leaf in jax.tree.leaves(state))
    gradient = jax.jit(jax.grad(loss, (0, 1)))
    gradients = gradient(params, poisoned, schedule)
    clean = gradient(params, x[:7], plan(patterns.chain(7, segments[:7])))
    chex.assert_tree_all_finite(gradients)
    chex.assert_trees_all_close(gradients[0], clean[0], atol=1e-5)
    np.testing.assert_allclose(gradients[1], np.pad(clean[1], ((0, 2), (0, 0))), atol=1e-5)


@pytest.mark.slow
@EACH
def test_a_batch_is_the_disjoint_union(name):
    params, apply = make(name)
    x, segments = inputs(8), np.array([0, 0, 0, 1, 1, 1, 1, 1])
    together = apply(params, plan(patterns.chain(8, segments)), x)
    apart = [apply(params, plan(patterns.chain(n)), part) for n, part in ((3, x[:3]), (5, x[3:]))]
    chex.assert_trees_all_close(together, jax.tree.map(lambda *x: jnp.concatenate(x), *apart), atol=1e-6)
    same = jnp.stack([x[:3], x[3:6]])
    batched = jax.vmap(CELLS[name][1], (None, None, 0))(params, plan(patterns.chain(3)), same)
    for i, row in enumerate(same):
        mine = jax.tree.map(lambda leaf, i=i: leaf[i], batched)
        chex.assert_trees_all_close(mine, apply(params, plan(patterns.chain(3)), row), atol=1e-6)


@pytest.mark.slow
@EACH
def test_a_given_state_continues_a_chain(name):
    params, apply = make(name)
    x = inputs(7)
    whole = apply(params, plan(patterns.chain(7)), x)
    first = apply(params, plan(patterns.chain(3)), x[:3])
    rest = apply(params, plan(patterns.chain(4, n_past=1)), x[3:], jax.tree.map(lambda x: x[-1:], first))
    chex.assert_trees_all_close(rest, jax.tree.map(lambda x: x[3:], whole), atol=1e-6)


@EACH
def test_a_reversed_chain_reads_backwards(name):
    params, apply = make(name)
    x = inputs(5)
    backwards = apply(params, plan(patterns.chain(5, reverse=True)), x)
    forwards = apply(params, plan(patterns.chain(5)), x[::-1])
    chex.assert_trees_all_close(backwards, jax.tree.map(lambda x: x[::-1], forwards), atol=1e-6)


@pytest.mark.slow
@EACH
def test_empty_graphs_and_layouts_as_they_are(name):
    params, apply = make(name)
    assert hidden(CELLS[name][1](params, patterns.chain(0), inputs(0))).shape == (0, HIDDEN)
    alone = CELLS[name][1](params, patterns.chain(1), inputs(1))
    chex.assert_trees_all_close(alone, apply(params, plan(patterns.chain(1)), inputs(1)), atol=1e-6)


@pytest.mark.slow
def test_schedules_of_one_bucket_share_one_program():
    params, _ = make("lstm")
    traced = jax.jit(chex.assert_max_traces(recurrent.lstm, n=1))
    for seed in range(3):
        layout = tree_layout(random_tree(11, 3, seed))
        traced(params, plan(layout, n_step=11, width=4, arity=3), inputs(11))


@pytest.mark.slow
def test_gradients_along_a_long_chain_are_finite():
    params, _ = make("lstm")
    chain, x = plan(patterns.chain(400)), 30 * inputs(400)
    gradients = jax.jit(jax.grad(lambda params: recurrent.lstm(params, chain, x).hidden.sum()))(params)
    chex.assert_tree_all_finite(gradients)


@pytest.mark.slow
def test_bfloat16_stays_bfloat16():
    params, apply = make("lstm")
    state = apply(params, plan(patterns.chain(4)), inputs(4).astype(jnp.bfloat16))
    exact = apply(params, plan(patterns.chain(4)), inputs(4))
    assert state.hidden.dtype == jnp.bfloat16
    np.testing.assert_allclose(state.hidden.astype("float32"), exact.hidden, atol=0.03)


@EACH
def test_bfloat16_works_under_strict_promotion(name):
    params = make(name)[0]
    with jax.numpy_dtype_promotion("strict"):
        state = CELLS[name][1](params, patterns.chain(4), inputs(4).astype(jnp.bfloat16))
    assert hidden(state).dtype == jnp.bfloat16


NOTHING = {
    "hidden_dim": lambda: recurrent.init_gru(jax.random.key(0), 3, 0),
    "arity": lambda: recurrent.init_nary_lstm(jax.random.key(0), 3, 4, 0),
}


@pytest.mark.parametrize("size", NOTHING)
def test_sizes_of_nothing_are_errors(size):
    with pytest.raises(ValueError, match=f"{size} must be an integer of at least 1, got 0"):
        NOTHING[size]()


def test_integers_are_refused():
    with pytest.raises(ValueError, match="x must be floating point, got int32"):
        recurrent.lstm(make("lstm")[0], patterns.chain(4), jnp.ones((4, IN), int))


@pytest.mark.slow
@settings(max_examples=30)
@given(st.integers(0, 30), st.floats(0, 0.3), st.integers(0, 99), st.integers(1, 9))
def test_a_schedule_computes_each_node_once_and_after_its_senders(n, density, seed, width):
    rng = np.random.default_rng(seed)
    below = np.tril(rng.random((n, n)) < density, -1)
    names = rng.permutation(n)
    receivers, senders = (names[x] for x in np.nonzero(below))
    schedule = plan(tgnn.EdgeList.from_edges(senders, receivers, n_receivers=n), width=width)
    nodes, theirs = np.asarray(schedule.nodes), np.asarray(schedule.senders)
    assert sorted(nodes[nodes < n].tolist()) == list(range(n)) and nodes.shape[1] == width
    when = np.full(n, -1)
    for step, row in enumerate(nodes):
        when[row[row < n]] = step
    for step, row in enumerate(nodes):
        for node, mine in zip(row, theirs[step], strict=True):
            if node < n:
                assert sorted(mine[mine < n].tolist()) == sorted(senders[receivers == node].tolist())
                assert (when[mine[mine < n]] < step).all()
            else:
                assert (mine >= n).all()


def test_a_chain_has_width_one_and_a_batch_of_chains_its_size():
    assert plan(patterns.chain(50)).nodes.shape == (50, 1)
    assert plan(tree_layout([[], [0], [0], [1]])).columns is not None
    assert plan(tree_layout([[], [], [0, 1], [2]])).columns is None
    assert plan(patterns.chain(60, np.arange(60) // 5)).nodes.shape == (5, 12)


LOOP = tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 1], n_receivers=3)
BAD = {
    "cycle": (lambda: plan(LOOP), "layout has a cycle on the way to node 1"),
    "loop": (lambda: plan(patterns.causal(2)), "layout has a cycle on the way to node 0"),
    "masked": (lambda: plan(patterns.chain(2), mask=np.array([False, True])), "node 1 needs the state of node 0"),
    "mask": (lambda: plan(patterns.chain(2), mask=np.ones(3, bool)), r"mask must be a bool array of shape \(2,\)"),
    "steps": (lambda: plan(patterns.chain(3), n_step=2), "n_step is 2, but this graph needs 3 steps of width 1"),
    "width": (lambda: plan(patterns.chain(3), width=0), "width must be .* at least 1"),
    "arity": (lambda: plan(patterns.chain(3), arity=0), "arity is 0, but senders stand in slots 0 to 0"),
    "slots": (lambda: plan(patterns.chain(3), slots=[0]), r"slots must be integers of shape \(2,\)"),
    "same slot": (
        lambda: plan(tgnn.EdgeList.from_edges([0, 1], [2, 2], n_receivers=3), slots=[1, 1]),
        "slots puts two senders of one node into one slot",
    ),
    "rows": (lambda: recurrent.rnn(make("rnn")[0], patterns.chain(3), inputs(2)), "x has shape .* has 3 nodes"),
    "given": (
        lambda: recurrent.rnn(make("rnn")[0], patterns.chain(3, n_past=1), inputs(3)),
        "given is missing, but 1 senders of the graph are no nodes",
    ),
    "given shape": (
        lambda: recurrent.rnn(make("rnn")[0], patterns.chain(3), inputs(3), jnp.zeros((1, HIDDEN))),
        r"given has shape \(1, 5\), but must be \(0, 5\)",
    ),
    "too many": (
        lambda: recurrent.nary_lstm(make("nary", arity=1)[0], tree_layout([[], [], [0, 1]]), inputs(3)),
        "graph has nodes with 2 senders, but params tell 1 apart",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()
