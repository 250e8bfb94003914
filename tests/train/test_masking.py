"""Hidden attributes: how many, which, that nothing of them is left, and that the loss asks for nothing else."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn import models
from tgnn.nn.basic import embedding, init_embedding
from tgnn.train.losses import cross_entropy
from tgnn.train.masking import Hidden, draw_nodes, hidden_loss, hide, hide_attributes, share_of

CHAIN = tgnn.EdgeList.from_edges([0, 1, 1, 2, 2, 3, 3, 4], [1, 0, 2, 1, 3, 2, 4, 3], n_receivers=5, pad_to=10)
ATOMS = jnp.array([[6, 1], [6, 0], [7, 0], [6, 2], [8, 1]])
BONDS = jnp.array([1, 1, 2, 2, 1, 1, 3, 3, -1, -1])
TOKENS = {"node_token": jnp.array([9, 3]), "edge_token": 4}


def key(i):
    return jax.random.key(i)


@pytest.mark.parametrize("rate", [0.15, 0.5, 0.7, 1.0])
def test_of_n_nodes_of_a_graph_the_share_rounded_down_and_one_more_are_drawn(rate):
    sizes = np.array([0, 1, 2, 3, 10, 20, 40, 100])
    owner = np.random.default_rng(0).permutation(np.append(np.repeat(np.arange(8), sizes), [-1, -1, 8]))
    drawn = np.asarray(draw_nodes(key(3), owner, 8, rate))
    wanted = np.minimum(np.floor(np.round(rate * sizes, 9)) + 1, sizes)
    np.testing.assert_array_equal(np.bincount(owner[drawn], minlength=8), wanted)


def test_shares_of_large_graphs_and_of_small_rates_are_exact():
    sizes = np.array([0, 1, 20, 3000, 999_999, 1_000_000, 2**31 - 1], np.int32)
    for rate in ("0.15", "0.3333", "0.000001", "0.7", "1", "0", "1e-300"):
        wanted = [int(Fraction(rate) * n) for n in sizes.tolist()]
        assert share_of(float(rate), jnp.asarray(sizes)).tolist() == wanted


@pytest.mark.parametrize(
    ("x", "token", "cast"),
    [
        (np.zeros(3, np.uint8), np.array(300), 44),
        (np.zeros(3, np.uint8), 300, 44),
        (np.zeros(3, np.int32), 119.7, 119),
        (np.zeros(3, np.int8), -200, 56),
        (np.zeros(3, np.float32), 2**24 + 1, "16777216.0"),
    ],
)
def test_a_token_that_the_attributes_cannot_hold_is_refused(x, token, cast):
    with pytest.raises(ValueError, match=f"token is {token}, which as {x.dtype} is {cast}"):
        hide(jnp.asarray(x), jnp.array([True, False, True]), token)


def test_tokens_that_are_rounded_or_traced_are_taken():
    mask = jnp.array([True, False])
    assert hide(jnp.zeros(2, jnp.bfloat16), mask, 0.1).dtype == jnp.bfloat16
    assert jax.jit(hide)(jnp.zeros(2, jnp.int32), mask, 3.0).tolist() == [3, 0]


@pytest.mark.slow
def test_every_node_is_drawn_as_often():
    owner = jnp.repeat(jnp.arange(2), jnp.array([5, 10]), total_repeat_length=15)
    often = jax.vmap(lambda rng: draw_nodes(rng, owner, 2, 0.2))(jax.random.split(key(0), 4000)).mean(axis=0)
    np.testing.assert_allclose(often, np.repeat([2 / 5, 3 / 10], [5, 10]), atol=0.04)


def test_a_rate_of_nought_no_nodes_and_one_node():
    assert not draw_nodes(key(0), jnp.zeros(7, jnp.int32), 1, 0.0).any()
    assert draw_nodes(key(0), [], 1, 0.15).shape == (0,)
    assert draw_nodes(key(0), [0], 1, 0.15).tolist() == [True]


@pytest.mark.slow
def test_a_graph_of_no_atom_or_of_one_has_a_loss():
    for n in (0, 1):
        layout = tgnn.EdgeList.from_edges([], [], n_receivers=n)
        hidden = hide_attributes(key(0), layout, jnp.ones(n, int), jnp.ones(0, int), node_token=0, edge_token=0)
        assert hidden.nodes.tolist() == [0] * n and hidden.edges.shape == hidden.edge_mask.shape == (0,)
        loss = hidden_loss(hidden, jnp.zeros((n, 4)), jnp.ones(n, int), jnp.zeros((0, 2)), jnp.zeros(0, int))
        np.testing.assert_allclose(loss, n * np.log(4), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64])
def test_numbers_of_graphs_may_be_of_any_integer_type(dtype):
    owner = np.repeat(np.arange(3), [4, 5, 6])
    np.testing.assert_array_equal(
        draw_nodes(key(1), owner.astype(dtype), 3, 0.4), draw_nodes(key(1), owner.astype(np.int32), 3, 0.4)
    )


def test_the_key_alone_decides_and_each_step_has_its_own():
    @jax.jit
    def masks(steps, atoms):
        def mask(step):
            return hide_attributes(jax.random.fold_in(key(5), step), CHAIN, atoms, BONDS, **TOKENS).node_mask

        return jax.vmap(mask)(steps)

    def drawn(step):
        return all_masks[step].tolist()

    all_masks = np.asarray(masks(jnp.arange(40), ATOMS))

    assert len({tuple(drawn(step)) for step in range(40)}) == 5  # each of the five atoms has its turn
    np.testing.assert_array_equal(masks(jnp.arange(40), 0 * ATOMS), all_masks)
    alone = draw_nodes(jax.random.fold_in(key(5), 3), jnp.zeros(5, jnp.int32), 1, 0.15)
    assert alone.tolist() == drawn(3)


def test_an_edge_is_hidden_with_either_end_and_dead_ones_never():
    show = jax.jit(lambda rng: hide_attributes(rng, CHAIN, ATOMS, BONDS, **TOKENS, rate=0.3))
    for i in range(8):
        hidden = show(key(i))
        node = np.asarray(hidden.node_mask)
        edge = np.array([node[s] or node[r] for s, r in zip(CHAIN.senders[:8], CHAIN.receivers[:8], strict=True)])
        np.testing.assert_array_equal(hidden.edge_mask, np.append(edge, [False, False]))
        np.testing.assert_array_equal(hidden.nodes, np.where(node[:, None], [[9, 3]], ATOMS))
        np.testing.assert_array_equal(hidden.edges, np.where(hidden.edge_mask, 4, BONDS))


@pytest.mark.slow
def test_any_layout_and_a_graphs_tuple_hide_the_same():
    mask = np.asarray(CHAIN.adjacency())
    graph = tgnn.EdgeList.from_edges(CHAIN.senders[:8], CHAIN.receivers[:8], n_receivers=5)
    wanted = mask & np.asarray(hide_attributes(key(2), CHAIN, ATOMS, node_token=0).node_mask)[None, :]
    wanted = wanted | wanted.T
    for layout in (tgnn.Dense(mask), graph, tgnn.Complete(5, 5)):
        hidden = hide_attributes(key(2), layout, ATOMS, node_token=0)
        assert hidden.edges is None and hidden.edge_mask.shape == layout.edge_shape
        if len(layout.edge_shape) == 2:
            np.testing.assert_array_equal(np.asarray(hidden.edge_mask) & mask, wanted)
    of_jraph = hide_attributes(key(2), tgnn.to_graph(graph, ATOMS), ATOMS, node_token=0)
    np.testing.assert_array_equal(of_jraph.node_mask, hidden.node_mask)


def networks():
    dim = 8
    yield "gin", models.init_gin(key(0), (dim, dim, dim)), lambda p, x, e: models.gin(p, CHAIN, x)
    gated = models.init_gated_gcn(key(0), (dim, dim, dim), edge_dim=dim)
    yield "gated_gcn", gated, lambda p, x, e: models.gated_gcn(p, CHAIN, x, edges=e)
    sizes = {"num_layers": 2, "model_dim": dim, "num_heads": 2, "edge_dim": dim}
    yield "gps", models.init_gps(key(0), **sizes), lambda p, x, e: models.gps(p, CHAIN, x, edges=e)
    transformer = models.init_graph_transformer(key(0), **sizes)
    yield "graph_transformer", transformer, lambda p, x, e: models.graph_transformer(p, CHAIN, x, edges=e)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gin", "gated_gcn", "gps", "graph_transformer"])
def test_what_was_hidden_leaks_into_no_model_and_what_was_not_is_seen(name):
    params, apply = next((params, apply) for found, params, apply in networks() if found == name)
    atom_table, bond_table = init_embedding(key(1), 10, 8), init_embedding(key(2), 5, 8)

    @jax.jit
    def answers(atoms, bonds):
        hidden = hide_attributes(key(7), CHAIN, atoms, bonds, node_token=9, edge_token=4)
        x = apply(params, embedding(atom_table, hidden.nodes), embedding(bond_table, hidden.edges))
        return x, hidden

    atoms = ATOMS[:, 0]
    plain, hidden = answers(atoms, BONDS)
    other, _ = answers(jnp.where(hidden.node_mask, 1, atoms), jnp.where(hidden.edge_mask, 0, BONDS))
    np.testing.assert_array_equal(plain, other)
    seen, _ = answers(jnp.where(hidden.node_mask, atoms, 1), BONDS)
    assert (abs(np.asarray(plain - seen)) > 1e-6).any()


@pytest.mark.slow
def test_the_loss_is_that_of_the_hidden_ones_and_only_they_have_gradients():
    rng = np.random.default_rng(0)
    node_logits, edge_logits = rng.normal(size=(5, 10)), rng.normal(size=(10, 4))
    hidden = jax.jit(lambda: hide_attributes(key(4), CHAIN, ATOMS, BONDS, **TOKENS))()
    labels = ATOMS[:, 0]

    def nll(logits, classes, mask):
        shifted = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return -shifted[np.arange(len(logits)), np.maximum(classes, 0)][np.asarray(mask)].mean()

    def loss(nodes, edges):
        return hidden_loss(hidden, nodes, labels, edges, BONDS)

    both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    value, (by_nodes, by_edges) = both(jnp.float32(node_logits), jnp.float32(edge_logits))
    wanted = nll(node_logits, np.asarray(labels), hidden.node_mask)
    wanted_edges = nll(edge_logits, np.asarray(BONDS), hidden.edge_mask)
    np.testing.assert_allclose(value, wanted + wanted_edges, rtol=1e-5)
    np.testing.assert_allclose(hidden_loss(hidden, node_logits, labels), wanted, rtol=1e-6)
    np.testing.assert_array_equal((by_nodes != 0).any(axis=1), hidden.node_mask)
    np.testing.assert_array_equal((by_edges != 0).any(axis=1), hidden.edge_mask)
    nothing = Hidden(ATOMS, None, jnp.zeros(5, bool), hidden.edge_mask)
    assert hidden_loss(nothing, node_logits, labels) == 0.0 == cross_entropy(node_logits, labels, nothing.node_mask)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32, jnp.int8])
def test_rows_are_replaced_whole_and_keep_their_type(dtype):
    x = jnp.full((3, 2, 2), 5).astype(dtype)
    shown = hide(x, jnp.array([True, False, True]), 0)
    assert shown.dtype == dtype and shown[:, 0, 0].tolist() == [0, 5, 0]
    huge = hide(jnp.full((2, 2), jnp.nan), jnp.array([True, True]), 1.0)
    assert huge.tolist() == [[1.0, 1.0]] * 2


@pytest.mark.slow
def test_bad_input_is_named():
    for arguments, message in (
        ({"rate": 1.5}, r"rate must be in \[0, 1\], got 1.5"),
        ({"nodes": ATOMS[:4]}, r"nodes have shape \(4, 2\)"),
        ({"graph_of_node": jnp.zeros(4, int)}, r"graph_of_node has shape \(4,\)"),
        ({"graph_of_node": jnp.zeros(5)}, "graph_of_node must be integers"),
        ({"edges": BONDS[:8]}, r"edges have shape \(8,\)"),
        ({"edge_token": None}, "edge_token is None"),
        ({"graph": tgnn.Complete(5, 4)}, "5 receivers"),
    ):
        given = {"graph": CHAIN, "nodes": ATOMS, "edges": BONDS, **TOKENS} | arguments
        graph, nodes, edges = given.pop("graph"), given.pop("nodes"), given.pop("edges")
        with pytest.raises(ValueError, match=message):
            hide_attributes(key(0), graph, nodes, edges, **given)
