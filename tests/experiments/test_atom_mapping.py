"""The experiment atom_mapping: its algorithm by hand, its comparison of maps, and a small run."""

import json

import numpy as np
import pytest

pytest.importorskip("networkx")
pytest.importorskip("tokenizers")

from experiments.atom_mapping import run
from experiments.atom_mapping.compare import is_same_map
from experiments.atom_mapping.mapping import map_atoms, numbered, sides

TOKENS = ["[CLS]", *"OCC", ".", "N", ">>", *"CCN", "[SEP]"]


def test_atoms_and_bonds_of_both_sides_are_those_of_the_molecules():
    reactants, products = sides("OCC.N>>CCN", TOKENS)
    assert reactants.tokens.tolist() == [1, 2, 3, 5] and products.tokens.tolist() == [7, 8, 9]
    assert reactants.elements.tolist() == [8, 6, 6, 7]
    assert np.argwhere(reactants.bonded).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    with pytest.raises(ValueError, match="'OCC.N' has 4 atoms, but 3 tokens"):
        sides("OCC.N>>CCN", TOKENS[:1] + TOKENS[2:])


def test_the_surest_atom_comes_first_and_raises_its_neighbours():
    reactants, products = sides("OCC.N>>CCN", TOKENS)
    # [C, C, N] -> [O, C, C, N]: the second carbon is nearly undecided, the first is sure
    attention = np.array([[0, 0.1, 0.9, 0], [0, 0.4, 0.5, 0], [0, 0, 0, 0.2]])
    found, confidence = map_atoms(attention, reactants, products, 90.0)
    assert found.tolist() == [2, 1, 3]
    np.testing.assert_allclose(confidence, 0.9)  # the second carbon has one partner left
    assert map_atoms(np.zeros((3, 4)), reactants, products, 90.0)[0].tolist() == [-1, -1, -1]


def test_maps_are_the_same_in_whatever_order_atoms_are_written():
    own = "OCC.N>>CCN", numbered("OCC.N>>CCN", np.array([2, 1, 3]))
    other = "N.CCO>>NCC", [np.array([3, 1, 2, 0]), np.array([3, 2, 1])]
    swapped = "N.CCO>>NCC", [np.array([3, 2, 1, 0]), np.array([3, 2, 1])]
    assert is_same_map(own, other) and not is_same_map(own, swapped)


@pytest.mark.slow
def test_a_run_maps_the_first_reactions_as_published(tmp_path, data_dir):
    root = data_dir("rxnmapper_albert").parent
    folder = tmp_path / "run"
    run.main(["--preset", "smoke", "--run-dir", str(folder), "--data-dir", str(root)])
    metrics = json.loads((folder / "smoke.json").read_text())["metrics"]
    assert metrics["right"]["mean"] == 1
    assert metrics["confidence_error"]["mean"] < 1e-5
    assert metrics["head_agreement"]["mean"] > metrics["best_other_head_agreement"]["mean"]
    assert (folder / "atom_mapping.png").stat().st_size > 10_000
