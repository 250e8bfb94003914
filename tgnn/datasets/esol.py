"""ESOL: 1,128 small molecules and how well they dissolve in water (log mol/l, measured), -11.6 to 1.58.

Source: deepchem's `delaney-processed.csv`. Licence: MIT (the repository); the data are the supplement of the paper.
Citation: Delaney, "ESOL: estimating aqueous solubility directly from molecular structure", J. Chem. Inf. Comput. Sci.
2004; Wu et al., "MoleculeNet", arXiv:1703.00564. There is no official split; MoleculeNet's is random 80/10/10.
"""

import csv
import io
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgnn.datasets.checks import as_float32, check
from tgnn.datasets.files.archives import read_text
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import fetch
from tgnn.datasets.files.lines import real
from tgnn.datasets.graphs import Graphs, OfGraphs
from tgnn.datasets.smiles import Molecule, parse_smiles
from tgnn.typing import ArrayLike

_PATH = "molecules_delaney/delaney-processed.csv"
_URL = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/delaney-processed.csv"
_TARGET = "measured log solubility in mols per litre"


@dataclass(frozen=True, eq=False)
class Esol(OfGraphs):
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
    path = fetch(_URL, _PATH, SHA256[_PATH], data_dir)
    rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    try:
        smiles = tuple(row["smiles"].strip() for row in rows)
        labels = [real(row[_TARGET]) for row in rows]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not the table of ESOL ({type(error).__name__}: {error}); get it again") from error
    return Esol(from_smiles(smiles, labels), smiles)


def from_smiles(smiles: Sequence[str], labels: ArrayLike) -> Graphs:
    """Graphs of the molecules written in `smiles`, features as in `Esol`.

    Args:
        smiles: at least one molecule.
        labels: a finite number for each.

    Example:
        >>> graphs = from_smiles(["CCO", "O"], [0.5, -1])
        >>> len(graphs), graphs[0].senders.tolist(), graphs[0].receivers.tolist(), graphs[1].nodes.tolist()
        (2, [0, 1, 1, 2], [1, 0, 2, 1], [[8, 0, 2, 0, 0]])

    Raises:
        ValueError: a string is not SMILES, there are none, or labels are not one finite number for each.
    """
    if isinstance(smiles, str) or not len(smiles):
        raise ValueError(f"smiles is {smiles!r}, expected a sequence of at least one string; pass [smiles]")
    labels = as_float32("from_smiles", "labels", labels, "pass numbers")
    if labels.shape != (len(smiles),):
        raise ValueError(f"labels has shape {labels.shape} but smiles has {len(smiles)} molecules; pass one for each")
    molecules = [parse_smiles(line) for line in smiles]
    bonds = np.concatenate([molecule.bonds for molecule in molecules])
    graphs = Graphs(
        nodes=np.concatenate([_nodes(molecule) for molecule in molecules]),
        edges=np.repeat(np.concatenate([molecule.orders for molecule in molecules]), 2),
        senders=bonds.reshape(-1),
        receivers=bonds[:, ::-1].reshape(-1),
        n_node=np.array([len(molecule.elements) for molecule in molecules], np.int32),
        n_edge=np.array([2 * len(molecule.bonds) for molecule in molecules], np.int32),
        labels=labels,
    )
    return check("from_smiles", graphs, "report it: the parser is wrong")


def random_split(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Train (80 %), validation (10 %) and test indices of a seeded shuffle of n molecules.

    Example:
        >>> [len(part) for part in random_split(1128)]
        [902, 113, 113]
    """
    n = operator.index(n)
    order = np.random.default_rng(seed).permutation(n)
    first, second = round(0.8 * n), round(0.9 * n)
    return order[:first], order[first:second], order[second:]


def _nodes(molecule: Molecule) -> np.ndarray:
    degree = np.bincount(molecule.bonds.reshape(-1), minlength=len(molecule.elements))
    columns = (molecule.elements, molecule.charges, molecule.hydrogens, molecule.aromatic, degree)
    return np.stack(columns, axis=1).astype(np.int32)
