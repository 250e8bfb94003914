"""The experiment pretraining: one alphabet for three data sets, folds that stay blind, runs that go on after a kill."""

import json

import jax
import numpy as np
import pytest

from experiments.common.packing.graphs import union
from experiments.pretraining import data, finetune, model, pretrain, run
from experiments.pretraining.config import PRESETS
from tgnn.datasets import esol, tu, zinc250k
from tgnn.datasets.smiles import ELEMENTS
from tgnn.train.losses import cross_entropy

SMOKE = PRESETS["smoke"]
SMILES = ["CCO", "c1ccccc1Cl", "O", "C#N", "CC(=O)[O-]", "C[N+](C)(C)C", "CCCCBr", "OCC=C"]


def molecules(dataset):
    return data.encode(esol.from_smiles(SMILES, np.arange(8.0)), dataset)


def test_what_a_data_set_does_not_tell_is_a_token():
    whole, part = molecules("esol"), molecules("ptc")
    assert (whole.nodes < data.tokens()[None]).all() and (whole.nodes >= 0).all()
    known = np.array(data.KNOWN["ptc"])
    np.testing.assert_array_equal(part.nodes[:, known], whole.nodes[:, known])
    np.testing.assert_array_equal(part.nodes[:, ~known], np.broadcast_to(data.tokens()[~known], (len(part.nodes), 2)))
    assert (part.edges[:, 0] == data.NUM_BONDS).all() and (whole.edges[:, 0] == whole.edges[:, 1]).all()
    np.testing.assert_array_equal(part.edges[:, 1], whole.edges[:, 1])


