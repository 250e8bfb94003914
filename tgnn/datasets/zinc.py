"""ZINC-12k: drug-like molecules and their penalised logP, the regression task of Dwivedi et al.

Train 10,000, validation 1,000 molecules; on average 23.1 atoms and 49.8 directed edges (published: 23.2 and 49.8).
The validation molecules are exactly those of the published subset. The 10,000 training molecules are another draw from
the same 220,011, so that results are close to, but not the same as, those of the official training set. The target is
z(logP) + z(-SA) + z(-cycle), z over the 220,011; it differs from the published labels by about 0.001.
Atoms are 18 kinds (symbol, explicit hydrogens, charge); the official file has 28 under other numbers.

Source: ZINC-250k in the order of github.com/wengong-jin/icml18-jtnn with the index files of
github.com/graphdeeplearning/benchmarking-gnns (MIT). The graphs were made with RDKit and are not offered for download
as they are; the official ones, www.dropbox.com/s/feo9qle74kg48gy/molecules.zip, are pickled torch tensors.
Citation: Irwin et al. 2012 (ZINC); Gómez-Bombarelli et al. 2018 (the 250k); Jin, Barzilay, Jaakkola 2018,
arXiv:1802.04364 (the split); Dwivedi et al., "Benchmarking Graph Neural Networks", arXiv:2003.00982 (the 12k).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tgnn.datasets.checks import as_float32, as_int32, check, check_range
from tgnn.datasets.files.archives import read_npz
from tgnn.datasets.files.download import require
from tgnn.datasets.graphs import Graphs, OfGraphs
from tgnn.datasets.splits import check_split

_FILES = {"train": "zinc_train_graphs.npz", "validation": "zinc_val_graphs.npz", "test": "zinc_test_graphs.npz"}


@dataclass(frozen=True, eq=False)
class Zinc(OfGraphs):
    """Molecules of one split.

    Attributes:
        graphs: nodes int32 index into `atom_names`; edges int32 bond order 1 to 3 (kekulised); labels float32.
        atom_names: "C", "NH1+1" and so on: symbol, explicit hydrogens, charge.
    """

    graphs: Graphs
    atom_names: tuple[str, ...]


def load(split: str = "train", data_dir: str | Path | None = None) -> Zinc:
    """One split, from `zinc/zinc_{train,val,test}_graphs.npz`.

    Raises:
        FileNotFoundError: the file of that split is missing; it cannot be downloaded.
        ValueError: an unknown split, or a damaged or changed file.
    """
    name = f"zinc/{_FILES[check_split(split)]}"
    remedy = f"the graphs of split {split!r} are not public in this form: put the file into TGNN_DATA_DIR"
    path = require(name, remedy, data_dir)
    arrays = read_npz(path, ("num_atoms", "num_bonds", "atom_type", "bonds", "y", "atom_vocab"))
    names = tuple(str(atom) for atom in arrays["atom_vocab"])
    parts = ("num_atoms", "num_bonds", "atom_type", "bonds")
    n_node, n_bond, atoms, bonds = (as_int32(str(path), part, arrays[part]) for part in parts)
    if bonds.ndim != 2 or bonds.shape[1] != 3:
        raise ValueError(f"{path} has bonds of shape {bonds.shape}, expected [n_bond, 3]; get the file again")
    first, second, order = bonds.T
    check_range(str(path), "atom_type", atoms, 0, len(names))
    check_range(str(path), "bond orders", order, 1, 4)
    graphs = Graphs(
        nodes=atoms,
        edges=np.repeat(order, 2),
        senders=np.stack([first, second], 1).reshape(-1),  # [n_bond, 2] -> [n_edge]
        receivers=np.stack([second, first], 1).reshape(-1),
        n_node=n_node,
        n_edge=2 * n_bond,
        labels=as_float32(str(path), "y", arrays["y"]),
    )
    return Zinc(check(str(path), graphs), names)
