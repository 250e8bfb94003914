"""ESOL: 1,128 small molecules and how well they dissolve in water (log mol/l, measured), -11.6 to 1.58.

Source: deepchem's `delaney-processed.csv`. Licence: MIT (the repository); the data are the supplement of the paper.
Citation: Delaney, "ESOL: estimating aqueous solubility directly from molecular structure", J. Chem. Inf. Comput. Sci.
2004; Wu et al., "MoleculeNet", arXiv:1703.00564. There is no official split; MoleculeNet's is random 80/10/10.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch
from tgnn.datasets.graphs import Graphs
from tgnn.datasets.smiles import Molecule, parse_smiles

_PATH = "molecules_delaney/delaney-processed.csv"
_URL = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/delaney-processed.csv"
_TARGET = "measured log solubility in mols per litre"


class Esol(NamedTuple):
    """The molecules, in the order of the file.

    Attributes:
        graphs: nodes int32 [n, 5]: atomic number, charge, hydrogens, aromatic, degree; edges int32: 1, 2, 3, or
            4 = aromatic; labels float32.
        smiles: the molecules as written.
    """

    graphs: Graphs
    smiles: tuple[str, ...]


def load(data_dir: str | Path | None = None) -> Esol:
    """All molecules, from `molecules_delaney/delaney-processed.csv`.

    Raises:
        FileNotFoundError: the file is nowhere, and the download failed.
        ValueError: it is damaged or was changed.
    """
    rows = list(csv.DictReader(io.StringIO(read_text(fetch(_URL, _PATH, SHA256[_PATH], data_dir)))))
    smiles = tuple(row["smiles"].strip() for row in rows)
    return Esol(from_smiles(smiles, [float(row[_TARGET]) for row in rows]), smiles)


def from_smiles(smiles, labels) -> Graphs:
    """Graphs of the molecules written in `smiles`, features as in `Esol`."""
    molecules = [parse_smiles(line) for line in smiles]
    bonds = np.concatenate([molecule.bonds for molecule in molecules])
    return Graphs(
        nodes=np.concatenate([_nodes(molecule) for molecule in molecules]),
        edges=np.repeat(np.concatenate([molecule.orders for molecule in molecules]), 2),
        senders=bonds.reshape(-1),
        receivers=bonds[:, ::-1].reshape(-1),
        n_node=np.array([len(molecule.elements) for molecule in molecules], np.int32),
        n_edge=np.array([2 * len(molecule.bonds) for molecule in molecules], np.int32),
        labels=np.asarray(labels, np.float32),
    )


def random_split(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train (80 %), validation (10 %) and test indices of a seeded shuffle of n molecules."""
    order = np.random.default_rng(seed).permutation(n)
    first, second = round(0.8 * n), round(0.9 * n)
    return order[:first], order[first:second], order[second:]


def _nodes(molecule: Molecule) -> np.ndarray:
    degree = np.bincount(molecule.bonds.reshape(-1), minlength=len(molecule.elements))
    columns = (molecule.elements, molecule.charges, molecule.hydrogens, molecule.aromatic, degree)
    return np.stack(columns, axis=1).astype(np.int32)
