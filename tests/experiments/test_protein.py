"""The experiment protein: its graphs, its reading of backbones, and a small run."""

import gzip
import json

import numpy as np
import pytest

pytest.importorskip("tyro")

from experiments.protein import run
from experiments.protein.data import read_backbone
from experiments.protein.graphs import chain_neighbors, random_neighbors


def test_graphs_of_as_many_edges_begin_with_the_residue_itself():
    chain, drawn = np.asarray(chain_neighbors(7, 3).senders), np.asarray(random_neighbors(7, 3, 0).senders)
    assert chain.tolist()[0] == [0, 1, 2] and chain.tolist()[3] == [3, 2, 4]
    assert (drawn[:, 0] == np.arange(7)).all() and all(len(set(row)) == 3 for row in drawn.tolist())
    assert (drawn != np.asarray(random_neighbors(7, 3, 1).senders)).any()


def test_a_backbone_has_four_atoms_for_each_residue(tmp_path):
    line = "ATOM  {:5d}  {:<3s} {} A{:4d}    {:8.3f}{:8.3f}{:8.3f}  1.00  0.00           C  \n"
    with gzip.open(tmp_path / "x.pdb.gz", "wt") as file:
        for number, residue in ((4, "GLY"), (5, "ALA")):
            for i, atom in enumerate(("N", "CA", "C", "O", "CB")):
                file.write(line.format(i, atom, residue, number, i, number, -0.5))
    found = read_backbone(tmp_path / "x.pdb.gz")
    assert found.coordinates.shape == (2, 4, 3) and found.coordinates[1, 2].tolist() == [2, 5, -0.5]
    assert found.residue_index.tolist() == [4, 5] and found.sequence.tolist() == [5, 0]


@pytest.mark.slow
def test_a_run_compares_the_graphs(tmp_path, data_dir):
    root = data_dir("proteinmpnn").parent
    run.main(["--preset", "smoke", "--run-dir", str(tmp_path / "run"), "--data-dir", str(root)])
    metrics = json.loads((tmp_path / "run/smoke.json").read_text())["metrics"]
    assert abs(metrics["recovery_48"]["mean"] - 0.588) < 1e-3  # the published network's
    assert metrics["recovery_8"]["mean"] > metrics["random_recovery_8"]["mean"]
    assert (tmp_path / "run/protein.png").stat().st_size > 10_000
