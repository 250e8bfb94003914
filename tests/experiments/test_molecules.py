"""The experiment molecules: padded unions mean what their graphs mean, and few programs are compiled."""

import json
from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common.packing.graphs import Room, in_order, room, union
from experiments.common.training import Trainer, num_parameters
from experiments.molecules import data, run
from experiments.molecules.config import PRESETS
from experiments.molecules.models import build, owners
from experiments.molecules.task import make_task
from tgnn.datasets.graphs import Graphs
from tgnn.train.losses import mean_absolute_error
from tgnn.training import batch_indices

SMOKE = PRESETS["smoke"]
SIZES = (7, 3)


def molecules(num=5):
    """Chains, one with a ring, one of a single atom; two columns an atom."""
    rng = np.random.default_rng(0)
    n_node = np.array([1, 5, 3, 7, 4][:num], np.int32)
    bonds = [[(i, i + 1) for i in range(n - 1)] + ([(0, n - 1)] if n == 7 else []) for n in n_node]
    directed = [[pair for i, j in graph for pair in ((i, j), (j, i))] for graph in bonds]
    senders, receivers = np.array([pair for graph in directed for pair in graph], np.int32).T
    nodes = np.stack([rng.integers(0, size, n_node.sum()) for size in SIZES], axis=1).astype(np.float32)
    n_edge = np.array([len(graph) for graph in directed], np.int32)
    orders = np.repeat(rng.integers(1, 4, n_edge.sum() // 2), 2).astype(np.int32)
    return Graphs(nodes, orders, senders, receivers, n_node, n_edge, rng.normal(size=num).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mpnn_sum", "mpnn_mean", "mpnn_max", "mpnn_pna", "gated_gcn", "gin", "graph_transformer", "gps"]
)
def test_a_padded_union_has_the_predictions_and_gradients_of_its_graphs(name):
    graphs, network = molecules(), build(name, SMOKE, SIZES, 0)
    params, pairs = network.init(jax.random.key(1)), name == "gps"

    @jax.jit
    def evaluate(params, batch):
        def loss(params):
            said = network.apply(params, batch)
            return mean_absolute_error(said, batch.labels, batch.mask) * batch.mask.sum(), said

        return jax.grad(loss, has_aux=True)(params)

    gradient, together = evaluate(params, union(graphs, np.arange(5), n_graph=6, pairs=pairs))
    one = {"pairs": pairs, "room": Room(8, 16, 64 if pairs else 0)}  # one program for all five
    alone = [evaluate(params, union(graphs, np.array([i]), **one)) for i in range(5)]
    chex.assert_trees_all_close(together[:5], jnp.concatenate([said for _, said in alone]), atol=1e-5)
    total = jax.tree.map(lambda *x: sum(x), *(gradient for gradient, _ in alone))
    chex.assert_trees_all_close(gradient, total, atol=2e-5)


@pytest.mark.slow
def test_signs_of_eigenvectors_flip_in_training_and_only_there():
    """A molecule's predictions in training are those of its encodings with one sign for each vector."""
    graphs = molecules(2)
    encoding = np.random.default_rng(1).normal(size=(len(graphs.nodes), 1)).astype(np.float32)
    network = build("graph_transformer", SMOKE, SIZES, 1)
    params, said = network.init(jax.random.key(0)), jax.jit(network.apply)

    def batch(sign):
        return union(replace(graphs, nodes=np.concatenate([graphs.nodes, sign * encoding], axis=1)), np.arange(2))

    plain, flipped = (said(params, batch(sign)) for sign in (1, -1))
    np.testing.assert_array_equal(plain, said(params, batch(1)))
    assert SMOKE.dropout_rate == 0.0 and (abs(plain - flipped) > 1e-4).all()
    trained = np.stack([said(params, batch(1), rng=jax.random.key(seed)) for seed in range(9)])
    kept, changed = (np.isclose(trained, x[None], atol=1e-5) for x in (plain, flipped))
    assert (kept ^ changed).all() and kept.any(axis=0).all() and changed.any(axis=0).all()


@pytest.mark.slow
def test_padding_is_no_graph_no_token_and_no_class():
    batch = union(replace(molecules(), labels=np.arange(5)), np.array([3, 1]), n_graph=3)
    assert batch.graphs.tolist() == [3, 1, -1] and batch.labels.tolist() == [3, 1, -1]
    assert int(batch.layout.live.sum()) == 14 + 8 and np.asarray(owners(batch)).tolist() == 7 * [0] + 5 * [1] + 4 * [-1]
    assert (batch.edges[22:] == -1).all() and len(batch.nodes) == batch.layout.n_receivers == 16
    with pytest.raises(ValueError, match="n_graph is 1"):
        union(molecules(), np.array([3, 1]), n_graph=1)


def test_pairs_are_those_of_one_graph():
    batch = union(molecules(), np.array([2, 0, 3]), pairs=True)
    owner = np.repeat(np.arange(3), [3, 1, 7])
    adjacency = np.asarray(batch.pairs.adjacency())
    assert (adjacency[:11, :11] == (owner[:, None] == owner[None])).all() and adjacency.sum() == 9 + 1 + 49


def test_an_evaluation_sees_every_graph_once():
    batches = in_order(molecules(), 2)
    assert [batch.graphs.tolist() for batch in batches] == [[0, 1], [2, 3], [4, -1]]


@pytest.mark.slow
def test_an_epoch_of_zinc_has_one_shape_which_is_little_larger_than_a_batch(data_dir):
    graphs = data.load_zinc(data_dir("zinc").parent)["train"]
    batch_size, count = 64, len(graphs.labels)
    shapes, space = set(), room(graphs, batch_size)
    for step in range(count // batch_size):
        batch = union(graphs, batch_indices(step, count, batch_size, seed=0), room=space)
        shapes.add((batch.layout.n_receivers, batch.layout.n_edge))
    assert len(shapes) == 1 and batch.layout.n_edge < 1.3 * int(batch.layout.live.sum())


@pytest.mark.slow
def test_the_parts_of_esol_are_disjoint_and_standardised_by_the_training_molecules(data_dir):
    root = data_dir("molecules_delaney").parent
    task = data.load("esol", data_dir=root, train=None, validation=None, encode=data.encoder("gin", 0))
    assert [len(task.train.labels), *(len(graphs.labels) for graphs in task.parts.values())] == [902, 113, 113]
    assert abs(task.train.labels.mean()) < 1e-5 and abs(task.train.labels.std() - 1) < 1e-5
    lowest, highest = task.train.nodes.min(axis=0), task.train.nodes.max(axis=0)
    assert (lowest >= 0).all() and (highest < task.sizes).all()


def test_the_presets_of_half_a_million_parameters_have_them():
    config = PRESETS["cpu_500k"]
    for name in ("graph_transformer", "gps"):
        assert 400_000 < num_parameters(build(name, config, (18,), config.encoding_dim).init) < 600_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mpnn_sum", "gin", "graph_transformer", "gps"])
def test_a_smoke_run_is_recorded_and_compiles_once_per_shape(name, data_dir, tmp_path):
    root = data_dir("zinc").parent
    file = tmp_path / "result.json"
    argv = ["--preset", "smoke", "--model", name, "--data-dir", str(root), "--run-dir", str(tmp_path)]
    run.main([*argv, "--json", str(file)])
    metrics = json.loads(file.read_text())["metrics"]
    assert 0 < metrics["validation_mae"]["mean"] < 3
    assert (tmp_path / f"smoke-{name}-zinc-seed0" / "predictions.png").exists()


@pytest.mark.slow
def test_seeds_share_one_program(data_dir, tmp_path):
    task = data.load(
        "zinc", data_dir=data_dir("zinc").parent, train=64, validation=32, encode=data.encoder("mpnn_sum", 0)
    )
    trainer = Trainer(make_task(build("mpnn_sum", SMOKE, task.sizes, 0), SMOKE, task))
    for seed in range(2):
        trainer.train(seed, tmp_path / str(seed), SMOKE, resume=False)
    assert trainer.step._cache_size() == 1


def test_an_unknown_model_ends_with_two_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as stop:
        run.main(["--model", "mpnn_median"])
    assert stop.value.code == 2
    assert "mpnn_max" in capsys.readouterr().err