def with_atoms_for_hydrogens(graphs):
    """As PTC writes molecules: tags for elements, and hydrogens that are atoms, here the last ones of each graph."""
    lines = [str(len(graphs))]
    for graph in graphs:
        pairs = list(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        symbols = [ELEMENTS[number] for number in graph.nodes[:, 0]]
        for atom, count in enumerate(graph.nodes[:, 2].tolist()):
            for _ in range(count):
                pairs += [(atom, len(symbols)), (len(symbols), atom)]
                symbols.append("H")
        lines.append(f"{len(symbols)} 0")
        for atom, symbol in enumerate(symbols):
            neighbors = [str(sender) for sender, receiver in pairs if receiver == atom]
            lines.append(" ".join([str(data.PTC_ELEMENTS.index(symbol)), str(len(neighbors)), *neighbors]))
    return lines


def test_hydrogens_that_are_atoms_become_numbers():
    wanted = esol.from_smiles(SMILES, np.zeros(8))
    graphs = tu.parse_graphs("text", "\n".join(with_atoms_for_hydrogens(wanted)))
    present = np.unique([int(line.split()[0]) for line in with_atoms_for_hydrogens(wanted)[1:] if line[-2:] != " 0"])
    graphs.nodes[:] = present[graphs.nodes]  # the parser numbers tags from 0
    found = data.without_hydrogens(data.with_elements(graphs))
    known = [0, 2, 4]
    np.testing.assert_array_equal(found.nodes[:, known], wanted.nodes[:, known])
    np.testing.assert_array_equal(found.n_node, wanted.n_node)
    np.testing.assert_array_equal(found.n_edge, wanted.n_edge)
    for one, other in zip(found, wanted, strict=True):
        pairs = [sorted(zip(g.senders.tolist(), g.receivers.tolist(), strict=True)) for g in (one, other)]
        assert pairs[0] == pairs[1]


def test_the_elements_of_ptc_have_their_valences(data_dir):
    """What names the tags: no halogen has two bonds, carbon has at most four, and TU's README lists these elements."""
    graphs = tu.load("PTC", data_dir("tu").parent).graphs
    listed = "In P O N Na C Cl S Br F K Cu Zn I Ba Sn Pb Ca".split()  # of PTC_MR, the same without hydrogens
    assert sorted([*listed, "H"]) == sorted(data.PTC_ELEMENTS)
    atoms = data.with_elements(graphs)
    _, receivers = data.disjoint_edges(graphs)
    degree = np.bincount(receivers, minlength=len(graphs.nodes))
    for symbol, most in {"H": 1, "F": 1, "Cl": 1, "Br": 1, "I": 1, "Na": 1, "K": 1, "O": 2, "C": 4, "N": 4}.items():
        assert degree[atoms.nodes[:, 0] == ELEMENTS.index(symbol)].max() == most, symbol
    heavy = data.without_hydrogens(atoms)
    assert heavy.n_node.min() >= 2 and not (heavy.nodes[:, 0] == 1).any()
    count = {symbol: int((heavy.nodes[:, 0] == ELEMENTS.index(symbol)).sum()) for symbol in ("F", "I", "Sn", "Na")}
    assert count == {"F": 10, "I": 3, "Sn": 2, "Na": 29}


def test_ptc_networks_are_blind_to_their_folds(data_dir):
    problem = data.load_problem("ptc", data_dir("tu").parent)
    test, validation = problem.parts["test"], problem.parts["validation"]
    assert problem.seen.shape == (10, 344) and not (problem.seen & (test | validation)).any()
    assert not (test & validation).any() and (problem.seen | test | validation).all()
    assert 0.5 < finetune.constant(problem) < 0.7


def test_esol_is_standardised_by_what_is_trained_on(data_dir):
    problem = data.load_problem("esol", data_dir("molecules_delaney").parent)
    labels = problem.graphs.labels[problem.seen[0]]
    assert abs(labels.mean()) < 1e-5 and abs(labels.std() - 1) < 1e-5
    assert [int(mask.sum()) for mask in (problem.seen, *problem.parts.values())] == [902, 113, 113]


def small_problem(metric):
    seen = np.arange(8) < 6
    seen = np.stack([seen, seen[::-1]])
    labels = np.arange(8, dtype=np.float32) if metric == "rmse" else np.arange(8, dtype=np.int32) % 2
    graphs = data.replace(molecules("esol"), labels=labels)
    return data.Problem(graphs, seen, {"validation": ~seen, "test": ~seen}, metric, 1 if metric == "rmse" else 2, 3.0)


def test_scores_are_those_of_each_networks_own_molecules():
    said = np.random.default_rng(0).normal(size=(2, 8, 2))
    problem = small_problem("rmse")
    wanted = [
        3.0 * np.sqrt(np.mean(np.square(said[0, 6:, 0] - [6, 7]))),
        3.0 * np.sqrt(np.mean(np.square(said[1, :2, 0] - [0, 1]))),
    ]
    np.testing.assert_allclose(finetune.score(problem, said, problem.parts["test"]), np.mean(wanted))
    right = said.argmax(axis=-1) == np.arange(8)[None] % 2
    wanted = np.mean([right[0, 6:].mean(), right[1, :2].mean()])
    np.testing.assert_allclose(finetune.score(small_problem("accuracy"), said, ~problem.seen), wanted)


@pytest.mark.slow
def test_a_network_learns_nothing_from_what_it_must_not_see():
    problem, body = small_problem("accuracy"), model.build_body("gin", SMOKE)
    task = finetune.FineTuning(body, SMOKE, problem, pairs=False).task(4)
    batch, seen = union(problem.graphs, np.arange(8)), problem.seen
    params = task.init(jax.random.key(0))
    gradient = jax.jit(jax.grad(lambda params, batch: task.loss(params, batch, jax.random.key(1))[0]))
    plain = gradient(params, (batch, seen))
    flipped = batch._replace(labels=np.where(seen[0], batch.labels, 1 - batch.labels))
    other = gradient(params, (flipped, seen))
    for before, after in zip(jax.tree.leaves(plain), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(before[0], after[0], atol=1e-6)
    changed = jax.tree.map(lambda a, b: float(abs(a[1] - b[1]).max()), plain, other)
    assert max(jax.tree.leaves(changed)) > 1e-3


@pytest.mark.slow
def test_pre_trained_weights_are_where_fine_tuning_begins():
    problem, body = small_problem("rmse"), model.build_body("gin", SMOKE)
    pretrained = body.init(jax.random.key(9))

    def begin(start):
        return finetune.FineTuning(body, SMOKE, problem, pairs=False).task(4, start).init(jax.random.key(0))

    tuned, scratch = begin(pretrained), begin(None)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, np.stack([b, b])), tuned["body"], pretrained)
    jax.tree.map(np.testing.assert_array_equal, tuned["head"], scratch["head"])  # the same beginning otherwise
    assert not np.array_equal(scratch["body"]["bonds"]["table"][0], scratch["body"]["bonds"]["table"][1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gated_gcn", "gps"])
def test_nothing_of_a_hidden_atom_or_bond_reaches_the_answers(name):
    graphs, body = molecules("esol"), model.build_body(name, SMOKE)
    batch = union(graphs, np.arange(8), pairs=name == "gps")
    hidden = pretrain.hide(jax.random.key(3), batch, 0.3)
    nodes = np.where(np.asarray(hidden.node_mask)[:, None], 1, batch.nodes)
    edges = np.where(np.asarray(hidden.edge_mask)[:, None], 1, batch.edges)
    params = {"body": body.init(jax.random.key(0)), "questions": model.init_questions(jax.random.key(1), 8)}

    @jax.jit
    def answers(batch):
        hidden = pretrain.hide(jax.random.key(3), batch, 0.3)
        x = body.apply(params["body"], batch, hidden.nodes, hidden.edges)
        return model.answer_questions(params["questions"], batch, x)

    for plain, other in zip(answers(batch), answers(batch._replace(nodes=nodes, edges=edges)), strict=True):
        np.testing.assert_array_equal(plain, other)
    assert (
        np.bincount(np.repeat(np.arange(8), graphs.n_node)[np.asarray(hidden.node_mask)[: len(graphs.nodes)]]) > 0
    ).all()


@pytest.mark.slow
def test_bonds_that_are_never_shown_are_all_asked():
    batch = union(molecules("ptc"), np.arange(8))
    hidden = pretrain.hide(jax.random.key(0), batch, 0.15)
    alive = batch.edges[:, 0] >= 0
    np.testing.assert_array_equal(hidden.edge_mask, alive)
    logits = np.zeros((len(alive), data.NUM_BONDS))
    np.testing.assert_allclose(cross_entropy(logits, batch.edges[:, 1], hidden.edge_mask), np.log(5), rtol=1e-6)


@pytest.mark.slow
def test_a_run_goes_on_after_a_kill(data_dir, tmp_path, monkeypatch, capsys):
    root = data_dir("molecules_delaney").parent
    lines = esol.load(root).smiles
    monkeypatch.setattr(zinc250k, "load", lambda data_dir=None: zinc250k.Zinc250k(lines))
    monkeypatch.setattr(run, "step_seconds", lambda *_: [1.0, 3.0])
    argv = ["--preset", "smoke", "--model", "gin", "--data-dir", str(root), "--run-dir", str(tmp_path)]
    train = run.Trainer.train

    def killed(trainer, seed, folder, *rest):
        if folder.name.endswith("pretrained"):
            raise KeyboardInterrupt
        return train(trainer, seed, folder, *rest)

    monkeypatch.setattr(run.Trainer, "train", killed)
    with pytest.raises(SystemExit):
        run.main(argv)
    assert "--resume" in capsys.readouterr().err
    logs = {path: path.read_bytes() for path in tmp_path.glob("*/metrics.jsonl")}
    assert {path.parent.name for path in logs} == {"smoke-gin-esol-pretraining", "smoke-gin-esol-seed0-scratch"}
    monkeypatch.setattr(run.Trainer, "train", train)
    run.main([*argv, "--resume"])
    assert all(path.read_bytes() == log for path, log in logs.items())  # nothing was trained twice
    metrics = json.loads((tmp_path / "smoke-gin-esol.json").read_text())["metrics"]
    assert metrics["longer_steps"]["mean"] == SMOKE.num_steps + 2
    values = [metrics[f"{arm}_rmse"]["mean"] for arm in run.ARMS]
    assert metrics["gain_rmse"]["mean"] == values[0] - values[1] and 0 < min(values) < max(values) < 10
    assert (tmp_path / "smoke-gin-esol.png").exists()
