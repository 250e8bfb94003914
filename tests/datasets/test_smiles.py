"""SMILES become the molecules that they write: bonds, hydrogens, charges, and errors that show the place."""

import csv
import gzip
import io
import re

import numpy as np
import pytest

from tgnn.datasets import zinc
from tgnn.datasets.smiles import AROMATIC, ELEMENTS, parse_smiles

WEIGHT = {
    1: 1.008,
    6: 12.011,
    7: 14.007,
    8: 15.999,
    9: 18.998,
    15: 30.974,
    16: 32.067,
    17: 35.453,
    35: 79.904,
    53: 126.904,
}


@pytest.mark.parametrize(
    ("smiles", "elements", "hydrogens", "bonds"),
    [
        ("C", [6], [4], []),
        ("C#N", [6, 7], [1, 0], [(0, 1, 3)]),
        ("[NH4+]", [7], [4], []),
        ("[13CH3-]", [6], [3], []),
        ("C1CC1", [6] * 3, [2] * 3, [(0, 1, 1), (1, 2, 1), (0, 2, 1)]),
        ("C%10CC%10", [6] * 3, [2] * 3, [(0, 1, 1), (1, 2, 1), (0, 2, 1)]),
        ("C=1CC1", [6] * 3, [1, 2, 1], [(0, 1, 1), (1, 2, 1), (0, 2, 2)]),
        ("CC(=O)O", [6, 6, 8, 8], [3, 0, 0, 1], [(0, 1, 1), (1, 2, 2), (1, 3, 1)]),
        ("CS(=O)(=O)C", [6, 16, 8, 8, 6], [3, 0, 0, 0, 3], [(0, 1, 1), (1, 2, 2), (1, 3, 2), (1, 4, 1)]),
        ("[Na+].[Cl-]", [11, 17], [0, 0], []),
        ("F/C=C\\F", [9, 6, 6, 9], [0, 1, 1, 0], [(0, 1, 1), (1, 2, 2), (2, 3, 1)]),
        ("N[C@@H](C)O", [7, 6, 6, 8], [2, 1, 3, 1], [(0, 1, 1), (1, 2, 1), (1, 3, 1)]),
        ("*C", [0, 6], [0, 3], [(0, 1, 1)]),
    ],
)
def test_molecules(smiles, elements, hydrogens, bonds):
    molecule = parse_smiles(smiles)
    assert molecule.elements.tolist() == elements
    assert molecule.hydrogens.tolist() == hydrogens
    assert [
        (*pair, order) for pair, order in zip(molecule.bonds.tolist(), molecule.orders.tolist(), strict=True)
    ] == bonds


@pytest.mark.parametrize(
    ("text", "charge"), [("[O-]", -1), ("[Fe++]", 2), ("[Fe+3]", 3), ("[O--]", -2), ("[CH4:7]", 0)]
)
def test_charges(text, charge):
    assert parse_smiles(text).charges.tolist() == [charge]


def test_aromatic_bonds_are_those_on_aromatic_rings():
    biphenyl = parse_smiles("c1ccccc1c1ccccc1")
    assert sorted(biphenyl.orders) == [1] + [AROMATIC] * 12
    assert biphenyl.hydrogens.sum() == 10 and biphenyl.aromatic.all()
    pyrrole, furan = parse_smiles("c1cc[nH]c1"), parse_smiles("c1ccoc1")
    assert pyrrole.hydrogens.sum() == 5 and furan.hydrogens.sum() == 4
    fluorene = parse_smiles("c1ccc2c(c1)Cc1ccccc12")  # the bond between its rings lies on a ring, not an aromatic one
    assert (fluorene.orders == 1).sum() == 3


@pytest.mark.parametrize(
    ("smiles", "position"),
    [("", 0), ("C(", 2), ("C)", 1), ("C1CC", 4), ("C=", 2), ("=C", 1), ("C==C", 2), ("CX", 1), ("[C", 0), ("[Xx]", 0)]
    + [("C11", 2), ("C=1CC#1", 6), ("(C)", 0), ("C(.C)", 2), ("1CC1", 0), ("C-.C", 2)]
    + [("C1C1", 3), ("C12CC12", 6), ("C1=C1", 4), ("CCc", 2), ("c", 0), ("C١CC١", 1)],
)
def test_what_is_not_smiles_is_an_error_that_shows_the_place(smiles, position):
    with pytest.raises(ValueError, match=re.escape(f"SMILES {smiles!r} at position {position} has ")):
        parse_smiles(smiles)


@pytest.mark.slow
def test_esol_weights_and_degrees_are_those_in_the_file(data_dir):
    text = (data_dir("molecules_delaney") / "delaney-processed.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1128
    for row in rows:
        molecule = parse_smiles(row["smiles"].strip())
        weight = sum(WEIGHT[element] for element in molecule.elements.tolist()) + WEIGHT[1] * molecule.hydrogens.sum()
        degree = np.bincount(molecule.bonds.reshape(-1), minlength=len(molecule.elements))
        assert abs(weight - float(row["Molecular Weight"])) < 0.02, row["smiles"]
        assert degree.min() == int(row["Minimum Degree"]), row["smiles"]


def test_zinc_molecules_are_those_that_rdkit_made(data_dir):
    root = data_dir("zinc")
    molecules = zinc.load("validation", root.parent)
    graphs = molecules.graphs
    with gzip.open(root / "zinc_val.csv.gz", "rt") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    node, edge = np.cumsum(graphs.n_node) - graphs.n_node, np.cumsum(graphs.n_edge) - graphs.n_edge
    for i in range(0, len(smiles), 5):
        molecule = parse_smiles(smiles[i])
        names = [molecules.atom_names[atom] for atom in graphs.nodes[node[i] : node[i] + graphs.n_node[i]]]
        assert [re.match("[A-Z][a-z]?", name)[0] for name in names] == [ELEMENTS[n] for n in molecule.elements]
        assert [int((re.search(r"[+-]\d", name) or ["0"])[0]) for name in names] == molecule.charges.tolist()
        here = slice(edge[i], edge[i] + graphs.n_edge[i])
        pairs = set(zip(graphs.senders[here].tolist(), graphs.receivers[here].tolist(), strict=True))
        assert pairs == {pair for a, b in molecule.bonds.tolist() for pair in ((a, b), (b, a))}
